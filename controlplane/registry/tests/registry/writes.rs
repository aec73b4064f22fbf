//! create, update, patch and the subresources.

use serde_json::json;
use sheave_api::resource::{
    CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, PODS, SERVICE_ACCOUNTS, STATEFUL_SETS,
};
use sheave_registry::{Target, WriteOptions};

use super::*;

#[tokio::test]
async fn a_created_object_has_an_identity_and_is_read_back() {
    let cluster = Cluster::start().await;
    let created = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    assert_eq!(created["metadata"]["namespace"], "default");
    assert!(!created["metadata"]["uid"].as_str().unwrap().is_empty());
    assert!(created["metadata"]["creationTimestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(created["kind"], "ConfigMap");
    assert_eq!(cluster.get(&CONFIG_MAPS, "a").await.unwrap(), created);
    let again = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap_err();
    assert_eq!(again.message, "configmaps \"a\" already exists");
    let absent = cluster.get(&CONFIG_MAPS, "b").await.unwrap_err();
    assert_eq!(absent.message, "configmaps \"b\" not found");
}

#[tokio::test]
async fn objects_survive_a_restart_byte_for_byte() {
    let cluster = Cluster::start().await;
    let created = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let cluster = cluster.restart(RegistryConfig::default()).await;
    assert_eq!(cluster.get(&CONFIG_MAPS, "a").await.unwrap(), created);
    let later = cluster.create(&CONFIG_MAPS, config_map("b")).await.unwrap();
    assert!(revision(&later) > revision(&created));
}

#[tokio::test]
async fn every_cluster_has_its_namespaces() {
    let cluster = Cluster::start().await;
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        assert_eq!(cluster.get(&NAMESPACES, name).await.unwrap()["status"]["phase"], "Active");
    }
}

#[tokio::test]
async fn generated_names_differ() {
    let cluster = Cluster::start().await;
    let wish = json!({ "metadata": { "generateName": "web-" } });
    let a = cluster.create(&CONFIG_MAPS, wish.clone()).await.unwrap();
    let b = cluster.create(&CONFIG_MAPS, wish).await.unwrap();
    assert!(a["metadata"]["name"].as_str().unwrap().starts_with("web-"));
    assert_ne!(a["metadata"]["name"], b["metadata"]["name"]);
}

#[tokio::test]
async fn a_namespace_must_exist() {
    let cluster = Cluster::start().await;
    let kind = kind(&CONFIG_MAPS);
    let options = WriteOptions::default();
    let refused =
        cluster.registry.create(&admin(), kind, "nowhere", config_map("a"), &options).await;
    let status = refused.unwrap_err();
    assert_eq!((status.code, status.message.as_str()), (404, "namespaces \"nowhere\" not found"));
}

#[tokio::test]
async fn an_update_based_on_an_older_state_is_refused() {
    let cluster = Cluster::start().await;
    let first = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let mut new = first.clone();
    new["data"]["key"] = json!("new");
    let second = cluster.update(&CONFIG_MAPS, None, new.clone()).await.unwrap();
    assert!(revision(&second) > revision(&first));
    let status = cluster.update(&CONFIG_MAPS, None, new.clone()).await.unwrap_err();
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please \
         apply your changes to the latest version and try again"
    );
    assert_eq!(status.code, 409);
    new["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    new["data"]["key"] = json!("unconditional");
    let third = cluster.update(&CONFIG_MAPS, None, new).await.unwrap();
    assert_eq!(third["data"]["key"], "unconditional");
    let absent = cluster.update(&CONFIG_MAPS, None, config_map("b")).await.unwrap_err();
    assert_eq!(absent.code, 404);
}

#[tokio::test]
async fn an_update_that_changes_nothing_keeps_the_revision() {
    let cluster = Cluster::start().await;
    let first = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let before = cluster.registry.revision();
    let same = cluster.update(&CONFIG_MAPS, None, first.clone()).await.unwrap();
    assert_eq!(same, first);
    assert_eq!(cluster.registry.revision(), before);
}

#[tokio::test]
async fn spec_and_status_are_written_apart() {
    let cluster = Cluster::start().await;
    let created = cluster.create(&DEPLOYMENTS, deployment("web")).await.unwrap();
    assert_eq!(created["metadata"]["generation"], 1);
    let scaled = cluster
        .edit(&DEPLOYMENTS, None, "web", |object| {
            object["spec"]["replicas"] = json!(3);
            object["status"] = json!({ "replicas": 9 });
        })
        .await
        .unwrap();
    assert_eq!(scaled["metadata"]["generation"], 2);
    assert_ne!(scaled["status"]["replicas"], 9);
    let reported = cluster
        .edit(&DEPLOYMENTS, Some("status"), "web", |object| {
            object["spec"]["replicas"] = json!(7);
            object["status"] = json!({ "replicas": 3 });
        })
        .await
        .unwrap();
    assert_eq!(reported["metadata"]["generation"], 2);
    assert_eq!(reported["spec"]["replicas"], 3);
    assert_eq!(reported["status"]["replicas"], 3);
}

#[tokio::test]
async fn scale_is_a_view_that_can_be_written() {
    let cluster = Cluster::start().await;
    for kind in [&DEPLOYMENTS, &STATEFUL_SETS] {
        cluster.create(kind, deployment("web")).await.unwrap();
        let scale = cluster
            .edit(kind, Some("scale"), "web", |scale| {
                assert_eq!(scale["kind"], "Scale");
                assert_eq!(scale["status"]["selector"], "app=web");
                scale["spec"]["replicas"] = json!(5);
            })
            .await
            .unwrap();
        assert_eq!(scale["spec"]["replicas"], 5);
        let web = cluster.get(kind, "web").await.unwrap();
        assert_eq!(web["spec"]["replicas"], 5);
        assert_eq!(scale["metadata"]["resourceVersion"], web["metadata"]["resourceVersion"]);
        let mut stale = scale;
        let slower = |object: &mut Value| object["spec"]["minReadySeconds"] = json!(1);
        cluster.edit(kind, None, "web", slower).await.unwrap();
        stale["spec"]["replicas"] = json!(6);
        assert_eq!(cluster.update(kind, Some("scale"), stale).await.unwrap_err().code, 409);
    }
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let cluster = Cluster::start().await;
    let before = cluster.registry.revision();
    let dry = WriteOptions { dry_run: true };
    let registry = &cluster.registry;
    let pods = kind(&PODS);
    let shown = registry.create(&admin(), pods, "default", pod("a"), &dry).await.unwrap();
    assert_eq!(value(&shown)["spec"]["restartPolicy"], "Always", "defaults are shown");
    assert_eq!(registry.revision(), before);
    assert_eq!(cluster.get(&PODS, "a").await.unwrap_err().code, 404);
    let created = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let key = key(&CONFIG_MAPS, "a");
    let target = Target { kind: kind(&CONFIG_MAPS), key: &key, subresource: None };
    let mut new = created.clone();
    new["data"]["key"] = json!("new");
    let shown = registry.update(&admin(), target, new, &dry).await.unwrap();
    assert_eq!(value(&shown)["data"]["key"], "new");
    assert_eq!(cluster.get(&CONFIG_MAPS, "a").await.unwrap(), created);
}

#[tokio::test]
async fn pods_are_bound_once() {
    let cluster = Cluster::start().await;
    cluster.create(&PODS, pod("a")).await.unwrap();
    assert_eq!(cluster.bind("a", "one").await.unwrap()["status"], "Success");
    let bound = cluster.get(&PODS, "a").await.unwrap();
    assert_eq!(bound["spec"]["nodeName"], "one");
    assert_eq!(bound["status"]["conditions"][0]["type"], "PodScheduled");
    let status = cluster.bind("a", "two").await.unwrap_err();
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on pods/binding \"a\": pod a is already assigned to node \"one\""
    );
}

#[tokio::test]
async fn pods_run_as_an_account_that_exists() {
    let cluster = Cluster::start().await;
    let created = cluster.create(&PODS, pod("a")).await.unwrap();
    assert_eq!(created["spec"]["serviceAccountName"], "default");
    let mut named = pod("b");
    named["spec"]["serviceAccountName"] = json!("robot");
    let status = cluster.create(&PODS, named.clone()).await.unwrap_err();
    assert_eq!(
        status.message,
        "pods \"b\" is forbidden: error looking up service account default/robot: serviceaccount \
         \"robot\" not found"
    );
    let robot = json!({ "metadata": { "name": "robot" } });
    cluster.create(&SERVICE_ACCOUNTS, robot).await.unwrap();
    cluster.create(&PODS, named).await.unwrap();
}

/// Writers that increment the same number with conditional updates lose none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_are_all_made() {
    const WRITERS: usize = 6;
    const CHANGES: usize = 15;
    let cluster = Arc::new(Cluster::start().await);
    let mut counter = config_map("counter");
    counter["data"] = json!({ "n": "0" });
    cluster.create(&CONFIG_MAPS, counter).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let cluster = Arc::clone(&cluster);
            tokio::spawn(async move {
                for _ in 0..CHANGES {
                    let add = |object: &mut Value| {
                        let n: usize = object["data"]["n"].as_str().unwrap().parse().unwrap();
                        object["data"]["n"] = json!((n + 1).to_string());
                    };
                    cluster.edit(&CONFIG_MAPS, None, "counter", add).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let counter = cluster.get(&CONFIG_MAPS, "counter").await.unwrap();
    assert_eq!(counter["data"]["n"], (WRITERS * CHANGES).to_string());
}
