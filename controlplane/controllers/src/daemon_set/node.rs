//! Which nodes a daemon belongs on. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, PodSpec, Taint};
use serde::Deserialize;
use sheave_api::{node_affinity, toleration};

/// What of a node decides who runs there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Node")]
pub(super) struct NodeFacts {
    pub(super) name: String,
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
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

/// Whether a pod should run on a node, and whether one that does may stay.
pub(super) fn fits(spec: &PodSpec, node: &NodeFacts) -> (bool, bool) {
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
