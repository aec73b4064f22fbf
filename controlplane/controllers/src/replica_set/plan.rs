//! How many pods to create, which to delete, and what the status says. Pure.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use serde_json::{Value, json};
use sheave_api::ObjectKey;

use crate::controller_reference;
use crate::pod::PodFacts;

/// A pod of the set.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) key: ObjectKey,
    /// We have deleted it, though the picture does not show it yet.
    pub(super) deleting: bool,
    /// Seconds for which it may still wait until its endpoints are in effect everywhere, if it does.
    pub(super) waits_s: Option<i64>,
    pub(super) facts: Arc<PodFacts>,
}

impl Owned {
    fn counts(&self) -> bool {
        self.facts.is_active() && !self.deleting
    }

    fn is_available(&self, min_ready_seconds: i32, now: Timestamp) -> bool {
        self.waits_s.is_none() && self.facts.is_available(min_ready_seconds, now)
    }
}

/// What to do. At most one of both is not empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) create: usize,
    /// Pods by key and uid.
    pub(super) delete: Vec<(ObjectKey, String)>,
}

/// Compares pods that count with `spec.replicas`.
pub(super) fn plan(set: &ReplicaSet, pods: &[Owned]) -> Plan {
    let wanted = usize::try_from(replicas(set)).unwrap_or_default();
    let mut counting: Vec<&Owned> = pods.iter().filter(|pod| pod.counts()).collect();
    if counting.len() <= wanted {
        return Plan { create: wanted - counting.len(), delete: Vec::new() };
    }
    counting.sort_by_cached_key(|pod| dispensability(&pod.facts));
    let surplus = counting.len() - wanted;
    let victims = counting.into_iter().take(surplus);
    Plan { create: 0, delete: victims.map(|p| (p.key.clone(), p.facts.uid.clone())).collect() }
}

type Dispensability =
    (bool, u8, bool, i64, Reverse<Option<Timestamp>>, Reverse<i32>, Reverse<Option<Timestamp>>);

/// Sorts the pod that will be missed least first: without node, not running, not ready, cheap to delete,
/// ready for the shortest time, restarted most often, youngest.
fn dispensability(pod: &PodFacts) -> Dispensability {
    let phase = match pod.phase.as_str() {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    (
        !pod.node_name.is_empty(),
        phase,
        pod.ready,
        pod.deletion_cost,
        Reverse(pod.ready_since.filter(|_| pod.ready)),
        Reverse(pod.restarts),
        Reverse(pod.created),
    )
}

/// A new pod of the set.
pub(super) fn pod_of(set: &ReplicaSet, key: &ObjectKey) -> Value {
    let template = set.spec.as_ref().and_then(|spec| spec.template.as_ref());
    let template = serde_json::to_value(template).unwrap_or_default();
    let uid = set.metadata.uid.as_deref().unwrap_or_default();
    let mut metadata = template["metadata"].as_object().cloned().unwrap_or_default();
    metadata.remove("name");
    metadata.remove("creationTimestamp");
    metadata.insert("namespace".to_owned(), key.namespace.clone().into());
    metadata.insert("generateName".to_owned(), format!("{}-", key.name).into());
    let reference = controller_reference("apps/v1", "ReplicaSet", &key.name, uid);
    metadata.insert("ownerReferences".to_owned(), json!([reference]));
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"] })
}

/// The status as it should be.
pub(super) fn status(set: &ReplicaSet, pods: &[Owned], now: Timestamp) -> Value {
    let min_ready_seconds = min_ready_seconds(set);
    let template_labels = set
        .spec
        .as_ref()
        .and_then(|spec| spec.template.as_ref()?.metadata.as_ref()?.labels.clone())
        .unwrap_or_default();
    let count = |wanted: &dyn Fn(&Owned) -> bool| {
        pods.iter().filter(|pod| pod.counts() && wanted(pod)).count()
    };
    let labelled =
        |pod: &Owned| template_labels.iter().all(|(k, v)| pod.facts.labels.get(k) == Some(v));
    json!({
        "replicas": count(&|_| true),
        "fullyLabeledReplicas": count(&labelled),
        "readyReplicas": count(&|pod| pod.facts.ready),
        "availableReplicas": count(&|pod| pod.is_available(min_ready_seconds, now)),
        "terminatingReplicas": pods.iter().filter(|p| p.facts.terminating && !p.facts.has_ended()).count(),
        "observedGeneration": set.metadata.generation.unwrap_or_default(),
    })
}

/// Seconds until the next ready pod counts as available, if any waits for that.
pub(super) fn next_available_s(set: &ReplicaSet, pods: &[Owned], now: Timestamp) -> Option<u64> {
    let min_ready_seconds = min_ready_seconds(set);
    pods.iter()
        .filter(|pod| pod.counts() && pod.facts.ready)
        .filter(|pod| !pod.is_available(min_ready_seconds, now))
        .map(|pod| {
            let left = i64::from(min_ready_seconds) - pod.facts.seconds_ready(now);
            left.max(pod.waits_s.unwrap_or_default())
        })
        .filter_map(|seconds| u64::try_from(seconds.max(1)).ok())
        .min()
}

fn replicas(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn min_ready_seconds(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.min_ready_seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;

    fn set(replicas: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": { "name": "web", "uid": "set", "generation": 3 },
            "spec": {
                "replicas": replicas, "minReadySeconds": 10,
                "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": [{ "name": "c", "image": "i" }] },
                },
            },
        }))
        .unwrap()
    }

    fn pod(name: &str, node: &str, ready_since: Option<&str>, created: &str) -> Owned {
        let status = if ready_since.is_some() { "True" } else { "False" };
        let value = json!({
            "metadata": { "uid": name, "labels": { "app": "web" }, "creationTimestamp": created },
            "spec": { "nodeName": node, "containers": [] },
            "status": { "phase": "Running", "conditions": [
                { "type": "Ready", "status": status, "lastTransitionTime": ready_since }] },
        });
        Owned {
            key: ObjectKey::new("default", name),
            deleting: false,
            waits_s: None,
            facts: Arc::new(serde_json::from_value::<Pod>(value).unwrap().into()),
        }
    }

    const EARLY: &str = "2026-01-01T00:00:00Z";
    const LATE: &str = "2026-01-01T00:01:00Z";

    #[test]
    fn missing_pods_are_created_and_deleted_ones_do_not_count() {
        let mut pods = vec![pod("a", "n", Some(EARLY), EARLY), pod("b", "n", Some(EARLY), EARLY)];
        assert_eq!(plan(&set(3), &pods), Plan { create: 1, delete: vec![] });
        pods[0].deleting = true;
        assert_eq!(plan(&set(3), &pods), Plan { create: 2, delete: vec![] });
    }

    #[test]
    fn the_least_missed_go_first() {
        let pods = [
            pod("old-ready", "n", Some(EARLY), EARLY),
            pod("new-ready", "n", Some(LATE), LATE),
            pod("not-ready", "n", None, EARLY),
            pod("no-node", "", None, EARLY),
        ];
        let names = |replicas| -> Vec<String> {
            plan(&set(replicas), &pods).delete.into_iter().map(|(key, _)| key.name).collect()
        };
        assert_eq!(names(0), ["no-node", "not-ready", "new-ready", "old-ready"]);
        assert_eq!(names(3), ["no-node"]);
    }

    #[test]
    fn available_means_ready_long_enough() {
        let pods = [pod("a", "n", Some(EARLY), EARLY), pod("b", "n", Some(LATE), EARLY)];
        let now: Timestamp = "2026-01-01T00:01:04Z".parse().unwrap();
        let status = status(&set(2), &pods, now);
        assert_eq!(
            (&status["readyReplicas"], &status["availableReplicas"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(status["observedGeneration"], 3);
        assert_eq!(next_available_s(&set(2), &pods, now), Some(6));
    }

    #[test]
    fn a_pod_whose_endpoints_are_awaited_is_ready_and_not_available() {
        let mut pods = [pod("a", "n", Some(EARLY), EARLY), pod("b", "n", Some(EARLY), EARLY)];
        pods[0].waits_s = Some(25);
        let now: Timestamp = "2026-01-01T00:01:04Z".parse().unwrap();
        let status = status(&set(2), &pods, now);
        assert_eq!(
            (&status["readyReplicas"], &status["availableReplicas"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(next_available_s(&set(2), &pods, now), Some(25));
    }

    #[test]
    fn a_pod_comes_from_the_template_with_its_owner() {
        let pod = pod_of(&set(1), &ObjectKey::new("default", "web"));
        assert_eq!(pod["metadata"]["generateName"], "web-");
        assert_eq!(pod["metadata"]["labels"]["app"], "web");
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "set");
        assert_eq!(pod["spec"]["containers"][0]["image"], "i");
    }
}
