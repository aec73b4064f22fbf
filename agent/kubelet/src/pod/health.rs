//! The probes of one pod: which are running, and what their verdicts mean for its containers.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::apply::pod_ip;
use super::backoff::RestartBackoff;
use super::observed::{Observed, RunState};
use super::previous::Previous;
use super::progress::{Failed, Health, Progress};
use super::spec::{Container, PodSpec};
use crate::context::Shared;
use crate::probes::{self, Kind, Outcome, Running, Target};
use crate::recorder::About;

/// Of one pod.
pub(super) struct Probes {
    context: Shared,
    running: HashMap<(String, Kind), (String, Running)>,
    sender: mpsc::UnboundedSender<Outcome>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

/// Of a container that has just been started.
pub(super) fn fresh(container: &Container) -> Health {
    Health {
        started: container.startup.is_none(),
        ready: container.readiness.is_none(),
        failed: None,
    }
}

impl Probes {
    pub(super) fn new(context: Shared) -> Self {
        let (sender, outcomes) = mpsc::unbounded_channel();
        Self { context, running: HashMap::new(), sender, outcomes }
    }

    pub(super) async fn next(&mut self) -> Option<Outcome> {
        self.outcomes.recv().await
    }

    /// Containers that run though this worker has not started them are as they were last reported: an
    /// agent that starts anew changes nothing.
    pub(super) fn adopt(
        &self,
        spec: &PodSpec,
        observed: &Observed,
        previous: &Previous,
        progress: &mut Progress,
    ) {
        for container in spec.all_containers() {
            let Some(run) = observed.latest(&container.name) else { continue };
            let known = progress.containers.get(&container.name);
            let is_known = known.is_some_and(|p| p.busy.is_some() || p.health.is_some());
            if is_known || known.is_some_and(|p| p.failure.is_some()) {
                continue;
            }
            let progress = progress.container(&container.name);
            if run.attempt > 0 {
                let started_at = match &run.state {
                    RunState::Running { started_at } => Some(*started_at),
                    RunState::Exited(exit) => exit.started_at,
                    RunState::Created => None,
                };
                progress.restart =
                    RestartBackoff::adopted(run.attempt, started_at.unwrap_or_else(Timestamp::now));
            }
            if run.is_running() {
                let reported = previous.containers.get(&container.name);
                let was_started = reported.is_some_and(|status| status.started == Some(true));
                let was_ready = previous.was_ready(&container.name, &run.id);
                let health = Health {
                    started: container.startup.is_none() || was_started,
                    ready: container.readiness.is_none() || was_ready,
                    failed: None,
                };
                progress.health = Some((run.id.clone(), health));
            }
        }
    }

    /// Starts the probes that should run and ends the others. A pod that is not `live` is only asked
    /// whether it is ready.
    pub(super) fn keep(
        &mut self,
        spec: &PodSpec,
        observed: &Observed,
        progress: &Progress,
        live: bool,
    ) {
        let mut wanted = HashMap::new();
        for container in spec.all_containers() {
            let Some(run) = observed.latest(&container.name).filter(|r| r.is_running()) else {
                continue;
            };
            let Some(health) = progress.health(&container.name, &run.id) else { continue };
            let kinds = [
                (Kind::Startup, &container.startup, live && !health.started),
                (Kind::Readiness, &container.readiness, health.started),
                (Kind::Liveness, &container.liveness, live && health.started),
            ];
            for (kind, probe, now) in kinds {
                let Some(probe) = probe.as_ref().filter(|_| now && health.failed.is_none()) else {
                    continue;
                };
                wanted.insert((container.name.clone(), kind), (run, probe.clone(), health.ready));
            }
        }
        self.running.retain(|key, (id, _)| wanted.get(key).is_some_and(|(run, ..)| run.id == *id));
        let pod_ips = observed.sandbox.as_ref().map(|s| s.ips.as_slice()).unwrap_or_default();
        for ((name, kind), (run, probe, ready)) in wanted {
            if self.running.contains_key(&(name.clone(), kind)) {
                continue;
            }
            let running_for = match run.state {
                RunState::Running { started_at } => Timestamp::now().duration_since(started_at),
                _ => jiff::SignedDuration::ZERO,
            };
            let target = Target {
                container: name.clone(),
                run_id: run.id.clone(),
                pod_ip: pod_ip(&self.context, spec, pod_ips),
                about: About::container(spec, &name),
                passed_before: (kind == Kind::Readiness).then_some(ready),
                running_for: Duration::try_from(running_for).unwrap_or_default(),
            };
            let sender = self.sender.clone();
            let probe = probes::start(self.context.clone(), kind, probe, target, sender);
            self.running.insert((name, kind), (run.id.clone(), probe));
        }
    }

    /// Notes a verdict, unless it is about a run that is over.
    pub(super) fn judge(spec: &PodSpec, progress: &mut Progress, outcome: Outcome) {
        let Outcome { container: name, run_id, kind, passed } = outcome;
        let Some(container) = spec.container(&name) else { return };
        let health = progress.container(&name).health.as_mut();
        let Some((_, health)) = health.filter(|(id, _)| *id == run_id) else { return };
        match (kind, passed) {
            (Kind::Startup, true) => health.started = true,
            (Kind::Readiness, ready) => health.ready = ready,
            (Kind::Liveness, true) => {}
            (Kind::Startup | Kind::Liveness, false) => {
                let probe = match kind {
                    Kind::Startup => container.startup.as_ref(),
                    _ => container.liveness.as_ref(),
                };
                let word = if kind == Kind::Startup { "startup" } else { "liveness" };
                let message = format!("Container {name} failed {word} probe, will be restarted");
                let grace_s = probe.and_then(|probe| probe.termination_grace_s);
                health.failed = Some(Failed { message, grace_s });
            }
        }
    }
}
