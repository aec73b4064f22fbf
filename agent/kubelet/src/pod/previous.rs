//! What was last reported of a pod, as its object still says: what an agent that starts anew goes on
//! from where the runtime cannot tell it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as api;

/// A pod's last reported status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Previous {
    /// Set once the pod has ended for good; it never leaves such a phase.
    pub(crate) ended: Option<Ended>,
    pub(crate) start_time: Option<Timestamp>,
    pub(crate) conditions: Vec<api::PodCondition>,
    /// By name; names are unique over init containers and containers.
    pub(crate) containers: BTreeMap<String, api::ContainerStatus>,
    pub(crate) pod_ips: Vec<String>,
}

/// How a pod ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) succeeded: bool,
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
}

impl Previous {
    pub(super) fn decode(status: Option<api::PodStatus>) -> Self {
        let Some(status) = status else { return Self::default() };
        let succeeded = match status.phase.as_deref() {
            Some("Succeeded") => Some(true),
            Some("Failed") => Some(false),
            _ => None,
        };
        let (reason, message) = (status.reason, status.message);
        let containers = status.init_container_statuses.into_iter().flatten();
        let containers = containers.chain(status.container_statuses.into_iter().flatten());
        Self {
            ended: succeeded.map(|succeeded| Ended { succeeded, reason, message }),
            start_time: status.start_time.map(|time| time.0),
            conditions: status.conditions.unwrap_or_default(),
            containers: containers.map(|c| (c.name.clone(), c)).collect(),
            pod_ips: status.pod_ips.into_iter().flatten().map(|ip| ip.ip).collect(),
        }
    }

    /// Whether the container with this id was reported ready.
    pub(crate) fn was_ready(&self, name: &str, container_id: &str) -> bool {
        self.containers.get(name).is_some_and(|status| {
            let id = status.container_id.as_deref().and_then(|id| id.split_once("://"));
            status.ready && id.is_some_and(|(_, id)| id == container_id)
        })
    }

    /// The number the next run of a container gets that the runtime knows nothing of.
    pub(crate) fn next_attempt(&self, name: &str) -> u32 {
        let Some(status) = self.containers.get(name) else { return 0 };
        let ran = status.container_id.as_ref().is_some_and(|id| !id.is_empty());
        let count = u32::try_from(status.restart_count).unwrap_or(0);
        if ran { count + 1 } else { count }
    }
}
