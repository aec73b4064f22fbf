//! StatefulSets: pods with names that stay, made and ended in order, and never two of one name.

use std::time::Duration;

use serde_json::{Value, json};
use sheave_api::ObjectKey;
use sheave_api::resource::{
    CONTROLLER_REVISIONS, EVENTS, NODES, POD_DISRUPTION_BUDGETS, PODS, STATEFUL_SETS,
};
use sheave_client::{DeleteOptions, Patch, Propagation};

use crate::node::Node;
use crate::plane::{Plane, at};
use crate::story::{self, Story};

fn set(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": "db", "namespace": "default" },
        "spec": {
            "serviceName": "names",
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "db" } },
            "template": {
                "metadata": { "labels": { "app": "db" } },
                "spec": { "containers": [{ "name": "c", "image": "image:1" }] },
            },
        },
    })
}

fn image(image: &str) -> Patch {
    let containers = json!([{ "name": "c", "image": image }]);
    Patch::Strategic(json!({ "spec": { "template": { "spec": { "containers": containers } } } }))
}

async fn change(plane: &Plane, spec: Value) {
    plane.patch(&STATEFUL_SETS, at("db"), Patch::Merge(json!({ "spec": spec }))).await;
}

/// Names and images of the pods, in the order of names.
async fn pods(plane: &Plane) -> Vec<(String, String)> {
    let pods = plane.list(&PODS, "default").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pods = pods
        .iter()
        .map(|pod| (text(&pod["metadata"]["name"]), text(&pod["spec"]["containers"][0]["image"])));
    pods.collect()
}

async fn until_pods(plane: &Plane, wanted: &[(&str, &str)]) -> Value {
    let wanted: Vec<_> =
        wanted.iter().map(|(name, image)| ((*name).to_owned(), (*image).to_owned())).collect();
    plane
        .until("the pods", async || {
            let set = plane.get(&STATEFUL_SETS, "default", "db").await?;
            let (status, count) = (&set["status"], wanted.len());
            let counts = ["replicas", "readyReplicas", "availableReplicas"];
            let is_there = counts.iter().all(|field| status[*field] == count)
                && status["observedGeneration"] == set["metadata"]["generation"];
            (is_there && pods(plane).await == wanted).then(|| status.clone())
        })
        .await
}

async fn uid_of(plane: &Plane, pod: &str) -> Option<String> {
    let pod = plane.get(&PODS, "default", pod).await?;
    pod["metadata"]["uid"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_come_in_order_and_go_in_reverse() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    let mut story = Story::begin(&plane, story::name);
    plane.create(&STATEFUL_SETS, set(3)).await;
    let made = story.until("!db-2").await;
    assert_eq!(made, ["+db-0", "!db-0", "+db-1", "!db-1", "+db-2", "!db-2"]);
    let names = ["db-0", "db-1", "db-2"].map(|name| (name, "image:1"));
    let status = until_pods(&plane, &names).await;
    assert_eq!(status["currentRevision"], status["updateRevision"]);
    assert_eq!((&status["currentReplicas"], &status["updatedReplicas"]), (&json!(3), &json!(3)));

    let pod = plane.get(&PODS, "default", "db-1").await.unwrap();
    assert_eq!(
        (&pod["spec"]["hostname"], &pod["spec"]["subdomain"]),
        (&json!("db-1"), &json!("names"))
    );
    assert_eq!(
        pod["metadata"]["labels"],
        json!({ "app": "db", "apps.kubernetes.io/pod-index": "1",
            "controller-revision-hash": status["updateRevision"],
            "statefulset.kubernetes.io/pod-name": "db-1" })
    );

    change(&plane, json!({ "replicas": 1 })).await;
    let ended = story.until(".db-1").await;
    assert_eq!(ended, ["-db-2", ".db-2", "-db-1", ".db-1"]);
    until_pods(&plane, &names[..1]).await;
    let events = plane.list(&EVENTS, "default").await;
    for (reason, message) in [
        ("SuccessfulCreate", "create Pod db-2 in StatefulSet db successful"),
        ("SuccessfulDelete", "delete Pod db-2 in StatefulSet db successful"),
    ] {
        assert!(
            events.iter().any(|event| event["reason"] == reason && event["message"] == message),
            "{message}: {events:?}"
        );
    }

    // Numbers may begin elsewhere, and what is before them goes.
    change(&plane, json!({ "replicas": 2, "ordinals": { "start": 5 } })).await;
    until_pods(&plane, &[("db-5", "image:1"), ("db-6", "image:1")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_template_goes_from_the_last_pod_to_the_first_and_back() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    let mut story = Story::begin(&plane, story::name);
    plane.create(&STATEFUL_SETS, set(2)).await;
    story.until("!db-1").await;
    let first = until_pods(&plane, &[("db-0", "image:1"), ("db-1", "image:1")]).await;

    plane.patch(&STATEFUL_SETS, at("db"), image("image:2")).await;
    let replaced = story.until("!db-0").await;
    assert_eq!(replaced, ["-db-1", ".db-1", "+db-1", "!db-1", "-db-0", ".db-0", "+db-0", "!db-0"]);
    let second = until_pods(&plane, &[("db-0", "image:2"), ("db-1", "image:2")]).await;
    assert_eq!(second["currentRevision"], second["updateRevision"]);
    assert_ne!(second["updateRevision"], first["updateRevision"]);

    // As `kubectl rollout undo` does it.
    let name = first["updateRevision"].as_str().unwrap();
    let revision = plane.get(&CONTROLLER_REVISIONS, "default", name).await.unwrap();
    assert_eq!(revision["revision"], 1);
    assert_eq!(revision["metadata"]["labels"]["app"], "db");
    let data = revision["data"].clone();
    plane.patch(&STATEFUL_SETS, at("db"), Patch::Strategic(data)).await;
    let third = until_pods(&plane, &[("db-0", "image:1"), ("db-1", "image:1")]).await;
    assert_eq!(third["updateRevision"], first["updateRevision"]);
    let revision = plane.get(&CONTROLLER_REVISIONS, "default", name).await.unwrap();
    assert_eq!(revision["revision"], 3);
    assert_eq!(plane.list(&CONTROLLER_REVISIONS, "default").await.len(), 2);

    // What is beyond the limit is forgotten.
    change(&plane, json!({ "revisionHistoryLimit": 1 })).await;
    plane.patch(&STATEFUL_SETS, at("db"), image("image:3")).await;
    until_pods(&plane, &[("db-0", "image:3"), ("db-1", "image:3")]).await;
    plane
        .until("one former revision", async || {
            let revisions = plane.list(&CONTROLLER_REVISIONS, "default").await;
            let mut numbers: Vec<_> =
                revisions.iter().filter_map(|it| it["revision"].as_i64()).collect();
            numbers.sort_unstable();
            (numbers == [3, 4]).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_goes_as_far_as_it_is_let() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    let mut all_at_once = set(3);
    all_at_once["spec"]["podManagementPolicy"] = json!("Parallel");
    plane.create(&STATEFUL_SETS, all_at_once).await;
    let names = ["db-0", "db-1", "db-2"];
    until_pods(&plane, &names.map(|name| (name, "image:1"))).await;

    let partition = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } });
    change(&plane, json!({ "updateStrategy": partition })).await;
    plane.patch(&STATEFUL_SETS, at("db"), image("image:2")).await;
    let partly = [("db-0", "image:1"), ("db-1", "image:1"), ("db-2", "image:2")];
    let status = until_pods(&plane, &partly).await;
    assert_eq!((&status["currentReplicas"], &status["updatedReplicas"]), (&json!(2), &json!(1)));
    // What is before the partition comes back as it was.
    let before = uid_of(&plane, "db-0").await;
    plane.client.delete(&PODS, &at("db-0"), DeleteOptions::default()).await.unwrap();
    plane
        .until("another db-0", async || {
            uid_of(&plane, "db-0").await.filter(|uid| Some(uid) != before.as_ref())
        })
        .await;
    until_pods(&plane, &partly).await;

    let by_hand = json!({ "type": "OnDelete", "rollingUpdate": null });
    change(&plane, json!({ "updateStrategy": by_hand })).await;
    plane.patch(&STATEFUL_SETS, at("db"), image("image:3")).await;
    plane.client.delete(&PODS, &at("db-1"), DeleteOptions::default()).await.unwrap();
    let by_hand = [("db-0", "image:1"), ("db-1", "image:3"), ("db-2", "image:2")];
    until_pods(&plane, &by_hand).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_whose_end_nobody_confirms_is_not_made_anew() {
    let plane = Plane::start().await;
    let mut cut_off = Node::connect(&plane, "node-1").await;
    plane.create(&STATEFUL_SETS, set(1)).await;
    until_pods(&plane, &[("db-0", "image:1")]).await;
    let first = uid_of(&plane, "db-0").await.unwrap();
    let other = Node::connect(&plane, "node-2").await;
    plane.until("two nodes", async || plane.get(&NODES, "", "node-2").await.map(drop)).await;

    cut_off.hang_up().await;
    plane.client.delete(&PODS, &at("db-0"), DeleteOptions::default()).await.unwrap();
    // Whatever makes the controller look again.
    for replicas in [2, 1, 3] {
        change(&plane, json!({ "replicas": replicas })).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let pods = plane.list(&PODS, "default").await;
        assert_eq!(pods.len(), 1, "{pods:?}");
        assert_eq!(pods[0]["metadata"]["uid"], *first);
        assert!(pods[0]["metadata"].get("deletionTimestamp").is_some());
    }
    assert_eq!(other.seen("pod db-0"), 0, "it runs twice");
    let events = plane.list(&EVENTS, "default").await;
    assert!(events.iter().all(|event| event["reason"] != "FailedCreate"), "{events:?}");

    cut_off.reconnect(&plane).await;
    until_pods(&plane, &["db-0", "db-1", "db-2"].map(|name| (name, "image:1"))).await;
    assert_ne!(uid_of(&plane, "db-0").await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_takes_over_what_another_left_and_waits_for_its_names() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    // Somebody else has the name of the first pod.
    let squatter = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "db-0", "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "image": "other:1" }] },
    });
    plane.create(&PODS, squatter).await;
    plane.create(&STATEFUL_SETS, set(2)).await;
    plane
        .until("an event", async || {
            let events = plane.list(&EVENTS, "default").await;
            let is_it = |event: &&Value| {
                let message = event["message"].as_str().unwrap_or_default();
                event["reason"] == "FailedCreate"
                    && message.starts_with("create Pod db-0 in StatefulSet db failed error: ")
            };
            events.iter().find(is_it).map(drop)
        })
        .await;
    plane.client.delete(&PODS, &at("db-0"), DeleteOptions::default()).await.unwrap();
    let names = ["db-0", "db-1"].map(|name| (name, "image:1"));
    let first = until_pods(&plane, &names).await;
    let uids = [uid_of(&plane, "db-0").await, uid_of(&plane, "db-1").await];

    let orphan = DeleteOptions { propagation: Propagation::Orphan, ..DeleteOptions::default() };
    plane.client.delete(&STATEFUL_SETS, &at("db"), orphan).await.unwrap();
    plane
        .until("the set to go alone", async || {
            plane.get(&STATEFUL_SETS, "default", "db").await.is_none().then_some(())
        })
        .await;
    plane.create(&STATEFUL_SETS, set(2)).await;
    let second = until_pods(&plane, &names).await;
    assert_eq!(second["updateRevision"], first["updateRevision"]);
    assert_eq!([uid_of(&plane, "db-0").await, uid_of(&plane, "db-1").await], uids);
    let owner = plane.get(&STATEFUL_SETS, "default", "db").await.unwrap();
    for pod in plane.list(&PODS, "default").await {
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], owner["metadata"]["uid"]);
    }

    let key = ObjectKey::new("default", "db");
    plane.client.delete(&STATEFUL_SETS, &key, DeleteOptions::default()).await.unwrap();
    plane
        .until("everything to be gone", async || {
            let left = plane.list(&PODS, "default").await.len()
                + plane.list(&CONTROLLER_REVISIONS, "default").await.len();
            (left == 0).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_counts_from_the_size_of_the_set() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    plane.create(&STATEFUL_SETS, set(2)).await;
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": "db", "namespace": "default" },
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "app": "db" } } },
    });
    plane.create(&POD_DISRUPTION_BUDGETS, budget).await;
    let allowed = async |expected: i64, allowed: i64| {
        let budget = plane.get(&POD_DISRUPTION_BUDGETS, "default", "db").await?;
        let status = &budget["status"];
        let is_so = status["expectedPods"] == expected && status["disruptionsAllowed"] == allowed;
        is_so.then_some(())
    };
    plane.until("one of two may go", async || allowed(2, 1).await).await;
    // A set that is to be larger has fewer pods to spare.
    plane.patch(&NODES, ObjectKey::cluster("node-1"), cordon()).await;
    change(&plane, json!({ "replicas": 3 })).await;
    plane.until("none of three may go", async || allowed(3, 0).await).await;
}

fn cordon() -> Patch {
    Patch::Merge(json!({ "spec": { "unschedulable": true } }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_begins_anew_goes_on_where_it_was() {
    let mut plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    plane.create(&STATEFUL_SETS, set(4)).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        plane.restart_controllers().await;
    }
    let names = ["db-0", "db-1", "db-2", "db-3"];
    until_pods(&plane, &names.map(|name| (name, "image:1"))).await;
    plane.patch(&STATEFUL_SETS, at("db"), image("image:2")).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        plane.restart_controllers().await;
    }
    until_pods(&plane, &names.map(|name| (name, "image:2"))).await;
    let revisions = plane.list(&CONTROLLER_REVISIONS, "default").await;
    assert_eq!(revisions.len(), 2, "{revisions:?}");
}
