//! A server of the node protocol whose every word the test chooses.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::Stream;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
};
use sheave_push::TUNNEL_ID_KEY;
use sheave_push::v1::node_server::{Node, NodeServer};
use sheave_push::v1::{
    self, AgentMessage, ServerMessage, TunnelData, agent_message, server_message, tunnel_data,
};
use sheave_sources::{NodeFiles, PushConfig};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};

type Out<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Listens, and hands every call to the test.
pub(crate) struct Server {
    callers: mpsc::Receiver<Caller>,
    tunnels: mpsc::Receiver<Tunnel>,
    config: PushConfig,
    serving: JoinHandle<()>,
    _files: tempfile::TempDir,
}

/// A node that said Hello.
pub(crate) struct Caller {
    pub(crate) hello: v1::Hello,
    out: mpsc::Sender<Result<ServerMessage, Status>>,
    incoming: Streaming<AgentMessage>,
}

/// A tunnel that a node opened.
pub(crate) struct Tunnel {
    pub(crate) id: String,
    out: Option<mpsc::Sender<Result<TunnelData, Status>>>,
    incoming: Streaming<TunnelData>,
}

struct Service {
    callers: mpsc::Sender<Caller>,
    tunnels: mpsc::Sender<Tunnel>,
    authority: Arc<Issuer<'static, KeyPair>>,
    authority_pem: String,
}

#[tonic::async_trait]
impl Node for Service {
    type SyncStream = Out<ServerMessage>;
    type TunnelStream = Out<TunnelData>;

    async fn sync(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let mut incoming = request.into_inner();
        let first = incoming.message().await?.and_then(|message| message.kind);
        let Some(agent_message::Kind::Hello(hello)) = first else {
            return Err(Status::invalid_argument("Hello first"));
        };
        let (out, unread) = mpsc::channel(64);
        self.callers.send(Caller { hello, out, incoming }).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(unread))))
    }

    async fn tunnel(
        &self,
        request: Request<Streaming<TunnelData>>,
    ) -> Result<Response<Self::TunnelStream>, Status> {
        let id = request.metadata().get(TUNNEL_ID_KEY).unwrap().to_str().unwrap().to_owned();
        let (out, unread) = mpsc::channel(64);
        let tunnel = Tunnel { id, out: Some(out), incoming: request.into_inner() };
        self.tunnels.send(tunnel).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(unread))))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::CertificateRequest>,
    ) -> Result<Response<v1::Certificate>, Status> {
        let request = request.into_inner().request;
        let key = CertificateSigningRequestParams::from_pem(&request).unwrap().public_key;
        let params = CertificateParams::default();
        let certificate = params.signed_by(&key, &self.authority).unwrap().pem();
        let authority = self.authority_pem.clone();
        Ok(Response::new(v1::Certificate { certificate, authority }))
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The node's certificate ends so soon.
    pub(crate) async fn start_with(lifetime: Option<Duration>) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Arc::new(Issuer::new(authority, authority_key));
        let issue = |name: &str, lifetime: Option<Duration>| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            if let Some(lifetime) = lifetime {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                params.not_before = rcgen::date_time_ymd(1970, 1, 1) + now;
                params.not_after = params.not_before + lifetime;
            }
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        let (server, server_key) = issue("127.0.0.1", None);
        let (node, node_key) = issue("n1", lifetime);
        write("ca.crt", &authority_pem);
        write("node.crt", &node);
        write("node.key", &node_key);

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(server, server_key))
            .client_ca_root(Certificate::from_pem(&authority_pem));
        let (callers_in, callers) = mpsc::channel(8);
        let (tunnels_in, tunnels) = mpsc::channel(8);
        let service =
            Service { callers: callers_in, tunnels: tunnels_in, authority: issuer, authority_pem };
        let serving = tokio::spawn(async move {
            let router = tonic::transport::Server::builder().tls_config(tls).unwrap();
            let router = { router }.add_service(NodeServer::new(service));
            let _ = router.serve_with_incoming(TcpListenerStream::new(listener)).await;
        });
        let config = PushConfig {
            server: format!("https://127.0.0.1:{port}"),
            files: NodeFiles::new(files.path()),
            node_name: "n1".into(),
            agent_version: "test".into(),
            node_object: Arc::new(|| Bytes::from_static(b"{}")),
            view_file: Some(path("view")),
        };
        Self { callers, tunnels, config, serving, _files: files }
    }

    pub(crate) fn config(&self) -> PushConfig {
        self.config.clone()
    }

    /// Nobody listens any more; the files stay.
    pub(crate) fn stop(&self) {
        self.serving.abort();
    }

    pub(crate) async fn caller(&mut self) -> Caller {
        let caller = tokio::time::timeout(Duration::from_secs(10), self.callers.recv()).await;
        caller.expect("a node calls within 10 s").unwrap()
    }

    pub(crate) async fn tunnel(&mut self) -> Tunnel {
        let tunnel = tokio::time::timeout(Duration::from_secs(10), self.tunnels.recv()).await;
        tunnel.expect("a tunnel within 10 s").unwrap()
    }
}

impl Caller {
    pub(crate) async fn send(&self, generation: u64, kind: server_message::Kind) {
        self.out.send(Ok(ServerMessage { generation, kind: Some(kind) })).await.unwrap();
    }

    pub(crate) async fn welcome(&self, epoch: &str, resumed: bool) {
        let cluster =
            v1::ClusterConfig { dns_addresses: vec!["10.96.0.10".into()], ..Default::default() };
        let welcome = v1::Welcome {
            epoch: epoch.into(),
            resumed,
            cluster: Some(cluster),
            server_version: "test".into(),
        };
        self.send(0, server_message::Kind::Welcome(Box::new(welcome))).await;
    }

    /// The stream ends, and this is why.
    pub(crate) async fn refuse(self, status: Status) {
        self.out.send(Err(status)).await.unwrap();
    }

    /// The node ends its side; what it said until then but heartbeats.
    pub(crate) async fn hears_the_end(&mut self) -> Vec<agent_message::Kind> {
        let mut said = Vec::new();
        let until_end = async {
            while let Some(message) = self.incoming.message().await.unwrap() {
                said.extend(message.kind);
            }
        };
        tokio::time::timeout(Duration::from_secs(10), until_end).await.expect("an end in 10 s");
        said.retain(|kind| !matches!(kind, agent_message::Kind::Heartbeat(_)));
        said
    }

    /// The next messages that are no heartbeats.
    pub(crate) async fn says(&mut self, count: usize) -> Vec<agent_message::Kind> {
        let mut said = Vec::new();
        while said.len() < count {
            let message = tokio::time::timeout(Duration::from_secs(10), self.incoming.message());
            let message = message.await.expect("a message within 10 s").unwrap().unwrap();
            said.extend(message.kind.filter(|k| !matches!(k, agent_message::Kind::Heartbeat(_))));
        }
        said
    }
}

impl Tunnel {
    pub(crate) async fn send(&self, data: Bytes) {
        let data = TunnelData { kind: Some(tunnel_data::Kind::Data(data)) };
        self.out.as_ref().unwrap().send(Ok(data)).await.unwrap();
    }

    pub(crate) fn hang_up(&mut self) {
        self.out = None;
    }

    pub(crate) async fn receive(&mut self) -> Option<tunnel_data::Kind> {
        let data = tokio::time::timeout(Duration::from_secs(10), self.incoming.message()).await;
        data.expect("an answer within 10 s").unwrap().and_then(|data| data.kind)
    }
}
