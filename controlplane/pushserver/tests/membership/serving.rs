//! A push server, and machines that call it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Client, DeleteOptions, Patch, Recorder};
use sheave_join::{Description, JoinRequest, Pin, Token};
use sheave_push::PROTOCOL_VERSION;
use sheave_push::v1::node_client::NodeClient;
use sheave_push::v1::{self, agent_message, server_message::Kind};
use sheave_pushserver::{Caller, IssuedCertificate, NodeCertificates, PushConfig, PushServer};
use sheave_registry::{Registry, RegistryConfig};
use sheave_store::EmbeddedStore;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Streaming};

/// The node on the server's own machine.
pub(crate) const OWN: &str = "own";
/// For what must happen at once; a node that was removed hears what becomes of its pods for longer.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// In place of TLS: the caller's node and key stand in the metadata.
const NODE: &str = "x-node";
const KEY: &str = "x-key";

pub(crate) struct Serving {
    pub(crate) client: Arc<dyn Client>,
    pub(crate) push: PushServer,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

/// Signs nothing: a request is the hash of its key.
struct Requests;

impl NodeCertificates for Requests {
    fn issue(&self, _node: &str, request: &str) -> Result<IssuedCertificate, Status> {
        let key = request.to_owned();
        Ok(IssuedCertificate { key, certificate: String::new(), authority: String::new() })
    }
}

impl Serving {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&dir.path().join("store")).unwrap());
        let registry = Registry::open(RegistryConfig::default(), store).await.unwrap();
        let client: Arc<dyn Client> = registry;
        let recorder = Recorder::start(Arc::clone(&client), now_s);
        let push = PushServer::start(Arc::clone(&client), recorder, config());
        push.admit_nodes(OWN.to_owned(), Arc::new(Requests));
        let service = InterceptedService::new(push.service(caller), |mut request: Request<()>| {
            let text = |name| request.metadata().get(name)?.to_str().ok().map(str::to_owned);
            let (node, key) = (text(NODE), text(KEY));
            if let Some(node) = node {
                request.extensions_mut().insert(Caller { node, key });
            }
            Ok(request)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self { client, push, address, _dir: dir }
    }

    /// Makes a machine with this key a node.
    pub(crate) async fn join(&self, node: &str, key: &str) -> Result<Machine, Status> {
        let token = Token::generate(Pin::of_public_key(b"authority"));
        let description = Description { ttl: Duration::from_secs(60), ..Description::default() };
        let namespace = json!({ "metadata": { "name": "kube-system" } });
        match self.client.create(&resource::NAMESPACES, "", namespace).await {
            Err(status) if !status.is_already_exists() => return Err(status),
            _ => {}
        }
        let secret = token.to_secret(&description);
        self.client.create(&resource::SECRETS, "kube-system", secret).await?;
        let request = JoinRequest {
            token: token.proof(),
            node_name: node.to_owned(),
            certificate_request: key.to_owned(),
        };
        self.push.join(request, "192.0.2.1".parse().unwrap()).await?;
        Ok(self.machine(node, key))
    }

    /// One that has a certificate, whatever that is worth.
    pub(crate) fn machine(&self, node: &str, key: &str) -> Machine {
        Machine { address: self.address, node: node.to_owned(), key: key.to_owned() }
    }

    pub(crate) async fn delete_node(&self, node: &str) {
        let key = ObjectKey::cluster(node);
        self.client.delete(&resource::NODES, &key, DeleteOptions::default()).await.unwrap();
    }

    pub(crate) async fn node(&self, node: &str) -> Value {
        let stored = self.client.get(&resource::NODES, &ObjectKey::cluster(node)).await.unwrap();
        serde_json::from_slice(&stored.json).unwrap()
    }

    pub(crate) async fn patch_node(&self, node: &str, patch: Value) {
        let (key, patch) = (ObjectKey::cluster(node), Patch::Merge(patch));
        self.client.patch(&resource::NODES, &key, None, patch).await.unwrap();
    }
}

/// A machine with a certificate.
#[derive(Clone)]
pub(crate) struct Machine {
    address: SocketAddr,
    pub(crate) node: String,
    key: String,
}

impl Machine {
    pub(crate) async fn client(&self) -> NodeClient<Channel> {
        NodeClient::connect(format!("http://{}", self.address)).await.unwrap()
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert(NODE, self.node.parse().unwrap());
        request.metadata_mut().insert(KEY, self.key.parse().unwrap());
        request
    }

    /// Says Hello and reads up to Welcome.
    pub(crate) async fn connect(&self) -> Result<Stream, tonic::Status> {
        self.connect_with(json!({})).await
    }

    /// The same, of a node that brings these labels.
    pub(crate) async fn connect_with(&self, labels: Value) -> Result<Stream, tonic::Status> {
        let (say, said) = mpsc::channel(8);
        let node = json!({ "metadata": { "name": self.node, "labels": labels } });
        let hello = v1::Hello {
            node_name: self.node.clone(),
            protocol_version: PROTOCOL_VERSION,
            node: node.to_string().into(),
            ..v1::Hello::default()
        };
        let hello = agent_message::Kind::Hello(hello);
        say.send(v1::AgentMessage { kind: Some(hello) }).await.unwrap();
        let request = self.request(ReceiverStream::new(said));
        let heard = self.client().await.sync(request).await?.into_inner();
        let mut stream = Stream { say, heard };
        assert!(matches!(stream.next().await?, Some(Kind::Welcome(_))));
        Ok(stream)
    }
}

/// An open stream.
pub(crate) struct Stream {
    pub(crate) say: mpsc::Sender<v1::AgentMessage>,
    heard: Streaming<v1::ServerMessage>,
}

impl Stream {
    pub(crate) async fn next(&mut self) -> Result<Option<Kind>, tonic::Status> {
        let message = tokio::time::timeout(SOON, self.heard.message()).await;
        Ok(message.expect("something is said soon")?.and_then(|message| message.kind))
    }

    /// Reads up to what is looked for.
    pub(crate) async fn until(&mut self, mut is_it: impl FnMut(&Kind) -> bool) -> Kind {
        loop {
            let kind = self.next().await.unwrap().expect("the stream goes on");
            if is_it(&kind) {
                return kind;
            }
        }
    }

    pub(crate) async fn complete(&mut self) {
        self.until(|kind| matches!(kind, Kind::InitDone(_))).await;
    }

    /// Reads until the stream ends; what was said before, and the reason.
    pub(crate) async fn until_refused(&mut self) -> (Vec<Kind>, Code, String) {
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(kind)) => before.push(kind),
                Ok(None) => panic!("it ends without a word"),
                Err(status) => return (before, status.code(), status.message().to_owned()),
            }
        }
    }
}

fn caller(extensions: &tonic::Extensions) -> Option<Caller> {
    extensions.get::<Caller>().cloned()
}

fn now_s() -> String {
    sheave_api::time::seconds(jiff::Timestamp::now())
}

fn config() -> PushConfig {
    PushConfig {
        cluster: v1::ClusterConfig {
            pod_cidrs: vec!["10.244.0.0/16".into()],
            ..v1::ClusterConfig::default()
        },
        node_prefix_len: 24,
        node_prefix_len_ipv6: 64,
        acknowledgement_timeout: Duration::ZERO,
        server_version: "test".into(),
        now: || sheave_api::time::micros(jiff::Timestamp::now()),
        now_s,
    }
}
