//! Pods that wait: those to be tried now, and those that were tried and found no node. Pure.

use std::collections::{BTreeMap, BTreeSet};

use sheave_api::ObjectKey;

use crate::pod::PodFacts;

/// Higher priority first, then the older, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    urgency: std::cmp::Reverse<i32>,
    created: String,
    key: ObjectKey,
}

/// Waiting pods. A pod is in one place only.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: BTreeSet<Rank>,
    ranks: BTreeMap<ObjectKey, Rank>,
    refused: BTreeSet<ObjectKey>,
}

impl Queue {
    /// Adds a pod to be tried, whatever it was before.
    pub(crate) fn push(&mut self, key: &ObjectKey, pod: &PodFacts) {
        self.remove(key);
        let rank = Rank {
            urgency: std::cmp::Reverse(pod.priority),
            created: pod.created.clone(),
            key: key.clone(),
        };
        self.ranks.insert(key.clone(), rank.clone());
        self.ready.insert(rank);
    }

    /// The next pod to try; it is in the queue no more.
    pub(crate) fn pop(&mut self) -> Option<ObjectKey> {
        let rank = self.ready.pop_first()?;
        self.ranks.remove(&rank.key);
        Some(rank.key)
    }

    /// Remembers a pod that found no node.
    pub(crate) fn refuse(&mut self, key: ObjectKey) {
        self.refused.insert(key);
    }

    /// Something changed that may help: all refused pods are due again.
    pub(crate) fn take_refused(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.refused)
    }

    pub(crate) fn is_refused(&self, key: &ObjectKey) -> bool {
        self.refused.contains(key)
    }

    /// True when no pod is due.
    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        self.refused.remove(key);
        if let Some(rank) = self.ranks.remove(key) {
            self.ready.remove(&rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::json;

    fn pod(priority: i32, created: &str) -> PodFacts {
        let value = json!({
            "metadata": { "creationTimestamp": created }, "spec": { "priority": priority, "containers": [] },
        });
        serde_json::from_value::<Pod>(value).unwrap().into()
    }

    #[test]
    fn urgent_first_then_older() {
        let mut queue = Queue::default();
        let key = |name: &str| ObjectKey::new("default", name);
        queue.push(&key("young"), &pod(0, "2026-01-02T00:00:00Z"));
        queue.push(&key("old"), &pod(0, "2026-01-01T00:00:00Z"));
        queue.push(&key("urgent"), &pod(10, "2026-01-03T00:00:00Z"));
        queue.push(&key("gone"), &pod(10, "2026-01-03T00:00:00Z"));
        queue.remove(&key("gone"));
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|k| k.name).collect();
        assert_eq!(order, ["urgent", "old", "young"]);
    }
}
