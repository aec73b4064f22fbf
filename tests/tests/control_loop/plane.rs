//! A control plane without HTTP: everything behind the API server, on a store of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use sheave_api::{AddressPool, GroupResource, ObjectKey, time};
use sheave_client::{Client, Patch, Recorder};
use sheave_push::v1;
use sheave_pushserver::{PushConfig, PushServer};
use sheave_registry::{Registry, RegistryConfig};
use sheave_store::EmbeddedStore;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;

/// InternalIP of the node.
pub(crate) const NODE_ADDRESS: &str = "192.0.2.2";
const LIMIT: Duration = Duration::from_secs(30);

/// Runs until it is dropped.
pub(crate) struct Plane {
    pub(crate) client: Arc<dyn Client>,
    /// Where nodes connect.
    pub(crate) node_address: SocketAddr,
    recorder: Recorder,
    controllers: JoinSet<()>,
    _running: JoinSet<()>,
    _dir: tempfile::TempDir,
}

/// A key in namespace `default`.
pub(crate) fn at(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

impl Plane {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&dir.path().join("store")).unwrap());
        let registry = Registry::open(registry_config(), store).await.unwrap();
        let client: Arc<dyn Client> = registry;
        let recorder = Recorder::start(Arc::clone(&client), now_s);
        let controllers = controllers(&client, &recorder);
        let mut running = JoinSet::new();
        running.spawn(sheave_scheduler::run(Arc::clone(&client), recorder.clone(), now_s));
        let push = PushServer::start(Arc::clone(&client), recorder.clone(), push_config());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node_address = listener.local_addr().unwrap();
        // Who calls is the TLS layer's to say; here there is one node.
        let service = push.service(|_| Some("node-1".to_owned()));
        running.spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let server = tonic::transport::Server::builder().add_service(service);
            server.serve_with_incoming(incoming).await.unwrap();
        });
        Self { client, node_address, recorder, controllers, _running: running, _dir: dir }
    }

    /// The controllers end wherever they are and begin anew, knowing nothing but the objects.
    pub(crate) async fn restart_controllers(&mut self) {
        self.controllers.shutdown().await;
        self.controllers = controllers(&self.client, &self.recorder);
    }

    pub(crate) async fn create(&self, resource: &GroupResource, object: Value) {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        self.client.create(resource, &namespace, object).await.unwrap();
    }

    pub(crate) async fn patch(&self, resource: &GroupResource, key: ObjectKey, patch: Patch) {
        self.client.patch(resource, &key, None, patch).await.unwrap();
    }

    pub(crate) async fn get(
        &self,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
    ) -> Option<Value> {
        match self.client.get(resource, &ObjectKey::new(namespace, name)).await {
            Ok(stored) => Some(serde_json::from_slice(&stored.json).unwrap()),
            Err(status) if status.is_not_found() => None,
            Err(status) => panic!("{status}"),
        }
    }

    pub(crate) async fn list(&self, resource: &GroupResource, namespace: &str) -> Vec<Value> {
        let stored = self.client.list(resource, Some(namespace)).await.unwrap();
        stored.iter().map(|object| serde_json::from_slice(&object.json).unwrap()).collect()
    }

    /// Asks until there is an answer; fails with all pods and events after the limit.
    pub(crate) async fn until<T>(&self, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            if Instant::now() > deadline {
                self.explain().await;
                panic!("waited {LIMIT:?} for {what}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn explain(&self) {
        use sheave_api::resource::{DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS};
        for resource in [&DEPLOYMENTS, &REPLICA_SETS, &PODS, &EVENTS] {
            for stored in self.client.list(resource, None).await.unwrap() {
                eprintln!("{resource}: {}", String::from_utf8_lossy(&stored.json));
            }
        }
    }
}

fn now_s() -> String {
    time::seconds(Timestamp::now())
}

fn controllers(client: &Arc<dyn Client>, recorder: &Recorder) -> JoinSet<()> {
    sheave_controllers::start(&sheave_controllers::Context {
        client: Arc::clone(client),
        recorder: recorder.clone(),
        now: Timestamp::now,
        load_balancer_pool: pool(),
    })
}

/// Room for two Services: the node stands in the middle.
fn pool() -> AddressPool {
    ["192.0.2.1-192.0.2.3"].iter().map(|range| range.parse().unwrap()).collect()
}

fn registry_config() -> RegistryConfig {
    RegistryConfig { load_balancer_pool: pool(), ..RegistryConfig::default() }
}

fn push_config() -> PushConfig {
    PushConfig {
        cluster: v1::ClusterConfig {
            service_cidrs: vec!["10.96.0.0/16".into()],
            pod_cidrs: vec!["10.244.0.0/16".into()],
            node_pod_cidrs: Vec::new(),
            cluster_domain: "cluster.local".into(),
            dns_addresses: vec!["10.96.0.10".into()],
            node_port_first: 30000,
            node_port_last: 32767,
            ..v1::ClusterConfig::default()
        },
        node_prefix_len: 24,
        node_prefix_len_ipv6: 64,
        server_version: "test".into(),
        now: || time::micros(Timestamp::now()),
        now_s,
    }
}
