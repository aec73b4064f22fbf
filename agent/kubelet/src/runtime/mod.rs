//! The container runtime that pods run in: ours, supervised, or somebody else's.

mod containerd;
mod images;
mod loopback;
mod pause;
mod settings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::config::{CgroupDriver, KubeletConfig, RuntimeChoice};
use crate::cri::Cri;
use crate::kubelet::StartError;

pub(crate) use pause::architecture;

pub(crate) use containerd::{Containerd, Paths, Process, Programs};

/// Between looks at a runtime that does not answer yet; each is one connect to a local socket.
const ANSWER_RETRY: Duration = Duration::from_millis(20);

/// A runtime to be: where it will answer, and whether it does.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) socket: PathBuf,
    pub(crate) cri: Cri,
    pub(crate) state: watch::Receiver<RuntimeState>,
    supervisor: AbortHandle,
}

/// Whether pods can be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeState {
    /// Not yet, or not now; in words.
    Down(String),
    Up(RuntimeFacts),
}

/// What is known of a runtime that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuntimeFacts {
    /// "containerd".
    pub(crate) name: Arc<str>,
    pub(crate) version: String,
    pub(crate) cgroup_driver: CgroupDriver,
}

impl Runtime {
    /// Starts (or adopts, or finds) the runtime in the background.
    pub(crate) fn start(config: &KubeletConfig) -> Result<Self, StartError> {
        let (states, state) = watch::channel(RuntimeState::Down("starting".into()));
        let (socket, supervisor) = match &config.runtime {
            RuntimeChoice::External { socket } => {
                let following = tokio::spawn(follow_external(Cri::new(socket), states));
                (socket.clone(), following.abort_handle())
            }
            RuntimeChoice::Managed(managed) => {
                let containerd = Containerd::prepare(config, managed)?;
                let socket = containerd.paths.socket.clone();
                let image_dir = config.image_dir.clone();
                let supervising = tokio::spawn(containerd.supervise(image_dir, states));
                (socket, supervising.abort_handle())
            }
        };
        Ok(Self { cri: Cri::new(&socket), socket, state, supervisor })
    }

    /// Nobody looks after it any more; it goes on.
    pub(crate) fn leave(&self) {
        self.supervisor.abort();
    }

    /// Waits until pods can be run.
    pub(crate) async fn up(&self) -> Option<RuntimeFacts> {
        let mut state = self.state.clone();
        let up = state.wait_for(|state| matches!(state, RuntimeState::Up(_))).await.ok()?;
        match &*up {
            RuntimeState::Up(facts) => Some(facts.clone()),
            RuntimeState::Down(_) => None,
        }
    }
}

/// Asks until somebody answers.
async fn answer(cri: &Cri, driver_if_silent: CgroupDriver) -> RuntimeFacts {
    loop {
        if let Ok(version) = cri.version().await {
            let cgroup_driver = match cri.uses_systemd_cgroups().await {
                Some(true) => CgroupDriver::Systemd,
                Some(false) => CgroupDriver::Cgroupfs,
                None => driver_if_silent,
            };
            return RuntimeFacts {
                name: version.runtime_name.as_str().into(),
                version: version.runtime_version,
                cgroup_driver,
            };
        }
        tokio::time::sleep(ANSWER_RETRY).await;
    }
}

/// Somebody else's runtime is only asked now and then whether it is still there.
async fn follow_external(cri: Cri, states: watch::Sender<RuntimeState>) {
    while !states.is_closed() {
        let facts = answer(&cri, CgroupDriver::Cgroupfs).await;
        states.send_replace(RuntimeState::Up(facts));
        loop {
            tokio::time::sleep(Duration::from_secs(10)).await;
            if let Err(status) = cri.version().await {
                states.send_replace(RuntimeState::Down(status.message().to_owned()));
                break;
            }
        }
    }
}
