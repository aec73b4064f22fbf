//! A pod's status as Kubernetes words it: pure, from what it should be, what the runtime has and what the
//! worker knows.

use jiff::{Timestamp, Unit};
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::observed::{ContainerRun, Exit, RunState};
use super::plan::Situation;
use super::spec::{Container, RestartPolicy};

/// What the runtime's container ids are prefixed with, e.g. "containerd".
pub(crate) type RuntimeName = str;

/// Why an ephemeral container does not start, and what to do instead.
pub(super) const EPHEMERAL_REFUSED: &str = "ephemeral containers are not supported by this node; use \
    `kubectl exec`, or debug a copy of the pod with `kubectl debug --copy-to`";

/// The whole status. `node_ips` are the pod's own on the host network.
pub(crate) fn status(
    s: Situation<'_>,
    node_ips: &[String],
    runtime: &RuntimeName,
) -> api::PodStatus {
    let reports = Reports::new(&s, runtime);
    let phase = phase(&s, &reports);
    let ended = s.progress.ended.as_ref();
    let pod_ips = pod_ips(&s, node_ips);
    let unsupported = s.spec.unsupported.first().map(ToString::to_string);
    api::PodStatus {
        observed_generation: Some(s.spec.generation).filter(|generation| *generation > 0),
        phase: Some(phase.as_str().into()),
        reason: ended.and_then(|ended| ended.reason.clone()),
        message: ended.and_then(|ended| ended.message.clone()).or(unsupported),
        conditions: Some(super::conditions::conditions(&s, &reports, phase)),
        start_time: Some(time(s.start_time)),
        qos_class: Some(s.spec.qos.as_str().into()),
        host_ip: node_ips.first().cloned(),
        host_ips: Some(node_ips.iter().map(|ip| api::HostIP { ip: ip.clone() }).collect()),
        pod_ip: pod_ips.first().cloned(),
        pod_ips: Some(pod_ips.into_iter().map(|ip| api::PodIP { ip }).collect::<Vec<_>>())
            .filter(|ips| !ips.is_empty()),
        init_container_statuses: Some(reports.init).filter(|statuses| !statuses.is_empty()),
        container_statuses: Some(reports.main),
        ephemeral_container_statuses: Some(ephemeral_statuses(&s))
            .filter(|statuses| !statuses.is_empty()),
        ..api::PodStatus::default()
    }
}

/// What `kubectl debug` reads while it waits.
fn ephemeral_statuses(s: &Situation<'_>) -> Vec<api::ContainerStatus> {
    let status = |name: &String| api::ContainerStatus {
        name: name.clone(),
        state: Some(api::ContainerState {
            waiting: Some(api::ContainerStateWaiting {
                reason: Some("CreateContainerConfigError".into()),
                message: Some(EPHEMERAL_REFUSED.into()),
            }),
            ..api::ContainerState::default()
        }),
        ..api::ContainerStatus::default()
    };
    s.spec.ephemeral_containers.iter().map(status).collect()
}

/// The last known addresses stay while a pod ends: they may still be looked up.
fn pod_ips(s: &Situation<'_>, node_ips: &[String]) -> Vec<String> {
    if s.spec.host_network {
        let started = s.observed.sandbox.is_some();
        return if started { node_ips.to_vec() } else { Vec::new() };
    }
    match &s.observed.sandbox {
        Some(sandbox) if !sandbox.ips.is_empty() => sandbox.ips.clone(),
        Some(_) => s.previous.pod_ips.clone(),
        None => Vec::new(),
    }
}

/// The statuses of all containers.
pub(super) struct Reports {
    pub(super) init: Vec<api::ContainerStatus>,
    pub(super) main: Vec<api::ContainerStatus>,
}

impl Reports {
    pub(super) fn new(s: &Situation<'_>, runtime: &RuntimeName) -> Self {
        let all = |containers: &[Container]| {
            containers.iter().map(|c| container_status(s, c, runtime)).collect()
        };
        Self { init: all(&s.spec.init_containers), main: all(&s.spec.containers) }
    }
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

fn phase(s: &Situation<'_>, reports: &Reports) -> Phase {
    if let Some(ended) = &s.progress.ended {
        return if ended.succeeded { Phase::Succeeded } else { Phase::Failed };
    }
    let exit_code = |status: &api::ContainerStatus| {
        let state = status.state.as_ref()?;
        let last = status.last_state.as_ref();
        let terminated = state.terminated.as_ref().or(last.and_then(|l| l.terminated.as_ref()));
        terminated.filter(|_| state.running.is_none()).map(|t| t.exit_code)
    };
    let codes: Vec<_> = reports.main.iter().map(exit_code).collect();
    let running = |status: &api::ContainerStatus| {
        status.state.as_ref().is_some_and(|state| state.running.is_some())
    };
    let any_running = reports.main.iter().any(running);
    let over = s.progress.terminating.is_some()
        && !any_running
        && !reports.init.iter().any(running)
        && !s.progress.any_busy();
    if over && codes.iter().any(Option::is_some) {
        let succeeded = codes.iter().all(|code| *code == Some(0));
        return if succeeded { Phase::Succeeded } else { Phase::Failed };
    }
    let waiting = reports.main.iter().zip(&codes).any(|(r, code)| !running(r) && code.is_none());
    if waiting {
        return Phase::Pending;
    }
    let all_ended = codes.iter().all(Option::is_some);
    match s.spec.restart_policy {
        _ if any_running || !all_ended => Phase::Running,
        RestartPolicy::Always => Phase::Running,
        _ if codes.iter().all(|code| *code == Some(0)) => Phase::Succeeded,
        RestartPolicy::Never => Phase::Failed,
        RestartPolicy::OnFailure => Phase::Running,
    }
}

fn container_status(
    s: &Situation<'_>,
    container: &Container,
    runtime: &RuntimeName,
) -> api::ContainerStatus {
    let run = s.observed.latest(&container.name);
    let state = state(s, container, run, runtime);
    let last_state = last_state(s, container, run, &state, runtime);
    let health = run.and_then(|run| s.progress.health(&container.name, &run.id));
    let is_running = state.running.is_some();
    let started = is_running && health.is_some_and(|h| h.started);
    let is_init = s.spec.init_containers.iter().any(|c| c.name == container.name);
    let completed = state.terminated.as_ref().is_some_and(|t| t.exit_code == 0);
    let ready = if is_init && !container.sidecar {
        completed
    } else {
        started && health.is_some_and(|h| h.ready)
    };
    let restart_count = match run {
        Some(run) => run.attempt,
        None => s.previous.next_attempt(&container.name),
    };
    api::ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone(),
        image_id: run.map(|run| run.image_ref.clone()).unwrap_or_default(),
        container_id: run.map(|run| format!("{runtime}://{}", run.id)),
        ready,
        started: Some(started),
        restart_count: i32::try_from(restart_count).unwrap_or(i32::MAX),
        state: Some(state),
        last_state: Some(last_state),
        ..api::ContainerStatus::default()
    }
}

fn state(
    s: &Situation<'_>,
    container: &Container,
    run: Option<&ContainerRun>,
    runtime: &RuntimeName,
) -> api::ContainerState {
    match run.map(|run| (run, &run.state)) {
        Some((_, RunState::Running { started_at })) => api::ContainerState {
            running: Some(api::ContainerStateRunning { started_at: Some(time(*started_at)) }),
            ..api::ContainerState::default()
        },
        Some((run, RunState::Exited(exit))) => match waiting_to_restart(s, container, exit) {
            Some((reason, message)) => waiting(reason, message),
            None => terminated(run, exit, runtime),
        },
        Some((_, RunState::Created)) | None => {
            if let Some(reported) = reported_end(s, container, run) {
                return reported;
            }
            let (reason, message) = not_started(s, container);
            waiting(reason, message)
        }
    }
}

/// After the node was emptied (a new disk), only the last report knows how an ended pod's containers were.
fn reported_end(
    s: &Situation<'_>,
    container: &Container,
    run: Option<&ContainerRun>,
) -> Option<api::ContainerState> {
    let ended = s.progress.ended.is_some() || s.progress.terminating.is_some();
    let reported = s.previous.containers.get(&container.name)?.state.as_ref()?;
    (run.is_none() && ended && reported.terminated.is_some()).then(|| reported.clone())
}

/// Why an ended container that is to run again does not yet; `None` while it is just being restarted, or
/// when it stays ended.
fn waiting_to_restart(
    s: &Situation<'_>,
    container: &Container,
    exit: &Exit,
) -> Option<(&'static str, String)> {
    if s.progress.ended.is_some() || s.progress.terminating.is_some() {
        return None;
    }
    let is_init = s.spec.init_containers.iter().any(|c| c.name == container.name);
    let again = container.sidecar
        || match s.spec.restart_policy {
            RestartPolicy::Always => !is_init || exit.code != 0,
            RestartPolicy::OnFailure => exit.code != 0,
            RestartPolicy::Never => false,
        };
    let progress = s.progress.containers.get(&container.name).filter(|_| again)?;
    if let Some(failure) = &progress.failure {
        return Some((failure.reason, failure.message.clone()));
    }
    let (_, delay) = progress.restart.remaining(exit.finished_at, s.now)?;
    let message = format!(
        "back-off {} restarting failed container={} pod={}_{}({})",
        short(delay.as_secs()),
        container.name,
        s.spec.key.name,
        s.spec.key.namespace,
        s.spec.uid,
    );
    Some(("CrashLoopBackOff", message))
}

/// "10s", "1m20s", "5m0s".
fn short(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, rest) => format!("{rest}s"),
        (minutes, rest) => format!("{minutes}m{rest}s"),
    }
}

fn not_started(s: &Situation<'_>, container: &Container) -> (&'static str, String) {
    if let Some(unsupported) = s.spec.unsupported.first() {
        return ("CreateContainerConfigError", unsupported.to_string());
    }
    let progress = s.progress.containers.get(&container.name);
    if let Some(failure) = progress.and_then(|p| p.failure.as_ref()) {
        return (failure.reason, failure.message.clone());
    }
    let pending_init = !s.spec.init_containers.is_empty();
    (if pending_init { "PodInitializing" } else { "ContainerCreating" }, String::new())
}

fn last_state(
    s: &Situation<'_>,
    container: &Container,
    run: Option<&ContainerRun>,
    state: &api::ContainerState,
    runtime: &RuntimeName,
) -> api::ContainerState {
    let before = match run {
        Some(run) if state.waiting.is_some() && run.exit().is_some() => Some(run),
        _ => s.observed.before_latest(&container.name),
    };
    if let Some((run, exit)) = before.and_then(|run| Some((run, run.exit()?))) {
        return terminated(run, exit, runtime);
    }
    let reported = s.previous.containers.get(&container.name);
    match (run, reported) {
        (Some(_), Some(reported)) => reported.last_state.clone().unwrap_or_default(),
        // The runtime forgot a run that was reported: what it ended with nobody knows.
        (None, Some(reported)) if s.progress.ended.is_none() => lost(reported),
        _ => api::ContainerState::default(),
    }
}

fn lost(reported: &api::ContainerStatus) -> api::ContainerState {
    let state = reported.state.clone().unwrap_or_default();
    if state.terminated.is_some() {
        return api::ContainerState { terminated: state.terminated, ..Default::default() };
    }
    if state.running.is_none() {
        return reported.last_state.clone().unwrap_or_default();
    }
    let terminated = api::ContainerStateTerminated {
        exit_code: 137,
        reason: Some("ContainerStatusUnknown".into()),
        message: Some("The container could not be located when the pod was started again".into()),
        container_id: reported.container_id.clone(),
        ..api::ContainerStateTerminated::default()
    };
    api::ContainerState { terminated: Some(terminated), ..Default::default() }
}

fn waiting(reason: &str, message: String) -> api::ContainerState {
    let message = Some(message).filter(|message| !message.is_empty());
    let waiting = api::ContainerStateWaiting { reason: Some(reason.into()), message };
    api::ContainerState { waiting: Some(waiting), ..api::ContainerState::default() }
}

fn terminated(run: &ContainerRun, exit: &Exit, runtime: &RuntimeName) -> api::ContainerState {
    let reason = match (exit.reason.as_str(), exit.code) {
        ("", 0) => "Completed",
        ("", _) => "Error",
        (reason, _) => reason,
    };
    let terminated = api::ContainerStateTerminated {
        exit_code: exit.code,
        reason: Some(reason.into()),
        message: Some(exit.message.clone()).filter(|message| !message.is_empty()),
        started_at: exit.started_at.map(time),
        finished_at: Some(time(exit.finished_at)),
        container_id: Some(format!("{runtime}://{}", run.id)),
        ..api::ContainerStateTerminated::default()
    };
    api::ContainerState { terminated: Some(terminated), ..api::ContainerState::default() }
}

/// The API keeps whole seconds.
pub(crate) fn time(at: Timestamp) -> Time {
    Time(
        at.round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor))
            .unwrap_or(at),
    )
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
