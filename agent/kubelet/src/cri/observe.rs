//! What the runtime has of one pod: asked in as few calls as it takes, read into [`Observed`].

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Answer, Cri, v1};
use crate::pod::observed::{ContainerRun, Exit, Observed, RunState, Sandbox};
use crate::pod::spec::{PodKey, PodUid};
use crate::socket_hooks;

/// Labels as every CRI client of Kubernetes sets them, so that node tools find their way.
const POD_NAME: &str = "io.kubernetes.pod.name";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const POD_UID: &str = "io.kubernetes.pod.uid";
const CONTAINER_NAME: &str = "io.kubernetes.container.name";
/// What the pod asked for; the runtime may know the image by another name.
pub(crate) const IMAGE_ANNOTATION: &str = "sheave.io/image";
/// The pod's `terminationGracePeriodSeconds`, for when its object is gone.
pub(crate) const GRACE_ANNOTATION: &str = "sheave.io/termination-grace-seconds";
/// Where the container's termination message is on the host.
pub(crate) const TERMINATION_FILE_ANNOTATION: &str = "sheave.io/termination-message-file";
/// Present when the end of the log stands in for a missing message.
pub(crate) const TERMINATION_LOGS_ANNOTATION: &str = "sheave.io/termination-message-from-logs";

/// The labels that say whose a sandbox or container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodLabels {
    pub(crate) key: PodKey,
    pub(crate) uid: PodUid,
}

impl PodLabels {
    pub(crate) fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            key: PodKey {
                namespace: labels.get(POD_NAMESPACE)?.clone(),
                name: labels.get(POD_NAME)?.clone(),
            },
            uid: PodUid(labels.get(POD_UID)?.clone()),
        })
    }

    pub(crate) fn write(key: &PodKey, uid: &PodUid) -> BTreeMap<String, String> {
        let labels = [(POD_NAME, &key.name), (POD_NAMESPACE, &key.namespace), (POD_UID, &uid.0)];
        labels.into_iter().map(|(label, value)| (label.to_owned(), value.clone())).collect()
    }

    pub(crate) fn write_container(
        key: &PodKey,
        uid: &PodUid,
        container: &str,
    ) -> BTreeMap<String, String> {
        let mut labels = Self::write(key, uid);
        labels.insert(CONTAINER_NAME.into(), container.into());
        labels
    }

    /// Selects everything of one pod.
    pub(crate) fn selector(uid: &PodUid) -> [(String, String); 1] {
        [(POD_UID.to_owned(), uid.0.clone())]
    }
}

/// Asks for a pod's sandboxes and containers. Runs that `before` knows as ended are not asked for again:
/// they do not change any more.
pub(crate) async fn observe(cri: &Cri, uid: &PodUid, before: &Observed) -> Answer<Observed> {
    let (sandboxes, containers) = tokio::try_join!(
        cri.list_sandboxes(PodLabels::selector(uid)),
        cri.list_containers(PodLabels::selector(uid)),
    )?;
    let attempt = |s: &v1::PodSandbox| s.metadata.as_ref().map_or(0, |m| m.attempt);
    let newest = sandboxes.iter().max_by_key(|s| (attempt(s), s.created_at));
    let sandbox = match newest {
        Some(newest) => read_sandbox(cri, newest, attempt(newest), before).await?,
        None => None,
    };
    let old_sandboxes = sandboxes
        .iter()
        .filter(|s| newest.is_none_or(|newest| newest.id != s.id))
        .map(|s| s.id.clone())
        .collect();
    let mut runs = Vec::with_capacity(containers.len());
    for container in containers {
        let known = before.containers.iter().find(|run| run.id == container.id);
        match known {
            Some(run) if unchanged(run, container.state()) => runs.push(run.clone()),
            _ => runs.extend(read_container(cri, container).await?),
        }
    }
    Ok(Observed { sandbox, old_sandboxes, containers: runs })
}

fn unchanged(run: &ContainerRun, state: v1::ContainerState) -> bool {
    match run.state {
        RunState::Running { .. } => state == v1::ContainerState::ContainerRunning,
        RunState::Exited(_) => true,
        RunState::Created => false,
    }
}

/// `None` when it went away meanwhile.
async fn read_sandbox(
    cri: &Cri,
    listed: &v1::PodSandbox,
    attempt: u32,
    before: &Observed,
) -> Answer<Option<Sandbox>> {
    let ready = listed.state() == v1::PodSandboxState::SandboxReady;
    let known = before.sandbox.as_ref().filter(|known| known.id == listed.id);
    let ips = match known {
        Some(known) if !ready || known.ready => known.ips.clone(),
        _ => match cri.sandbox_status(&listed.id).await {
            Ok(status) => addresses(status),
            Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
            Err(status) => return Err(status),
        },
    };
    let created_at = timestamp(listed.created_at).unwrap_or(Timestamp::UNIX_EPOCH);
    let sockets_left_alone = socket_hooks::is_off(&listed.annotations);
    Ok(Some(Sandbox { id: listed.id.clone(), attempt, ready, created_at, ips, sockets_left_alone }))
}

fn addresses(status: v1::PodSandboxStatus) -> Vec<String> {
    let Some(network) = status.network else { return Vec::new() };
    let more = network.additional_ips.into_iter().map(|ip| ip.ip);
    std::iter::once(network.ip).chain(more).filter(|ip| !ip.is_empty()).collect()
}

async fn read_container(cri: &Cri, listed: v1::Container) -> Answer<Option<ContainerRun>> {
    let status = match cri.container_status(&listed.id).await {
        Ok(status) => status,
        Err(status) if status.code() == tonic::Code::NotFound => return Ok(None),
        Err(status) => return Err(status),
    };
    Ok(read_status(status, listed.pod_sandbox_id))
}

/// `None` for what is no pod's container.
fn read_status(status: v1::ContainerStatus, sandbox_id: String) -> Option<ContainerRun> {
    let state = match status.state() {
        v1::ContainerState::ContainerCreated => RunState::Created,
        v1::ContainerState::ContainerRunning => RunState::Running {
            started_at: timestamp(status.started_at).unwrap_or(Timestamp::UNIX_EPOCH),
        },
        v1::ContainerState::ContainerExited | v1::ContainerState::ContainerUnknown => {
            RunState::Exited(exit_of(&status))
        }
    };
    let metadata = status.metadata.as_ref()?;
    let by_runtime = status.image.as_ref().map(|image| image.image.clone()).unwrap_or_default();
    Some(ContainerRun {
        name: metadata.name.clone(),
        attempt: metadata.attempt,
        sandbox_id,
        state,
        image: status.annotations.get(IMAGE_ANNOTATION).cloned().unwrap_or(by_runtime),
        image_ref: status.image_ref,
        log_path: status.log_path,
        id: status.id,
    })
}

/// How a container ended, with its termination message.
fn exit_of(status: &v1::ContainerStatus) -> Exit {
    let started_at = timestamp(status.started_at);
    let finished_at = timestamp(status.finished_at).unwrap_or_else(Timestamp::now);
    let code = match status.state() {
        v1::ContainerState::ContainerUnknown if status.exit_code == 0 => 255,
        _ => status.exit_code,
    };
    let written = crate::termination::message(status);
    let message = if written.is_empty() { status.message.clone() } else { written };
    Exit { code, started_at, finished_at, reason: status.reason.clone(), message }
}

fn timestamp(nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds.into()).ok().filter(|_| nanoseconds > 0)
}
