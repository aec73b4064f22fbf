//! Which nodes can take a pod, and why the others cannot. Pure.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::core::v1::Taint;
use sheave_api::toleration::covers;

use crate::pod::PodFacts;
use crate::resources::PODS;
use crate::snapshot::{NodeFacts, Usage};
use sheave_api::node_affinity;

/// Why a node cannot take a pod, worded as Kubernetes' scheduler words it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    Unschedulable,
    Taint { key: String, value: String },
    Affinity,
    Ports,
    TooManyPods,
    Insufficient(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unschedulable => f.write_str("node(s) were unschedulable"),
            Self::Taint { key, value } => {
                write!(f, "node(s) had untolerated taint {{{key}: {value}}}")
            }
            Self::Affinity => f.write_str("node(s) didn't match Pod's node affinity/selector"),
            Self::Ports => {
                f.write_str("node(s) didn't have free ports for the requested pod ports")
            }
            Self::TooManyPods => f.write_str("Too many pods"),
            Self::Insufficient(resource) => write!(f, "Insufficient {resource}"),
        }
    }
}

/// Nothing when the node can take the pod; else every shortage, or the first reason of another kind.
pub(crate) fn refusals(
    pod: &PodFacts,
    name: &str,
    node: &NodeFacts,
    usage: &Usage,
) -> Vec<Refusal> {
    if node.unschedulable && !tolerates(pod, &unschedulable_taint()) {
        return vec![Refusal::Unschedulable];
    }
    if let Some(taint) = untolerated(pod, node) {
        let value = taint.value.clone().unwrap_or_default();
        return vec![Refusal::Taint { key: taint.key.clone(), value }];
    }
    if !matches_affinity(pod, name, node) {
        return vec![Refusal::Affinity];
    }
    let conflict = |port| usage.host_ports.iter().any(|used| used.conflicts(port));
    if pod.host_ports.iter().any(conflict) {
        return vec![Refusal::Ports];
    }
    shortages(pod, node, usage)
}

fn shortages(pod: &PodFacts, node: &NodeFacts, usage: &Usage) -> Vec<Refusal> {
    let short = pod.requests.amounts.iter().filter(|(name, amount)| {
        **amount > 0 && usage.requested.get(name) + **amount > node.allocatable.get(name)
    });
    short
        .map(|(name, _)| match name.as_str() {
            PODS => Refusal::TooManyPods,
            name => Refusal::Insufficient(name.to_owned()),
        })
        .collect()
}

fn unschedulable_taint() -> Taint {
    Taint {
        key: "node.kubernetes.io/unschedulable".to_owned(),
        effect: "NoSchedule".to_owned(),
        ..Taint::default()
    }
}

fn untolerated<'a>(pod: &PodFacts, node: &'a NodeFacts) -> Option<&'a Taint> {
    let keeps_away = |taint: &&Taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    node.taints.iter().filter(keeps_away).find(|taint| !tolerates(pod, taint))
}

/// True when any of the pod's tolerations covers the taint.
pub(crate) fn tolerates(pod: &PodFacts, taint: &Taint) -> bool {
    pod.tolerations.iter().any(|toleration| covers(toleration, taint))
}

fn matches_affinity(pod: &PodFacts, name: &str, node: &NodeFacts) -> bool {
    let selected = pod.node_selector.iter().all(|(k, v)| node.labels.get(k) == Some(v));
    let required = pod.required_terms.as_ref().is_none_or(|terms| {
        terms.iter().any(|term| node_affinity::matches(term, name, &node.labels))
    });
    selected && required
}

/// `0/3 nodes are available: 1 Insufficient cpu, 2 Too many pods.`
pub(crate) fn explain(refusals: &[Vec<Refusal>]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for refusal in refusals.iter().flatten() {
        *counts.entry(refusal.to_string()).or_default() += 1;
    }
    let mut reasons: Vec<_> = counts.into_iter().map(|(why, n)| format!("{n} {why}")).collect();
    reasons.sort();
    match reasons.as_slice() {
        [] => "no nodes available to schedule pods".to_owned(),
        reasons => {
            format!("0/{} nodes are available: {}.", refusals.len(), reasons.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Node, Pod};
    use serde_json::{Value, json};

    fn pod(spec: Value) -> PodFacts {
        serde_json::from_value::<Pod>(json!({ "spec": spec })).unwrap().into()
    }

    fn node(value: Value) -> NodeFacts {
        serde_json::from_value::<Node>(value).unwrap().into()
    }

    fn roomy() -> Value {
        json!({
            "metadata": { "labels": { "disk": "ssd" } },
            "status": { "allocatable": { "cpu": "2", "memory": "1Gi", "pods": "10" } },
        })
    }

    fn refused(pod_spec: Value, node_object: Value) -> Vec<String> {
        let refusals = refusals(&pod(pod_spec), "n1", &node(node_object), &Usage::default());
        refusals.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_fits_is_taken() {
        assert!(refused(json!({ "containers": [] }), roomy()).is_empty());
    }

    #[test]
    fn every_shortage_is_named() {
        let spec = json!({ "containers": [
            { "name": "a", "resources": { "requests": { "cpu": "3", "memory": "2Gi" } } }] });
        assert_eq!(refused(spec, roomy()), ["Insufficient cpu", "Insufficient memory"]);
        let full = json!({ "status": { "allocatable": { "pods": "0" } } });
        assert_eq!(refused(json!({ "containers": [] }), full), ["Too many pods"]);
    }

    #[test]
    fn taints_need_a_toleration() {
        let mut tainted = roomy();
        tainted["spec"] =
            json!({ "taints": [{ "key": "k", "value": "v", "effect": "NoSchedule" }] });
        let with = |tolerations: Value| json!({ "containers": [], "tolerations": tolerations });
        assert_eq!(
            refused(with(json!([])), tainted.clone()),
            ["node(s) had untolerated taint {k: v}"]
        );
        for toleration in [
            json!({ "key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule" }),
            json!({ "key": "k", "operator": "Exists" }),
            json!({ "operator": "Exists" }),
        ] {
            assert!(refused(with(json!([toleration])), tainted.clone()).is_empty());
        }
        for toleration in [
            json!({ "key": "k", "value": "other" }),
            json!({ "key": "k", "operator": "Exists", "effect": "NoExecute" }),
        ] {
            assert!(!refused(with(json!([toleration])), tainted.clone()).is_empty());
        }
    }

    #[test]
    fn cordoned_nodes_and_other_labels_are_refused() {
        let mut cordoned = roomy();
        cordoned["spec"] = json!({ "unschedulable": true });
        assert_eq!(refused(json!({ "containers": [] }), cordoned), ["node(s) were unschedulable"]);
        let picky = json!({ "containers": [], "nodeSelector": { "disk": "hdd" } });
        assert_eq!(refused(picky, roomy()), ["node(s) didn't match Pod's node affinity/selector"]);
    }

    #[test]
    fn host_ports_clash_by_address_protocol_and_number() {
        let with = |ip: &str| {
            pod(json!({ "containers": [{ "name": "a", "ports": [
                { "containerPort": 80, "hostPort": 80, "hostIP": ip }] }] }))
        };
        let usage = Usage { host_ports: with("10.0.0.1").host_ports, ..Usage::default() };
        let node = node(roomy());
        assert_eq!(refusals(&with(""), "n1", &node, &usage), [Refusal::Ports]);
        assert_eq!(refusals(&with("10.0.0.1"), "n1", &node, &usage), [Refusal::Ports]);
        assert!(refusals(&with("10.0.0.2"), "n1", &node, &usage).is_empty());
    }

    #[test]
    fn the_explanation_counts_nodes_by_reason() {
        let refusals = [
            vec![Refusal::Insufficient("cpu".into())],
            vec![Refusal::Unschedulable],
            vec![Refusal::Unschedulable],
        ];
        assert_eq!(
            explain(&refusals),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable."
        );
        assert_eq!(explain(&[]), "no nodes available to schedule pods");
    }
}
