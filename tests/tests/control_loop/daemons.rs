//! DaemonSets: a pod on every node, replaced one after the other.

use serde_json::{Value, json};
use sheave_api::ObjectKey;
use sheave_api::resource::{DAEMON_SETS, NODES, PODS};
use sheave_client::{DeleteOptions, Patch};

use crate::node::Node;
use crate::plane::{Plane, at};

fn daemons(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": "d", "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": "d" } },
            "template": {
                "metadata": { "labels": { "app": "d" } },
                "spec": { "containers": [{ "name": "c", "image": image }] },
            },
        },
    })
}

/// Node and image of each pod that is not on its way out.
async fn placed(plane: &Plane) -> Vec<(String, String)> {
    let pods = plane.list(&PODS, "default").await;
    let alive = pods.iter().filter(|pod| pod["metadata"].get("deletionTimestamp").is_none());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut placed: Vec<_> = alive
        .map(|pod| (text(&pod["spec"]["nodeName"]), text(&pod["spec"]["containers"][0]["image"])))
        .collect();
    placed.sort();
    placed
}

async fn until_placed(plane: &Plane, image: &str, nodes: &[&str]) {
    let wanted: Vec<_> = nodes.iter().map(|node| ((*node).to_owned(), image.to_owned())).collect();
    plane
        .until("a pod on each node", async || {
            let set = plane.get(&DAEMON_SETS, "default", "d").await?;
            let status = &set["status"];
            let count = nodes.len();
            let counts = ["desiredNumberScheduled", "numberAvailable", "updatedNumberScheduled"];
            let all = counts.iter().all(|field| status[*field] == count);
            (all && placed(plane).await == wanted).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_has_one_also_those_that_come_later_or_are_cordoned() {
    let plane = Plane::start().await;
    let _first = Node::connect(&plane, "node-1").await;
    plane.create(&DAEMON_SETS, daemons("image:1")).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    let _second = Node::connect(&plane, "node-2").await;
    until_placed(&plane, "image:1", &["node-1", "node-2"]).await;

    let cordon = Patch::Merge(json!({ "spec": { "unschedulable": true } }));
    plane.patch(&NODES, ObjectKey::cluster("node-2"), cordon).await;
    let image = json!({ "spec": { "template": { "spec": { "containers": [
        { "name": "c", "image": "image:2" }] } } } });
    plane.patch(&DAEMON_SETS, at("d"), Patch::Strategic(image)).await;
    until_placed(&plane, "image:2", &["node-1", "node-2"]).await;

    let taint = json!({ "spec": { "taints": [
        { "key": "kept", "value": "away", "effect": "NoExecute" }] } });
    plane.patch(&NODES, ObjectKey::cluster("node-2"), Patch::Strategic(taint)).await;
    until_placed(&plane, "image:2", &["node-1"]).await;

    plane.client.delete(&DAEMON_SETS, &at("d"), DeleteOptions::default()).await.unwrap();
    plane
        .until("its pods to go", async || {
            plane.list(&PODS, "default").await.is_empty().then_some(())
        })
        .await;
}
