//! The cluster as the scheduler sees it: nodes with what is left on them. Kept current by events; pods it
//! has just placed count at once, before the store says so. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Taint};
use serde::Deserialize;
use sheave_api::ObjectKey;

use crate::pod::{HostPort, PodFacts};
use crate::resources::Resources;

/// A node as the API describes it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Node")]
pub(crate) struct NodeFacts {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) taints: Vec<Taint>,
    pub(crate) unschedulable: bool,
    pub(crate) allocatable: Resources,
}

impl From<Node> for NodeFacts {
    fn from(node: Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        let status = node.status.unwrap_or_default();
        Self {
            labels: node.metadata.labels.unwrap_or_default(),
            taints: spec.taints.unwrap_or_default(),
            unschedulable: spec.unschedulable.unwrap_or_default(),
            allocatable: Resources::from_list(status.allocatable.as_ref()),
        }
    }
}

/// What a placed pod takes up.
#[derive(Clone, Debug)]
struct Placed {
    node: String,
    requests: Resources,
    host_ports: Vec<HostPort>,
    owner_uid: String,
}

/// What is used on one node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) requested: Resources,
    pub(crate) host_ports: Vec<HostPort>,
    /// Pods by uid of their controlling owner.
    pub(crate) by_owner: BTreeMap<String, usize>,
}

/// Nodes and what is used on them.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    nodes: BTreeMap<String, NodeFacts>,
    usage: BTreeMap<String, Usage>,
    placed: BTreeMap<ObjectKey, Placed>,
}

impl Snapshot {
    /// All nodes with what is used on them.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&str, &NodeFacts, &Usage)> {
        static UNUSED: std::sync::LazyLock<Usage> = std::sync::LazyLock::new(Usage::default);
        self.nodes
            .iter()
            .map(|(name, facts)| (name.as_str(), facts, self.usage.get(name).unwrap_or(&UNUSED)))
    }

    /// Returns true when something changed that a waiting pod could profit from.
    pub(crate) fn apply_node(&mut self, name: &str, facts: NodeFacts) -> bool {
        self.nodes.insert(name.to_owned(), facts.clone()).as_ref() != Some(&facts)
    }

    pub(crate) fn remove_node(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// Counts a pod on its node, once; a pod that moved, shrank or ended is counted anew.
    /// Returns true when room was freed.
    pub(crate) fn apply_pod(&mut self, key: &ObjectKey, pod: &PodFacts) -> bool {
        let was_placed = self.remove_pod(key);
        if pod.occupies() {
            self.place(key, pod, &pod.node_name);
            false
        } else {
            was_placed
        }
    }

    /// Counts a pod on a node it was just given.
    pub(crate) fn place(&mut self, key: &ObjectKey, pod: &PodFacts, node: &str) {
        self.remove_pod(key);
        let usage = self.usage.entry(node.to_owned()).or_default();
        usage.requested.add(&pod.requests);
        usage.host_ports.extend(pod.host_ports.iter().cloned());
        if !pod.owner_uid.is_empty() {
            *usage.by_owner.entry(pod.owner_uid.clone()).or_default() += 1;
        }
        let placed = Placed {
            node: node.to_owned(),
            requests: pod.requests.clone(),
            host_ports: pod.host_ports.clone(),
            owner_uid: pod.owner_uid.clone(),
        };
        self.placed.insert(key.clone(), placed);
    }

    /// True when the pod counts on some node.
    pub(crate) fn is_placed(&self, key: &ObjectKey) -> bool {
        self.placed.contains_key(key)
    }

    /// Returns true when the pod took up room.
    pub(crate) fn remove_pod(&mut self, key: &ObjectKey) -> bool {
        let Some(placed) = self.placed.remove(key) else { return false };
        let Some(usage) = self.usage.get_mut(&placed.node) else { return true };
        usage.requested.subtract(&placed.requests);
        for port in &placed.host_ports {
            if let Some(i) = usage.host_ports.iter().position(|p| p == port) {
                usage.host_ports.swap_remove(i);
            }
        }
        if let Some(siblings) = usage.by_owner.get_mut(&placed.owner_uid) {
            *siblings -= 1;
            if *siblings == 0 {
                usage.by_owner.remove(&placed.owner_uid);
            }
        }
        if usage.requested.amounts.values().all(|amount| *amount == 0) {
            self.usage.remove(&placed.node);
        }
        true
    }
}
