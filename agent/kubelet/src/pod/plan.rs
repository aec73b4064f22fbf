//! What to do next with a pod: pure, from what it should be, what the runtime has and what is under way.
//!
//! ```text
//! volumes+sandbox -> init containers, one after the other -> containers, all at once
//!                    (sidecars: started in order, then left running)
//! ended for good, or deleted: containers -> sidecars, last first -> sandbox
//! ```
//!
//! Applying has no choices left. Actions on different containers do not wait for each other.

use std::time::Duration;

use jiff::Timestamp;

use super::observed::{ContainerRun, Observed, RunState};
use super::previous::{Ended, Previous};
use super::progress::{Progress, Terminating};
use super::spec::{Container, PodSpec, RestartPolicy};

/// Runs that are kept of each container: the newest, and the one before it for its log.
const RUNS_KEPT: usize = 2;
/// Sidecars have at least this long, however long the others took.
const SIDECAR_GRACE_MIN_S: u32 = 2;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Volumes, then the sandbox.
    CreateSandbox {
        attempt: u32,
    },
    StartContainer {
        name: String,
        attempt: u32,
    },
    StopContainer {
        id: String,
        name: String,
        grace_s: u32,
        why: StopReason,
    },
    /// Ends what runs in it, its network and namespaces.
    StopSandbox {
        id: String,
    },
    RemoveContainer {
        id: String,
    },
    RemoveSandbox {
        id: String,
    },
    /// Nothing runs any more: free everything, say so.
    Finish,
}

/// Why a container is stopped; what its Killing event says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StopReason {
    /// The pod goes away, or ended.
    PodEnds,
    /// A probe gave up.
    Unhealthy(String),
    /// Its image was changed.
    Changed,
    /// Its sandbox died.
    SandboxLost,
}

/// What to do now, and when to think again if nothing happens.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) actions: Vec<Action>,
    pub(crate) wake_after: Option<Duration>,
    /// The pod has just ended for good.
    pub(crate) ended: Option<Ended>,
}

impl Plan {
    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn wake_within(&mut self, delay: Duration) {
        self.wake_after = Some(self.wake_after.map_or(delay, |earlier| earlier.min(delay)));
    }
}

/// Everything a decision is made from.
#[derive(Clone, Copy)]
pub(crate) struct Situation<'a> {
    pub(crate) spec: &'a PodSpec,
    pub(crate) observed: &'a Observed,
    pub(crate) progress: &'a Progress,
    pub(crate) previous: &'a Previous,
    pub(crate) start_time: Timestamp,
    pub(crate) now: Timestamp,
}

/// Decides.
pub(crate) fn plan(s: Situation<'_>) -> Plan {
    let mut plan = Plan::default();
    if let Some(terminating) = s.progress.terminating {
        let left = left(terminating, s.now);
        stop_all(&s, terminating.grace_s, left, &mut plan);
        if s.observed.running().next().is_none() && !s.progress.any_busy() {
            match s.observed.ready_sandbox() {
                Some(sandbox) => stop_sandbox(&s, &sandbox.id, &mut plan),
                None => plan.act(Action::Finish),
            }
        }
        return plan;
    }
    if let Some(ended) = s.progress.ended.clone().or_else(|| ending(&s)) {
        if s.progress.ended.is_none() {
            plan.ended = Some(ended);
        }
        let grace_s = s.spec.termination_grace_s;
        stop_all(&s, grace_s, grace_s, &mut plan);
        let quiet = s.observed.running().next().is_none() && !s.progress.any_busy();
        if let Some(sandbox) = s.observed.ready_sandbox().filter(|_| quiet) {
            stop_sandbox(&s, &sandbox.id, &mut plan);
        }
        return plan;
    }
    if !s.spec.unsupported.is_empty() {
        return plan;
    }
    if let Some(deadline_s) = s.spec.active_deadline_s {
        plan.wake_within(until(&s, deadline_s));
    }
    match s.observed.ready_sandbox() {
        Some(sandbox) => run(&s, &sandbox.id, &mut plan),
        None => create_sandbox(&s, &mut plan),
    }
    prune(&s, &mut plan);
    plan
}

/// What the containers have left of the grace to the sidecars, which are stopped after them.
fn left(terminating: Terminating, now: Timestamp) -> u32 {
    let passed = now.duration_since(terminating.since).as_secs();
    let passed = u32::try_from(passed).unwrap_or(0);
    terminating.grace_s.saturating_sub(passed).max(terminating.grace_s.min(SIDECAR_GRACE_MIN_S))
}

fn stop_sandbox(s: &Situation<'_>, id: &str, plan: &mut Plan) {
    match s.progress.sandbox_retry.remaining(s.now) {
        Some(delay) => plan.wake_within(delay),
        None => plan.act(Action::StopSandbox { id: id.to_owned() }),
    }
}

fn until(s: &Situation<'_>, deadline_s: u32) -> Duration {
    let passed = Duration::try_from(s.now.duration_since(s.start_time)).unwrap_or_default();
    Duration::from_secs(deadline_s.into()).saturating_sub(passed)
}

/// Whether the pod is over: its deadline passed, an init container failed for good, or every container
/// ended and none will be restarted.
fn ending(s: &Situation<'_>) -> Option<Ended> {
    if s.spec.active_deadline_s.is_some_and(|deadline_s| until(s, deadline_s).is_zero()) {
        return Some(Ended {
            succeeded: false,
            reason: Some("DeadlineExceeded".into()),
            message: Some("Pod was active on the node longer than the specified deadline".into()),
        });
    }
    let failed = Ended { succeeded: false, reason: None, message: None };
    if s.spec.restart_policy == RestartPolicy::Always {
        return None;
    }
    let init = s.spec.init_containers.iter().filter(|c| !c.sidecar);
    for container in init {
        let exit = s.observed.latest(&container.name).and_then(ContainerRun::exit);
        if exit.is_some_and(|e| e.code != 0) && s.spec.restart_policy == RestartPolicy::Never {
            return Some(failed);
        }
    }
    let mut succeeded = true;
    for container in &s.spec.containers {
        let exit = match s.observed.latest(&container.name).map(|run| &run.state) {
            Some(RunState::Exited(exit)) => exit.code,
            Some(_) => return None,
            // After a restart of the node only the last report knows how it ended.
            None => reported_exit(s.previous, &container.name)?,
        };
        if exit != 0 && s.spec.restart_policy == RestartPolicy::OnFailure {
            return None;
        }
        succeeded &= exit == 0;
    }
    Some(Ended { succeeded, ..failed })
}

fn reported_exit(previous: &Previous, name: &str) -> Option<i32> {
    let state = previous.containers.get(name)?.state.as_ref()?;
    state.terminated.as_ref().map(|terminated| terminated.exit_code)
}

/// The sandbox is missing or dead. What still runs in a dead one is stopped first: its addresses and
/// namespaces are gone.
fn create_sandbox(s: &Situation<'_>, plan: &mut Plan) {
    if s.progress.sandbox_busy {
        return;
    }
    let mut quiet = true;
    for run in s.observed.running() {
        quiet = false;
        stop(s, run, s.spec.termination_grace_s, StopReason::SandboxLost, plan);
    }
    if !quiet || s.progress.any_busy() {
        return;
    }
    if let Some(delay) = s.progress.sandbox_retry.remaining(s.now) {
        plan.wake_within(delay);
        return;
    }
    let attempt = s.observed.sandbox.as_ref().map_or(0, |old| old.attempt + 1);
    plan.act(Action::CreateSandbox { attempt });
}

/// The sandbox is there: init containers in order, then the others.
fn run(s: &Situation<'_>, sandbox_id: &str, plan: &mut Plan) {
    let in_sandbox =
        |name: &str| s.observed.latest(name).filter(|run| run.sandbox_id == sandbox_id);
    // Once a container has been made, initialization was complete: ended init containers may be gone.
    let initialized = s.spec.containers.iter().any(|c| in_sandbox(&c.name).is_some());
    for container in &s.spec.init_containers {
        let run = in_sandbox(&container.name);
        if container.sidecar {
            keep_running(s, container, run, plan);
            let started = run.filter(|run| run.is_running()).is_some_and(|run| {
                s.progress.health(&container.name, &run.id).is_some_and(|health| health.started)
            });
            if !started && !initialized {
                return;
            }
        } else if !initialized {
            match run.map(|run| &run.state) {
                Some(RunState::Exited(exit)) if exit.code == 0 => {}
                _ => return keep_running(s, container, run, plan),
            }
        }
    }
    for container in &s.spec.containers {
        keep_running(s, container, in_sandbox(&container.name), plan);
    }
}

/// Starts, restarts or stops one container whose turn it is.
fn keep_running(
    s: &Situation<'_>,
    container: &Container,
    run: Option<&ContainerRun>,
    plan: &mut Plan,
) {
    if s.progress.busy(&container.name).is_some() {
        return;
    }
    let progress = s.progress.containers.get(&container.name);
    match run.map(|run| (run, &run.state)) {
        Some((run, RunState::Running { .. })) => {
            let health = s.progress.health(&container.name, &run.id);
            if let Some(failed) = health.and_then(|health| health.failed.as_ref()) {
                let grace_s = failed.grace_s.unwrap_or(s.spec.termination_grace_s);
                let why = StopReason::Unhealthy(failed.message.clone());
                stop(s, run, grace_s, why, plan);
            } else if run.image != container.image {
                stop(s, run, s.spec.termination_grace_s, StopReason::Changed, plan);
            }
        }
        Some((_, RunState::Exited(exit))) => {
            let again = container.sidecar
                || match s.spec.restart_policy {
                    RestartPolicy::Always => true,
                    RestartPolicy::OnFailure => exit.code != 0,
                    RestartPolicy::Never => false,
                };
            if !again {
                return;
            }
            let backoff = progress.map(|p| p.restart).unwrap_or_default();
            match backoff.remaining(exit.finished_at, s.now) {
                Some((rest, _)) => plan.wake_within(rest),
                None => start(s, container, plan),
            }
        }
        // Made, but nobody starts it: the agent died in between.
        Some((_, RunState::Created)) | None => start(s, container, plan),
    }
}

fn start(s: &Situation<'_>, container: &Container, plan: &mut Plan) {
    let retry = s.progress.containers.get(&container.name).map(|p| p.retry);
    if let Some(delay) = retry.and_then(|retry| retry.remaining(s.now)) {
        plan.wake_within(delay);
        return;
    }
    let attempt = match s.observed.latest(&container.name) {
        Some(run) => run.attempt + 1,
        None => s.previous.next_attempt(&container.name),
    };
    plan.act(Action::StartContainer { name: container.name.clone(), attempt });
}

fn stop(s: &Situation<'_>, run: &ContainerRun, grace_s: u32, why: StopReason, plan: &mut Plan) {
    if s.progress.busy(&run.name).is_none() {
        let (id, name) = (run.id.clone(), run.name.clone());
        plan.act(Action::StopContainer { id, name, grace_s, why });
    }
}

/// Containers together; when they are gone the sidecars, the last one first.
fn stop_all(s: &Situation<'_>, grace_s: u32, sidecar_grace_s: u32, plan: &mut Plan) {
    let is_sidecar =
        |name: &str| s.spec.init_containers.iter().any(|c| c.sidecar && c.name == name);
    let mut others = false;
    for run in s.observed.running().filter(|run| !is_sidecar(&run.name)) {
        others = true;
        stop(s, run, grace_s, StopReason::PodEnds, plan);
    }
    if others {
        return;
    }
    let sidecars = s.spec.init_containers.iter().rev().filter(|c| c.sidecar);
    let last =
        sidecars.filter_map(|c| s.observed.runs(&c.name).find(|run| run.is_running())).next();
    if let Some(run) = last {
        stop(s, run, sidecar_grace_s, StopReason::PodEnds, plan);
    }
}

/// Old runs and sandboxes.
fn prune(s: &Situation<'_>, plan: &mut Plan) {
    for container in s.spec.all_containers() {
        if s.progress.busy(&container.name).is_some() {
            continue;
        }
        let mut ended: Vec<_> =
            s.observed.runs(&container.name).filter(|run| !run.is_running()).collect();
        let latest = s.observed.latest(&container.name).map(|run| run.attempt);
        ended.retain(|run| Some(run.attempt) != latest);
        ended.sort_by_key(|run| std::cmp::Reverse(run.attempt));
        for run in ended.into_iter().skip(RUNS_KEPT - 1) {
            plan.act(Action::RemoveContainer { id: run.id.clone() });
        }
    }
    for id in &s.observed.old_sandboxes {
        if !s.observed.containers.iter().any(|run| run.sandbox_id == *id) {
            plan.act(Action::RemoveSandbox { id: id.clone() });
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
