//! What a pod's worker knows that the runtime does not: what it is just doing, what failed and when it
//! may be tried again, what the probes last said.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::backoff::{RestartBackoff, RetryBackoff};
use super::previous::Ended;

/// Image pulls and containers that could not be made are tried again after 10 s, doubling to 5 min.
const CONTAINER_RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));
/// Sandboxes and volumes: what they wait for (the network's configuration, an object) mostly comes soon.
const SANDBOX_RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

/// Beyond what the runtime shows.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// Volumes and sandbox are being made, or the sandbox is being stopped.
    pub(crate) sandbox_busy: bool,
    /// Why the last try to make volumes or sandbox failed.
    pub(crate) sandbox_error: Option<String>,
    pub(crate) sandbox_retry: RetryBackoff,
    pub(crate) containers: BTreeMap<String, ContainerProgress>,
    /// Set once the pod has ended for good.
    pub(crate) ended: Option<Ended>,
    /// All of it must go away.
    pub(crate) terminating: Option<Terminating>,
}

/// Of one container.
#[derive(Clone, Debug)]
pub(crate) struct ContainerProgress {
    pub(crate) busy: Option<Busy>,
    /// Why the last try to start it failed.
    pub(crate) failure: Option<Waiting>,
    pub(crate) retry: RetryBackoff,
    pub(crate) restart: RestartBackoff,
    /// Of the run with this id.
    pub(crate) health: Option<(String, Health)>,
}

/// What the worker is just doing with a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    /// Image, creation, start, postStart.
    Starting,
    /// preStop, stop.
    Stopping,
}

/// What the probes say of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// The startup probe has succeeded, or there is none and postStart is done.
    pub(crate) started: bool,
    /// The readiness probe succeeds, or there is none.
    pub(crate) ready: bool,
    /// A liveness or startup probe gave up: why, and the grace it asks for.
    pub(crate) failed: Option<Failed>,
}

/// Why a run must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) message: String,
    pub(crate) grace_s: Option<u32>,
}

/// `state.waiting` of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// A pod that goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminating {
    /// All containers together, hooks included, may take this long.
    pub(crate) grace_s: u32,
    pub(crate) since: Timestamp,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            sandbox_busy: false,
            sandbox_error: None,
            sandbox_retry: RetryBackoff::new(SANDBOX_RETRY.0, SANDBOX_RETRY.1),
            containers: BTreeMap::new(),
            ended: None,
            terminating: None,
        }
    }
}

impl Default for ContainerProgress {
    fn default() -> Self {
        Self {
            busy: None,
            failure: None,
            retry: RetryBackoff::new(CONTAINER_RETRY.0, CONTAINER_RETRY.1),
            restart: RestartBackoff::default(),
            health: None,
        }
    }
}

impl Progress {
    pub(crate) fn container(&mut self, name: &str) -> &mut ContainerProgress {
        self.containers.entry(name.to_owned()).or_default()
    }

    pub(crate) fn busy(&self, name: &str) -> Option<Busy> {
        self.containers.get(name)?.busy
    }

    pub(crate) fn any_busy(&self) -> bool {
        self.sandbox_busy || self.containers.values().any(|c| c.busy.is_some())
    }

    /// What the probes say of exactly this run.
    pub(crate) fn health(&self, name: &str, run_id: &str) -> Option<&Health> {
        let (id, health) = self.containers.get(name)?.health.as_ref()?;
        (id == run_id).then_some(health)
    }

    /// Lets everything that waits to be retried be tried now: something it may have waited for changed.
    pub(crate) fn hurry(&mut self) {
        self.sandbox_retry.hurry();
        for container in self.containers.values_mut() {
            let config = container.failure.as_ref();
            if config.is_some_and(|w| w.reason == "CreateContainerConfigError") {
                container.retry.hurry();
            }
        }
    }
}
