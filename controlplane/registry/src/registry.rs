//! The registry itself: what it consists of, and how it starts.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::json;
use sheave_api::kinds::{self, Context};
use sheave_api::{AddressPool, Kind, Status, resource};
use sheave_store::{CommitError, Store, StoreError};
use tokio::task::JoinSet;

use crate::admission::{Claims, Ranges};
use crate::cache::Cache;
use crate::cache::feed::{self, Sink};
use crate::{Identity, WriteOptions, expiry, pool_claims};

/// How long a read waits for the cache to reach the revision it asked for.
pub(crate) const FRESH_TIMEOUT: Duration = Duration::from_secs(3);

/// Namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// What the cluster gives to Services.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Ranges of ClusterIPs, at most one a family; the first one is that of Services that do not say.
    /// Its first address is left to the API server's own Service.
    pub service_cidrs: Vec<IpNet>,
    /// Range of NodePorts.
    pub node_ports: RangeInclusive<u16>,
    /// Addresses of the cluster's own load balancer: each is at most one Service's.
    pub load_balancer_pool: AddressPool,
    /// What `spec.externalIPs` may name.
    pub external_ip_pool: AddressPool,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            service_cidrs: vec![IpNet::new_assert([10, 96, 0, 0].into(), 16)],
            node_ports: 30000..=32767,
            load_balancer_pool: AddressPool::default(),
            external_ip_pool: AddressPool::default(),
        }
    }
}

/// Why the registry could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store did not answer.
    #[error("cannot read the store")]
    Store(#[from] StoreError),
    /// The claims on load balancer addresses could not be brought in step with the pool.
    #[error("cannot write the claims on load balancer addresses")]
    PoolClaims(#[from] CommitError),
    /// A namespace that every cluster has could not be made.
    #[error("cannot create namespace {name}")]
    Namespace {
        /// Its name.
        name: &'static str,
        /// What was refused.
        #[source]
        source: Status,
    },
}

/// Every object of the cluster: read, watched, changed. Shared behind an `Arc`.
pub struct Registry {
    pub(crate) store: Arc<dyn Store>,
    /// The watch cache and the claims; written by the feed alone.
    pub(crate) sink: Arc<Sink>,
    pub(crate) ranges: Ranges,
    /// End with the registry.
    tasks: Mutex<JoinSet<()>>,
}

impl Registry {
    /// Loads everything into memory and begins to follow the store.
    pub async fn open(
        config: RegistryConfig,
        store: Arc<dyn Store>,
    ) -> Result<Arc<Self>, OpenError> {
        let sink = Arc::new(Sink { cache: Cache::new(), claims: Claims::default() });
        let mut revision = feed::load(&sink, store.as_ref()).await?;
        let ranges = Ranges {
            service_cidrs: config.service_cidrs,
            node_ports: config.node_ports,
            load_balancer: config.load_balancer_pool,
            external_ips: config.external_ip_pool,
        };
        // Whose a claim is must be known before the first write: it may be the end of somebody else's Service.
        if pool_claims::renew(&sink, store.as_ref(), &ranges).await? {
            revision = feed::load(&sink, store.as_ref()).await?;
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(feed::run(Arc::clone(&sink), Arc::clone(&store), revision));
        let registry = Arc::new(Self { store, sink, ranges, tasks: Mutex::new(tasks) });
        registry.ensure_namespaces().await?;
        registry.tasks.lock().spawn(expiry::run(Arc::downgrade(&registry), expiry::LIFETIME));
        Ok(registry)
    }

    /// How far the cache is: the `resourceVersion` of a list made now.
    pub fn revision(&self) -> u64 {
        self.sink.cache.revision()
    }

    async fn ensure_namespaces(&self) -> Result<(), OpenError> {
        let kind = self.kind_of(&resource::NAMESPACES);
        let who = Identity::control_plane();
        for name in NAMESPACES {
            let namespace = json!({ "metadata": { "name": name } });
            match self.create(&who, kind, "", namespace, &WriteOptions::default()).await {
                Err(status) if !status.is_already_exists() => {
                    return Err(OpenError::Namespace { name, source: status });
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.sink.cache
    }

    /// A kind that this crate knows by name.
    pub(crate) fn kind_of(&self, resource: &sheave_api::GroupResource) -> &'static Kind {
        kinds::by_group_resource(resource).expect("in the table of kinds")
    }

    /// Time and randomness for one attempt to write.
    pub(crate) fn context(&self) -> Context {
        Context { now: Timestamp::now(), uid_random: rand::random(), name_random: rand::random() }
    }
}
