//! From what should be to what the kernel holds: the one who owns engine and dataplane.
//!
//! Changes are noted as they come and applied in batches; a batch costs what it changes. What the maps hold
//! is read once at start and kept in step with what is written; after a failed write it is read again. What
//! must wait until programs have ended is written later ([`retire`]), so that no change waits for it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sheave_core::diff::MapFull;
use sheave_core::engine::Engine;
use sheave_core::model::{
    EndpointSlice, Knowledge, LeadsTo, Model, Node, ObjectKey, ServicePort, Update,
};
use sheave_core::plan::Conflict;
use sheave_dataplane::{Dataplane, MapError, wait_for_readers};
use sheave_kubelet::ServiceLink;
use tokio::sync::Notify;

use crate::health_checks::Check;
use crate::machine::Machine;
use crate::name_changes::NameChanges;

/// Engine and maps of this node.
#[derive(Debug)]
pub(crate) struct Reconciler {
    machine: Machine,
    /// As the model has it.
    node: Node,
    engine: Engine,
    dataplane: Dataplane,
    /// The maps are not known: a write has failed.
    is_stale: bool,
    conflicts: Vec<Conflict>,
    progress: Progress,
    /// Something may wait for programs to end.
    left_behind: Arc<Notify>,
    /// Endpoints on this node that no source knows of.
    own_slices: Vec<EndpointSlice>,
}

/// How reconciling goes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The server's number of the newest generation in effect.
    pub(crate) generation: u64,
    /// Map entries written since the agent started.
    pub(crate) writes_total: u64,
    /// When the maps last held what they should.
    pub(crate) in_effect_at: Option<jiff::Timestamp>,
    /// Since when they do not, and why.
    pub(crate) failing: Option<(Instant, String)>,
}

/// Why the maps do not hold what they should.
#[derive(Debug)]
pub(crate) enum ApplyError {
    Full(MapFull),
    Map(MapError),
}

impl Reconciler {
    /// Takes over what the maps hold.
    pub(crate) fn new(
        dataplane: Dataplane,
        machine: Machine,
        node: Node,
    ) -> Result<Self, MapError> {
        let engine = Engine::new(dataplane.held()?);
        let mut reconciler = Self {
            machine,
            node: node.clone(),
            engine,
            dataplane,
            is_stale: false,
            conflicts: Vec::new(),
            progress: Progress::default(),
            left_behind: Arc::default(),
            own_slices: Vec::new(),
        };
        reconciler.note(Update::Node(node));
        Ok(reconciler)
    }

    /// Endpoints that are on this node whatever the source says.
    pub(crate) fn add_endpoints(&mut self, slices: Vec<EndpointSlice>) {
        self.own_slices = slices;
        self.note_own();
    }

    fn note_own(&mut self) {
        for slice in &self.own_slices {
            self.engine.note(Update::EndpointSlice(slice.clone()));
        }
    }

    /// What names lead elsewhere than when this was last asked.
    pub(crate) fn take_names(&mut self) -> NameChanges {
        NameChanges::take(&mut self.engine)
    }

    /// The Services of a namespace that have an address.
    pub(crate) fn service_links(&self, namespace: &str) -> Vec<ServiceLink> {
        let model = self.engine.model();
        let first = ObjectKey { namespace: namespace.into(), name: String::new() };
        let link = |key: &ObjectKey, addresses: &[IpAddr], ports: &[ServicePort]| {
            let address = *addresses.first()?;
            Some(ServiceLink { name: key.name.clone(), address, ports: ports.to_vec() })
        };
        let is_here = |key: &ObjectKey| key.namespace == namespace;
        let served = model.services.range(&first..).take_while(|(key, _)| is_here(key));
        let served = served.filter_map(|(key, s)| link(key, &s.cluster_ips, &s.ports));
        let named = model.named_services.range(&first..).take_while(|(key, _)| is_here(key));
        let named = named.filter_map(|(key, service)| match &service.leads_to {
            LeadsTo::Addresses(addresses) => link(key, addresses, &service.ports),
            LeadsTo::Endpoints { .. } | LeadsTo::Name(_) => None,
        });
        served.chain(named).collect()
    }

    /// Takes note of a change.
    pub(crate) fn note(&mut self, update: Update) {
        if update == Update::InitDone {
            self.note_own();
        }
        let update = match update {
            // What this machine was told about itself wins over what the API has heard of it.
            Update::Node(said) => {
                self.node.zone = said.zone;
                Update::Node(self.node.clone())
            }
            other => other,
        };
        self.engine.note(update);
    }

    /// NodePorts are served on these from now on.
    pub(crate) fn note_node_port_addresses(&mut self, addresses: Vec<IpAddr>) {
        self.node.node_port_addresses = addresses;
        self.engine.note(Update::Node(self.node.clone()));
    }

    /// Brings the maps in step, once a state is known. Says whether what was noted so far is in
    /// effect now.
    pub(crate) fn apply(&mut self) -> Result<bool, ApplyError> {
        if self.knowledge() == Knowledge::Nothing {
            return Ok(false);
        }
        match self.write() {
            Ok(()) => {
                self.progress.in_effect_at = Some(jiff::Timestamp::now());
                self.progress.failing = None;
                Ok(true)
            }
            Err(error) => {
                let since = self.progress.failing.take().map_or_else(Instant::now, |(at, _)| at);
                self.progress.failing = Some((since, error.to_string()));
                Err(error)
            }
        }
    }

    fn write(&mut self) -> Result<(), ApplyError> {
        if self.is_stale {
            self.engine.adopt(self.dataplane.held().map_err(ApplyError::Map)?);
            self.is_stale = false;
        }
        let diff = self.engine.diff();
        self.complain();
        let written = self.dataplane.apply(&diff);
        self.count(written).map_err(ApplyError::Map)?;
        self.left_behind.notify_one();
        self.engine.full().map_or(Ok(()), |full| Err(ApplyError::Full(full)))
    }

    fn count(&mut self, written: Result<usize, MapError>) -> Result<(), MapError> {
        self.is_stale |= written.is_err();
        self.progress.writes_total += written? as u64;
        Ok(())
    }

    /// Names each conflict once.
    fn complain(&mut self) {
        let conflicts = self.engine.conflicts();
        for conflict in conflicts.iter().filter(|new| !self.conflicts.contains(new)) {
            tracing::warn!(
                kept = ?conflict.kept.service,
                refused = ?conflict.refused.service,
                kind = ?conflict.refused.kind,
                port = conflict.refused.port,
                "two want the same address and port"
            );
        }
        self.conflicts = conflicts;
    }

    /// Everything up to this generation is in effect.
    pub(crate) fn in_effect(&mut self, generation: u64) {
        self.progress.generation = self.progress.generation.max(generation);
    }

    /// How it goes.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The maps and programs.
    pub(crate) fn dataplane(&self) -> &Dataplane {
        &self.dataplane
    }

    /// What should be, as the source says it.
    pub(crate) fn model(&self) -> &Model {
        self.engine.model()
    }

    /// What absence means by now.
    pub(crate) fn knowledge(&self) -> Knowledge {
        self.engine.knowledge()
    }

    /// Whether other nodes are new, changed or gone since this was last asked.
    pub(crate) fn take_peers_changed(&mut self) -> bool {
        self.engine.take_peers_changed()
    }

    /// What is not served, because two want the same.
    pub(crate) fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// The Services that have a `healthCheckNodePort`, the port, and how many of their ready endpoints are
    /// on this node.
    pub(crate) fn health_checks(&self) -> Vec<Check> {
        let checks = self.engine.health_checks().into_iter();
        checks
            .map(|(service, port, local_endpoints)| Check { service, port, local_endpoints })
            .collect()
    }

    /// Which machine this is.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }
}

/// Pause after a failed write.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Writes what changes have left behind, whenever programs have ended that may still read it. Changes go on
/// meanwhile.
pub(crate) async fn retire(reconciler: Arc<Mutex<Reconciler>>) {
    let left_behind = Arc::clone(&reconciler.lock().left_behind);
    loop {
        left_behind.notified().await;
        let reconciler = Arc::clone(&reconciler);
        let retired = tokio::task::spawn_blocking(move || retire_once(&reconciler)).await;
        if let Ok(Err(error)) = retired {
            tracing::error!(%error, "what is gone is still in the maps; trying again");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

fn retire_once(reconciler: &Mutex<Reconciler>) -> Result<(), ApplyError> {
    if reconciler.lock().is_stale {
        // Also finds what the failed write left.
        reconciler.lock().apply()?;
    }
    let Some(grace) = reconciler.lock().engine.begin_retirement() else { return Ok(()) };
    wait_for_readers();
    let mut reconciler = reconciler.lock();
    let retired = reconciler.engine.end_retirement(grace);
    let written = reconciler.dataplane.retire(&retired);
    // What was left behind meanwhile, and after an error all of it.
    reconciler.left_behind.notify_one();
    reconciler.count(written).map_err(ApplyError::Map)
}

impl std::fmt::Display for ApplyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full(error) => error.fmt(f),
            Self::Map(error) => match std::error::Error::source(error) {
                Some(source) => write!(f, "{error}: {source}"),
                None => error.fmt(f),
            },
        }
    }
}
