//! delete and deletecollection.

use serde_json::json;
use sheave_api::kinds::Propagation;
use sheave_api::resource::{
    CONFIG_MAPS, DEPLOYMENTS, NAMESPACES, POD_DISRUPTION_BUDGETS as BUDGETS, PODS,
};
use sheave_api::selector::LabelSelector;

use super::*;

fn with_grace(seconds: i64) -> DeleteOptions {
    DeleteOptions { grace_period_seconds: Some(seconds), ..DeleteOptions::default() }
}

#[tokio::test]
async fn plain_objects_go_at_once() {
    let cluster = Cluster::start().await;
    let created = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let Deleted::Gone(last) = cluster.delete(&CONFIG_MAPS, "a").await.unwrap() else {
        panic!("it stays")
    };
    assert!(last.revision > revision(&created));
    assert_eq!(value(&last)["data"], created["data"]);
    assert_eq!(cluster.get(&CONFIG_MAPS, "a").await.unwrap_err().code, 404);
    assert_eq!(cluster.delete(&CONFIG_MAPS, "a").await.unwrap_err().code, 404);
}

#[tokio::test]
async fn preconditions_are_checked() {
    let cluster = Cluster::start().await;
    let created = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let uid = created["metadata"]["uid"].as_str().unwrap();
    let other = DeleteOptions { uid: Some("other".to_owned()), ..DeleteOptions::default() };
    let status = cluster.delete_with(&CONFIG_MAPS, "a", other).await.unwrap_err();
    assert_eq!(
        status.message,
        format!(
            "Operation cannot be fulfilled on configmaps \"a\": Precondition failed: UID in \
             precondition: other, UID in object meta: {uid}"
        )
    );
    let old = DeleteOptions { resource_version: Some("1".to_owned()), ..DeleteOptions::default() };
    assert_eq!(cluster.delete_with(&CONFIG_MAPS, "a", old).await.unwrap_err().code, 409);
    let right = DeleteOptions {
        uid: Some(uid.to_owned()),
        resource_version: Some(revision(&created).to_string()),
        ..DeleteOptions::default()
    };
    cluster.delete_with(&CONFIG_MAPS, "a", right).await.unwrap();
}

#[tokio::test]
async fn a_bound_pod_gets_its_grace_which_only_shortens() {
    let cluster = Cluster::start().await;
    cluster.create(&PODS, pod("a")).await.unwrap();
    cluster.bind("a", "one").await.unwrap();
    let Deleted::Terminating(marked) = cluster.delete(&PODS, "a").await.unwrap() else {
        panic!("gone without grace")
    };
    let marked = value(&marked);
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    let end = marked["metadata"]["deletionTimestamp"].as_str().unwrap().to_owned();
    let longer = cluster.delete_with(&PODS, "a", with_grace(100)).await.unwrap();
    assert_eq!(value(longer.object()), marked);
    let shorter = cluster.delete_with(&PODS, "a", with_grace(5)).await.unwrap();
    let shorter = value(shorter.object());
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    assert!(shorter["metadata"]["deletionTimestamp"].as_str().unwrap() < end.as_str());
    let again = cluster.delete(&PODS, "a").await.unwrap();
    assert_eq!(value(again.object()), shorter);
    let gone = cluster.delete_with(&PODS, "a", with_grace(0)).await.unwrap();
    assert!(matches!(gone, Deleted::Gone(_)));
    assert_eq!(cluster.get(&PODS, "a").await.unwrap_err().code, 404);
}

#[tokio::test]
async fn an_unbound_pod_goes_at_once() {
    let cluster = Cluster::start().await;
    cluster.create(&PODS, pod("a")).await.unwrap();
    assert!(matches!(cluster.delete(&PODS, "a").await.unwrap(), Deleted::Gone(_)));
}

#[tokio::test]
async fn finalizers_keep_an_object_until_the_last_is_removed() {
    let cluster = Cluster::start().await;
    let mut object = config_map("a");
    object["metadata"]["finalizers"] = json!(["example.com/one", "example.com/two"]);
    cluster.create(&CONFIG_MAPS, object).await.unwrap();
    assert!(matches!(cluster.delete(&CONFIG_MAPS, "a").await.unwrap(), Deleted::Terminating(_)));
    let marked = cluster.get(&CONFIG_MAPS, "a").await.unwrap();
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let keep = |names: Value| move |o: &mut Value| o["metadata"]["finalizers"] = names.clone();
    let one = keep(json!(["example.com/two"]));
    cluster.edit(&CONFIG_MAPS, None, "a", one).await.unwrap();
    let added = keep(json!(["example.com/two", "example.com/three"]));
    let refused = cluster.edit(&CONFIG_MAPS, None, "a", added).await.unwrap_err();
    assert_eq!(refused.code, 422);
    cluster.edit(&CONFIG_MAPS, None, "a", keep(json!([]))).await.unwrap();
    assert_eq!(cluster.get(&CONFIG_MAPS, "a").await.unwrap_err().code, 404);
}

#[tokio::test]
async fn propagation_becomes_a_finalizer() {
    let cluster = Cluster::start().await;
    for (name, propagation, finalizer) in
        [("a", Propagation::Foreground, "foregroundDeletion"), ("b", Propagation::Orphan, "orphan")]
    {
        cluster.create(&DEPLOYMENTS, deployment(name)).await.unwrap();
        let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
        cluster.delete_with(&DEPLOYMENTS, name, options).await.unwrap();
        let marked = cluster.get(&DEPLOYMENTS, name).await.unwrap();
        assert_eq!(marked["metadata"]["finalizers"], json!([finalizer]));
        assert_eq!(marked["metadata"]["generation"], 2);
    }
    cluster.create(&DEPLOYMENTS, deployment("c")).await.unwrap();
    let background =
        DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
    let gone = cluster.delete_with(&DEPLOYMENTS, "c", background).await.unwrap();
    assert!(matches!(gone, Deleted::Gone(_)));
}

#[tokio::test]
async fn a_namespace_ends_when_it_is_finalized() {
    let cluster = Cluster::start().await;
    cluster.create(&NAMESPACES, json!({ "metadata": { "name": "a" } })).await.unwrap();
    assert!(matches!(cluster.delete(&NAMESPACES, "a").await.unwrap(), Deleted::Terminating(_)));
    let marked = cluster.get(&NAMESPACES, "a").await.unwrap();
    assert_eq!(marked["status"]["phase"], "Terminating");
    let options = WriteOptions::default();
    let kind = kind(&CONFIG_MAPS);
    let refused = cluster.registry.create(&admin(), kind, "a", config_map("x"), &options).await;
    assert_eq!(
        refused.unwrap_err().message,
        "configmaps \"x\" is forbidden: unable to create new content in namespace a because it is \
         being terminated"
    );
    let mut finalized = marked;
    finalized["spec"]["finalizers"] = json!([]);
    cluster.update(&NAMESPACES, Some("finalize"), finalized).await.unwrap();
    assert_eq!(cluster.get(&NAMESPACES, "a").await.unwrap_err().code, 404);
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let cluster = Cluster::start().await;
    for n in 0..40 {
        let app = if n % 2 == 0 { "even" } else { "odd" };
        cluster.create(&CONFIG_MAPS, labelled(&format!("c{n:02}"), app)).await.unwrap();
    }
    let list = ListOptions {
        label_selector: LabelSelector::parse("app=even").unwrap(),
        ..ListOptions::default()
    };
    let options = DeleteOptions::default();
    let kind = kind(&CONFIG_MAPS);
    let deleted = cluster
        .registry
        .delete_collection(&admin(), kind, Some("default"), &list, &options)
        .await
        .unwrap();
    assert_eq!(deleted.items.len(), 20);
    let left = cluster.list(&CONFIG_MAPS, ListOptions::default()).await.unwrap();
    assert_eq!(left.items.len(), 20);
    assert!(left.items.iter().all(|item| value(item)["metadata"]["labels"]["app"] == "odd"));
}

#[tokio::test]
async fn an_eviction_is_a_delete() {
    let cluster = Cluster::start().await;
    cluster.create(&PODS, pod("a")).await.unwrap();
    cluster.bind("a", "one").await.unwrap();
    let key = key(&PODS, "a");
    let target = Target { kind: kind(&PODS), key: &key, subresource: Some("eviction") };
    let eviction = json!({
        "metadata": { "name": "a" }, "deleteOptions": { "gracePeriodSeconds": 3 },
    });
    let options = WriteOptions::default();
    cluster.registry.create_subresource(&admin(), target, eviction, &options).await.unwrap();
    let marked = cluster.get(&PODS, "a").await.unwrap();
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 3);
}

fn budget(name: &str, status: serde_json::Value) -> serde_json::Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } },
        "status": status,
    })
}

#[tokio::test]
async fn evictions_use_up_what_the_budget_allows() {
    let cluster = Cluster::start().await;
    for name in ["a", "b", "c"] {
        let mut pod = pod(name);
        pod["metadata"]["labels"] = json!({ "app": "web" });
        cluster.create(&PODS, pod).await.unwrap();
        cluster.bind(name, "one").await.unwrap();
        let status = json!({
            "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }],
        });
        cluster
            .edit(&PODS, Some("status"), name, |pod| pod["status"] = status.clone())
            .await
            .unwrap();
    }
    let evict = async |name: &str, dry_run: bool| {
        let key = key(&PODS, name);
        let target = Target { kind: kind(&PODS), key: &key, subresource: Some("eviction") };
        let eviction = json!({ "metadata": { "name": name } });
        let options = WriteOptions { dry_run };
        cluster.registry.create_subresource(&admin(), target, eviction, &options).await
    };
    let created = cluster.create(&BUDGETS, budget("web", json!({}))).await.unwrap();
    assert_eq!(created["metadata"]["generation"], 1);
    let status = evict("a", false).await.unwrap_err();
    assert_eq!((status.code, &status.details["retryAfterSeconds"]), (429, &json!(10)));

    let allowed = json!({
        "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2,
        "expectedPods": 3,
    });
    let set = |budget: &mut serde_json::Value| budget["status"] = allowed.clone();
    cluster.edit(&BUDGETS, Some("status"), "web", set).await.unwrap();
    evict("a", true).await.unwrap();
    let budget_now = cluster.get(&BUDGETS, "web").await.unwrap();
    assert_eq!(budget_now["status"]["disruptionsAllowed"], 1, "a dry run uses nothing up");
    assert_eq!(cluster.get(&PODS, "a").await.unwrap()["metadata"].get("deletionTimestamp"), None);

    // Both ask at once, one may go.
    let (a, b) = tokio::join!(evict("a", false), evict("b", false));
    let refused: Vec<_> = [a, b].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        refused[0].details["causes"][0]["message"],
        "The disruption budget web needs 2 healthy pods and has 3 currently"
    );
    let budget_now = cluster.get(&BUDGETS, "web").await.unwrap();
    assert_eq!(budget_now["status"]["disruptionsAllowed"], 0);
    assert_eq!(budget_now["status"]["disruptedPods"].as_object().unwrap().len(), 1);

    // More than one budget is a mistake that somebody has to mend.
    cluster.create(&BUDGETS, budget("other", json!({}))).await.unwrap();
    assert_eq!(evict("c", false).await.unwrap_err().code, 500);
    cluster.delete(&BUDGETS, "other").await.unwrap();
    cluster.delete(&BUDGETS, "web").await.unwrap();
    evict("c", false).await.unwrap();
}

#[tokio::test]
async fn budgets_are_checked() {
    let cluster = Cluster::start().await;
    let mut both = budget("both", json!({}));
    both["spec"]["maxUnavailable"] = json!("120%");
    let status = cluster.create(&BUDGETS, both).await.unwrap_err();
    assert_eq!(status.code, 422);
    for part in
        ["minAvailable and maxUnavailable cannot be both set", "must not be greater than 100%"]
    {
        assert!(status.message.contains(part), "{status}");
    }
}
