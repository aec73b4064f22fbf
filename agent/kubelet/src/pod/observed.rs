//! What the runtime has of one pod, in the kubelet's own words.

use jiff::Timestamp;

/// All sandboxes and containers of a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Observed {
    /// The newest sandbox.
    pub(crate) sandbox: Option<Sandbox>,
    /// Ids of older ones, which only wait to be removed.
    pub(crate) old_sandboxes: Vec<String>,
    /// In no order; several attempts of one name.
    pub(crate) containers: Vec<ContainerRun>,
}

/// A pod's namespaces and the process that holds them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) attempt: u32,
    pub(crate) ready: bool,
    pub(crate) created_at: Timestamp,
    /// Empty on the host network.
    pub(crate) ips: Vec<String>,
    /// It was made for a pod that wants them to be.
    pub(crate) sockets_left_alone: bool,
}

/// One run of a container.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ContainerRun {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) sandbox_id: String,
    /// 0 for the first run.
    pub(crate) attempt: u32,
    pub(crate) state: RunState,
    /// As the pod asked for it when this run was made.
    pub(crate) image: String,
    /// Digest, or the name with its digest.
    pub(crate) image_ref: String,
    /// Below the pod's log directory.
    pub(crate) log_path: String,
}

/// Where a run is in its life.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RunState {
    Created,
    Running { started_at: Timestamp },
    Exited(Exit),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exit {
    pub(crate) code: i32,
    /// `None` when it never started.
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Timestamp,
    /// "Completed", "Error", "OOMKilled", "StartError", ...
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Observed {
    /// The newest run of a container.
    pub(crate) fn latest(&self, name: &str) -> Option<&ContainerRun> {
        self.runs(name).max_by_key(|run| run.attempt)
    }

    /// The run before the newest.
    pub(crate) fn before_latest(&self, name: &str) -> Option<&ContainerRun> {
        let latest = self.latest(name)?.attempt;
        self.runs(name).filter(|run| run.attempt < latest).max_by_key(|run| run.attempt)
    }

    pub(crate) fn runs(&self, name: &str) -> impl Iterator<Item = &ContainerRun> {
        self.containers.iter().filter(move |run| run.name == name)
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &ContainerRun> {
        self.containers.iter().filter(|run| run.is_running())
    }

    pub(crate) fn ready_sandbox(&self) -> Option<&Sandbox> {
        self.sandbox.as_ref().filter(|sandbox| sandbox.ready)
    }
}

impl ContainerRun {
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.state, RunState::Running { .. })
    }

    pub(crate) fn exit(&self) -> Option<&Exit> {
        match &self.state {
            RunState::Exited(exit) => Some(exit),
            _ => None,
        }
    }
}
