//! A whole API server on a temporary directory and a free port, and a client to talk to it over TLS.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use sheave_api::Status;
use sheave_apiserver::pki::{self, PemPair, Pki, PkiConfig};
use sheave_apiserver::streaming::{NodeTunnels, Tunnel};
use sheave_apiserver::{ApiServer, ApiServerConfig, Progress, tls};
use sheave_join::Introduction;
use sheave_push::v1::TunnelRequest;
use sheave_registry::{Registry, RegistryConfig};
use sheave_store::{EmbeddedStore, Store};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

/// A running API server; stops when dropped.
pub(crate) struct Serving {
    pub(crate) dir: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) pki: Pki,
    pub(crate) certificate: Arc<tls::ServerCertificate>,
    store: Arc<EmbeddedStore>,
    shutdown: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

pub(crate) fn pki_config(dir: &TempDir, address: SocketAddr, addresses: Vec<IpAddr>) -> PkiConfig {
    PkiConfig {
        data_dir: dir.path().to_owned(),
        hostname: "vm-1".to_owned(),
        addresses,
        service_address: "10.96.0.1".parse().unwrap(),
        node_name: "vm-1".to_owned(),
        server_url: format!("https://{address}"),
        certificate_lifetime: pki::CERTIFICATE_LIFETIME,
    }
}

/// No node is connected.
pub(crate) struct NoNodes;

struct NoProgress;

impl Progress for NoProgress {
    fn progress(&self) -> String {
        "{\"newest\":7}".to_owned()
    }

    fn metrics(&self) -> String {
        "sheave_nodes_connected 0\n".to_owned()
    }
}

#[async_trait]
impl NodeTunnels for NoNodes {
    async fn open(&self, node: &str, _request: TunnelRequest) -> Result<Tunnel, Status> {
        Err(Status::new(503, "ServiceUnavailable", format!("node \"{node}\" is not connected")))
    }
}

impl Serving {
    pub(crate) async fn start() -> Self {
        Self::start_with(Arc::new(NoNodes)).await
    }

    pub(crate) async fn start_with(tunnels: Arc<dyn NodeTunnels>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), tunnels).await
    }

    /// Stops, and starts again on the same data.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop().await;
        let dir = std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap());
        // The store's file is locked as long as anybody holds the store.
        drop(self);
        Self::start_in(dir, Arc::new(NoNodes)).await
    }

    async fn start_in(dir: TempDir, tunnels: Arc<dyn NodeTunnels>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let config = pki_config(&dir, address, Vec::new());
        let pki = pki::ensure(&config, SystemTime::now()).unwrap();
        let store = Arc::new(EmbeddedStore::open(&dir.path().join("server/state.redb")).unwrap());
        let shared = Arc::<EmbeddedStore>::clone(&store);
        let registry = Registry::open(RegistryConfig::default(), shared).await.unwrap();
        let server = Arc::new(ApiServer::new(ApiServerConfig {
            registry,
            tunnels,
            progress: Arc::new(NoProgress),
            grpc: None,
            membership: None,
            introduction: Introduction {
                certificate_authority: pki.ca.clone(),
                server_version: "test".to_owned(),
                ranges: Vec::new(),
                standing: None,
            },
            advertised_address: address.to_string(),
        }));
        let certificate = Arc::new(tls::ServerCertificate::new(&pki.server).unwrap());
        let tls = tls::server_config(Arc::clone(&certificate), &pki.ca).unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(server.serve(listener, tls, shutdown.clone()));
        Self { dir, address, pki, certificate, store, shutdown, serving: Some(serving) }
    }

    /// Stops as the server does: requests in progress end, and what was written is on disk.
    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        self.serving.take().unwrap().await.unwrap();
        self.store.close().await.unwrap();
    }

    pub(crate) fn admin(&self) -> Client {
        self.client(Some(&self.pki.admin))
    }

    /// Somebody with a certificate of ours.
    pub(crate) fn user(&self, name: &str, group: &str) -> Client {
        let pair = pki::issue_client(self.dir.path(), name, Some(group), SystemTime::now());
        self.client(Some(&pair.unwrap()))
    }

    pub(crate) fn anonymous(&self) -> Client {
        self.client(None)
    }

    pub(crate) fn client(&self, certificate: Option<&PemPair>) -> Client {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pki.ca.as_bytes()).unwrap()).unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![chain], key).unwrap()
            }
        };
        Client { address: self.address, tls: config }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// One connection a request.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    tls: rustls::ClientConfig,
}

pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

impl Client {
    /// The TLS stream, with one protocol offered.
    pub(crate) async fn connect(&self, protocol: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let mut config = self.tls.clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::IpAddress(self.address.ip().into());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Sends over HTTP/1.1 and hands out the answer's head and body as they come.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        let stream = self.connect("http/1.1").await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.unwrap()
    }

    /// Sends over HTTP/2.
    pub(crate) async fn send_h2(&self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        let stream = self.connect("h2").await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.address))
            .header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::new(body.into())).unwrap()
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let request = self.request(method, path, headers, body);
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            code: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, object: &Value) -> Answer {
        let json = ("content-type", "application/json");
        self.ask(Method::POST, path, &[json], object.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, object: &Value) -> Answer {
        let json = ("content-type", "application/json");
        self.ask(Method::PUT, path, &[json], object.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, &[], "").await
    }
}
