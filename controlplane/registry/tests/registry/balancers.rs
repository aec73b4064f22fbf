//! Addresses outside and of both families: what Services may have of them, and that none is had twice.

use std::collections::BTreeSet;

use serde_json::json;
use sheave_api::AddressPool;
use sheave_api::resource::SERVICES;

use super::*;

fn service(name: &str, spec: Value) -> Value {
    let mut service = json!({
        "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] },
    });
    for (field, value) in spec.as_object().unwrap() {
        service["spec"][field] = value.clone();
    }
    service
}

fn balancer(name: &str) -> Value {
    service(name, json!({ "type": "LoadBalancer" }))
}

fn pool(text: &str) -> AddressPool {
    text.split(',').filter(|range| !range.is_empty()).map(|range| range.parse().unwrap()).collect()
}

fn with_pool(text: &str) -> RegistryConfig {
    RegistryConfig { load_balancer_pool: pool(text), ..RegistryConfig::default() }
}

impl Cluster {
    async fn serve(&self, name: &str, address: &str) -> Result<Value, Status> {
        self.edit(&SERVICES, Some("status"), name, |object| {
            object["status"]["loadBalancer"] = json!({ "ingress": [{ "ip": address }] });
        })
        .await
    }

    async fn claimed(&self) -> BTreeSet<String> {
        let claims = self.store.list(b"claims/loadbalancerip/").await.unwrap().entries;
        let key = |claim: &sheave_store::Entry| String::from_utf8(claim.key.to_vec()).unwrap();
        let strip = |key: String| key.replace("claims/loadbalancerip/", "");
        claims.iter().map(key).map(strip).collect()
    }
}

#[tokio::test]
async fn a_load_balancer_gets_ports_and_a_health_check_port_and_gives_them_back() {
    let cluster = Cluster::start().await;
    let mut wanted = balancer("a");
    wanted["spec"]["externalTrafficPolicy"] = json!("Local");
    let created = cluster.create(&SERVICES, wanted.clone()).await.unwrap();
    let (node_port, health) = (
        created["spec"]["ports"][0]["nodePort"].as_u64().unwrap(),
        created["spec"]["healthCheckNodePort"].as_u64().unwrap(),
    );
    assert!((30000..=32767).contains(&health) && health != node_port);
    let applied_again = cluster.update(&SERVICES, None, wanted).await.unwrap();
    assert_eq!(applied_again["spec"], created["spec"]);
    let taken =
        service("b", json!({ "type": "NodePort", "ports": [{ "port": 1, "nodePort": health }] }));
    let status = cluster.create(&SERVICES, taken.clone()).await.unwrap_err();
    assert!(status.message.ends_with("provided port is already allocated"), "{}", status.message);
    let cluster_wide = |o: &mut Value| o["spec"]["externalTrafficPolicy"] = "Cluster".into();
    let changed = cluster.edit(&SERVICES, None, "a", cluster_wide).await.unwrap();
    assert!(changed["spec"]["healthCheckNodePort"].is_null());
    cluster.create(&SERVICES, taken).await.unwrap();

    let spec = json!({ "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false });
    let none = cluster.create(&SERVICES, service("c", spec.clone())).await.unwrap();
    assert!(none["spec"]["ports"][0]["nodePort"].is_null());
    let mut named = service("d", spec);
    named["spec"]["ports"][0]["nodePort"] = json!(node_port);
    let status = cluster.create(&SERVICES, named.clone()).await.unwrap_err();
    assert!(status.message.ends_with("provided port is already allocated"), "{}", status.message);
    named["spec"]["ports"][0]["nodePort"] = json!(80);
    let status = cluster.create(&SERVICES, named).await.unwrap_err();
    assert!(status.message.contains("provided port is not in the valid range"));
}

#[tokio::test]
async fn an_address_of_the_pool_is_one_services() {
    let cluster = Cluster::start_with(with_pool("192.0.2.1-192.0.2.9")).await;
    for name in ["a", "b"] {
        cluster.create(&SERVICES, balancer(name)).await.unwrap();
        // Addresses of other load balancers may be shared.
        cluster.serve(name, "198.51.100.1").await.unwrap();
    }
    cluster.serve("a", "192.0.2.1").await.unwrap();
    let status = cluster.serve("b", "192.0.2.1").await.unwrap_err();
    assert_eq!(
        status.message,
        "Service \"b\" is invalid: status.loadBalancer.ingress[0].ip: Invalid value: \"192.0.2.1\": \
         provided IP is already allocated"
    );
    let cluster = cluster.restart(with_pool("192.0.2.1-192.0.2.9")).await;
    cluster.serve("b", "192.0.2.1").await.unwrap_err();
    let retype = |o: &mut Value| o["spec"]["type"] = "ClusterIP".into();
    let closed = cluster.edit(&SERVICES, None, "a", retype).await.unwrap();
    assert_eq!(closed["status"]["loadBalancer"], json!({}));
    cluster.serve("b", "192.0.2.1").await.unwrap();
    cluster.delete(&SERVICES, "b").await.unwrap();
    assert!(cluster.claimed().await.is_empty());
}

#[tokio::test]
async fn claims_follow_a_pool_that_changes() {
    let cluster = Cluster::start_with(with_pool("192.0.2.1-192.0.2.2")).await;
    for (name, address) in [("a", "192.0.2.1"), ("b", "192.0.2.7"), ("c", "192.0.2.7")] {
        cluster.create(&SERVICES, balancer(name)).await.unwrap();
        cluster.serve(name, address).await.unwrap();
    }
    assert_eq!(cluster.claimed().await, BTreeSet::from(["192.0.2.1".into()]));
    let cluster = cluster.restart(with_pool("192.0.2.5-192.0.2.9")).await;
    assert_eq!(cluster.claimed().await, BTreeSet::from(["192.0.2.7".into()]));
    // Two had it before it was the pool's: it is the first one's, whatever becomes of the other.
    cluster.delete(&SERVICES, "c").await.unwrap();
    assert_eq!(cluster.claimed().await, BTreeSet::from(["192.0.2.7".into()]));
    cluster.delete(&SERVICES, "b").await.unwrap();
    assert!(cluster.claimed().await.is_empty());
    let cluster = cluster.restart(with_pool("")).await;
    cluster.create(&SERVICES, balancer("d")).await.unwrap();
    cluster.serve("d", "192.0.2.1").await.unwrap();
    assert!(cluster.claimed().await.is_empty());
}

/// Everybody wants the same few addresses at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_address_is_had_twice() {
    let cluster = Arc::new(Cluster::start_with(with_pool("192.0.2.1-192.0.2.5")).await);
    for n in 0..10 {
        cluster.create(&SERVICES, balancer(&format!("s{n}"))).await.unwrap();
    }
    let workers: Vec<_> = (0..10)
        .map(|n| {
            let cluster = Arc::clone(&cluster);
            tokio::spawn(async move {
                for address in 1..=5 {
                    // Refused when somebody else was first.
                    let wish = format!("192.0.2.{address}");
                    if cluster.serve(&format!("s{n}"), &wish).await.is_ok() {
                        return;
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let services = cluster.list(&SERVICES, ListOptions::default()).await.unwrap();
    let mut had: Vec<String> = services
        .items
        .iter()
        .filter_map(|stored| {
            let ingress = &value(stored)["status"]["loadBalancer"]["ingress"];
            ingress[0]["ip"].as_str().map(str::to_owned)
        })
        .collect();
    had.sort();
    assert_eq!(had, ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"]);
    assert_eq!(cluster.claimed().await, had.into_iter().collect());
}

#[tokio::test]
async fn external_addresses_need_to_be_allowed() {
    let wish = |address: &str| service("a", json!({ "externalIPs": [address] }));
    let cluster = Cluster::start().await;
    let status = cluster.create(&SERVICES, wish("192.0.2.1")).await.unwrap_err();
    assert_eq!(
        status.message,
        "Service \"a\" is invalid: spec.externalIPs[0]: Forbidden: 192.0.2.1 is not in an allowed range: \
         this cluster allows no external addresses; an administrator allows more with sheave-server \
         --external-ip-pool CIDR"
    );
    let config = RegistryConfig {
        external_ip_pool: pool("192.0.2.0-192.0.2.7"),
        ..RegistryConfig::default()
    };
    let cluster = cluster.restart(config).await;
    cluster.create(&SERVICES, wish("192.0.2.1")).await.unwrap();
    let more = |o: &mut Value| o["spec"]["externalIPs"] = json!(["192.0.2.1", "192.0.2.8"]);
    let status = cluster.edit(&SERVICES, None, "a", more).await.unwrap_err();
    assert!(
        status.message.contains("spec.externalIPs[1]: Forbidden: 192.0.2.8"),
        "{}",
        status.message
    );
    let cluster = cluster.restart(RegistryConfig::default()).await;
    let label = |o: &mut Value| o["metadata"]["labels"] = json!({ "a": "b" });
    cluster.edit(&SERVICES, None, "a", label).await.unwrap();
}

fn dual() -> RegistryConfig {
    let service_cidrs =
        ["10.1.0.0/28", "fd00:1::/120"].map(|range| range.parse().unwrap()).to_vec();
    RegistryConfig { service_cidrs, ..RegistryConfig::default() }
}

#[tokio::test]
async fn both_families_are_given_and_given_back() {
    let cluster = Cluster::start_with(dual()).await;
    let require = json!({ "ipFamilyPolicy": "RequireDualStack" });
    let created = cluster.create(&SERVICES, service("a", require)).await.unwrap();
    let addresses = created["spec"]["clusterIPs"].as_array().unwrap().clone();
    assert_eq!(created["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    assert!(addresses[0].as_str().unwrap().starts_with("10.1.0."));
    assert!(addresses[1].as_str().unwrap().starts_with("fd00:1::"));

    let v6 = json!({ "ipFamilies": ["IPv6"], "clusterIP": "fd00:1::5" });
    let only = cluster.create(&SERVICES, service("b", v6.clone())).await.unwrap();
    assert_eq!(only["spec"]["clusterIPs"], json!(["fd00:1::5"]));
    assert_eq!(only["spec"]["ipFamilyPolicy"], "SingleStack");
    let status = cluster.create(&SERVICES, service("c", v6)).await.unwrap_err();
    assert!(status.message.ends_with("provided IP is already allocated"), "{}", status.message);
    let outside = service("c", json!({ "clusterIP": "fd00:2::5" }));
    let status = cluster.create(&SERVICES, outside).await.unwrap_err();
    assert!(status.message.ends_with("The range of valid IPs is fd00:1::/120"));

    let single = |o: &mut Value| o["spec"]["ipFamilyPolicy"] = "SingleStack".into();
    let less = cluster.edit(&SERVICES, None, "a", single).await.unwrap();
    assert_eq!(less["spec"]["clusterIPs"], json!([addresses[0]]));
    assert_eq!(less["spec"]["ipFamilies"], json!(["IPv4"]));
    let taken_over = service("d", json!({ "clusterIP": addresses[1] }));
    cluster.create(&SERVICES, taken_over).await.unwrap();
    let require = |o: &mut Value| o["spec"]["ipFamilyPolicy"] = "RequireDualStack".into();
    let again = cluster.edit(&SERVICES, None, "a", require).await.unwrap();
    assert_eq!(again["spec"]["clusterIPs"][0], addresses[0]);
    assert_ne!(again["spec"]["clusterIPs"][1], addresses[1]);
}

#[tokio::test]
async fn a_headless_service_without_selector_has_both_families_on_any_cluster() {
    let cluster = Cluster::start().await;
    let mut wanted = service("a", json!({ "clusterIP": "None" }));
    wanted["spec"].as_object_mut().unwrap().remove("selector");
    let created = cluster.create(&SERVICES, wanted).await.unwrap();
    assert_eq!(created["spec"]["ipFamilyPolicy"], "RequireDualStack");
    assert_eq!(created["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]));
    let require = json!({ "clusterIP": "None", "ipFamilyPolicy": "RequireDualStack" });
    let status = cluster.create(&SERVICES, service("b", require)).await.unwrap_err();
    assert!(status.message.ends_with("this cluster is not configured for dual-stack services"));
}
