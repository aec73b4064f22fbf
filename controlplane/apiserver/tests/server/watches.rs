//! Watches over HTTP: order, selectors, bookmarks, and their ends.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::config_map::{CONFIG_MAPS, config_map};
use crate::serving::{Client, Serving};

/// The lines of a watch, one at a time.
struct Lines {
    body: hyper::body::Incoming,
    buffered: Vec<u8>,
}

impl Lines {
    async fn open(client: &Client, path: &str) -> Self {
        let response = client.send(client.request(Method::GET, path, &[], "")).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self { body: response.into_body(), buffered: Vec::new() }
    }

    /// The next event, or `None` at the end of the watch.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffered.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffered.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame());
            let frame = frame.await.expect("an event within ten seconds")?;
            self.buffered.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    }

    async fn next_type_and_name(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

fn event(event_type: &str, name: &str) -> (String, String) {
    (event_type.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_follows_selectors_and_ends_when_told() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    admin.post(CONFIG_MAPS, &config_map("a")).await;
    let selected = format!("{CONFIG_MAPS}?watch=1&labelSelector=app%3Da&timeoutSeconds=3");
    let mut watch = Lines::open(&admin, &selected).await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "a"));
    admin.post(CONFIG_MAPS, &config_map("b")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let merge = ("content-type", "application/merge-patch+json");
    let relabel = |label: &'static str| {
        let (admin, path) = (admin.clone(), path.clone());
        async move {
            let body = format!("{{\"metadata\":{{\"labels\":{{\"app\":\"{label}\"}}}}}}");
            admin.ask(Method::PATCH, &path, &[merge], body).await
        }
    };
    relabel("x").await;
    assert_eq!(watch.next_type_and_name().await, event("DELETED", "a"));
    relabel("a").await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "a"));
    admin.delete(&path).await;
    assert_eq!(watch.next_type_and_name().await, event("DELETED", "a"));
    assert_eq!(watch.next().await, None, "timeoutSeconds ends the watch");
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    admin.post(CONFIG_MAPS, &config_map("a")).await;
    let path = format!(
        "{CONFIG_MAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
         &allowWatchBookmarks=true&resourceVersion="
    );
    let mut watch = Lines::open(&admin, &path).await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "a"));
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    let annotations = &bookmark["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
    admin.post(CONFIG_MAPS, &config_map("b")).await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "b"));
}

#[tokio::test]
async fn a_watch_from_before_history_is_told_410() {
    let serving = Serving::start().await;
    let created = serving.admin().post(CONFIG_MAPS, &config_map("a")).await.json();
    serving.admin().delete(&format!("{CONFIG_MAPS}/a")).await;
    // A server that was just started knows the state and no longer what led to it.
    let serving = serving.restart().await;
    let revision = created["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion={revision}&timeoutSeconds=2");
    let answer = serving.admin().get(&path).await;
    let first: Value = serde_json::from_str(answer.text.lines().next().unwrap()).unwrap();
    let status = if answer.code == StatusCode::OK { &first["object"] } else { &first };
    assert_eq!((status["code"].as_u64(), status["reason"].as_str()), (Some(410), Some("Expired")));
}

#[tokio::test]
async fn requests_are_counted() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    admin.get(CONFIG_MAPS).await;
    let _watch = Lines::open(&admin, &format!("{CONFIG_MAPS}?watch=1")).await;
    let metrics = admin.get("/metrics").await.text;
    assert!(metrics.contains("{verb=\"GET\",resource=\"configmaps\",code=\"200\"} 2"), "{metrics}");
    assert!(metrics.contains("apiserver_longrunning_requests{verb=\"WATCH\"} 1"), "{metrics}");
}

#[tokio::test]
async fn stopping_ends_watches_and_lets_nobody_wait() {
    let mut serving = Serving::start().await;
    let admin = serving.admin();
    let mut watch = Lines::open(&admin, &format!("{CONFIG_MAPS}?watch=1")).await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), serving.stop());
    let (stopped, end) = tokio::join!(stopped, watch.next());
    stopped.expect("the server stops within five seconds");
    assert_eq!(end, None);
}
