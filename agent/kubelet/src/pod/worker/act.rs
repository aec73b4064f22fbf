//! Actions become tasks, and what the tasks did becomes progress.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Worker;
use crate::pod::apply::{self, Done, Start, Stop};
use crate::pod::plan::Action;
use crate::pod::progress::{Busy, ContainerProgress, Waiting};
use crate::recorder::About;

/// What a container waits with after a failed pull, once it no longer just failed.
const PULL_FAILED_SHOWN: Duration = Duration::from_secs(2);

impl Worker {
    pub(super) fn apply(&mut self, action: Action) {
        let (context, spec) = (self.context.clone(), self.spec.clone());
        let pod_ips = self.observed.sandbox.as_ref().map(|s| s.ips.clone()).unwrap_or_default();
        match action {
            Action::CreateSandbox { attempt } => {
                self.progress.sandbox_busy = true;
                self.tasks.spawn(apply::create_sandbox(context, spec, attempt));
            }
            Action::StartContainer { name, attempt } => {
                let Some(sandbox) = self.observed.ready_sandbox() else { return };
                let (sandbox_id, sandbox_attempt) = (sandbox.id.clone(), sandbox.attempt);
                let cancel = self.cancel_starts.clone();
                // Now: by the time it is started the newest run is another one.
                let before = self.observed.latest(&name).and_then(|run| run.exit());
                let after = before.map(|exit| exit.finished_at);
                self.progress.container(&name).busy = Some(Busy::Starting);
                let start = Start {
                    spec,
                    name,
                    attempt,
                    after,
                    sandbox_id,
                    sandbox_attempt,
                    pod_ips,
                    cancel,
                };
                self.tasks.spawn(apply::start_container(context, start));
            }
            Action::StopContainer { id, name, grace_s, why } => {
                self.progress.container(&name).busy = Some(Busy::Stopping);
                let skip_hook = !self.hooks_run.insert(id.clone());
                let stop = Stop { spec, name: name.clone(), id, grace_s, why, skip_hook, pod_ips };
                let handle = self.tasks.spawn(apply::stop_container(context, stop));
                self.stopping.insert(name, handle);
            }
            Action::StopSandbox { id } => {
                self.progress.sandbox_busy = true;
                self.tasks.spawn(apply::stop_sandbox(context, spec, id));
            }
            Action::RemoveContainer { id } => {
                let run = self.observed.containers.iter().find(|run| run.id == id);
                let log = run.map(|run| run.log_path.clone().into());
                if self.removing.insert(id.clone()) {
                    self.tasks.spawn(apply::remove_container(context, id, log));
                }
            }
            Action::RemoveSandbox { id } => {
                if self.removing.insert(id.clone()) {
                    self.tasks.spawn(apply::remove_sandbox(context, id));
                }
            }
            Action::Finish => {}
        }
    }

    pub(super) fn note(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let Ok(done) = done else { return };
        self.look = true;
        let now = Timestamp::now();
        let about = About::pod(&self.spec);
        match done {
            Done::Sandbox(result) => {
                self.progress.sandbox_busy = false;
                let failure = result.err();
                if let Some(failure) = &failure {
                    self.progress.sandbox_retry.failed(now);
                    // Said once, however often it is tried.
                    if self.progress.sandbox_error.as_ref() != Some(&failure.message) {
                        let message = failure.message.clone();
                        self.context.recorder.warning(&about, failure.reason, message);
                    }
                }
                self.progress.sandbox_error = failure.map(|failure| failure.message);
            }
            Done::SandboxStopped(result) => {
                self.progress.sandbox_busy = false;
                if let Err(error) = result {
                    self.progress.sandbox_retry.failed(now);
                    let message = format!("error killing pod: {error}");
                    self.context.recorder.warning(&about, "FailedKillPod", message);
                }
            }
            Done::Started { name, after, result } => self.note_start(&name, after, result, now),
            Done::Stopped { name, result } => {
                self.stopping.remove(&name);
                self.progress.container(&name).busy = None;
                if let Err(error) = result {
                    let message = format!("error killing container {name}: {error}");
                    self.context.recorder.warning(&about, "FailedKillPod", message);
                    self.progress.container(&name).retry.failed(now);
                }
            }
            Done::Removed { id } => {
                self.removing.remove(&id);
            }
        }
    }

    fn note_start(
        &mut self,
        name: &str,
        before: Option<Timestamp>,
        result: Result<String, Waiting>,
        now: Timestamp,
    ) {
        let spec = self.spec.clone();
        let progress = self.progress.container(name);
        progress.busy = None;
        match result {
            Ok(id) => {
                progress.failure = None;
                progress.retry = ContainerProgress::default().retry;
                if let Some(finished_at) = before {
                    progress.restart.restarted(finished_at, now);
                }
                progress.health = spec.container(name).map(|c| (id, crate::pod::health::fresh(c)));
            }
            Err(waiting) => {
                if waiting.reason == "ErrImagePull" {
                    let turns_at = Instant::now() + PULL_FAILED_SHOWN;
                    self.pull_failures.insert(name.to_owned(), turns_at);
                }
                // What was started and ended is restarted as other ended containers are.
                let ran = matches!(waiting.reason, "RunContainerError" | "PostStartHookError");
                match (ran, before) {
                    (true, Some(finished_at)) => progress.restart.restarted(finished_at, now),
                    (true, None) => progress.restart.restarted(now, now),
                    (false, _) => progress.retry.failed(now),
                }
                progress.failure = Some(waiting).filter(|w| w.reason != "ContainerCreating");
            }
        }
    }
}
