//! Load balancer addresses, traffic distribution, and what a node is told of them.

use serde_json::{Value, json};
use sheave_api::ObjectKey;
use sheave_api::resource::{DEPLOYMENTS, ENDPOINT_SLICES, EVENTS, NODES, SERVICES};
use sheave_client::{DeleteOptions, Patch};

use crate::node::Node;
use crate::plane::{NODE_ADDRESS, Plane, at};

fn balancer(name: &str, more: Value) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name, "namespace": "default" },
        "spec": {
            "type": "LoadBalancer", "selector": { "app": "web" },
            "ports": [{ "port": 80, "targetPort": 8080 }],
        },
    });
    for (field, value) in more.as_object().unwrap() {
        service["spec"][field] = value.clone();
    }
    service
}

async fn ingress(plane: &Plane, name: &str) -> Option<String> {
    let service = plane.get(&SERVICES, "default", name).await?;
    let ingress = &service["status"]["loadBalancer"]["ingress"][0];
    let is_vip = ingress["ipMode"] == "VIP";
    ingress["ip"].as_str().filter(|_| is_vip).map(str::to_owned)
}

async fn served(plane: &Plane, name: &str) -> String {
    plane.until("a load balancer address", async || ingress(plane, name).await).await
}

async fn until_said(plane: &Plane, name: &str, reason: &str) -> String {
    let said = async || {
        let events = plane.list(&EVENTS, "default").await;
        let mut about = events.iter().filter(|e| e["involvedObject"]["name"] == name);
        let event = about.find(|event| event["reason"] == reason)?;
        event["message"].as_str().map(str::to_owned)
    };
    plane.until(reason, said).await
}

async fn delete(plane: &Plane, name: &str) {
    plane.client.delete(&SERVICES, &at(name), DeleteOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_balancer_gets_an_address_and_nodes_are_told_all_of_it() {
    let plane = Plane::start().await;
    let node = Node::connect(&plane, "node-1").await;
    let more = json!({
        "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["198.51.100.0/24"],
    });
    plane.create(&SERVICES, balancer("a", more)).await;
    let address = served(&plane, "a").await;
    let stored = plane.get(&SERVICES, "default", "a").await.unwrap();
    let is_told = async || {
        let service = node.service("default/a")?;
        let ingress = service.load_balancer_ingress.first()?;
        (ingress.ip == address && !ingress.proxy_mode).then_some(service)
    };
    let told = plane.until("the node to be told", is_told).await;
    assert_eq!(told.load_balancer_source_ranges, ["198.51.100.0/24"]);
    let port = stored["spec"]["healthCheckNodePort"].as_u64().unwrap();
    assert_eq!(u64::from(told.health_check_node_port), port);
    assert!(told.ports[0].node_port >= 30000);
    let said = until_said(&plane, "a", "Allocated").await;
    assert_eq!(said, format!("assigned {address} of the load balancer pool"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_is_used_up_and_what_is_given_back_is_given_to_who_waits() {
    let plane = Plane::start().await;
    let node = Node::connect(&plane, "node-1").await;
    node.until_seen("init", 1).await;
    for name in ["a", "b"] {
        plane.create(&SERVICES, balancer(name, json!({}))).await;
    }
    let (a, b) = (served(&plane, "a").await, served(&plane, "b").await);
    assert!(a != b && ![&a, &b].contains(&&NODE_ADDRESS.to_owned()), "{a} {b}");
    plane.create(&SERVICES, balancer("c", json!({}))).await;
    let said = until_said(&plane, "c", "PoolExhausted").await;
    assert!(
        said.contains("192.0.2.1-192.0.2.3") && said.contains("--load-balancer-pool"),
        "{said}"
    );
    assert_eq!(ingress(&plane, "c").await, None);
    delete(&plane, "a").await;
    assert_eq!(served(&plane, "c").await, a);

    let retype = Patch::Merge(json!({ "spec": { "type": "ClusterIP" } }));
    plane.patch(&SERVICES, at("b"), retype).await;
    assert_eq!(ingress(&plane, "b").await, None);
    plane.create(&SERVICES, balancer("d", json!({ "loadBalancerIP": b }))).await;
    assert_eq!(served(&plane, "d").await, b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_are_honoured_other_classes_left_alone_and_all_survives_a_restart() {
    let mut plane = Plane::start().await;
    plane.create(&SERVICES, balancer("a", json!({ "loadBalancerIP": "192.0.2.3" }))).await;
    assert_eq!(served(&plane, "a").await, "192.0.2.3");
    plane.create(&SERVICES, balancer("b", json!({ "loadBalancerIP": "192.0.2.3" }))).await;
    let said = until_said(&plane, "b", "AddressTaken").await;
    assert!(said.contains("is taken by Service default/a"), "{said}");
    let other = json!({ "loadBalancerClass": "example.com/cloud" });
    plane.create(&SERVICES, balancer("c", other)).await;

    plane.restart_controllers().await;
    plane.create(&SERVICES, balancer("d", json!({}))).await;
    let d = served(&plane, "d").await;
    assert_ne!(d, "192.0.2.3");
    assert_eq!(served(&plane, "a").await, "192.0.2.3");
    assert_eq!(ingress(&plane, "c").await, None);
    delete(&plane, "a").await;
    assert_eq!(served(&plane, "b").await, "192.0.2.3");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_distribution_becomes_hints_that_nodes_receive() {
    let plane = Plane::start().await;
    let node = Node::connect(&plane, "node-1").await;
    let zone = json!({ "metadata": { "labels": { "topology.kubernetes.io/zone": "z1" } } });
    plane.patch(&NODES, ObjectKey::cluster("node-1"), Patch::Merge(zone)).await;
    plane.create(&DEPLOYMENTS, crate::deployment(1, "image:1")).await;
    let more = json!({ "type": "ClusterIP", "trafficDistribution": "PreferSameNode" });
    plane.create(&SERVICES, balancer("web", more)).await;
    let hinted = async || {
        let slice = node.slice_of("web")?;
        let endpoint = slice.endpoints.first()?.clone();
        endpoint.ready.then_some((endpoint.zone_hints, endpoint.node_hints))
    };
    let hints = plane.until("a ready endpoint", hinted).await;
    assert_eq!(hints, (vec!["z1".to_owned()], vec!["node-1".to_owned()]));
    let without = Patch::Merge(json!({ "spec": { "trafficDistribution": null } }));
    plane.patch(&SERVICES, at("web"), without).await;
    plane
        .until("no hints", async || {
            let slices = plane.list(&ENDPOINT_SLICES, "default").await;
            let endpoint = &slices.first()?["endpoints"][0];
            (endpoint["conditions"]["ready"] == true && endpoint.get("hints").is_none())
                .then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_hears_that_it_is_deleted() {
    let plane = Plane::start().await;
    let node = Node::connect(&plane, "node-1").await;
    node.until_seen("init", 1).await;
    let key = ObjectKey::cluster("node-1");
    let hold = Patch::Merge(json!({ "metadata": { "finalizers": ["example.com/drain"] } }));
    plane.patch(&NODES, key.clone(), hold).await;
    plane.client.delete(&NODES, &key, DeleteOptions::default()).await.unwrap();
    node.until_seen("node leaving", 1).await;
    let release = Patch::Merge(json!({ "metadata": { "finalizers": [] } }));
    plane.patch(&NODES, key, release).await;
    node.until_seen("node gone", 1).await;
}
