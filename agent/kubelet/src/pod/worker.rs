//! One task a pod: it looks at what the runtime has, plans, starts what the plan says, reports what
//! changed, and waits for the next thing to happen. It never blocks on an action and never asks the
//! runtime without a reason.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as api;
use sheave_push::v1;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apply::{self, Done, Start, Stop};
use super::health::Probes;
use super::observed::Observed;
use super::plan::{Action, Plan, Situation, plan};
use super::previous::Previous;
use super::progress::{Busy, Progress, Terminating, Waiting};
use super::spec::{PodSpec, PodUid};
use super::status::status;
use crate::context::Shared;
use crate::cri;
use crate::interface::Outgoing;
use crate::recorder::About;

/// What a container waits with after a failed pull, once it no longer just failed.
const PULL_FAILED_SHOWN: Duration = Duration::from_secs(2);
/// The runtime's books lag behind its events: how long they are looked at again, and how often at first.
const SETTLE_MAX: Duration = Duration::from_secs(3);
const SETTLE_FIRST: Duration = Duration::from_millis(4);
/// Between tries to ask a runtime that does not answer.
const OBSERVE_RETRY: Duration = Duration::from_millis(500);
/// Between tries to take away what is left of a pod.
const REMOVE_RETRY: Duration = Duration::from_secs(1);
/// A pod that is gone without having been asked to go has no time left.
const GONE_GRACE_S: u32 = 1;

/// Something a worker must know.
#[derive(Debug)]
pub(crate) enum Message {
    /// The object changed.
    Pod(Box<PodSpec>, Box<Previous>),
    /// The object is gone from the API.
    Gone,
    /// The runtime says that a process of the pod ended.
    Ended { id: String },
    /// A ConfigMap or Secret that the pod uses changed.
    DataChanged,
    /// Events may have been missed.
    Look,
}

/// Starts a worker; it says its pod's uid on `finished` when nothing of the pod is left.
pub(crate) fn spawn(
    context: Shared,
    spec: PodSpec,
    previous: Previous,
    finished: mpsc::UnboundedSender<PodUid>,
) -> mpsc::UnboundedSender<Message> {
    let (sender, inbox) = mpsc::unbounded_channel();
    let worker = Worker::new(context, spec, previous, inbox);
    tokio::spawn(async move {
        let uid = worker.spec.uid.clone();
        if worker.run().await {
            // The dispatcher is gone only when the agent ends.
            let _ = finished.send(uid);
        }
    });
    sender
}

struct Worker {
    context: Shared,
    spec: Arc<PodSpec>,
    previous: Previous,
    observed: Observed,
    progress: Progress,
    start_time: Timestamp,
    inbox: mpsc::UnboundedReceiver<Message>,
    tasks: JoinSet<Done>,
    /// Stops that can be hurried.
    stopping: HashMap<String, AbortHandle>,
    removing: HashSet<String>,
    hooks_run: HashSet<String>,
    cancel_starts: CancellationToken,
    probes: Probes,
    /// Processes that ended though the runtime's books do not say so yet: since when.
    settling: HashMap<String, Instant>,
    settle_delay: Duration,
    /// When a failed pull turns into a back-off.
    pull_failures: HashMap<String, Instant>,
    /// Runs whose back-off has been said.
    backoffs_said: HashSet<String>,
    sent: Option<api::PodStatus>,
    look: bool,
    gone: bool,
}

impl Worker {
    fn new(
        context: Shared,
        spec: PodSpec,
        previous: Previous,
        inbox: mpsc::UnboundedReceiver<Message>,
    ) -> Self {
        let start_time = previous.start_time.unwrap_or_else(Timestamp::now);
        let progress = Progress {
            ended: previous.ended.clone(),
            terminating: terminating(&spec),
            ..Progress::default()
        };
        Self {
            probes: Probes::new(context.clone()),
            context,
            spec: Arc::new(spec),
            previous,
            observed: Observed::default(),
            progress,
            start_time,
            inbox,
            tasks: JoinSet::new(),
            stopping: HashMap::new(),
            removing: HashSet::new(),
            hooks_run: HashSet::new(),
            cancel_starts: CancellationToken::new(),
            settling: HashMap::new(),
            settle_delay: SETTLE_FIRST,
            pull_failures: HashMap::new(),
            backoffs_said: HashSet::new(),
            sent: None,
            look: true,
            gone: false,
        }
    }

    /// Whether the pod came to its end; otherwise the agent did.
    async fn run(mut self) -> bool {
        if self.context.runtime.up().await.is_none() {
            return false;
        }
        for unsupported in &self.spec.unsupported {
            let about = About::pod(&self.spec);
            self.context.recorder.warning(&about, "Failed", format!("Error: {unsupported}"));
        }
        loop {
            if self.look && !self.observe().await && !self.wait(Some(OBSERVE_RETRY)).await {
                return false;
            } else if self.look {
                continue;
            }
            self.probes.adopt(&self.spec, &self.observed, &self.previous, &mut self.progress);
            self.turn_pull_failures();
            let Plan { actions, wake_after, ended } = plan(self.situation());
            if let Some(ended) = ended {
                if let (Some(reason), Some(message)) = (&ended.reason, &ended.message) {
                    let about = About::pod(&self.spec);
                    self.context.recorder.normal(&about, reason, message.clone());
                }
                self.cancel_starts.cancel();
                self.progress.ended = Some(ended);
            }
            let finish = actions.contains(&Action::Finish);
            for action in actions {
                self.apply(action);
            }
            let live = self.progress.terminating.is_none() && self.progress.ended.is_none();
            self.probes.keep(&self.spec, &self.observed, &self.progress, live);
            self.say_backoffs();
            self.report().await;
            if finish {
                self.finish().await;
                return true;
            }
            let wake = self.next_wake(wake_after);
            if !self.wait(wake).await {
                return false;
            }
        }
    }

    fn situation(&self) -> Situation<'_> {
        Situation {
            spec: &self.spec,
            observed: &self.observed,
            progress: &self.progress,
            previous: &self.previous,
            start_time: self.start_time,
            now: Timestamp::now(),
        }
    }

    /// Whether the runtime answered.
    async fn observe(&mut self) -> bool {
        match cri::observe(self.context.cri(), &self.spec.uid, &self.observed).await {
            Ok(observed) => self.observed = observed,
            Err(status) => {
                tracing::debug!(pod = %self.spec.key, %status, "the runtime does not answer");
                return false;
            }
        }
        self.look = false;
        let containers = self.observed.containers.iter().map(|run| &run.id);
        let sandbox = self.observed.sandbox.iter().map(|sandbox| &sandbox.id);
        for id in containers.chain(sandbox) {
            self.context.own(id, &self.spec.uid);
        }
        let observed = &self.observed;
        let still_shown = |id: &String| {
            observed.running().any(|run| run.id == *id)
                || observed.ready_sandbox().is_some_and(|sandbox| sandbox.id == *id)
        };
        self.settling.retain(|id, since| still_shown(id) && since.elapsed() < SETTLE_MAX);
        true
    }

    fn next_wake(&mut self, planned: Option<Duration>) -> Option<Duration> {
        let now = Instant::now();
        let pulls = self.pull_failures.values().map(|at| at.saturating_duration_since(now));
        let settle = (!self.settling.is_empty()).then_some(self.settle_delay);
        if settle.is_some() {
            self.look = true;
            self.settle_delay = (self.settle_delay * 2).min(Duration::from_millis(200));
        } else {
            self.settle_delay = SETTLE_FIRST;
        }
        pulls.chain(settle).chain(planned).min()
    }

    /// Waits until something happened, takes all that happened meanwhile. False: the agent ends.
    async fn wait(&mut self, at_most: Option<Duration>) -> bool {
        let sleep = tokio::time::sleep(at_most.unwrap_or(Duration::MAX));
        tokio::select! {
            message = self.inbox.recv() => match message {
                Some(message) => self.take(message).await,
                None => return false,
            },
            Some(done) = self.tasks.join_next() => self.note(done),
            Some(outcome) = self.probes.next() => {
                Probes::judge(&self.spec, &mut self.progress, outcome);
            }
            () = sleep => {}
        }
        while let Ok(message) = self.inbox.try_recv() {
            self.take(message).await;
        }
        while let Some(done) = self.tasks.try_join_next() {
            self.note(done);
        }
        true
    }

    async fn take(&mut self, message: Message) {
        match message {
            Message::Pod(spec, object) => self.change(*spec, *object).await,
            Message::Gone => {
                self.gone = true;
                self.terminate(GONE_GRACE_S);
            }
            Message::Ended { id } => {
                self.settling.insert(id, Instant::now());
                self.settle_delay = SETTLE_FIRST;
                self.look = true;
            }
            Message::DataChanged => {
                self.progress.hurry();
                self.refresh_volumes().await;
            }
            Message::Look => self.look = true,
        }
    }

    async fn change(&mut self, spec: PodSpec, object: Previous) {
        let shows_metadata =
            spec.labels != self.spec.labels || spec.annotations != self.spec.annotations;
        // Conditions that others set are theirs to say; our own are what we said last.
        let ours = std::mem::take(&mut self.previous.conditions);
        let is_ours = |kind: &str| ours.iter().any(|condition| condition.type_ == kind);
        let theirs: Vec<_> = object.conditions.into_iter().filter(|c| !is_ours(&c.type_)).collect();
        self.previous.conditions = ours;
        self.previous.conditions.retain(|c| super::conditions::is_owned(&c.type_));
        self.previous.conditions.extend(theirs);
        let grace = spec.deletion_grace_s;
        self.spec = Arc::new(spec);
        if let Some(grace_s) = grace {
            self.terminate(grace_s);
        }
        if shows_metadata {
            self.refresh_volumes().await;
        }
    }

    /// Begins to end the pod, or hurries the end.
    fn terminate(&mut self, grace_s: u32) {
        match &mut self.progress.terminating {
            Some(already) if already.grace_s <= grace_s => return,
            Some(already) => already.grace_s = grace_s,
            None => {
                let since = Timestamp::now();
                self.progress.terminating = Some(Terminating { grace_s, since });
            }
        }
        self.cancel_starts.cancel();
        for (name, stop) in self.stopping.drain() {
            stop.abort();
            self.progress.container(&name).busy = None;
        }
    }

    /// Only for volumes that are there: a pod that has not started makes its own.
    async fn refresh_volumes(&mut self) {
        if self.observed.ready_sandbox().is_none() {
            return;
        }
        let updated = apply::update_volumes(self.context.clone(), self.spec.clone()).await;
        if let Err(message) = updated {
            self.context.recorder.warning(&About::pod(&self.spec), "FailedMount", message);
        }
    }

    fn apply(&mut self, action: Action) {
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
                self.tasks.spawn(apply::stop_sandbox(context, id));
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

    fn note(&mut self, done: Result<Done, tokio::task::JoinError>) {
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
                progress.retry = super::progress::ContainerProgress::default().retry;
                if let Some(finished_at) = before {
                    progress.restart.restarted(finished_at, now);
                }
                progress.health = spec.container(name).map(|c| (id, super::health::fresh(c)));
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

    /// "The pull failed" becomes "the next pull waits".
    fn turn_pull_failures(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .pull_failures
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.pull_failures.remove(&name);
            let Some(image) = self.spec.container(&name).map(|c| c.image.clone()) else { continue };
            let progress = self.progress.container(&name);
            let Some(failure) = progress.failure.as_mut() else { continue };
            failure.reason = "ImagePullBackOff";
            failure.message =
                format!("Back-off pulling image {image:?}: ErrImagePull: {}", failure.message);
            let about = About::container(&self.spec, &name);
            let message = format!("Back-off pulling image {image:?}");
            self.context.recorder.normal(&about, "BackOff", message);
            self.context.recorder.warning(&about, "Failed", "Error: ImagePullBackOff");
        }
    }

    fn say_backoffs(&mut self) {
        let now = Timestamp::now();
        for (name, progress) in &self.progress.containers {
            let Some(run) = self.observed.latest(name) else { continue };
            let Some(exit) = run.exit() else { continue };
            let waits = progress.restart.remaining(exit.finished_at, now).is_some();
            let live = self.progress.terminating.is_none() && self.progress.ended.is_none();
            if waits && live && progress.busy.is_none() && self.backoffs_said.insert(run.id.clone())
            {
                let about = About::container(&self.spec, name);
                let message = format!(
                    "Back-off restarting failed container {name} in pod {}_{}({})",
                    self.spec.key.name, self.spec.key.namespace, self.spec.uid
                );
                self.context.recorder.warning(&about, "BackOff", message);
            }
        }
    }

    /// Sends the status when it is another than the last one.
    async fn report(&mut self) {
        if self.gone {
            return;
        }
        let facts = self.context.runtime_facts();
        let status = status(self.situation(), &self.context.node_ips(), &facts.name);
        if self.sent.as_ref() == Some(&status) {
            return;
        }
        let theirs = self.previous.conditions.drain(..);
        let theirs: Vec<_> = theirs.filter(|c| !super::conditions::is_owned(&c.type_)).collect();
        self.previous.conditions = status.conditions.clone().unwrap_or_default();
        self.previous.conditions.extend(theirs);
        let json = serde_json::to_vec(&status).expect("a status is plain data with string keys");
        let message = v1::PodStatus {
            pod: Some(key(&self.spec)),
            uid: self.spec.uid.0.clone(),
            status: json.into(),
        };
        self.sent = Some(status);
        self.context.send(Outgoing::PodStatus(message)).await;
    }

    /// Nothing runs any more: takes away the rest, then says so.
    async fn finish(&mut self) {
        while let Err(error) =
            apply::remove_pod(&self.context, &self.spec.key, &self.spec.uid).await
        {
            tracing::warn!(pod = %self.spec.key, error, "something of the pod is left");
            let message = format!("error killing pod: {error}");
            self.context.recorder.warning(&About::pod(&self.spec), "FailedKillPod", message);
            tokio::time::sleep(REMOVE_RETRY).await;
        }
        let ended = v1::PodEnded { pod: Some(key(&self.spec)), uid: self.spec.uid.0.clone() };
        self.context.send(Outgoing::PodEnded(ended)).await;
    }
}

fn terminating(spec: &PodSpec) -> Option<Terminating> {
    spec.deletion_grace_s.map(|grace_s| Terminating { grace_s, since: Timestamp::now() })
}

fn key(spec: &PodSpec) -> v1::ObjectKey {
    v1::ObjectKey { namespace: spec.key.namespace.clone(), name: spec.key.name.clone() }
}
