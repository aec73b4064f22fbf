//! Nodes that are cut off, come back, and are deleted: what becomes of their pods.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sheave_api::resource::{DEPLOYMENTS, ENDPOINT_SLICES, LEASES, NODES, PODS, SERVICES};
use sheave_api::{ObjectKey, time};
use sheave_client::{DeleteOptions, Patch};

use crate::node::Node;
use crate::plane::{Plane, Settings, at};
use crate::{deployment, service};

/// Seconds by which the clock of the test's control plane is ahead.
static AHEAD_S: AtomicI64 = AtomicI64::new(0);

fn now() -> Timestamp {
    let ahead = SignedDuration::from_secs(AHEAD_S.load(Ordering::Relaxed));
    Timestamp::now().checked_add(ahead).unwrap()
}

/// Stays a second where it is not wanted.
fn tolerations() -> Value {
    json!([{
        "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
        "tolerationSeconds": 1,
    }])
}

fn solo() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "solo", "namespace": "default" },
        "spec": {
            "nodeName": "node-2", "tolerations": tolerations(),
            "containers": [{ "name": "c", "image": "image:1" }],
        },
    })
}

async fn cordon(plane: &Plane, node: &str, cordoned: bool) {
    let patch = Patch::Merge(json!({ "spec": { "unschedulable": cordoned } }));
    plane.patch(&NODES, ObjectKey::cluster(node), patch).await;
    plane
        .until("the taint to follow", async || {
            let taints = taints(plane, node).await;
            (taints.iter().any(|t| t == "node.kubernetes.io/unschedulable") == cordoned)
                .then_some(())
        })
        .await;
}

async fn taints(plane: &Plane, node: &str) -> Vec<String> {
    let node = plane.get(&NODES, "", node).await.unwrap();
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints.iter().map(|taint| taint["key"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Pods of the Deployment: node, and whether they are to end.
async fn placed(plane: &Plane) -> Vec<(String, bool)> {
    let pods = plane.list(&PODS, "default").await;
    let pods = pods.iter().filter(|pod| pod["metadata"]["labels"]["app"] == "web");
    let mut placed: Vec<_> = pods
        .map(|pod| {
            let node = pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
            (node, pod["metadata"].get("deletionTimestamp").is_some())
        })
        .collect();
    placed.sort();
    placed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_a_lost_node_are_replaced_and_end_there_when_it_is_back() {
    let now_us = || time::micros(now());
    let plane = Plane::start_with(Settings { now, now_us, ..Settings::default() }).await;
    let node = Node::connect(&plane, "node-1").await;
    let mut lost = Node::connect(&plane, "node-2").await;
    cordon(&plane, "node-1", true).await;
    let mut web = deployment(1, "image:1");
    web["spec"]["template"]["spec"]["tolerations"] = tolerations();
    plane.create(&SERVICES, service()).await;
    plane.create(&DEPLOYMENTS, web).await;
    plane.create(&PODS, solo()).await;
    plane
        .until("the pods to run on node-2", async || {
            let web = plane.get(&DEPLOYMENTS, "default", "web").await?;
            (lost.seen("pod solo") == 1 && web["status"]["availableReplicas"] == 1).then_some(())
        })
        .await;
    cordon(&plane, "node-1", false).await;
    assert_eq!(placed(&plane).await, [("node-2".to_owned(), false)]);

    lost.hang_up().await;
    AHEAD_S.store(41, Ordering::Relaxed);
    node.heartbeat().await;
    let label = Patch::Merge(json!({ "metadata": { "labels": { "looked": "at" } } }));
    plane.patch(&NODES, ObjectKey::cluster("node-2"), label).await;
    plane
        .until("the pod to leave its Service", async || {
            let slices = plane.list(&ENDPOINT_SLICES, "default").await;
            let mut endpoints = slices.iter().flat_map(|s| s["endpoints"].as_array()).flatten();
            let ready = |e: &Value| e["nodeName"] == "node-2" && e["conditions"]["ready"] == true;
            (!endpoints.any(ready)).then_some(())
        })
        .await;
    plane
        .until("another pod on the other node", async || {
            let wanted = [("node-1".to_owned(), false), ("node-2".to_owned(), true)];
            (placed(&plane).await == wanted).then_some(())
        })
        .await;
    // Nobody knows whether it still runs: its name is not free.
    plane
        .until("the single pod to be asked to end", async || {
            let pod = plane.get(&PODS, "default", "solo").await?;
            pod["metadata"].get("deletionTimestamp").is_some().then_some(())
        })
        .await;
    let refused = plane.client.create(&PODS, "default", solo()).await.unwrap_err();
    assert!(refused.is_already_exists(), "{refused}");

    let healed = Instant::now();
    lost.reconnect(&plane).await;
    lost.heartbeat().await;
    plane
        .until("the lost node's copies to end", async || {
            let left = plane.get(&PODS, "default", "solo").await.is_some();
            (!left && placed(&plane).await == [("node-1".to_owned(), false)]).then_some(())
        })
        .await;
    plane
        .until("the node to be as before", async || {
            let node = plane.get(&NODES, "", "node-2").await?;
            let conditions = node["status"]["conditions"].as_array()?;
            let ready = conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
            (ready && taints(&plane, "node-2").await.is_empty()).then_some(())
        })
        .await;
    assert!(healed.elapsed() < Duration::from_secs(5), "{:?}", healed.elapsed());
    plane.create(&PODS, solo()).await;
}

/// Takes as long as the quarantine: 40 s.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deleted_node_leaves_is_cleared_away() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    let mut gone = Node::connect(&plane, "node-2").await;
    plane.create(&PODS, solo()).await;
    gone.until_seen("pod solo", 1).await;
    plane.until("the lease", async || plane.get(&LEASES, "kube-node-lease", "node-2").await).await;
    gone.hang_up().await;
    let node = ObjectKey::cluster("node-2");
    plane.client.delete(&NODES, &node, DeleteOptions::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    // What happens to its pods meanwhile cuts the time short for none of them.
    plane.client.delete(&PODS, &at("solo"), DeleteOptions::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert!(plane.get(&PODS, "default", "solo").await.is_some(), "it might have come back");
    tokio::time::sleep(Duration::from_secs(18)).await;
    plane
        .until("the pod and the lease to go", async || {
            let pod = plane.get(&PODS, "default", "solo").await;
            let lease = plane.get(&LEASES, "kube-node-lease", "node-2").await;
            (pod.is_none() && lease.is_none()).then_some(())
        })
        .await;
    assert!(plane.get(&LEASES, "kube-node-lease", "node-1").await.is_some());
    assert_eq!(plane.client.get(&PODS, &at("solo")).await.unwrap_err().code, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_out_of_service_lets_its_pods_go() {
    let plane = Plane::start().await;
    let mut node = Node::connect(&plane, "node-2").await;
    plane.create(&PODS, solo()).await;
    node.until_seen("pod solo", 1).await;
    node.hang_up().await;
    plane.client.delete(&PODS, &at("solo"), DeleteOptions::default()).await.unwrap();
    let key = ObjectKey::cluster("node-2");
    let down = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } });
    plane.client.patch(&NODES, &key, Some("status"), Patch::Strategic(down)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(plane.get(&PODS, "default", "solo").await.is_some(), "nobody has said that it ended");
    let taint = json!({ "spec": { "taints": [{
        "key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute" }] } });
    plane.patch(&NODES, key, Patch::Strategic(taint)).await;
    plane
        .until("the pod to go", async || {
            plane.get(&PODS, "default", "solo").await.is_none().then_some(())
        })
        .await;
}
