//! One task a pod: it looks at what the runtime has, plans, starts what the plan says, reports what
//! changed, and waits for the next thing to happen. It never blocks on an action and never asks the
//! runtime without a reason.

mod act;
mod say;
mod sockets;

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

use super::apply::{self, Done};
use super::health::Probes;
use super::observed::Observed;
use super::plan::{Action, Plan, Situation, plan};
use super::previous::Previous;
use super::progress::{Progress, Terminating};
use super::spec::{PodSpec, PodUid};
use crate::context::Shared;
use crate::cri;
use crate::interface::Outgoing;
use crate::recorder::About;

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
    /// Ephemeral containers that have been told that they do not run.
    ephemeral_said: HashSet<String>,
    /// The sandbox whose sockets are left alone.
    left_alone: Option<String>,
    /// What has been said of why they are not.
    not_left_alone: Option<String>,
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
            ephemeral_said: HashSet::new(),
            left_alone: None,
            not_left_alone: None,
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
        self.say_hooks_cannot_be_off();
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
                self.context.host_ports.release(&self.spec.uid);
                self.progress.ended = Some(ended);
            }
            let finish = actions.contains(&Action::Finish);
            for action in actions {
                self.apply(action);
            }
            let live = self.progress.terminating.is_none() && self.progress.ended.is_none();
            self.probes.keep(&self.spec, &self.observed, &self.progress, live);
            self.say_backoffs();
            self.say_ephemeral_containers();
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
        if !self.leave_sockets_alone().await {
            return false;
        }
        self.look = false;
        let containers = self.observed.containers.iter().map(|run| &run.id);
        let sandbox = self.observed.sandbox.iter().map(|sandbox| &sandbox.id);
        for id in containers.chain(sandbox) {
            self.context.own(id, &self.spec.uid);
        }
        let addresses = self.observed.ready_sandbox().map(|sandbox| &sandbox.ips[..]);
        self.context.host_ports.lead_to(&self.spec.uid, addresses.unwrap_or_default());
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
        self.context.host_ports.leave(&self.spec.uid);
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

    async fn finish(&mut self) {
        while let Err(error) =
            apply::remove_pod(&self.context, &self.spec.key, &self.spec.uid).await
        {
            tracing::warn!(pod = %self.spec.key, error, "something of the pod is left");
            let message = format!("error killing pod: {error}");
            self.context.recorder.warning(&About::pod(&self.spec), "FailedKillPod", message);
            tokio::time::sleep(REMOVE_RETRY).await;
        }
        self.context.host_ports.release(&self.spec.uid);
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
