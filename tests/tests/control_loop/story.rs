//! What happens to pods, in the order in which a watch shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use sheave_api::resource::PODS;
use sheave_client::{WatchEvent, WatchStream};
use tokio_stream::StreamExt;

use crate::plane::Plane;

/// The name of a pod.
pub(crate) fn name(pod: &Value) -> String {
    pod["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// The image of a pod's first container.
pub(crate) fn image(pod: &Value) -> String {
    pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
}

/// What happens to pods, called db-0 here: `+db-0` it was made, `!db-0` it is ready, `-db-0` it is to end, `.db-0` it
/// is gone.
pub(crate) struct Story {
    watch: WatchStream,
    /// What a pod is called.
    called: fn(&Value) -> String,
    /// What has happened, by uid.
    seen: BTreeMap<String, Vec<char>>,
}

impl Story {
    pub(crate) fn begin(plane: &Plane, called: fn(&Value) -> String) -> Self {
        Self { watch: plane.client.watch(&PODS), called, seen: BTreeMap::new() }
    }

    /// What happens until `end` does.
    pub(crate) async fn until(&mut self, end: &str) -> Vec<String> {
        let mut events = Vec::new();
        while events.last().is_none_or(|last| last != end) {
            let next = tokio::time::timeout(Duration::from_secs(30), self.watch.next()).await;
            let next = next.unwrap_or_else(|_| panic!("waited for {end} after {events:?}"));
            let (stored, is_gone) = match next.expect("the control plane runs") {
                WatchEvent::Apply(stored) | WatchEvent::InitApply(stored) => (stored, false),
                WatchEvent::Delete(stored) => (stored, true),
                WatchEvent::Init | WatchEvent::InitDone(_) => continue,
            };
            let pod: Value = serde_json::from_slice(&stored.json).unwrap();
            let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
            let is_ready = conditions.any(|it| it["type"] == "Ready" && it["status"] == "True");
            let is_to_end = pod["metadata"].get("deletionTimestamp").is_some();
            let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
            let called = (self.called)(&pod);
            let known = self.seen.entry(uid).or_default();
            for (mark, holds) in [('+', true), ('!', is_ready), ('-', is_to_end), ('.', is_gone)] {
                if holds && !known.contains(&mark) {
                    known.push(mark);
                    events.push(format!("{mark}{called}"));
                }
            }
        }
        events
    }
}
