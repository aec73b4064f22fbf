//! From what should be to what the kernel holds: the one who owns ledger and dataplane.
//!
//! Changes are noted as they come and applied in batches. What the maps hold is read once at start and
//! kept in step with what is written; after a failed write it is read again.

use std::time::Instant;

use sheave_core::diff::{MapFull, diff};
use sheave_core::held::Held;
use sheave_core::ledger::Ledger;
use sheave_core::model::{Model, Node, Update};
use sheave_core::plan::{Conflict, Plan, plan};
use sheave_dataplane::{Dataplane, MapError};

use crate::machine::Machine;

/// Ledger and maps of this node.
#[derive(Debug)]
pub(crate) struct Reconciler {
    machine: Machine,
    ledger: Ledger,
    dataplane: Dataplane,
    held: Held,
    conflicts: Vec<Conflict>,
    progress: Progress,
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
    pub(crate) fn new(dataplane: Dataplane, machine: Machine) -> Result<Self, MapError> {
        let held = dataplane.held()?;
        let mut reconciler = Self {
            machine,
            ledger: Ledger::new(),
            dataplane,
            held,
            conflicts: Vec::new(),
            progress: Progress::default(),
        };
        reconciler.note(Update::Node(Node::default()));
        Ok(reconciler)
    }

    /// Takes note of a change.
    pub(crate) fn note(&mut self, update: Update) {
        let update = match update {
            // What this machine was told about itself wins over what the API has heard of it.
            Update::Node(node) => Update::Node(Node {
                name: self.machine.name.clone(),
                zone: node.zone,
                node_port_addresses: self.machine.addresses.clone(),
            }),
            other => other,
        };
        self.ledger.note(update);
    }

    /// Brings the maps in step, once a complete state is known. Says whether what was noted so far is in
    /// effect now.
    pub(crate) fn apply(&mut self) -> Result<bool, ApplyError> {
        if !self.ledger.is_complete() {
            return Ok(false);
        }
        match self.write() {
            Ok(writes) => {
                self.progress.writes_total += writes as u64;
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

    fn write(&mut self) -> Result<usize, ApplyError> {
        let plan = plan(self.ledger.model());
        self.complain(&plan);
        let diff = diff(&plan, &self.held).map_err(ApplyError::Full)?;
        match self.dataplane.apply(&diff) {
            Ok(writes) => {
                self.held.apply(&diff);
                Ok(writes)
            }
            Err(error) => {
                self.held = self.dataplane.held().map_err(ApplyError::Map)?;
                Err(ApplyError::Map(error))
            }
        }
    }

    /// Names each conflict once.
    fn complain(&mut self, plan: &Plan) {
        for conflict in plan.conflicts.iter().filter(|new| !self.conflicts.contains(new)) {
            tracing::warn!(
                kept = ?conflict.kept.service,
                refused = ?conflict.refused.service,
                port = conflict.refused.port,
                "two Services want the same address and port"
            );
        }
        self.conflicts.clone_from(&plan.conflicts);
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
        self.ledger.model()
    }

    /// What is not served, because two want the same.
    pub(crate) fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Which machine this is.
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }
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
