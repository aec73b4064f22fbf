//! Tells each pod's worker what concerns it: what the source says, what the runtime says, which objects
//! changed. The only place that knows which pods there are.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sheave_core::model::Knowledge;
use sheave_push::v1;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::context::Shared;
use crate::cri::{PodLabels, RuntimeEvent, follow_events, v1 as cri_v1};
use crate::data::DataKey;
use crate::host_ports::Clash;
use crate::interface::{Outgoing, Update};
use crate::log_files;
use crate::network::{self, Resolver};
use crate::pod::previous::{Ended, Previous};
use crate::pod::spec::{DataKind, PodKey, PodSpec, PodUid};
use crate::pod::worker::{self, Message};
use crate::pod::{apply, decode};
use crate::recorder::About;
use crate::volumes::uses_data;

/// How often all of the runtime is looked at for events that were missed.
const RELIST: Duration = Duration::from_secs(10);
/// Events that wait; the reader of the stream waits when there are more.
const EVENTS_MAX: usize = 256;

/// A pod that this node has.
struct Known {
    key: PodKey,
    spec: PodSpec,
    worker: mpsc::UnboundedSender<Message>,
}

pub(crate) struct Dispatcher {
    context: Shared,
    pods: HashMap<PodUid, Known>,
    /// Pods of which nothing is left, until their object is gone.
    ended: HashMap<PodUid, PodKey>,
    /// Pods without an object that are being ended.
    ending: HashMap<PodUid, JoinHandle<()>>,
    finished: mpsc::UnboundedSender<PodUid>,
    /// While a complete state is coming in: what was in it so far.
    incoming: Option<Incoming>,
    /// States of the runtime's containers and sandboxes at the last relist.
    seen: HashMap<String, i32>,
    /// A complete state has been had: what is not known is gone.
    complete: bool,
}

#[derive(Default)]
struct Incoming {
    pods: HashSet<PodUid>,
    data: HashSet<DataKey>,
    /// Pods that are new to the node, which come after those that were there.
    new: Vec<(PodSpec, Previous)>,
}

/// How does this pod resolve names?
pub(crate) struct ResolverOf {
    pub(crate) pod: PodKey,
    pub(crate) answer: oneshot::Sender<Option<Resolver>>,
}

/// Runs until the source's end is dropped.
pub(crate) async fn run(
    context: Shared,
    mut updates: mpsc::Receiver<Update>,
    mut questions: mpsc::Receiver<ResolverOf>,
) {
    let (finished, mut finished_pods) = mpsc::unbounded_channel();
    let (events, mut runtime_events) = mpsc::channel(EVENTS_MAX);
    let runtime = context.runtime.clone();
    let reader = tokio::spawn(async move {
        // Before the first pod is made, so that no end of one is missed.
        if runtime.up().await.is_some() {
            follow_events(runtime.socket.clone(), events).await;
        }
    });
    let mut dispatcher = Dispatcher {
        context,
        pods: HashMap::new(),
        ended: HashMap::new(),
        ending: HashMap::new(),
        finished,
        incoming: None,
        seen: HashMap::new(),
        complete: false,
    };
    let mut relist = tokio::time::interval(RELIST);
    relist.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            update = updates.recv() => match update {
                Some(update) => dispatcher.take(update).await,
                None => break,
            },
            Some(event) = runtime_events.recv() => dispatcher.tell(event).await,
            Some(question) = questions.recv() => dispatcher.answer(question),
            Some(uid) = finished_pods.recv() => {
                if let Some(known) = dispatcher.pods.remove(&uid) {
                    dispatcher.ended.insert(uid, known.key);
                }
            }
            _ = relist.tick() => dispatcher.relist().await,
        }
    }
    reader.abort();
}

impl Dispatcher {
    async fn take(&mut self, update: Update) {
        match update {
            Update::Init => self.incoming = Some(Incoming::default()),
            Update::InitDone => self.complete().await,
            Update::Recalled => self.recalled(),
            Update::Pod(pod) => self.pod(pod).await,
            Update::PodGone(key) => self.gone(&pod_key(key)),
            Update::ConfigMap(object) => self.data(DataKind::ConfigMap, object),
            Update::Secret(object) => self.data(DataKind::Secret, object),
            Update::ConfigMapGone(key) => {
                self.context.data.remove(&data_key(DataKind::ConfigMap, key))
            }
            Update::SecretGone(key) => self.context.data.remove(&data_key(DataKind::Secret, key)),
            Update::Cluster(dns) => {
                if let Ok(mut cluster) = self.context.cluster_dns.write() {
                    *cluster = dns;
                }
            }
        }
    }

    fn answer(&self, question: ResolverOf) {
        let pod = self.pods.values().find(|known| known.key == question.pod);
        let (cluster, node) = (self.context.cluster_dns(), self.context.node_resolver());
        let resolver = pod.map(|known| network::resolver(&known.spec, &cluster, &node));
        // Whoever asked may have gone.
        let _ = question.answer.send(resolver);
    }

    async fn pod(&mut self, pod: v1::Pod) {
        let (spec, previous) = match decode::decode(&pod.object) {
            Ok(decoded) => decoded,
            Err(error) => {
                let key = pod.key.unwrap_or_default();
                let name = format!("{}/{}", key.namespace, key.name);
                tracing::error!(pod = name, error = %crate::chain(&error), "pod cannot be read");
                return;
            }
        };
        let uid = spec.uid.clone();
        if let Some(incoming) = &mut self.incoming {
            incoming.pods.insert(uid.clone());
        }
        if let Some(key) = self.ended.get(&uid) {
            // The object is still there: whoever was told may not have heard it.
            let pod =
                Some(v1::ObjectKey { namespace: key.namespace.clone(), name: key.name.clone() });
            let ended = v1::PodEnded { pod, uid: uid.0.clone() };
            self.context.send(Outgoing::PodEnded(ended)).await;
            return;
        }
        // Another pod of the same name: the one before is gone.
        let before =
            self.pods.iter().filter(|(other, known)| **other != uid && known.key == spec.key);
        for (_, known) in before {
            let _ = known.worker.send(Message::Gone);
        }
        match self.pods.get_mut(&uid) {
            Some(known) => {
                known.spec = spec.clone();
                let _ = known.worker.send(Message::Pod(Box::new(spec), Box::new(previous)));
            }
            None => self.accept(spec, previous),
        }
    }

    /// A pod that has not been known: its ports of the node must be free, unless it has had them.
    fn accept(&mut self, spec: PodSpec, mut previous: Previous) {
        let was_here = previous.start_time.is_some();
        if previous.ended.is_some() {
            // It needs nothing any more.
        } else if was_here {
            self.context.host_ports.adopt(&spec);
        } else if let Some(incoming) = &mut self.incoming {
            incoming.new.retain(|(known, _)| known.uid != spec.uid);
            incoming.new.push((spec, previous));
            return;
        } else if let Err(clash) = self.context.host_ports.claim(&spec) {
            previous.ended = Some(rejected(&self.context, &spec, &clash));
        }
        let (context, finished) = (self.context.clone(), self.finished.clone());
        let worker = worker::spawn(context, spec.clone(), previous, finished);
        self.pods.insert(spec.uid.clone(), Known { key: spec.key.clone(), spec, worker });
    }

    fn gone(&mut self, key: &PodKey) {
        self.ended.retain(|_, ended| ended != key);
        if let Some(incoming) = &mut self.incoming {
            incoming.new.retain(|(spec, _)| spec.key != *key);
        }
        for known in self.pods.values().filter(|known| known.key == *key) {
            let _ = known.worker.send(Message::Gone);
        }
    }

    fn data(&mut self, kind: DataKind, mut object: v1::DataObject) {
        let key = data_key(kind, object.key.take().unwrap_or_default());
        if let Some(incoming) = &mut self.incoming {
            incoming.data.insert(key.clone());
        }
        if !self.context.data.set(key.clone(), object) {
            return;
        }
        for known in self.pods.values().filter(|known| uses_data(&known.spec, &key)) {
            let _ = known.worker.send(Message::DataChanged);
        }
    }

    /// What was known before this start is known. Pods that run and are not among them came last: they are
    /// left alone until a complete state names them, or does not.
    fn recalled(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        for (spec, previous) in incoming.new {
            self.accept(spec, previous);
        }
        self.context.host_ports.named(Knowledge::Recalled);
    }

    /// What was not in the complete state is gone.
    async fn complete(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        self.complete = true;
        self.context.data.retain(&incoming.data);
        self.ended.retain(|uid, _| incoming.pods.contains(uid));
        for (_, known) in self.pods.iter().filter(|(uid, _)| !incoming.pods.contains(uid)) {
            let _ = known.worker.send(Message::Gone);
        }
        for (spec, previous) in incoming.new {
            self.accept(spec, previous);
        }
        self.context.host_ports.named(Knowledge::Complete);
        self.remove_orphans().await;
    }

    /// Pods of the runtime, and directories, whose object nobody knows.
    async fn remove_orphans(&mut self) {
        if self.context.runtime.up().await.is_none() {
            return;
        }
        let Ok(sandboxes) = self.context.cri().list_sandboxes([]).await else { return };
        let mut orphans: HashMap<PodUid, PodKey> = sandboxes
            .iter()
            .filter_map(|sandbox| PodLabels::read(&sandbox.labels))
            .map(|labels| (labels.uid, labels.key))
            .collect();
        let nameless = PodKey { namespace: String::new(), name: String::new() };
        let directory = self.context.config.data_dir.join("pods");
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let uid = PodUid(entry.file_name().to_string_lossy().into_owned());
            orphans.entry(uid).or_insert_with(|| nameless.clone());
        }
        self.ending.retain(|_, task| !task.is_finished());
        orphans.retain(|uid, _| !self.pods.contains_key(uid) && !self.ending.contains_key(uid));
        for (uid, key) in orphans {
            tracing::info!(pod = %key, %uid, "nobody knows this pod any more: it is ended");
            let (context, ending) = (self.context.clone(), uid.clone());
            let task = tokio::spawn(async move {
                if let Err(error) = apply::end_orphan(&context, &key, &uid).await {
                    tracing::warn!(pod = %key, error, "something of the pod is left");
                }
            });
            self.ending.insert(ending, task);
        }
    }

    async fn tell(&mut self, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Reconnected => self.relist().await,
            // We started it: its worker knows.
            RuntimeEvent::Started { .. } => {}
            RuntimeEvent::Ended { id } => {
                // Mostly nobody follows a log.
                let _ = self.context.ended.send(id.clone());
                let owner = self.context.owner(&id);
                if let Some(known) = owner.and_then(|uid| self.pods.get(&uid)) {
                    let _ = known.worker.send(Message::Ended { id });
                }
            }
        }
    }

    /// Wakes the workers of pods whose containers changed without an event.
    async fn relist(&mut self) {
        let cri = self.context.cri();
        let listed = tokio::try_join!(cri.list_sandboxes([]), cri.list_containers([]));
        let Ok((sandboxes, containers)) = listed else { return };
        let is_running =
            |c: &&cri_v1::Container| c.state() == cri_v1::ContainerState::ContainerRunning;
        let running: Vec<_> = containers.iter().filter(is_running).cloned().collect();
        let context = self.context.clone();
        tokio::spawn(async move { log_files::rotate(&context, &running).await });
        let sandboxes = sandboxes.into_iter().map(|s| (s.id, s.state, PodLabels::read(&s.labels)));
        let containers =
            containers.into_iter().map(|c| (c.id, c.state, PodLabels::read(&c.labels)));
        let mut seen = HashMap::new();
        let mut changed = HashSet::new();
        for (id, state, labels) in sandboxes.chain(containers) {
            if self.seen.get(&id) != Some(&state) {
                changed.extend(labels.map(|labels| labels.uid));
            }
            seen.insert(id, state);
        }
        let gone = self.seen.keys().filter(|id| !seen.contains_key(*id));
        changed.extend(gone.filter_map(|id| self.context.owner(id)));
        self.seen = seen;
        let unknown = changed.iter().any(|uid| !self.pods.contains_key(uid));
        for known in changed.iter().filter_map(|uid| self.pods.get(uid)) {
            let _ = known.worker.send(Message::Look);
        }
        if unknown && self.complete && self.incoming.is_none() {
            self.remove_orphans().await;
        }
    }
}

/// How Kubernetes ends a pod whose ports its node does not have.
fn rejected(context: &Shared, spec: &PodSpec, clash: &Clash) -> Ended {
    let why = format!(
        "Predicate NodePorts failed: hostPort {} is pod {}'s: choose another one, or another node",
        clash.port, clash.holder
    );
    context.recorder.warning(&About::pod(spec), "NodePorts", why.clone());
    let message = Some(format!("Pod was rejected: {why}"));
    Ended { succeeded: false, reason: Some("NodePorts".into()), message }
}

fn pod_key(key: v1::ObjectKey) -> PodKey {
    PodKey { namespace: key.namespace, name: key.name }
}

fn data_key(kind: DataKind, key: v1::ObjectKey) -> DataKey {
    DataKey { kind, namespace: key.namespace, name: key.name }
}
