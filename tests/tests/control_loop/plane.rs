//! A control plane without HTTP: everything behind the API server, on a store of its own.

use std::collections::BTreeMap;
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

/// Recognises who calls.
type NodeName = fn(&tonic::Extensions) -> Option<String>;

/// What makes a control plane another one than that of [`Plane::start`].
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// For how long pods wait for nodes.
    pub(crate) acknowledgement_timeout: Duration,
    pub(crate) now: fn() -> Timestamp,
    /// The same in text, as leases have it.
    pub(crate) now_us: fn() -> String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            acknowledgement_timeout: Duration::from_secs(10),
            now: Timestamp::now,
            now_us: || time::micros(Timestamp::now()),
        }
    }
}

/// Runs until it is dropped.
pub(crate) struct Plane {
    pub(crate) client: Arc<dyn Client>,
    /// Where nodes connect, by name.
    node_addresses: BTreeMap<&'static str, SocketAddr>,
    push: PushServer,
    recorder: Recorder,
    settings: Settings,
    controllers: JoinSet<()>,
    running: JoinSet<()>,
    _dir: tempfile::TempDir,
}

/// A key in namespace `default`.
pub(crate) fn at(name: &str) -> ObjectKey {
    ObjectKey::new("default", name)
}

impl Plane {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&dir.path().join("store")).unwrap());
        let registry = Registry::open(registry_config(), store).await.unwrap();
        let client: Arc<dyn Client> = registry;
        let recorder = Recorder::start(Arc::clone(&client), now_s);
        let controllers = controllers(&client, &recorder, settings);
        let mut running = JoinSet::new();
        running.spawn(sheave_scheduler::run(Arc::clone(&client), recorder.clone(), now_s));
        let push = PushServer::start(Arc::clone(&client), recorder.clone(), push_config(settings));
        let node_addresses = BTreeMap::new();
        let mut plane = Self {
            client,
            node_addresses,
            push,
            recorder,
            settings,
            controllers,
            running,
            _dir: dir,
        };
        plane.listen().await;
        plane
    }

    /// Who calls is the TLS layer's to say; here each node has a port of its own.
    async fn listen(&mut self) {
        let names: [(&'static str, NodeName); 2] =
            [("node-1", |_| Some("node-1".to_owned())), ("node-2", |_| Some("node-2".to_owned()))];
        for (name, node_name) in names {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            self.node_addresses.insert(name, listener.local_addr().unwrap());
            let service = self.push.service(node_name);
            self.running.spawn(async move {
                let incoming = TcpListenerStream::new(listener);
                let server = tonic::transport::Server::builder().add_service(service);
                server.serve_with_incoming(incoming).await.unwrap();
            });
        }
    }

    /// Another push server takes the place of the first, knowing nothing but the objects.
    pub(crate) async fn restart_push(&mut self) {
        let (client, recorder) = (Arc::clone(&self.client), self.recorder.clone());
        self.push = PushServer::start(client, recorder, push_config(self.settings));
        self.listen().await;
    }

    pub(crate) fn node_address(&self, node: &str) -> SocketAddr {
        self.node_addresses[node]
    }

    pub(crate) fn push(&self) -> &PushServer {
        &self.push
    }

    /// The controllers end wherever they are and begin anew, knowing nothing but the objects.
    pub(crate) async fn restart_controllers(&mut self) {
        self.controllers.shutdown().await;
        self.controllers = controllers(&self.client, &self.recorder, self.settings);
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

fn controllers(client: &Arc<dyn Client>, recorder: &Recorder, settings: Settings) -> JoinSet<()> {
    sheave_controllers::start(&sheave_controllers::Context {
        client: Arc::clone(client),
        recorder: recorder.clone(),
        now: settings.now,
        load_balancer_pool: pool(),
        acknowledgement_timeout: settings.acknowledgement_timeout,
    })
}

/// Room for two Services: the node stands in the middle.
fn pool() -> AddressPool {
    ["192.0.2.1-192.0.2.3"].iter().map(|range| range.parse().unwrap()).collect()
}

fn registry_config() -> RegistryConfig {
    RegistryConfig { load_balancer_pool: pool(), ..RegistryConfig::default() }
}

fn push_config(settings: Settings) -> PushConfig {
    PushConfig {
        acknowledgement_timeout: settings.acknowledgement_timeout,
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
        now: settings.now_us,
        now_s,
    }
}
