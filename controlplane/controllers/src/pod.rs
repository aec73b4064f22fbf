//! What controllers must know of a pod; each keeps one of these for every pod there is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use sheave_api::kinds::pod::ENDPOINTS_LIVE;

/// A named port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPort {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: i32,
}

/// A pod, reduced.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Pod")]
pub(crate) struct PodFacts {
    pub(crate) uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// uid of the controlling owner, or empty.
    pub(crate) owner_uid: String,
    pub(crate) phase: String,
    pub(crate) ready: bool,
    /// Since when `ready` is what it is.
    pub(crate) ready_since: Option<Timestamp>,
    /// All nodes have had its endpoints in effect.
    pub(crate) endpoints_live: bool,
    pub(crate) terminating: bool,
    pub(crate) node_name: String,
    /// One a family.
    pub(crate) ips: Vec<String>,
    pub(crate) created: Option<Timestamp>,
    pub(crate) restarts: i32,
    /// Annotation controller.kubernetes.io/pod-deletion-cost.
    pub(crate) deletion_cost: i64,
    pub(crate) hostname: String,
    pub(crate) subdomain: String,
    pub(crate) named_ports: Vec<NamedPort>,
}

impl From<Pod> for PodFacts {
    fn from(pod: Pod) -> Self {
        let metadata = pod.metadata;
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let condition = |kind| status.conditions.iter().flatten().find(|c| c.type_ == kind);
        let ready = condition("Ready");
        let live = condition(ENDPOINTS_LIVE);
        let annotations = metadata.annotations.unwrap_or_default();
        let containers = spec.containers.iter().flat_map(|c| c.ports.iter().flatten());
        let named_ports = containers.filter_map(|port| {
            Some(NamedPort {
                name: port.name.clone()?,
                protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()),
                port: port.container_port,
            })
        });
        let mut ips: Vec<String> =
            status.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect();
        if ips.is_empty() {
            ips.extend(status.pod_ip.filter(|ip| !ip.is_empty()));
        }
        Self {
            named_ports: named_ports.collect(),
            uid: metadata.uid.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            owner_uid: metadata
                .owner_references
                .into_iter()
                .flatten()
                .find(|owner| owner.controller == Some(true))
                .map(|owner| owner.uid)
                .unwrap_or_default(),
            ready: ready.is_some_and(|c| c.status == "True"),
            ready_since: ready.and_then(|c| c.last_transition_time.as_ref()).map(|t| t.0),
            endpoints_live: live.is_some_and(|c| c.status == "True"),
            terminating: metadata.deletion_timestamp.is_some(),
            created: metadata.creation_timestamp.map(|t| t.0),
            deletion_cost: annotations
                .get("controller.kubernetes.io/pod-deletion-cost")
                .and_then(|cost| cost.parse().ok())
                .unwrap_or_default(),
            restarts: status.container_statuses.iter().flatten().map(|c| c.restart_count).sum(),
            phase: status.phase.unwrap_or_default(),
            ips,
            node_name: spec.node_name.unwrap_or_default(),
            hostname: spec.hostname.unwrap_or_default(),
            subdomain: spec.subdomain.unwrap_or_default(),
        }
    }
}

impl PodFacts {
    /// Neither ended nor going away.
    pub(crate) fn is_active(&self) -> bool {
        !self.has_ended() && !self.terminating
    }

    /// All its containers have ended for good.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed")
    }

    /// Ready for at least so long: what Kubernetes calls available.
    pub(crate) fn is_available(&self, min_ready_seconds: i32, now: Timestamp) -> bool {
        self.ready
            && (min_ready_seconds == 0 || self.seconds_ready(now) >= i64::from(min_ready_seconds))
    }

    /// Seconds since it became ready; 0 when it is not or nobody knows.
    pub(crate) fn seconds_ready(&self, now: Timestamp) -> i64 {
        let since = self.ready_since.filter(|_| self.ready);
        since.map_or(0, |since| now.as_second() - since.as_second())
    }
}
