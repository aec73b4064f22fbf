//! The registry as the control plane's own parts see it.

use std::time::Duration;

use futures::StreamExt;
use serde_json::json;
use sheave_api::resource::{CONFIG_MAPS, PODS};
use sheave_client::{Client, Patch, WatchEvent, WatchStream};

use super::*;

async fn next(watch: &mut WatchStream) -> WatchEvent {
    tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_client_reads_writes_and_watches() {
    let cluster = Cluster::start().await;
    let client: Arc<dyn Client> = cluster.registry.clone();
    client.create(&PODS, "default", pod("a")).await.unwrap();
    let mut watch = client.watch(&PODS);
    assert!(matches!(next(&mut watch).await, WatchEvent::Init));
    assert!(matches!(next(&mut watch).await, WatchEvent::InitApply(_)));
    let WatchEvent::InitDone(complete) = next(&mut watch).await else { panic!("incomplete") };
    assert_eq!(complete, cluster.registry.revision());
    let key = ObjectKey::new("default", "a");
    client.update(&PODS, &key, Some("binding"), binding("a", "one")).await.unwrap();
    let WatchEvent::Apply(bound) = next(&mut watch).await else { panic!("no change") };
    assert_eq!(value(&bound)["spec"]["nodeName"], "one");
    assert_eq!(client.get(&PODS, &key).await.unwrap().json, bound.json);
    let status = json!({ "status": { "phase": "Running" } });
    let patched = client.patch(&PODS, &key, Some("status"), Patch::Merge(status)).await.unwrap();
    assert_eq!(patched["status"]["phase"], "Running");
    let label = json!({ "metadata": { "labels": { "a": "b" } } });
    client.patch(&PODS, &key, None, Patch::Strategic(label)).await.unwrap();
    let options =
        sheave_client::DeleteOptions { grace_period_seconds: Some(0), ..Default::default() };
    client.delete(&PODS, &key, options).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(next(&mut watch).await, WatchEvent::Apply(_)));
    }
    assert!(matches!(next(&mut watch).await, WatchEvent::Delete(_)));
    assert!(client.list(&PODS, None).await.unwrap().is_empty());
    let unknown = GroupResource::of("example.com", "things");
    assert_eq!(client.list(&unknown, None).await.unwrap_err().code, 404);
}

#[tokio::test]
async fn a_watch_that_fell_behind_lists_again() {
    let cluster = Cluster::start().await;
    let mut watch = Client::watch(cluster.registry.as_ref(), &CONFIG_MAPS);
    assert!(matches!(next(&mut watch).await, WatchEvent::Init));
    assert!(matches!(next(&mut watch).await, WatchEvent::InitDone(_)));
    cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let large = "x".repeat(256 << 10);
    for n in 0..40 {
        let fill = |object: &mut Value| object["data"]["key"] = format!("{n}{large}").into();
        cluster.edit(&CONFIG_MAPS, None, "a", fill).await.unwrap();
    }
    assert!(matches!(next(&mut watch).await, WatchEvent::Init));
    let WatchEvent::InitApply(last) = next(&mut watch).await else { panic!("no list") };
    assert!(value(&last)["data"]["key"].as_str().unwrap().starts_with("39"));
    assert!(matches!(next(&mut watch).await, WatchEvent::InitDone(_)));
}
