//! watch: where it begins, what selectors make of it, its order, and its end.

use std::time::Duration;

use futures::StreamExt;
use sheave_api::resource::{CONFIG_MAPS, PODS};
use sheave_api::selector::{FieldSelector, LabelSelector};
use sheave_registry::{Event, ResourceVersionMatch, Watch, WatchOptions};

use super::*;

impl Cluster {
    async fn watch(&self, of: &GroupResource, options: WatchOptions) -> Watch {
        self.registry.watch(&admin(), kind(of), Some("default"), options).await.unwrap()
    }
}

fn from(revision: u64) -> WatchOptions {
    WatchOptions { resource_version: ResourceVersion::At(revision), ..WatchOptions::default() }
}

async fn next(watch: &mut Watch) -> Event {
    tokio::time::timeout(Duration::from_secs(5), watch.next())
        .await
        .expect("an event in time")
        .expect("an event")
}

/// `+name` added, `~name` modified, `-name` deleted, `=` bookmark, `!` error.
fn short(event: &Event) -> String {
    match event {
        Event::Added(object) => format!("+{}", object.key.name),
        Event::Modified(object) => format!("~{}", object.key.name),
        Event::Deleted(object) => format!("-{}", object.key.name),
        Event::Bookmark { initial_events_end: true, .. } => "=end".to_owned(),
        Event::Bookmark { .. } => "=".to_owned(),
        Event::Error(status) => format!("!{}", status.code),
    }
}

async fn take(watch: &mut Watch, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(short(&next(watch).await));
    }
    events
}

#[tokio::test]
async fn a_watch_begins_where_it_is_asked_to() {
    let cluster = Cluster::start().await;
    let a = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    cluster.create(&CONFIG_MAPS, config_map("b")).await.unwrap();
    let mut after_a = cluster.watch(&CONFIG_MAPS, from(revision(&a))).await;
    let mut unset = cluster.watch(&CONFIG_MAPS, WatchOptions::default()).await;
    let marked = WatchOptions {
        send_initial_events: Some(true),
        resource_version_match: Some(ResourceVersionMatch::NotOlderThan),
        allow_bookmarks: true,
        ..WatchOptions::default()
    };
    let mut marked = cluster.watch(&CONFIG_MAPS, marked).await;
    cluster.delete(&CONFIG_MAPS, "a").await.unwrap();
    assert_eq!(take(&mut after_a, 2).await, ["+b", "-a"]);
    assert_eq!(take(&mut unset, 3).await, ["+a", "+b", "-a"]);
    assert_eq!(take(&mut marked, 4).await, ["+a", "+b", "=end", "-a"]);
}

#[tokio::test]
async fn a_deleted_object_carries_its_last_state_and_the_new_revision() {
    let cluster = Cluster::start().await;
    let a = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let mut watch = cluster.watch(&CONFIG_MAPS, from(revision(&a))).await;
    cluster.delete(&CONFIG_MAPS, "a").await.unwrap();
    let Event::Deleted(last) = next(&mut watch).await else { panic!("no deletion") };
    assert!(last.revision > revision(&a));
    assert_eq!(value(&last)["data"], a["data"]);
}

#[tokio::test]
async fn selectors_turn_changes_into_additions_and_deletions() {
    let cluster = Cluster::start().await;
    let a = cluster.create(&CONFIG_MAPS, labelled("a", "web")).await.unwrap();
    let options = WatchOptions {
        label_selector: LabelSelector::parse("app=web").unwrap(),
        ..from(revision(&a))
    };
    let mut watch = cluster.watch(&CONFIG_MAPS, options).await;
    let relabel = |app: &'static str| {
        move |object: &mut Value| object["metadata"]["labels"]["app"] = app.into()
    };
    cluster.create(&CONFIG_MAPS, labelled("other", "db")).await.unwrap();
    cluster.edit(&CONFIG_MAPS, None, "a", relabel("db")).await.unwrap();
    cluster.edit(&CONFIG_MAPS, None, "a", relabel("web")).await.unwrap();
    let touch = |object: &mut Value| object["data"] = serde_json::json!({ "k": "v" });
    cluster.edit(&CONFIG_MAPS, None, "a", touch).await.unwrap();
    cluster.delete(&CONFIG_MAPS, "a").await.unwrap();
    assert_eq!(take(&mut watch, 4).await, ["-a", "+a", "~a", "-a"]);
    cluster.create(&PODS, pod("p")).await.unwrap();
    let options = WatchOptions {
        field_selector: FieldSelector::parse("spec.nodeName=one").unwrap(),
        ..WatchOptions::default()
    };
    let mut watch = cluster.watch(&PODS, options).await;
    cluster.bind("p", "one").await.unwrap();
    assert_eq!(take(&mut watch, 1).await, ["+p"]);
}

#[tokio::test]
async fn a_watch_from_before_the_history_ends_with_410() {
    let cluster = Cluster::start().await;
    let a = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    cluster.create(&CONFIG_MAPS, config_map("b")).await.unwrap();
    let cluster = cluster.restart(RegistryConfig::default()).await;
    let mut watch = cluster.watch(&CONFIG_MAPS, from(revision(&a))).await;
    let Event::Error(status) = next(&mut watch).await else { panic!("no error") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(status.message.starts_with("too old resource version: "));
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_slow_watch_is_cut_and_slows_nobody() {
    let cluster = Cluster::start().await;
    let a = cluster.create(&CONFIG_MAPS, config_map("a")).await.unwrap();
    let mut slow = cluster.watch(&CONFIG_MAPS, from(revision(&a))).await;
    let large = "x".repeat(256 << 10);
    for n in 0..40 {
        let fill = |object: &mut Value| {
            object["data"]["key"] = format!("{n}{large}").into();
        };
        cluster.edit(&CONFIG_MAPS, None, "a", fill).await.unwrap();
    }
    let Event::Error(status) = next(&mut slow).await else { panic!("not cut") };
    assert_eq!(status.code, 410);
}

#[tokio::test]
async fn bookmarks_tell_how_far_the_watch_is() {
    let cluster = Cluster::start().await;
    let start = cluster.registry.revision();
    let options = WatchOptions { allow_bookmarks: true, ..from(start) };
    let mut watch = cluster.watch(&CONFIG_MAPS, options).await;
    // Of another kind: the watch sees nothing, the bookmark says so.
    let other = cluster.create(&PODS, pod("a")).await.unwrap();
    tokio::time::pause();
    let event = watch.next().await.unwrap();
    let Event::Bookmark { revision: at, initial_events_end: false } = event else {
        panic!("{}", short(&event))
    };
    assert_eq!(at, revision(&other));
}

#[tokio::test]
async fn options_that_contradict_each_other_are_refused() {
    let cluster = Cluster::start().await;
    let lone = WatchOptions { send_initial_events: Some(true), ..WatchOptions::default() };
    let refused = cluster.registry.watch(&admin(), kind(&PODS), None, lone).await;
    assert_eq!(refused.err().unwrap().code, 422);
}

/// Watches begun at any moment, under concurrent writers, see every later change once and in order,
/// and with the state they began from add up to the state at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_neither_skip_nor_repeat_nor_reorder() {
    const WRITERS: usize = 6;
    const CHANGES: usize = 40;
    let cluster = Arc::new(Cluster::start().await);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let cluster = Arc::clone(&cluster);
            tokio::spawn(async move {
                for n in 0..CHANGES {
                    let name = format!("w{writer}-{}", n % 3);
                    match cluster.create(&CONFIG_MAPS, config_map(&name)).await {
                        Ok(_) => {}
                        Err(_) if n % 4 == 3 => {
                            cluster.delete(&CONFIG_MAPS, &name).await.unwrap();
                        }
                        Err(_) => {
                            let set = |o: &mut Value| o["data"]["key"] = n.to_string().into();
                            cluster.edit(&CONFIG_MAPS, None, &name, set).await.unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    let watches: Vec<_> = (0..8)
        .map(|n| {
            let cluster = Arc::clone(&cluster);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(n * 3)).await;
                let list = cluster.list(&CONFIG_MAPS, ListOptions::default()).await.unwrap();
                let watch = cluster.watch(&CONFIG_MAPS, from(list.revision)).await;
                (list, watch)
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let end = cluster.create(&CONFIG_MAPS, config_map("zz-end")).await.unwrap();
    let last = cluster.list(&CONFIG_MAPS, ListOptions::default()).await.unwrap();
    for begun in watches {
        let (list, mut watch) = begun.await.unwrap();
        let mut state: std::collections::BTreeMap<_, _> =
            list.items.iter().map(|item| (item.key.clone(), item.revision)).collect();
        let mut reached = list.revision;
        while reached < revision(&end) {
            let event = next(&mut watch).await;
            let (object, exists) = match event {
                Event::Added(object) => {
                    assert!(!state.contains_key(&object.key), "added twice");
                    (object, true)
                }
                Event::Modified(object) => {
                    assert!(state.contains_key(&object.key), "modified, never added");
                    (object, true)
                }
                Event::Deleted(object) => {
                    assert!(state.contains_key(&object.key), "deleted, never added");
                    (object, false)
                }
                other => panic!("{}", short(&other)),
            };
            assert!(object.revision > reached, "out of order");
            reached = object.revision;
            match exists {
                true => state.insert(object.key, object.revision),
                false => state.remove(&object.key),
            };
        }
        let expected: std::collections::BTreeMap<_, _> =
            last.items.iter().map(|item| (item.key.clone(), item.revision)).collect();
        assert_eq!(state, expected);
    }
}
