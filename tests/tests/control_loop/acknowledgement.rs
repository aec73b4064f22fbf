//! Pods wait for nodes: to end until no node chooses them, to be available until every node does.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sheave_api::resource::{DEPLOYMENTS, ENDPOINT_SLICES, EVENTS, PODS, SERVICES};
use sheave_client::{DeleteOptions, Patch};

use crate::node::Node;
use crate::plane::{Plane, Settings, at};
use crate::{deployment, service};

/// Long enough for everything that should not happen to happen.
const A_WHILE: Duration = Duration::from_millis(300);

fn pod(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": app } },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "c", "image": "image:1" }] },
    })
}

/// A pod `web` behind the Service `web`, live on two nodes.
async fn two_nodes(settings: Settings) -> (Plane, Node, Node) {
    let plane = Plane::start_with(settings).await;
    let node = Node::connect(&plane, "node-1").await;
    let other = Node::connect(&plane, "node-2").await;
    plane.create(&SERVICES, service()).await;
    plane.create(&PODS, pod("web", "web")).await;
    let started = Instant::now();
    plane.until("the pod to be live", async || live(&plane, "web").await).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    (plane, node, other)
}

async fn live(plane: &Plane, name: &str) -> Option<()> {
    let pod = plane.get(&PODS, "default", name).await?;
    let conditions = pod["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|c| c["type"] == "sheave.io/EndpointsLive")?;
    (condition["status"] == "True").then_some(())
}

async fn delete(plane: &Plane, name: &str, grace_period_seconds: Option<i64>) {
    let options = DeleteOptions { grace_period_seconds, ..DeleteOptions::default() };
    plane.client.delete(&PODS, &at(name), options).await.unwrap();
}

/// The slice says that the pod takes no new connections.
async fn until_marked(plane: &Plane) {
    plane
        .until("the endpoint to be terminating", async || {
            let slices = plane.list(&ENDPOINT_SLICES, "default").await;
            let conditions = &slices[0]["endpoints"][0]["conditions"];
            (conditions["terminating"] == true && conditions["ready"] == false).then_some(())
        })
        .await;
}

async fn reasons(plane: &Plane) -> Vec<(String, String)> {
    let events = plane.list(&EVENTS, "default").await;
    let text = |event: &Value, field: &str| event[field].as_str().unwrap_or_default().to_owned();
    events.iter().map(|event| (text(event, "reason"), text(event, "message"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_ends_once_every_node_has_acknowledged_that_its_endpoint_is_out() {
    let (plane, node, other) = two_nodes(Settings::default()).await;
    other.keep_silent(true).await;
    let started = Instant::now();
    delete(&plane, "web", None).await;
    until_marked(&plane).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(node.seen("end of web"), 0, "ended though a node still chooses it");
    let progress = plane.push().progress();
    assert_eq!(progress["podsHeldBack"], 1, "{progress}");
    let services = progress["services"].as_array().unwrap();
    let web = services.iter().find(|service| service["name"] == "web").unwrap();
    assert_eq!((&web["behind"], &web["liveAt"]), (&json!(["node-2"]), &Value::Null));

    other.keep_silent(false).await;
    node.until_seen("end of web", 1).await;
    assert!(started.elapsed() < Duration::from_secs(5), "the deadline ended it, not the node");
    plane
        .until("the pod to be gone", async || {
            plane.get(&PODS, "default", "web").await.is_none().then_some(())
        })
        .await;
    let metrics = plane.push().metrics();
    assert!(metrics.contains("sheave_pod_end_waits_total{outcome=\"acknowledged\"} 1\n"));
    assert!(metrics.contains("sheave_pod_end_waits_total{outcome=\"deadline\"} 0\n"));
    assert!(metrics.contains("sheave_pod_live_waits_total{outcome=\"acknowledged\"} 1\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passes_is_told_with_the_node() {
    let timeout = Duration::from_millis(700);
    let settings = Settings { acknowledgement_timeout: timeout, ..Settings::default() };
    let (plane, node, other) = two_nodes(settings).await;
    other.keep_silent(true).await;
    let started = Instant::now();
    delete(&plane, "web", None).await;
    node.until_seen("end of web", 1).await;
    assert!(started.elapsed() >= timeout, "{:?}", started.elapsed());
    let message = plane
        .until("the event", async || {
            let mut reasons = reasons(&plane).await.into_iter();
            reasons.find(|(reason, _)| reason == "EndedUnacknowledged").map(|(_, message)| message)
        })
        .await;
    let expected = "node node-2 has not acknowledged that its endpoints are gone";
    assert!(message.contains(expected), "{message}");

    // The same for a pod that comes.
    plane.create(&PODS, pod("next", "web")).await;
    plane.until("the pod to be live", async || live(&plane, "next").await).await;
    let pod = plane.get(&PODS, "default", "next").await.unwrap();
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|c| c["reason"] == "DeadlineExceeded"), "{conditions:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_endpoint_or_has_no_time_ends_at_once() {
    let (plane, node, other) = two_nodes(Settings::default()).await;
    plane.create(&PODS, pod("lonely", "nothing")).await;
    node.until_seen("pod lonely", 1).await;
    other.keep_silent(true).await;
    for (name, grace_s) in [("lonely", None), ("web", Some(0))] {
        let started = Instant::now();
        delete(&plane, name, grace_s).await;
        plane
            .until("the pod to be gone", async || {
                plane.get(&PODS, "default", name).await.is_none().then_some(())
            })
            .await;
        assert!(started.elapsed() < Duration::from_secs(2), "{name}: {:?}", started.elapsed());
    }
    assert_eq!(node.seen("end of lonely"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_complete_state_gives_the_end_away_and_a_new_server_holds_it_back_too() {
    let (mut plane, mut node, mut other) = two_nodes(Settings::default()).await;
    other.keep_silent(true).await;
    delete(&plane, "web", None).await;
    until_marked(&plane).await;

    // A node that is sent everything again, by the same server and by the next one.
    for again in [false, true] {
        node.hang_up().await;
        node.forget();
        let states = node.seen("init");
        if again {
            other.hang_up().await;
            other.forget();
            plane.restart_push().await;
        }
        node.reconnect(&plane).await;
        node.until_seen("init", states + 1).await;
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(node.seen("end of web"), 0, "leaked; after a restart of the server: {again}");
    }
    let started = Instant::now();
    other.keep_silent(false).await;
    other.reconnect(&plane).await;
    node.until_seen("end of web", 1).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_lost_is_not_waited_for() {
    let (plane, node, mut other) = two_nodes(Settings::default()).await;
    other.keep_silent(true).await;
    delete(&plane, "web", None).await;
    until_marked(&plane).await;
    other.hang_up().await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(node.seen("end of web"), 0, "its programs go on while its agent is away");
    // Its connection may still seem to be there.
    other.reconnect(&plane).await;
    let lost = json!({ "status": { "conditions": [{ "type": "Ready", "status": "Unknown" }] } });
    let key = sheave_api::ObjectKey::cluster("node-2");
    let resource = &sheave_api::resource::NODES;
    plane.client.patch(resource, &key, Some("status"), Patch::Strategic(lost)).await.unwrap();
    let started = Instant::now();
    node.until_seen("end of web", 1).await;
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_goes_on_only_when_the_new_pod_is_live_everywhere() {
    let plane = Plane::start().await;
    let node = Node::connect(&plane, "node-1").await;
    let other = Node::connect(&plane, "node-2").await;
    let status = async |field: &str| {
        let object = plane.get(&DEPLOYMENTS, "default", "web").await.unwrap();
        object["status"][field].as_u64().unwrap_or_default()
    };
    let mut web = deployment(1, "image:1");
    web["spec"]["template"]["spec"]["nodeName"] = json!("node-1");
    web["spec"]["strategy"] = json!({ "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    // Without a Service there is nothing to wait for.
    other.keep_silent(true).await;
    plane.create(&DEPLOYMENTS, web).await;
    plane
        .until("a pod to be available", async || {
            (status("availableReplicas").await == 1).then_some(())
        })
        .await;

    // Nor does a Service take availability away. Times have whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    plane.create(&SERVICES, service()).await;
    node.until_seen("service default/web", 1).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(status("availableReplicas").await, 1);

    let image = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "c", "image": "image:2" }] } } } });
    plane.patch(&DEPLOYMENTS, at("web"), Patch::Strategic(image)).await;
    plane
        .until("the new pod to be ready", async || {
            (status("readyReplicas").await == 2).then_some(())
        })
        .await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((status("availableReplicas").await, status("replicas").await), (1, 2));
    let started = Instant::now();
    other.keep_silent(false).await;
    plane
        .until("the old pod to go", async || {
            (status("replicas").await == 1 && status("availableReplicas").await == 1).then_some(())
        })
        .await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
}
