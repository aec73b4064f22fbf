//! Store, registry, controllers, scheduler and push server together, with a node that speaks the real
//! protocol but runs nothing: it says at once that its pods run. What Kubernetes users rely on between an
//! applied object and a pod's status is shown here, without containers and without root.

mod acknowledgement;
mod balancers;
mod daemons;
mod lifecycle;
mod node;
mod plane;
mod stateful;
mod story;

use serde_json::{Value, json};
use sheave_api::resource::{
    DEPLOYMENTS, ENDPOINT_SLICES, ENDPOINTS, EVENTS, NAMESPACES, NODES, PODS, REPLICA_SETS,
    SERVICES,
};
use sheave_client::{DeleteOptions, Patch, Propagation};

use self::node::Node;
use self::plane::{Plane, at};

fn deployment(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "c", "image": image }] },
            },
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "web", "namespace": "default" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    })
}

async fn rolled_out(plane: &Plane, replicas: u64) {
    plane
        .until("the rollout to be complete", async || {
            let object = plane.get(&DEPLOYMENTS, "default", "web").await?;
            let status = &object["status"];
            let generation = object["metadata"]["generation"].as_u64();
            (status["observedGeneration"].as_u64() == generation
                && status["availableReplicas"].as_u64().unwrap_or(0) == replicas
                && status["updatedReplicas"].as_u64().unwrap_or(0) == replicas
                && status["replicas"].as_u64().unwrap_or(0) == replicas)
                .then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_becomes_running_pods_behind_a_service() {
    let plane = Plane::start().await;
    let node = Node::connect(&plane, "node-1").await;
    plane.create(&DEPLOYMENTS, deployment(3, "image:1")).await;
    plane.create(&SERVICES, service()).await;
    rolled_out(&plane, 3).await;

    let addresses = plane
        .until("three endpoints", async || {
            let slices = plane.list(&ENDPOINT_SLICES, "default").await;
            let slice = slices
                .iter()
                .find(|s| s["metadata"]["labels"]["kubernetes.io/service-name"] == "web")?;
            let endpoints = slice["endpoints"].as_array()?;
            let ready = endpoints.iter().filter(|e| e["conditions"]["ready"] == true);
            (ready.count() == 3).then_some(endpoints.len())
        })
        .await;
    assert_eq!(addresses, 3);
    plane
        .until("Endpoints", async || {
            let object = plane.get(&ENDPOINTS, "default", "web").await?;
            (object["subsets"][0]["addresses"].as_array()?.len() == 3).then_some(())
        })
        .await;
    node.until_seen("service default/web", 1).await;
    let events = plane.list(&EVENTS, "default").await;
    let reasons: Vec<&str> = events.iter().filter_map(|e| e["reason"].as_str()).collect();
    for reason in ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled"] {
        assert!(reasons.contains(&reason), "{reason} is missing: {reasons:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_image_rolls_out_and_back_and_scaling_follows() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    plane.create(&DEPLOYMENTS, deployment(4, "image:1")).await;
    rolled_out(&plane, 4).await;
    let image = |image: &str| {
        json!({ "spec": { "template": { "spec": { "containers": [
            { "name": "c", "image": image }] } } } })
    };
    for (wanted, revision) in [("image:2", "2"), ("image:1", "3")] {
        plane.patch(&DEPLOYMENTS, at("web"), Patch::Strategic(image(wanted))).await;
        rolled_out(&plane, 4).await;
        let deployment = plane.get(&DEPLOYMENTS, "default", "web").await.unwrap();
        let annotations = &deployment["metadata"]["annotations"];
        assert_eq!(annotations["deployment.kubernetes.io/revision"], revision);
        let pods = plane.list(&PODS, "default").await;
        let images: Vec<&Value> = pods
            .iter()
            .filter(|pod| pod["metadata"].get("deletionTimestamp").is_none())
            .map(|pod| &pod["spec"]["containers"][0]["image"])
            .collect();
        assert!(images.iter().all(|image| **image == wanted), "{images:?}");
    }
    assert_eq!(plane.list(&REPLICA_SETS, "default").await.len(), 2);
    let fewer = Patch::Merge(json!({ "spec": { "replicas": 1 } }));
    plane.patch(&DEPLOYMENTS, at("web"), fewer).await;
    rolled_out(&plane, 1).await;
    plane
        .until("three pods to end", async || {
            (plane.list(&PODS, "default").await.len() == 1).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_an_owner_deletes_what_it_owns() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    for propagation in [Propagation::Background, Propagation::Foreground] {
        plane.create(&DEPLOYMENTS, deployment(2, "image:1")).await;
        rolled_out(&plane, 2).await;
        let options = DeleteOptions { propagation, ..DeleteOptions::default() };
        plane.client.delete(&DEPLOYMENTS, &at("web"), options).await.unwrap();
        plane
            .until("everything to be gone", async || {
                let left = plane.list(&PODS, "default").await.len()
                    + plane.list(&REPLICA_SETS, "default").await.len()
                    + plane.list(&DEPLOYMENTS, "default").await.len();
                (left == 0).then_some(())
            })
            .await;
    }
    plane.create(&DEPLOYMENTS, deployment(2, "image:1")).await;
    rolled_out(&plane, 2).await;
    let options = DeleteOptions { propagation: Propagation::Orphan, ..DeleteOptions::default() };
    plane.client.delete(&DEPLOYMENTS, &at("web"), options).await.unwrap();
    let orphan = plane
        .until("the orphaned set", async || {
            plane.get(&DEPLOYMENTS, "default", "web").await.is_none().then_some(())?;
            plane.list(&REPLICA_SETS, "default").await.pop()
        })
        .await;
    let owners = orphan["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len);
    assert_eq!(owners, 0, "{orphan}");
    // It is taken over by a Deployment that wants the same pods.
    plane.create(&DEPLOYMENTS, deployment(2, "image:1")).await;
    rolled_out(&plane, 2).await;
    assert_eq!(plane.list(&REPLICA_SETS, "default").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_with_everything_in_it() {
    let plane = Plane::start().await;
    let _node = Node::connect(&plane, "node-1").await;
    let namespace =
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "team" } });
    plane.create(&NAMESPACES, namespace).await;
    let mut deployment = deployment(2, "image:1");
    deployment["metadata"]["namespace"] = json!("team");
    plane.create(&DEPLOYMENTS, deployment).await;
    plane.until("pods", async || (plane.list(&PODS, "team").await.len() == 2).then_some(())).await;
    let key = sheave_api::ObjectKey::cluster("team");
    plane.client.delete(&NAMESPACES, &key, DeleteOptions::default()).await.unwrap();
    plane
        .until("the namespace to be gone", async || {
            plane.get(&NAMESPACES, "", "team").await.is_none().then_some(())
        })
        .await;
    assert!(plane.list(&PODS, "team").await.is_empty());
    assert!(plane.list(&REPLICA_SETS, "team").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_fits_nowhere_says_why_and_is_placed_once_it_fits() {
    let plane = Plane::start().await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "picky", "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "image": "image:1" }], "nodeSelector": { "disk": "ssd" } },
    });
    let scheduled = async |plane: &Plane, status: &str| {
        let pod = plane.get(&PODS, "default", "picky").await?;
        let conditions = pod["status"]["conditions"].as_array()?;
        let condition = conditions.iter().find(|c| c["type"] == "PodScheduled")?;
        (condition["status"] == status).then(|| condition["message"].clone())
    };
    let _node = Node::connect(&plane, "node-1").await;
    plane.create(&PODS, pod).await;
    let why = plane.until("a reason", async || scheduled(&plane, "False").await).await;
    assert_eq!(
        why,
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    );
    let label = Patch::Merge(json!({ "metadata": { "labels": { "disk": "ssd" } } }));
    plane.patch(&NODES, sheave_api::ObjectKey::cluster("node-1"), label).await;
    plane.until("a node", async || scheduled(&plane, "True").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reconnects_is_sent_only_what_changed() {
    let plane = Plane::start().await;
    let mut node = Node::connect(&plane, "node-1").await;
    plane.create(&SERVICES, service()).await;
    node.until_seen("service default/web", 1).await;
    node.hang_up().await;
    let mut other = service();
    other["metadata"]["name"] = json!("other");
    plane.create(&SERVICES, other).await;
    node.reconnect(&plane).await;
    node.until_seen("service default/other", 1).await;
    assert_eq!(node.seen("service default/web"), 1, "sent again though it had not changed");
    assert_eq!(node.seen("init"), 1, "a complete state was sent again");
}
