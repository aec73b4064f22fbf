//! One connection to the server, from Hello to its end.

use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sheave_push::PROTOCOL_VERSION;
use sheave_push::v1::agent_message::Kind as Said;
use sheave_push::v1::{
    self, AgentMessage, ServerMessage, node_client::NodeClient, server_message::Kind,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use crate::invalid::Invalid;
use crate::message;
use crate::outbox::Outbox;
use crate::push::{Change, Generation, PodChange, SessionError, What};
use crate::tunnel::{self, Tunnels};
use crate::view::{Slot, View};
use sheave_core::model::{ObjectKey, Update};

/// Renews the node's lease, which the control plane lets run out after 40 s.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// How long the server may take to say Welcome.
const WELCOME_LIMIT: Duration = Duration::from_secs(15);
/// How long the server may take to end a session that we have ended.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
/// Messages to the server that its flow control has not taken yet.
const UNSENT_MAX: usize = 64;

/// What outlives a connection.
pub(crate) struct State {
    pub(crate) changes: mpsc::Sender<Change>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) tunnels: Arc<dyn Tunnels>,
    pub(crate) view: Arc<parking_lot::Mutex<View>>,
    pub(crate) view_changed: Arc<tokio::sync::Notify>,
    /// Epoch and generation up to which everything was received; `None` before the first complete state
    /// and while one is under way.
    pub(crate) resume: Option<(String, u64)>,
    epoch: String,
    /// How many there were.
    epochs: u64,
}

/// Who says Hello.
pub(crate) struct Caller {
    pub(crate) node_name: String,
    pub(crate) agent_version: String,
    pub(crate) node_object: Bytes,
}

impl State {
    pub(crate) fn new(
        changes: mpsc::Sender<Change>,
        outbox: Arc<Outbox>,
        tunnels: Arc<dyn Tunnels>,
    ) -> Self {
        Self {
            changes,
            outbox,
            tunnels,
            view: Arc::default(),
            view_changed: Arc::default(),
            resume: None,
            epoch: String::new(),
            epochs: 0,
        }
    }

    /// Runs until the connection ends, which always has a reason. `welcomed` is called once the server
    /// has taken us; when `renewed` completes, the session ends in order and hands on the connection.
    pub(crate) async fn run(
        &mut self,
        channel: Channel,
        caller: Caller,
        welcomed: impl FnOnce(String),
        renewed: impl Future<Output = Channel>,
    ) -> Result<(), SessionError> {
        let (unsent, sent) = mpsc::channel(UNSENT_MAX);
        let (resume_epoch, resume_generation) = self.resume.clone().unwrap_or_default();
        let hello = v1::Hello {
            node_name: caller.node_name,
            protocol_version: PROTOCOL_VERSION,
            agent_version: caller.agent_version,
            node: caller.node_object,
            resume_epoch,
            resume_generation,
        };
        say(&unsent, Said::Hello(hello)).await?;
        let mut client = NodeClient::new(channel.clone());
        let call = client.sync(ReceiverStream::new(sent));
        let answered = tokio::time::timeout(WELCOME_LIMIT, call).await;
        let response = answered.map_err(|_| SessionError::Silent)?;
        let mut incoming = response.map_err(SessionError::Refused)?.into_inner();
        let first = tokio::time::timeout(WELCOME_LIMIT, incoming.message()).await;
        let first = first.map_err(|_| SessionError::Silent)?.map_err(SessionError::Broken)?;
        let Some(Kind::Welcome(welcome)) = first.and_then(|message| message.kind) else {
            return Err(SessionError::NoWelcome);
        };
        welcomed(welcome.server_version.clone());
        self.welcome(*welcome).await?;

        let outbox = Arc::clone(&self.outbox);
        let mut listen = pin!(async {
            loop {
                match incoming.message().await.map_err(SessionError::Broken)? {
                    Some(message) => self.hear(message, &channel).await?,
                    None => return Err(SessionError::Ended),
                }
            }
        });
        let mut unsaid = VecDeque::new();
        let next = tokio::select! {
            result = speak(&outbox, &unsent, &mut unsaid) => return result,
            result = &mut listen => return result,
            next = renewed => next,
        };
        // What was said is sent, and what the server sends until it knows is heard.
        let farewell = async {
            for kind in unsaid {
                say(&unsent, kind).await?;
            }
            drop(unsent);
            listen.await
        };
        match tokio::time::timeout(FAREWELL_LIMIT, farewell).await {
            Ok(Err(SessionError::NobodyListens)) => Err(SessionError::NobodyListens),
            _ => Err(SessionError::Renewed(next)),
        }
    }

    async fn welcome(&mut self, welcome: v1::Welcome) -> Result<(), SessionError> {
        if self.epoch != welcome.epoch {
            self.epoch = welcome.epoch;
            self.epochs += 1;
        }
        self.outbox.start_over(self.epochs);
        if let Some(cluster) = welcome.cluster {
            self.view.lock().cluster(Some(cluster.clone()));
            self.pass(0, What::Cluster(cluster)).await?;
        }
        Ok(())
    }

    /// One message: remembered, decoded, passed on.
    async fn hear(
        &mut self,
        message: ServerMessage,
        channel: &Channel,
    ) -> Result<(), SessionError> {
        let generation = message.generation;
        let Some(kind) = message.kind else { return Ok(()) };
        match &kind {
            Kind::TunnelRequest(request) => {
                let (tunnels, channel) = (Arc::clone(&self.tunnels), channel.clone());
                tokio::spawn(tunnel::serve(channel, tunnels, (**request).clone()));
                return Ok(());
            }
            Kind::InitBegin(_) => {
                self.resume = None;
                self.view.lock().begin();
            }
            Kind::InitDone(_) => {
                let mut view = self.view.lock();
                view.end();
                let uids: BTreeSet<_> = view.pod_uids().map(str::to_owned).collect();
                self.outbox.retain_pods(&uids);
                self.resume = Some((self.epoch.clone(), generation));
            }
            Kind::PodGone(key) => self.outbox.pod_gone(key),
            _ => {}
        }
        let decoded = decode(kind, Some(&mut self.view.lock()));
        match decoded {
            Ok(Some(what)) => self.pass(generation, what).await?,
            // A generation that carries nothing for us is in effect all the same.
            Ok(None) => self.pass(generation, What::Nothing).await?,
            Err(invalid) => {
                tracing::error!(%invalid, "left out");
                self.outbox.event(left_out(&invalid));
                self.pass(generation, What::Nothing).await?;
            }
        }
        if generation > 0
            && let Some((_, received)) = &mut self.resume
        {
            *received = generation;
        }
        self.view_changed.notify_one();
        Ok(())
    }

    async fn pass(&self, generation: u64, what: What) -> Result<(), SessionError> {
        let generation = Generation { epoch: self.epochs, number: generation };
        let change = Change { generation, what };
        self.changes.send(change).await.map_err(|_| SessionError::NobodyListens)
    }
}

/// What a message means, noted in the view. `None` for what is no state.
pub(crate) fn decode(kind: Kind, view: Option<&mut View>) -> Result<Option<What>, Invalid> {
    let mut unused = View::default();
    let view = view.unwrap_or(&mut unused);
    let what = match kind {
        Kind::Welcome(welcome) => return Ok(welcome.cluster.map(What::Cluster)),
        Kind::TunnelRequest(_) => return Ok(None),
        Kind::InitBegin(_) => What::Init,
        Kind::InitDone(_) => What::InitDone,
        Kind::Service(bytes) => {
            let service = message::service(&bytes)?;
            let (key, update) = match service {
                Ok(service) => (service.key.clone(), Update::Service(service)),
                Err(named) => (named.key.clone(), Update::NamedService(named)),
            };
            view.put(Slot::Service, key, Kind::Service(bytes));
            What::Services(update)
        }
        Kind::ServiceGone(key) => {
            let key = message::key(&key);
            view.remove(Slot::Service, key.clone());
            What::Services(Update::ServiceGone(key))
        }
        Kind::EndpointSlice(bytes) => {
            let slice = message::endpoint_slice(&bytes)?;
            view.put(Slot::EndpointSlice, slice.key.clone(), Kind::EndpointSlice(bytes));
            What::Services(Update::EndpointSlice(slice))
        }
        Kind::EndpointSliceGone(key) => {
            let key = message::key(&key);
            view.remove(Slot::EndpointSlice, key.clone());
            What::Services(Update::EndpointSliceGone(key))
        }
        Kind::Node(json) => {
            let this = message::node(&json)?;
            let key = ObjectKey { namespace: String::new(), name: this.node.name.clone() };
            view.put(Slot::Node, key, Kind::Node(json));
            What::Node(this)
        }
        Kind::NodeGone(key) => {
            view.remove(Slot::Node, message::key(&key));
            What::NodeGone
        }
        Kind::Peer(bytes) => {
            let peer = message::peer(&bytes)?;
            let key = ObjectKey { namespace: String::new(), name: peer.name.clone() };
            view.put(Slot::Peer, key, Kind::Peer(bytes));
            What::Services(Update::Peer(peer))
        }
        Kind::PeerGone(key) => {
            let key = message::key(&key);
            view.remove(Slot::Peer, key.clone());
            What::Services(Update::PeerGone(key.name))
        }
        Kind::Pod(pod) => {
            let key = message::key(&pod.key.clone().unwrap_or_default());
            view.put(Slot::Pod, key, Kind::Pod(pod.clone()));
            What::Pods(PodChange::Pod(pod))
        }
        Kind::PodGone(key) => {
            view.remove(Slot::Pod, message::key(&key));
            What::Pods(PodChange::PodGone(key))
        }
        Kind::ConfigMap(data) => {
            let key = message::key(&data.key.clone().unwrap_or_default());
            view.put(Slot::ConfigMap, key, Kind::ConfigMap(data.clone()));
            What::Pods(PodChange::ConfigMap(data))
        }
        Kind::ConfigMapGone(key) => {
            view.remove(Slot::ConfigMap, message::key(&key));
            What::Pods(PodChange::ConfigMapGone(key))
        }
        // Secrets stay in memory, with those who use them.
        Kind::Secret(data) => What::Pods(PodChange::Secret(data)),
        Kind::SecretGone(key) => What::Pods(PodChange::SecretGone(key)),
    };
    Ok(Some(what))
}

/// Told on the Node: that is where a user sees which node does not serve something.
fn left_out(invalid: &Invalid) -> v1::Event {
    v1::Event {
        kind: "Node".into(),
        warning: true,
        reason: "LeftOut".into(),
        message: invalid.to_string(),
        component: "dataplane".into(),
        ..v1::Event::default()
    }
}

/// Sends what the node has to say, and a heartbeat when it is time. What is in `unsaid` when this is given up
/// has been taken and not been sent.
async fn speak(
    outbox: &Outbox,
    unsent: &mpsc::Sender<AgentMessage>,
    unsaid: &mut VecDeque<Said>,
) -> Result<(), SessionError> {
    let mut heartbeat = tokio::time::interval(HEARTBEAT_INTERVAL);
    loop {
        unsaid.extend(outbox.take());
        while !unsaid.is_empty() {
            let room = unsent.reserve().await.map_err(|_| SessionError::Ended)?;
            room.send(AgentMessage { kind: unsaid.pop_front() });
        }
        tokio::select! {
            () = outbox.filled() => {}
            _ = heartbeat.tick() => say(unsent, Said::Heartbeat(v1::Heartbeat {})).await?,
        }
    }
}

async fn say(unsent: &mpsc::Sender<AgentMessage>, kind: Said) -> Result<(), SessionError> {
    unsent.send(AgentMessage { kind: Some(kind) }).await.map_err(|_| SessionError::Ended)
}
