//! What the scheduler must know of a pod, and nothing else: it keeps one of these for each pod there is.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    NodeSelectorTerm, Pod, PodSpec, PreferredSchedulingTerm, Toleration,
};
use serde::Deserialize;

use crate::SCHEDULER_NAME;
use crate::resources::{Resources, requested};

/// A port on the node itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostPort {
    /// Empty for all of the node's addresses.
    pub(crate) ip: String,
    pub(crate) protocol: String,
    pub(crate) port: i32,
}

impl HostPort {
    /// True when both cannot be open on one node.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        let same_address = self.ip.is_empty() || other.ip.is_empty() || self.ip == other.ip;
        same_address && self.protocol == other.protocol && self.port == other.port
    }
}

/// A pod, reduced to what placement depends on.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Pod")]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    /// Empty until a node has been chosen.
    pub(crate) node_name: String,
    pub(crate) ours: bool,
    /// Has ended or is going away: occupies nothing that a new pod could wait for, needs no node.
    pub(crate) finished: bool,
    pub(crate) terminating: bool,
    pub(crate) gated: bool,
    pub(crate) priority: i32,
    /// RFC 3339, for a fair order among equals.
    pub(crate) created: String,
    pub(crate) requests: Resources,
    pub(crate) host_ports: Vec<HostPort>,
    pub(crate) node_selector: BTreeMap<String, String>,
    /// Any of these must match; `None` requires nothing.
    pub(crate) required_terms: Option<Vec<NodeSelectorTerm>>,
    pub(crate) preferred_terms: Vec<PreferredSchedulingTerm>,
    pub(crate) tolerations: Vec<Toleration>,
    /// uid of the controlling owner; siblings are spread. Empty without one.
    pub(crate) owner_uid: String,
    /// The PodScheduled condition as it is now: status, reason, message.
    pub(crate) scheduled: Option<(String, String, String)>,
}

impl From<Pod> for PodFacts {
    fn from(pod: Pod) -> Self {
        let metadata = pod.metadata;
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let phase = status.phase.as_deref().unwrap_or_default();
        let owners = metadata.owner_references.unwrap_or_default();
        let condition = status.conditions.iter().flatten().find(|c| c.type_ == "PodScheduled");
        let node_affinity = spec.affinity.as_ref().and_then(|a| a.node_affinity.clone());
        let node_affinity = node_affinity.unwrap_or_default();
        Self {
            uid: metadata.uid.unwrap_or_default(),
            ours: spec.scheduler_name.as_deref().unwrap_or(SCHEDULER_NAME) == SCHEDULER_NAME,
            finished: matches!(phase, "Succeeded" | "Failed"),
            terminating: metadata.deletion_timestamp.is_some(),
            gated: spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()),
            priority: spec.priority.unwrap_or_default(),
            created: metadata.creation_timestamp.map(|t| t.0.to_string()).unwrap_or_default(),
            requests: requested(&spec),
            host_ports: host_ports(&spec),
            required_terms: node_affinity
                .required_during_scheduling_ignored_during_execution
                .map(|selector| selector.node_selector_terms),
            preferred_terms: node_affinity
                .preferred_during_scheduling_ignored_during_execution
                .unwrap_or_default(),
            owner_uid: owners
                .into_iter()
                .find(|o| o.controller == Some(true))
                .map(|o| o.uid)
                .unwrap_or_default(),
            scheduled: condition.map(|c| {
                let text = |field: &Option<String>| field.clone().unwrap_or_default();
                (c.status.clone(), text(&c.reason), text(&c.message))
            }),
            node_name: spec.node_name.unwrap_or_default(),
            node_selector: spec.node_selector.unwrap_or_default(),
            tolerations: spec.tolerations.unwrap_or_default(),
        }
    }
}

impl PodFacts {
    /// Waits for a node from this scheduler.
    pub(crate) fn is_pending(&self) -> bool {
        self.ours && self.node_name.is_empty() && !self.finished && !self.terminating
    }

    /// Takes up room on its node. A terminating pod does until it is gone.
    pub(crate) fn occupies(&self) -> bool {
        !self.node_name.is_empty() && !self.finished
    }
}

fn host_ports(spec: &PodSpec) -> Vec<HostPort> {
    let containers = spec.init_containers.iter().flatten().chain(&spec.containers);
    let ports = containers.flat_map(|c| c.ports.iter().flatten()).filter_map(|port| {
        let host_network = spec.host_network.unwrap_or_default();
        let number =
            port.host_port.filter(|p| *p > 0).or(host_network.then_some(port.container_port));
        let ip = port.host_ip.as_deref().filter(|ip| *ip != "0.0.0.0" && *ip != "::");
        Some(HostPort {
            ip: ip.unwrap_or_default().to_owned(),
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
            port: number?,
        })
    });
    ports.collect()
}
