//! On which nodes a DaemonSet should run, which pods to create and delete, and what the status says. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, PodSpec, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Deserialize;
use serde_json::{Value, json};
use sheave_api::{ObjectKey, node_affinity, toleration};

use crate::pod::PodFacts;
use crate::{controller_reference, scaled};

pub(super) const HASH_LABEL: &str = "controller-revision-hash";
/// Seconds for which a pod that failed stays: whatever made it fail is not met more often.
const FAILED_KEPT_S: i64 = 30;
/// What every daemon puts up with: it belongs to the node in bad times too.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
const NETWORK_UNAVAILABLE: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// What of a node decides who runs there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Node")]
pub(super) struct NodeFacts {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) taints: Vec<Taint>,
}

impl From<Node> for NodeFacts {
    fn from(node: Node) -> Self {
        Self {
            name: node.metadata.name.unwrap_or_default(),
            labels: node.metadata.labels.unwrap_or_default(),
            taints: node.spec.and_then(|spec| spec.taints).unwrap_or_default(),
        }
    }
}

/// A pod of the set.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) key: ObjectKey,
    /// The node it is on, or is meant for.
    pub(super) node: String,
    /// We have deleted it, though the picture does not show it yet.
    pub(super) deleting: bool,
    /// It may still wait until its endpoints are in effect everywhere.
    pub(super) waits_s: Option<i64>,
    pub(super) facts: std::sync::Arc<PodFacts>,
}

impl Owned {
    fn goes(&self) -> bool {
        self.deleting || self.facts.terminating
    }

    fn is_of(&self, hash: &str) -> bool {
        self.facts.labels.get(HASH_LABEL).is_some_and(|of| of == hash)
    }

    fn is_available(&self, min_ready_seconds: i32, now: Timestamp) -> bool {
        !self.goes() && self.waits_s.is_none() && self.facts.is_available(min_ready_seconds, now)
    }
}

/// What to do, and what is.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Names of nodes.
    pub(super) create: Vec<String>,
    /// Pods by key and uid.
    pub(super) delete: Vec<(ObjectKey, String)>,
    /// Seconds after which to look again, if nothing happens.
    pub(super) again_s: Option<u64>,
    pub(super) status: Value,
}

/// Compares nodes with the pods there are. `hash` is that of the template.
pub(super) fn plan(
    set: &DaemonSet,
    hash: &str,
    nodes: &[NodeFacts],
    pods: &[Owned],
    now: Timestamp,
) -> Plan {
    let spec = set.spec.clone().unwrap_or_default();
    let pod_spec = with_tolerations(spec.template.spec.unwrap_or_default());
    let min_ready_seconds = spec.min_ready_seconds.unwrap_or_default();
    let mut by_node: BTreeMap<&str, Vec<&Owned>> = BTreeMap::new();
    for pod in pods {
        by_node.entry(&pod.node).or_default().push(pod);
    }
    let mut plan = Plan::default();
    let mut counts = Counts::default();
    // The one pod of each node that counts.
    let mut running: Vec<&Owned> = Vec::new();
    for node in nodes {
        let here = by_node.remove(node.name.as_str()).unwrap_or_default();
        let (runs, stays) = fits(&pod_spec, node);
        let alive = plan.thin_out(&here, stays, now);
        match (runs, alive) {
            (true, Some(pod)) => running.push(pod),
            (true, None) if here.is_empty() => plan.create.push(node.name.clone()),
            // What goes is waited for: never are there two on a node.
            (true, None) => {}
            (false, _) => counts.misscheduled += i32::from(!here.is_empty()),
        }
        counts.desired += i32::from(runs);
    }
    // Their nodes are gone.
    for pod in by_node.values().flatten().filter(|pod| !pod.goes()) {
        plan.delete.push((pod.key.clone(), pod.facts.uid.clone()));
    }
    for pod in &running {
        counts.current += 1;
        counts.ready += i32::from(pod.facts.ready);
        counts.updated += i32::from(pod.is_of(hash));
        let is_available = pod.is_available(min_ready_seconds, now);
        counts.available += i32::from(is_available);
        if pod.facts.ready && !is_available {
            let left = i64::from(min_ready_seconds) - pod.facts.seconds_ready(now);
            plan.look_again(left.max(pod.waits_s.unwrap_or_default()));
        }
    }
    if spec.update_strategy.as_ref().and_then(|s| s.type_.as_deref()) != Some("OnDelete") {
        let rolling = spec.update_strategy.and_then(|s| s.rolling_update);
        let max = rolling.and_then(|r| r.max_unavailable).unwrap_or(IntOrString::Int(1));
        // At least one, so that an update ends.
        let max = scaled::up(&max, counts.desired).max(1);
        plan.replace(&running, hash, max, &counts, |pod| pod.is_available(min_ready_seconds, now));
    }
    plan.status = counts.status(set.metadata.generation.unwrap_or_default());
    plan
}

impl Plan {
    fn look_again(&mut self, seconds: i64) {
        let seconds = u64::try_from(seconds.max(1)).unwrap_or(1);
        self.again_s = Some(self.again_s.map_or(seconds, |again| again.min(seconds)));
    }

    fn delete(&mut self, pod: &Owned) {
        self.delete.push((pod.key.clone(), pod.facts.uid.clone()));
    }

    /// Leaves one pod on a node, the oldest, or none where none may stay.
    fn thin_out<'a>(
        &mut self,
        here: &[&'a Owned],
        stays: bool,
        now: Timestamp,
    ) -> Option<&'a Owned> {
        let mut alive: Vec<&Owned> = here.iter().copied().filter(|pod| !pod.goes()).collect();
        alive.sort_by_key(|pod| (pod.facts.created, pod.key.name.clone()));
        let mut kept = None;
        for pod in alive {
            let age_s = pod.facts.created.map_or(0, |at| now.as_second() - at.as_second());
            if pod.facts.has_ended() && age_s < FAILED_KEPT_S && stays {
                self.look_again(FAILED_KEPT_S - age_s);
                kept.get_or_insert(pod);
            } else if pod.facts.has_ended() || !stays || kept.is_some() {
                self.delete(pod);
            } else {
                kept = Some(pod);
            }
        }
        kept
    }

    /// Deletes pods of former templates: those that do not work at once, others while not too many are away.
    fn replace(
        &mut self,
        running: &[&Owned],
        hash: &str,
        max_unavailable: i32,
        counts: &Counts,
        is_available: impl Fn(&Owned) -> bool,
    ) {
        let mut room = max_unavailable - (counts.desired - counts.available);
        for pod in running.iter().filter(|pod| !pod.is_of(hash)) {
            if !is_available(pod) {
                self.delete(pod);
            } else if room > 0 {
                room -= 1;
                self.delete(pod);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    desired: i32,
    current: i32,
    misscheduled: i32,
    ready: i32,
    updated: i32,
    available: i32,
}

impl Counts {
    fn status(&self, generation: i64) -> Value {
        json!({
            "desiredNumberScheduled": self.desired, "currentNumberScheduled": self.current,
            "numberMisscheduled": self.misscheduled, "numberReady": self.ready,
            "updatedNumberScheduled": self.updated, "numberAvailable": self.available,
            "numberUnavailable": self.desired - self.available, "observedGeneration": generation,
        })
    }
}

/// Whether a pod should run on a node, and whether one that does may stay.
fn fits(spec: &PodSpec, node: &NodeFacts) -> (bool, bool) {
    let selected = spec.node_selector.iter().flatten();
    let selected = selected.into_iter().all(|(k, v)| node.labels.get(k) == Some(v));
    let required = spec.affinity.as_ref().and_then(|a| {
        a.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()
    });
    let required = required.is_none_or(|required| {
        let mut terms = required.node_selector_terms.iter();
        terms.any(|term| node_affinity::matches(term, &node.name, &node.labels))
    });
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let is_untolerated = |taint: &&Taint| !tolerations.iter().any(|t| toleration::covers(t, taint));
    let kept_away = |effects: &[&str]| {
        let mut taints = node.taints.iter().filter(is_untolerated);
        taints.any(|taint| effects.contains(&taint.effect.as_str()))
    };
    let belongs = selected && required;
    (belongs && !kept_away(&["NoSchedule", "NoExecute"]), belongs && !kept_away(&["NoExecute"]))
}

fn with_tolerations(mut spec: PodSpec) -> PodSpec {
    let on_host = spec.host_network == Some(true);
    let more = TOLERATED.into_iter().chain(on_host.then_some(NETWORK_UNAVAILABLE));
    let tolerations = spec.tolerations.get_or_insert_default();
    for (key, effect) in more {
        tolerations.push(Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        });
    }
    spec
}

/// A new pod for a node.
pub(super) fn pod_of(set: &DaemonSet, key: &ObjectKey, hash: &str, node: &str) -> Value {
    let template = set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let spec = with_tolerations(template.spec.clone().unwrap_or_default());
    let template = serde_json::to_value(&template).unwrap_or_default();
    let mut metadata = template["metadata"].as_object().cloned().unwrap_or_default();
    metadata.remove("name");
    metadata.remove("creationTimestamp");
    metadata.insert("namespace".to_owned(), key.namespace.clone().into());
    metadata.insert("generateName".to_owned(), format!("{}-", key.name).into());
    let uid = set.metadata.uid.as_deref().unwrap_or_default();
    let reference = controller_reference("apps/v1", "DaemonSet", &key.name, uid);
    metadata.insert("ownerReferences".to_owned(), json!([reference]));
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": serde_json::to_value(spec).unwrap_or_default(),
    });
    pod["metadata"]["labels"][HASH_LABEL] = json!(hash);
    // In place of what the template asks for, which the node meets.
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
        "nodeSelectorTerms": [{ "matchFields": [
            { "key": "metadata.name", "operator": "In", "values": [node] }] }],
    });
    pod
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use std::sync::Arc;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn set(spec: Value) -> DaemonSet {
        serde_json::from_value(json!({
            "metadata": { "name": "d", "namespace": "default", "uid": "u", "generation": 4 },
            "spec": spec,
        }))
        .unwrap()
    }

    fn plain() -> Value {
        json!({ "selector": {}, "template": { "metadata": { "labels": { "app": "d" } },
            "spec": { "containers": [] } } })
    }

    fn node(name: &str, taints: Value) -> NodeFacts {
        NodeFacts {
            name: name.into(),
            labels: [("disk".to_owned(), "ssd".to_owned())].into(),
            taints: serde_json::from_value(taints).unwrap(),
        }
    }

    fn pod(name: &str, node: &str, hash: &str, ready: bool) -> Owned {
        let ready = if ready { "True" } else { "False" };
        let facts: PodFacts = serde_json::from_value::<Pod>(json!({
            "metadata": { "uid": name, "labels": { HASH_LABEL: hash },
                "creationTimestamp": "2026-01-01T00:00:00Z" },
            "status": { "phase": "Running", "conditions": [
                { "type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z" }] },
        }))
        .unwrap()
        .into();
        Owned {
            key: ObjectKey::new("default", name),
            node: node.into(),
            deleting: false,
            waits_s: None,
            facts: Arc::new(facts),
        }
    }

    fn made(spec: Value, nodes: &[NodeFacts], pods: &[Owned]) -> (Vec<String>, Vec<String>, Value) {
        let plan = plan(&set(spec), "new", nodes, pods, NOW.parse().unwrap());
        let deleted = plan.delete.into_iter().map(|(key, _)| key.name).collect();
        (plan.create, deleted, plan.status)
    }

    #[test]
    fn one_pod_a_node_that_fits() {
        let tainted = json!([{ "key": "k", "effect": "NoSchedule" }]);
        let cordoned =
            json!([{ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }]);
        let nodes = [node("a", json!([])), node("b", tainted.clone()), node("c", cordoned)];
        let (create, delete, status) = made(plain(), &nodes, &[]);
        assert_eq!((create, delete), (vec!["a".to_owned(), "c".to_owned()], vec![]));
        assert_eq!(status["desiredNumberScheduled"], 2);
        assert_eq!(status["numberUnavailable"], 2);
        let mut picky = plain();
        picky["template"]["spec"]["nodeSelector"] = json!({ "disk": "hdd" });
        assert_eq!(made(picky, &nodes, &[pod("p", "a", "new", true)]).1, ["p"]);
        // It may stay where it could not come to.
        assert!(made(plain(), &nodes[1..2], &[pod("p", "b", "new", true)]).1.is_empty());
    }

    #[test]
    fn what_goes_is_waited_for_and_what_is_too_much_goes() {
        let nodes = [node("a", json!([]))];
        let mut leaving = pod("p", "a", "new", true);
        leaving.deleting = true;
        let (create, delete, _) = made(plain(), &nodes, &[leaving]);
        assert!(create.is_empty() && delete.is_empty());
        let two = [pod("p", "a", "new", true), pod("q", "a", "new", true)];
        assert_eq!(made(plain(), &nodes, &two).1, ["q"]);
        assert_eq!(made(plain(), &nodes, &[pod("r", "gone", "new", true)]).1, ["r"]);
    }

    #[test]
    fn an_update_takes_no_more_away_than_it_may() {
        let nodes: Vec<_> = ["a", "b", "c"].map(|name| node(name, json!([]))).into();
        let old = |ready: [bool; 3]| {
            let pods = ["a", "b", "c"].into_iter().zip(ready);
            pods.map(|(name, ready)| pod(name, name, "old", ready)).collect::<Vec<_>>()
        };
        assert_eq!(made(plain(), &nodes, &old([true; 3])).1, ["a"]);
        assert_eq!(made(plain(), &nodes, &old([true, false, true])).1, ["b"]);
        let mut two = plain();
        two["updateStrategy"] = json!({ "type": "RollingUpdate",
            "rollingUpdate": { "maxUnavailable": "50%" } });
        assert_eq!(made(two, &nodes, &old([true; 3])).1, ["a", "b"]);
        let mut never = plain();
        never["updateStrategy"] = json!({ "type": "OnDelete" });
        assert!(made(never, &nodes, &old([true; 3])).1.is_empty());
    }

    #[test]
    fn a_pod_is_meant_for_its_node() {
        let pod = pod_of(&set(plain()), &ObjectKey::new("default", "d"), "new", "a");
        assert_eq!(pod["metadata"]["labels"], json!({ "app": "d", HASH_LABEL: "new" }));
        let affinity = &pod["spec"]["affinity"]["nodeAffinity"];
        let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"];
        let field = &required["nodeSelectorTerms"][0]["matchFields"][0];
        assert_eq!(field["values"], json!(["a"]));
        assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), TOLERATED.len());
    }
}
