//! DaemonSets: a pod on every node, replaced one after the other, or by one that comes before it goes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sheave_api::ObjectKey;
use sheave_api::resource::{CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS};
use sheave_client::{DeleteOptions, Patch, Propagation};

use crate::node::Node;
use crate::plane::{Plane, at};
use crate::story::{self, Story};

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

async fn change_image(plane: &Plane, image: &str) {
    let containers = json!([{ "name": "c", "image": image }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    plane.patch(&DAEMON_SETS, at("d"), Patch::Strategic(patch)).await;
}

/// Numbers of the revisions, by name.
async fn revisions(plane: &Plane) -> Vec<(String, i64)> {
    let revisions = plane.list(&CONTROLLER_REVISIONS, "default").await;
    revisions.iter().map(|it| (story::name(it), it["revision"].as_i64().unwrap())).collect()
}

/// Hash of the template that the only pod was made from.
async fn hash_of_the_pod(plane: &Plane) -> String {
    let pods = plane.list(&PODS, "default").await;
    let alive = pods.iter().find(|pod| pod["metadata"].get("deletionTimestamp").is_none()).unwrap();
    alive["metadata"]["labels"]["controller-revision-hash"].as_str().unwrap().to_owned()
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
            let all = counts.iter().all(|field| status[*field] == count)
                && status["observedGeneration"] == set["metadata"]["generation"];
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
    change_image(&plane, "image:2").await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_surge_has_the_new_pod_ready_before_the_old_one_is_to_end() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    let mut story = Story::begin(&plane, story::image);
    let mut surging = daemons("image:1");
    surging["spec"]["minReadySeconds"] = json!(2);
    surging["spec"]["updateStrategy"] =
        json!({ "rollingUpdate": { "maxSurge": "10%", "maxUnavailable": 0 } });
    plane.create(&DAEMON_SETS, surging).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    story.until("!image:1").await;
    change_image(&plane, "image:2").await;
    assert_eq!(story.until("!image:2").await, ["+image:2", "!image:2"]);
    // It is to be ready for two seconds first.
    let ready = Instant::now();
    assert_eq!(story.until(".image:1").await, ["-image:1", ".image:1"]);
    // Times of the API are whole seconds, so it may be one less.
    assert!(ready.elapsed() > Duration::from_millis(500), "{:?}", ready.elapsed());
    until_placed(&plane, "image:2", &["node-1"]).await;

    // Without a surge the old one goes first.
    let rolling = json!({ "maxSurge": 0, "maxUnavailable": 1 });
    let patch = json!({ "spec": { "updateStrategy": { "rollingUpdate": rolling } } });
    plane.patch(&DAEMON_SETS, at("d"), Patch::Merge(patch)).await;
    change_image(&plane, "image:3").await;
    let replaced = story.until("!image:3").await;
    assert_eq!(replaced, ["-image:2", ".image:2", "+image:3", "!image:3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_are_kept_and_gone_back_to() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    let mut set = daemons("image:1");
    set["metadata"]["annotations"] = json!({ "kubernetes.io/change-cause": "the first" });
    plane.create(&DAEMON_SETS, set).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    let first = revisions(&plane).await;
    let name = first[0].0.as_str();
    assert_eq!(first, [(name.to_owned(), 1)]);
    let revision = plane.get(&CONTROLLER_REVISIONS, "default", name).await.unwrap();
    let hash = hash_of_the_pod(&plane).await;
    assert_eq!(name, format!("d-{hash}"));
    let metadata = &revision["metadata"];
    assert_eq!(metadata["labels"], json!({ "app": "d", "controller-revision-hash": hash }));
    assert_eq!(metadata["annotations"]["kubernetes.io/change-cause"], "the first");
    assert_eq!(metadata["ownerReferences"][0]["kind"], "DaemonSet");
    let template = &revision["data"]["spec"]["template"];
    assert_eq!(
        (&template["$patch"], story::image(template)),
        (&json!("replace"), "image:1".into())
    );

    change_image(&plane, "image:2").await;
    until_placed(&plane, "image:2", &["node-1"]).await;
    assert_ne!(hash_of_the_pod(&plane).await, hash);
    // As `kubectl rollout undo` does it.
    plane.patch(&DAEMON_SETS, at("d"), Patch::Strategic(revision["data"].clone())).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    assert_eq!(hash_of_the_pod(&plane).await, hash);
    let mut numbers: Vec<_> = revisions(&plane).await.into_iter().map(|it| it.1).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3]);
    assert!(revisions(&plane).await.contains(&(name.to_owned(), 3)));

    // What is beyond the limit is forgotten, but not what a pod is of.
    let limit = json!({ "spec": { "revisionHistoryLimit": 0 } });
    plane.patch(&DAEMON_SETS, at("d"), Patch::Merge(limit)).await;
    plane
        .until("one revision", async || {
            (revisions(&plane).await == [(name.to_owned(), 3)]).then_some(())
        })
        .await;
    let by_hand =
        json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } });
    plane.patch(&DAEMON_SETS, at("d"), Patch::Merge(by_hand)).await;
    change_image(&plane, "image:4").await;
    plane
        .until("the new template to be known", async || {
            let set = plane.get(&DAEMON_SETS, "default", "d").await?;
            let is_known = set["status"]["observedGeneration"] == set["metadata"]["generation"];
            is_known.then_some(())
        })
        .await;
    assert_eq!(revisions(&plane).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_somebody_else_has_is_passed_over() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    plane.create(&DAEMON_SETS, daemons("image:1")).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    let (name, _) = revisions(&plane).await.remove(0);
    plane.client.delete(&DAEMON_SETS, &at("d"), DeleteOptions::default()).await.unwrap();
    plane
        .until("everything to go", async || {
            let left = plane.list(&PODS, "default").await.len() + revisions(&plane).await.len();
            (left == 0).then_some(())
        })
        .await;
    let taken = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": { "name": name, "namespace": "default" },
        "data": { "of": "somebody else" }, "revision": 7,
    });
    plane.create(&CONTROLLER_REVISIONS, taken).await;
    plane.create(&DAEMON_SETS, daemons("image:1")).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    let set = plane.get(&DAEMON_SETS, "default", "d").await.unwrap();
    assert_eq!(set["status"]["collisionCount"], 1);
    let own = format!("d-{}", hash_of_the_pod(&plane).await);
    assert_ne!(own, name);
    let names: Vec<_> = revisions(&plane).await.into_iter().collect();
    assert!(names.contains(&(own, 1)) && names.contains(&(name, 7)), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_takes_over_what_another_left() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    plane.create(&DAEMON_SETS, daemons("image:1")).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    let before = (revisions(&plane).await, story::name(&plane.list(&PODS, "default").await[0]));
    let orphan = DeleteOptions { propagation: Propagation::Orphan, ..DeleteOptions::default() };
    plane.client.delete(&DAEMON_SETS, &at("d"), orphan).await.unwrap();
    plane
        .until("the set to go alone", async || {
            plane.get(&DAEMON_SETS, "default", "d").await.is_none().then_some(())
        })
        .await;
    plane.create(&DAEMON_SETS, daemons("image:1")).await;
    until_placed(&plane, "image:1", &["node-1"]).await;
    let after = (revisions(&plane).await, story::name(&plane.list(&PODS, "default").await[0]));
    assert_eq!(after, before);
    let set = plane.get(&DAEMON_SETS, "default", "d").await.unwrap();
    let mut owned = plane.list(&CONTROLLER_REVISIONS, "default").await;
    owned.extend(plane.list(&PODS, "default").await);
    for object in owned {
        assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], set["metadata"]["uid"]);
    }

    // One that has no node is left alone.
    let homeless = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "homeless", "namespace": "default", "labels": { "app": "d" } },
        "spec": { "containers": [{ "name": "c", "image": "image:1" }],
            "nodeSelector": { "no": "node" } },
    });
    plane.create(&PODS, homeless).await;
    let is_free = |pod: &Value| {
        let owners = pod["metadata"]["ownerReferences"].as_array();
        owners.is_none_or(Vec::is_empty) && pod["metadata"].get("deletionTimestamp").is_none()
    };

    // A pod that it selects no more is let go, and another comes.
    let label = Patch::Merge(json!({ "metadata": { "labels": { "app": "other" } } }));
    plane.patch(&PODS, at(&before.1), label).await;
    plane
        .until("another pod", async || {
            let pods = plane.list(&PODS, "default").await;
            let other = pods.iter().find(|pod| story::name(pod) == before.1)?;
            (is_free(other) && pods.len() == 3).then_some(())
        })
        .await;
    assert!(is_free(&plane.get(&PODS, "default", "homeless").await.unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_begins_anew_goes_on_with_a_surge() {
    let mut plane = Plane::start().await;
    let _nodes = [Node::connect(&plane, "node-1").await, Node::connect(&plane, "node-2").await];
    let mut surging = daemons("image:1");
    surging["spec"]["updateStrategy"] =
        json!({ "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } });
    plane.create(&DAEMON_SETS, surging).await;
    until_placed(&plane, "image:1", &["node-1", "node-2"]).await;
    change_image(&plane, "image:2").await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        plane.restart_controllers().await;
    }
    until_placed(&plane, "image:2", &["node-1", "node-2"]).await;
    let mut numbers: Vec<_> = revisions(&plane).await.into_iter().map(|it| it.1).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}
