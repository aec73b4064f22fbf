//! ClusterIPs and NodePorts: given out, taken back, and never twice.

use std::collections::BTreeSet;

use serde_json::json;
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

fn small() -> RegistryConfig {
    RegistryConfig {
        service_cidrs: vec!["10.1.0.0/28".parse().unwrap()],
        node_ports: 30000..=30003,
        ..RegistryConfig::default()
    }
}

#[tokio::test]
async fn a_service_gets_what_its_type_needs() {
    let cluster = Cluster::start().await;
    let plain = cluster.create(&SERVICES, service("a", json!({}))).await.unwrap();
    let spec = &plain["spec"];
    let address: std::net::Ipv4Addr = spec["clusterIP"].as_str().unwrap().parse().unwrap();
    assert_eq!(address.octets()[..2], [10, 96]);
    assert_eq!(spec["clusterIPs"], json!([spec["clusterIP"]]));
    assert_eq!(spec["ipFamilies"], json!(["IPv4"]));
    assert_eq!(spec["ipFamilyPolicy"], "SingleStack");
    assert!(spec["ports"][0]["nodePort"].is_null());
    let headless = service("b", json!({ "clusterIP": "None" }));
    let headless = cluster.create(&SERVICES, headless).await.unwrap();
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let external = service("c", json!({ "type": "ExternalName", "externalName": "example.com" }));
    let external = cluster.create(&SERVICES, external).await.unwrap();
    assert!(external["spec"]["clusterIP"].is_null());
    let ports = json!([
        { "name": "dns-udp", "port": 53, "protocol": "UDP" },
        { "name": "dns-tcp", "port": 53 },
        { "name": "web", "port": 80 },
    ]);
    let node_port = service("d", json!({ "type": "NodePort", "ports": ports }));
    let node_port = cluster.create(&SERVICES, node_port).await.unwrap();
    let port = |index: usize| node_port["spec"]["ports"][index]["nodePort"].as_u64().unwrap();
    assert!((30000..=32767).contains(&port(0)));
    assert_eq!(port(0), port(1), "two protocols of one port share it");
    assert_ne!(port(0), port(2));
}

#[tokio::test]
async fn what_is_taken_or_out_of_range_is_said() {
    let cluster = Cluster::start().await;
    let wish = json!({ "clusterIP": "10.96.0.5" });
    cluster.create(&SERVICES, service("a", wish.clone())).await.unwrap();
    let status = cluster.create(&SERVICES, service("b", wish)).await.unwrap_err();
    assert_eq!(
        status.message,
        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.96.0.5\"]: failed to \
         allocate IP 10.96.0.5: provided IP is already allocated"
    );
    assert_eq!(status.code, 422);
    let outside = service("b", json!({ "clusterIP": "10.97.0.5" }));
    let status = cluster.create(&SERVICES, outside).await.unwrap_err();
    assert!(status.message.ends_with(
        "the provided IP (10.97.0.5) is not in the valid range. The range of valid IPs is \
         10.96.0.0/16"
    ));
    let wish =
        |port: u16| json!({ "type": "NodePort", "ports": [{ "port": 80, "nodePort": port }] });
    cluster.create(&SERVICES, service("c", wish(30080))).await.unwrap();
    let status = cluster.create(&SERVICES, service("d", wish(30080))).await.unwrap_err();
    assert_eq!(
        status.message,
        "Service \"d\" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is \
         already allocated"
    );
    let status = cluster.create(&SERVICES, service("d", wish(80))).await.unwrap_err();
    assert!(status.message.ends_with(
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    ));
}

#[tokio::test]
async fn a_change_of_type_gives_and_takes_back() {
    let cluster = Cluster::start_with(small()).await;
    let created = cluster.create(&SERVICES, service("a", json!({}))).await.unwrap();
    let address = created["spec"]["clusterIP"].clone();
    let retype = |kind: &'static str| move |o: &mut Value| o["spec"]["type"] = kind.into();
    let opened = cluster.edit(&SERVICES, None, "a", retype("NodePort")).await.unwrap();
    assert_eq!(opened["spec"]["clusterIP"], address);
    let port = opened["spec"]["ports"][0]["nodePort"].clone();
    assert!(port.is_u64());
    let relabelled =
        cluster.update(&SERVICES, None, service("a", json!({ "type": "NodePort" }))).await.unwrap();
    assert_eq!(relabelled["spec"]["clusterIP"], address, "what a client leaves out is kept");
    assert_eq!(relabelled["spec"]["ports"][0]["nodePort"], port);
    let closed = cluster.edit(&SERVICES, None, "a", retype("ClusterIP")).await.unwrap();
    assert!(closed["spec"]["ports"][0]["nodePort"].is_null());
    let ports = json!([{ "port": 80, "nodePort": port }]);
    let other = service("b", json!({ "type": "NodePort", "ports": ports }));
    cluster.create(&SERVICES, other).await.unwrap();
    cluster
        .edit(&SERVICES, None, "a", |object| {
            object["spec"]["type"] = "ExternalName".into();
            object["spec"]["externalName"] = "example.com".into();
        })
        .await
        .unwrap();
    let wish = service("c", json!({ "clusterIP": address }));
    cluster.create(&SERVICES, wish).await.unwrap();
}

#[tokio::test]
async fn an_exhausted_range_is_said_and_deletes_refill_it() {
    let cluster = Cluster::start_with(small()).await;
    let mut addresses = BTreeSet::new();
    // A /28 has 14 usable addresses; the first is the API server's.
    for n in 0..13 {
        let created =
            cluster.create(&SERVICES, service(&format!("s{n}"), json!({}))).await.unwrap();
        addresses.insert(created["spec"]["clusterIP"].as_str().unwrap().to_owned());
    }
    assert_eq!(addresses.len(), 13);
    assert!(!addresses.contains("10.1.0.1"));
    let status = cluster.create(&SERVICES, service("full", json!({}))).await.unwrap_err();
    assert_eq!(status.code, 500);
    assert!(status.message.contains("failed to allocate a serviceIP: range is full"));
    let cluster = cluster.restart(small()).await;
    let status = cluster.create(&SERVICES, service("full", json!({}))).await.unwrap_err();
    assert!(status.message.contains("range is full"), "known after a restart, too");
    let own = service("kubernetes", json!({ "clusterIP": "10.1.0.1" }));
    cluster.create(&SERVICES, own).await.unwrap();
    cluster.delete(&SERVICES, "s3").await.unwrap();
    cluster.create(&SERVICES, service("full", json!({}))).await.unwrap();
}

#[tokio::test]
async fn a_dry_run_takes_nothing() {
    let cluster = Cluster::start().await;
    let wish = service("a", json!({ "clusterIP": "10.96.0.5" }));
    let dry = WriteOptions { dry_run: true };
    let kind = kind(&SERVICES);
    cluster.registry.create(&admin(), kind, "default", wish.clone(), &dry).await.unwrap();
    cluster.create(&SERVICES, wish).await.unwrap();
}

/// Concurrent creates and deletes in ranges that are nearly full: no address and no port is held
/// twice, and the claims in the store are exactly those of the Services.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_held_twice() {
    let config = RegistryConfig {
        service_cidrs: vec!["10.1.0.0/27".parse().unwrap()],
        node_ports: 30000..=30019,
        ..RegistryConfig::default()
    };
    let cluster = Arc::new(Cluster::start_with(config.clone()).await);
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let cluster = Arc::clone(&cluster);
            tokio::spawn(async move {
                for n in 0..12 {
                    let name = format!("w{worker}-{}", n % 3);
                    let wish = service(&name, json!({ "type": "NodePort" }));
                    if let Err(status) = cluster.create(&SERVICES, wish).await
                        && status.is_already_exists()
                    {
                        cluster.delete(&SERVICES, &name).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    check_claims(&cluster).await;
    let cluster = Arc::into_inner(cluster).unwrap().restart(config).await;
    check_claims(&cluster).await;
}

async fn check_claims(cluster: &Cluster) {
    let services = cluster.list(&SERVICES, ListOptions::default()).await.unwrap();
    let mut held = Vec::new();
    for stored in &services.items {
        let spec = &value(stored)["spec"];
        held.push(format!("claims/clusterip/{}", spec["clusterIP"].as_str().unwrap()));
        held.push(format!("claims/nodeport/{}", spec["ports"][0]["nodePort"]));
    }
    let distinct: BTreeSet<_> = held.iter().cloned().collect();
    assert_eq!(distinct.len(), held.len(), "held twice");
    let claims = cluster.store.list(b"claims/").await.unwrap().entries;
    let stored: BTreeSet<_> =
        claims.iter().map(|claim| String::from_utf8(claim.key.to_vec()).unwrap()).collect();
    assert_eq!(stored, distinct);
}
