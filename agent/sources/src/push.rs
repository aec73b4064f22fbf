//! The push source: stays connected to the server, passes on what it sends, and takes back what the node
//! has to say. Reconnects for ever, with growing pauses; while the server is away the node goes on with
//! what it has, after a restart with what is on disk.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sheave_core::model::{Node, Update};
use sheave_join::{Credentials, FilesError, NodeFiles};
use sheave_push::v1;
use tokio::sync::{mpsc, watch};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::outbox::Outbox;
use crate::renewal;
use crate::session::{self, Caller, State};
use crate::tunnel::Tunnels;
use crate::view;

/// How the server is reached and what this node is.
#[derive(Clone)]
pub struct PushConfig {
    /// `https://host:port` of the server; its certificate must be for this host.
    pub server: String,
    /// Who we are, and whom we trust; loaded at each connection, and renewed in place.
    pub files: NodeFiles,
    /// `metadata.name` of this node, as in its certificate.
    pub node_name: String,
    /// What the server is told of this build.
    pub agent_version: String,
    /// The v1 Node as this node would register it, in JSON; asked for at each connection.
    pub node_object: Arc<dyn Fn() -> Bytes + Send + Sync>,
    /// Where the last complete state is kept; `None`: nowhere, and a start without the server knows nothing.
    pub view_file: Option<PathBuf>,
}

/// Where a change stands in its server's order. Later ones are greater; each server life (epoch) counts
/// anew, and an acknowledgement to another life than the present one is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation {
    /// Server lives seen by this process.
    pub(crate) epoch: u64,
    /// The server's number; 0: none, as for the parts of a complete state.
    pub(crate) number: u64,
}

impl Generation {
    /// The server's number; 0 is none.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// A part of the desired state.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// To be acknowledged once this and everything before it is in effect.
    pub generation: Generation,
    /// What changed.
    pub what: What,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Something every node must know of the cluster.
    Cluster(v1::ClusterConfig),
    /// A complete state follows, for Services and pods alike.
    Init,
    /// The complete state has been sent.
    InitDone,
    /// In place of [`What::InitDone`]: what was on disk has been sent. It may lack what came last before the
    /// agent ended, and name what has gone since.
    Recalled,
    /// For the dataplane. Never [`Update::Init`], [`Update::InitDone`], [`Update::Recalled`] or
    /// [`Update::Node`].
    Services(Update),
    /// This node's own object is new or changed.
    Node(ThisNode),
    /// This node's own object is gone: the cluster does not count on the node any more.
    NodeGone,
    /// For the kubelet.
    Pods(PodChange),
    /// Nothing that this node acts on; its generation counts.
    Nothing,
}

/// This node, as the API has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThisNode {
    /// For the dataplane.
    pub node: Node,
    /// It is being deleted, or marked to be: no new traffic from outside should come here.
    pub leaving: bool,
}

/// What the kubelet must know, in the protocol's own words: the Kubernetes API is its schema.
#[derive(Clone, Debug, PartialEq)]
pub enum PodChange {
    /// New or changed.
    Pod(v1::Pod),
    /// The object is gone.
    PodGone(v1::ObjectKey),
    /// New or changed.
    ConfigMap(v1::DataObject),
    /// Gone, or not used here any more.
    ConfigMapGone(v1::ObjectKey),
    /// New or changed.
    Secret(v1::DataObject),
    /// Gone, or not used here any more.
    SecretGone(v1::ObjectKey),
}

/// How things stand with the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Not connected yet, or not any more; why, in words.
    Away(String),
    /// The server is there and takes this machine for no node of its cluster; why, and what to do. It is asked
    /// again all the same, and nothing here is changed for it: it may be that a backup was put back there.
    Refused(String),
    /// Connected to a server of this version.
    Up(String),
}

/// Why a connection ended or did not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Files(#[from] FilesError),
    #[error(
        "{} holds no certificate of this node with its key: run `sheave join URL --token TOKEN`",
        .0.display()
    )]
    NoCertificate(PathBuf),
    #[error(
        "this node's certificate has ended: run `sheave join URL --token TOKEN` with a new token"
    )]
    CertificateEnded(#[source] Box<SessionError>),
    #[error("the certificate is renewed")]
    Renewed(Channel),
    #[error("--server {0}: not a URL like https://host:6443")]
    Url(String),
    #[error("cannot reach the server")]
    Unreachable(#[source] tonic::transport::Error),
    #[error("the server refuses this node: {}", .0.message())]
    Refused(#[source] tonic::Status),
    #[error("the server does not answer")]
    Silent,
    #[error("the server does not speak the node protocol: no Welcome")]
    NoWelcome,
    #[error("the connection broke: {}", .0.message())]
    Broken(#[source] tonic::Status),
    #[error("the server ended the connection")]
    Ended,
    #[error("the agent is ending")]
    NobodyListens,
}

impl SessionError {
    /// True when the server has decided, and not only failed.
    fn is_refusal(&self) -> bool {
        match self {
            Self::Refused(status) | Self::Broken(status) => {
                status.code() == tonic::Code::PermissionDenied
            }
            _ => false,
        }
    }
}

/// Changes that the agent has not taken yet; the server waits meanwhile.
const CHANGES_MAX: usize = 1024;
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Of this, for the connection itself: packets that were lost are sent again ever more seldom.
const TCP_CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// A dead peer is noticed after at most twice this.
const KEEPALIVE: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// With the limit before it, a node whose network is mended is back within 5 s.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a node that starts waits for its server before it goes on with what is on disk: that may name
/// pods which were deleted meanwhile.
const OFFLINE_AFTER: Duration = Duration::from_secs(5);
/// Changes within this time are written to disk together.
const WRITE_DELAY: Duration = Duration::from_secs(2);
const WINDOW_BYTES: u32 = 1 << 20;

/// The way back: everything the node says. Clones say it to the same server.
#[derive(Clone)]
pub struct Push {
    outbox: Arc<Outbox>,
    connection: watch::Receiver<Connection>,
}

impl Push {
    /// Connects in the background, until the receiver is dropped.
    pub fn start(config: PushConfig, tunnels: Arc<dyn Tunnels>) -> (Self, mpsc::Receiver<Change>) {
        let (changes, received) = mpsc::channel(CHANGES_MAX);
        let outbox = Arc::new(Outbox::default());
        let (announce, connection) = watch::channel(Connection::Away("connecting".into()));
        let state = State::new(changes, Arc::clone(&outbox), tunnels);
        let (view, changed) = (Arc::clone(&state.view), Arc::clone(&state.view_changed));
        let view_file = config.view_file.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stay_connected(config, state, announce) => {}
                () = keep_on_disk(view_file, view, changed) => {}
            }
        });
        (Self { outbox, connection }, received)
    }

    /// Everything up to this generation is in effect.
    pub fn ack(&self, generation: Generation) {
        if generation.number > 0 {
            self.outbox.ack(generation);
        }
    }

    /// The node's status changed: a v1 NodeStatus in JSON.
    pub fn node_status(&self, status: Bytes) {
        self.outbox.node_status(status);
    }

    /// A pod's status changed.
    pub fn pod_status(&self, status: v1::PodStatus) {
        self.outbox.pod_status(status);
    }

    /// Nothing of a pod is left.
    pub fn pod_ended(&self, ended: v1::PodEnded) {
        self.outbox.pod_ended(ended);
    }

    /// Something a user should read.
    pub fn event(&self, event: v1::Event) {
        self.outbox.event(event);
    }

    /// How things stand with the server, now and as it changes.
    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }
}

async fn stay_connected(config: PushConfig, mut state: State, announce: watch::Sender<Connection>) {
    let offline_at = tokio::time::Instant::now() + OFFLINE_AFTER;
    let changes = state.changes.clone();
    let is_informed = AtomicBool::new(false);
    // Nodes that joined together do not renew together.
    let early: f64 = rand::random();
    let (mut connected, mut renewed_at) = (None, None);
    let mut pause = PAUSE_MIN;
    let mut complaint = String::new();
    loop {
        let welcomed = |version: String| {
            tracing::info!(server = config.server, version, "connected");
            announce.send_replace(Connection::Up(version));
            is_informed.store(true, Ordering::Relaxed);
            (pause, complaint) = (PAUSE_MIN, String::new());
        };
        let when = renewal::When { early, renewed_at };
        let ended = {
            let mut session = pin!(attempt(&config, &mut state, connected.take(), when, welcomed));
            tokio::select! {
                ended = &mut session => ended,
                // A server that takes connections and says nothing keeps nobody waiting longer.
                () = tokio::time::sleep_until(offline_at), if !is_informed.load(Ordering::Relaxed) => {
                    // It may have spoken meanwhile: then what it says counts, and goes on.
                    let is_silent = !is_informed.swap(true, Ordering::Relaxed);
                    if is_silent && from_disk(config.view_file.as_deref(), &changes).await.is_err() {
                        return;
                    }
                    session.await
                }
            }
        };
        let error = match ended {
            Ok(()) | Err(SessionError::NobodyListens) => return,
            Err(SessionError::Renewed(channel)) => {
                (connected, renewed_at) = (Some(channel), Some(tokio::time::Instant::now()));
                continue;
            }
            Err(error) => error,
        };
        let text = with_causes(&error);
        // Once is enough while the reason stays the same.
        let is_news = text != complaint;
        complaint.clone_from(&text);
        if error.is_refusal() {
            if is_news {
                tracing::error!(
                    server = config.server,
                    "{text}; pods and Services here go on as they are, and the server is asked again"
                );
            }
            announce.send_replace(Connection::Refused(text));
        } else {
            if is_news {
                tracing::warn!(server = config.server, "{text}; trying again");
            }
            announce.send_replace(Connection::Away(text));
        }
        // Between half and the whole of it, so that nodes do not come back in step.
        let wait = pause.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        let until_offline = offline_at.saturating_duration_since(tokio::time::Instant::now());
        let is_informed = is_informed.load(Ordering::Relaxed);
        tokio::time::sleep(if is_informed { wait } else { wait.min(until_offline) }).await;
        if changes.is_closed() {
            return;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Connects unless that is done, and stays so as long as it goes.
async fn attempt(
    config: &PushConfig,
    state: &mut State,
    connected: Option<Channel>,
    when: renewal::When,
    welcomed: impl FnOnce(String),
) -> Result<(), SessionError> {
    let credentials = config.files.load()?;
    let no_certificate = || SessionError::NoCertificate(config.files.dir().to_owned());
    let credentials = credentials.ok_or_else(no_certificate)?;
    let session = async {
        let channel = match connected {
            Some(channel) => channel,
            None => connect(config, &credentials).await?,
        };
        let caller = Caller {
            node_name: config.node_name.clone(),
            agent_version: config.agent_version.clone(),
            node_object: (config.node_object)(),
        };
        let renewed = renewal::next_channel(config, &credentials.certificate, &channel, when);
        state.run(channel.clone(), caller, welcomed, renewed).await
    };
    let ended = session.await;
    // Whatever the server says of it, or breaks off without a word: this is what is to be done.
    match ended {
        Err(error) if credentials.certificate.is_expired(SystemTime::now()) => {
            Err(SessionError::CertificateEnded(Box::new(error)))
        }
        ended => ended,
    }
}

pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // The whole of a status says its code and details too, which are for programs.
        let cause_text = match cause.downcast_ref::<tonic::Status>() {
            Some(status) => status.message().to_owned(),
            None => cause.to_string(),
        };
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Opens a connection that is authenticated by these.
pub(crate) async fn connect(
    config: &PushConfig,
    credentials: &Credentials,
) -> Result<Channel, SessionError> {
    let identity = Identity::from_pem(&credentials.certificate_pem, &credentials.key_pem);
    let authority = Certificate::from_pem(&credentials.authority_pem);
    let tls = ClientTlsConfig::new().ca_certificate(authority).identity(identity);
    let endpoint = Endpoint::from_shared(config.server.clone())
        .map_err(|_| SessionError::Url(config.server.clone()))?
        .tls_config(tls)
        .map_err(SessionError::Unreachable)?
        .connect_timeout(TCP_CONNECT_LIMIT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(4 * WINDOW_BYTES)
        .tcp_nodelay(true);
    // What the endpoint bounds is the TCP connection alone.
    let connected = tokio::time::timeout(CONNECT_LIMIT, endpoint.connect()).await;
    connected.map_err(|_| SessionError::Silent)?.map_err(SessionError::Unreachable)
}

/// Passes on what is on disk, without a generation: there is nobody to acknowledge to. It ends with
/// [`What::Recalled`], for the file is written some time after each change, and an agent that was killed in
/// between has acted on changes that it lacks.
/// An error means that nobody listens.
async fn from_disk(path: Option<&Path>, changes: &mpsc::Sender<Change>) -> Result<(), ()> {
    let Some(path) = path else { return Ok(()) };
    let kinds = match tokio::fs::read(path).await.map(|bytes| view::decode(bytes.into())) {
        Ok(Ok(kinds)) => kinds,
        Ok(Err(error)) => {
            tracing::warn!(file = %path.display(), %error, "the last state cannot be read");
            return Ok(());
        }
        // A node that has never been connected.
        Err(_) => return Ok(()),
    };
    tracing::warn!(
        objects = kinds.len(),
        "the server is away: going on with the last state on disk"
    );
    let decoded = kinds.into_iter().filter_map(|kind| match session::decode(kind, None) {
        Ok(what) => what,
        Err(invalid) => {
            tracing::error!(%invalid, "left out");
            None
        }
    });
    let (cluster, objects): (Vec<_>, Vec<_>) =
        decoded.partition(|what| matches!(what, What::Cluster(_)));
    let all = cluster.into_iter().chain([What::Init]).chain(objects).chain([What::Recalled]);
    for what in all {
        changes.send(Change { generation: Generation::default(), what }).await.map_err(drop)?;
    }
    Ok(())
}

/// Writes the view some time after it changed.
async fn keep_on_disk(
    path: Option<PathBuf>,
    view: Arc<parking_lot::Mutex<view::View>>,
    changed: Arc<tokio::sync::Notify>,
) {
    let Some(path) = path else { return std::future::pending().await };
    loop {
        changed.notified().await;
        tokio::time::sleep(WRITE_DELAY).await;
        let (path, view) = (path.clone(), Arc::clone(&view));
        let written = tokio::task::spawn_blocking(move || {
            let bytes = view.lock().encode();
            bytes.map_or(Ok(()), |bytes| view::write(&path, &bytes).map_err(|error| (path, error)))
        });
        if let Ok(Err((path, error))) = written.await {
            tracing::warn!(file = %path.display(), %error, "the state cannot be kept on disk");
        }
    }
}
