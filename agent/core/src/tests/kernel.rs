//! The kernel's maps as arrays and trees, written one entry at a time, with readers that watch.
//!
//! A reader may have begun at any moment since the last time that somebody waited for readers, and may have
//! got as far as it likes: it may hold a frontend's value of then, or an id that it read from a slot. What it
//! holds must lead to a live backend of the same service port after every write.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sheave_abi::service::{
    BACKEND_DRAINING, BACKEND_GONE, BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange,
    SourceRange, flags,
};

use crate::diff::{Diff, Retired};
use crate::engine::Engine;
use crate::held::{BackendId, Held, Limits};
use crate::plan::{BackendAddr, ClientRange};
use crate::retirement::Grace;

/// What a reader that has begun may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Readers {
    /// Service, one of its ranges.
    frontends: BTreeSet<(u32, SlotRange)>,
    /// Service, id, generation.
    backends: BTreeSet<(u32, u32, u32)>,
}

#[derive(Clone, Debug)]
pub(super) struct Kernel {
    limits: Limits,
    frontends: BTreeMap<FrontendKey, Frontend>,
    slots: Vec<u32>,
    backends: Vec<Backend>,
    sources: BTreeSet<SourceRange>,
    /// Those that have begun since somebody began to wait.
    new: Readers,
    /// Those that are waited for.
    old: Readers,
}

/// What a frontend is for clients, whatever the ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) internal: BTreeSet<BackendAddr>,
    /// In order, for a table.
    pub(super) external: Vec<BackendAddr>,
    pub(super) flags: u32,
    pub(super) affinity_s: u32,
    pub(super) sources: BTreeSet<ClientRange>,
}

type Checked = Result<(), TestCaseError>;

impl Kernel {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            frontends: BTreeMap::new(),
            slots: vec![0; limits.slots as usize],
            backends: vec![Backend::default(); limits.backends as usize],
            sources: BTreeSet::new(),
            new: Readers::default(),
            old: Readers::default(),
        }
    }

    /// Reads it as the dataplane does.
    pub(super) fn held(&self) -> Held {
        let mut ranges = BTreeMap::<u32, Vec<BackendId>>::new();
        for range in self.frontends.values().flat_map(|f| [f.internal, f.external]) {
            let ids = self.ids(range).map(BackendId);
            let known = ranges.entry(range.start).or_default();
            if known.len() < range.len as usize {
                *known = ids.collect();
            }
        }
        ranges.retain(|_, ids| !ids.is_empty());
        let backends = (0u32..).zip(&self.backends).filter(|(_, b)| b.generation != 0);
        Held {
            frontends: self.frontends.clone(),
            backends: backends.map(|(id, b)| (BackendId(id), *b)).collect(),
            ranges,
            sources: self.sources.clone(),
            limits: self.limits,
        }
    }

    /// Writes what the engine has to say; stops after `writes` entries, as if the agent were killed then.
    pub(super) fn write(&mut self, diff: &Diff, mut writes: usize) -> Checked {
        let mut go_on = || {
            writes = writes.saturating_sub(1);
            writes > 0
        };
        for (id, backend) in &diff.backends {
            if !go_on() {
                return Ok(());
            }
            let before = self.backends[id.0 as usize];
            match before.state {
                BACKEND_GONE => {
                    prop_assert_eq!(backend.generation, before.generation.wrapping_add(1));
                }
                BACKEND_DRAINING => {
                    prop_assert_eq!(Backend { state: BACKEND_LIVE, ..before }, *backend);
                }
                _ => prop_assert!(false, "{id:?} is in use and overwritten"),
            }
            prop_assert!(id.0 != 0 && backend.state == BACKEND_LIVE);
            self.backends[id.0 as usize] = *backend;
            self.watch_backend(id.0)?;
        }
        for (slot, id) in &diff.slots {
            if !go_on() {
                return Ok(());
            }
            self.slots[*slot as usize] = id.0;
            self.watch_slot(*slot)?;
        }
        for source in &diff.sources {
            if !go_on() {
                return Ok(());
            }
            prop_assert!(self.sources.insert(*source), "{source:?} is there");
        }
        for (key, value) in &diff.frontends {
            if !go_on() {
                return Ok(());
            }
            prop_assert_ne!(self.frontends.get(key), Some(value), "nothing new");
            self.frontends.insert(*key, *value);
            self.watch_frontend(value)?;
        }
        for key in &diff.gone_frontends {
            if !go_on() {
                return Ok(());
            }
            prop_assert!(self.frontends.remove(key).is_some(), "{key:?} is not there");
        }
        Ok(())
    }

    /// Somebody begins to wait for all readers there are.
    pub(super) fn begin_wait(&mut self) -> Checked {
        self.old = std::mem::take(&mut self.new);
        let frontends: Vec<Frontend> = self.frontends.values().copied().collect();
        frontends.iter().try_for_each(|frontend| self.watch_frontend(frontend))
    }

    /// They have ended.
    pub(super) fn end_wait(&mut self) {
        self.old = Readers::default();
    }

    pub(super) fn retire(&mut self, retired: &Retired, mut writes: usize) -> Checked {
        for (id, backend) in &retired.backends {
            writes = writes.saturating_sub(1);
            if writes == 0 {
                return Ok(());
            }
            let before = self.backends[id.0 as usize];
            prop_assert_ne!(before.state, backend.state, "nothing new");
            prop_assert_eq!(Backend { state: backend.state, ..before }, *backend);
            self.backends[id.0 as usize] = *backend;
            self.watch_backend(id.0)?;
        }
        for source in &retired.sources {
            prop_assert!(self.sources.remove(source), "{source:?} is not there");
        }
        Ok(())
    }

    fn ids(&self, range: SlotRange) -> impl Iterator<Item = u32> + '_ {
        (range.start..range.start + range.len).map(|slot| self.slots[slot as usize])
    }

    /// A reader begins with this value.
    fn watch_frontend(&mut self, frontend: &Frontend) -> Checked {
        for range in [frontend.internal, frontend.external] {
            if range.len > 0 && self.new.frontends.insert((frontend.service, range)) {
                for slot in range.start..range.start + range.len {
                    watch_slot(
                        &mut self.new,
                        frontend.service,
                        self.slots[slot as usize],
                        &self.backends,
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Readers that lead there read the slot.
    fn watch_slot(&mut self, slot: u32) -> Checked {
        for readers in [&mut self.new, &mut self.old] {
            let leads_here =
                |range: &SlotRange| (range.start..range.start + range.len).contains(&slot);
            let services: Vec<u32> = readers
                .frontends
                .iter()
                .filter(|(_, range)| leads_here(range))
                .map(|(service, _)| *service)
                .collect();
            for service in services {
                watch_slot(readers, service, self.slots[slot as usize], &self.backends)?;
            }
        }
        Ok(())
    }

    /// Readers that have the id read the backend.
    fn watch_backend(&self, id: u32) -> Checked {
        let backend = &self.backends[id as usize];
        for (service, _, generation) in
            self.new.backends.union(&self.old.backends).filter(|(_, read, _)| *read == id)
        {
            prop_assert_eq!(backend.state, BACKEND_LIVE, "{} was read from a slot", id);
            prop_assert_eq!((backend.service, backend.generation), (*service, *generation));
        }
        Ok(())
    }

    /// What clients see.
    pub(super) fn seen(&self) -> BTreeMap<FrontendKey, Seen> {
        let at = |id: u32| {
            let backend = self.backends[id as usize];
            BackendAddr { addr: backend.addr, port: backend.port }
        };
        let seen = |frontend: &Frontend| {
            let mut external: Vec<_> = self.ids(frontend.external).map(at).collect();
            if frontend.flags & flags::MAGLEV == 0 {
                let len = external.len();
                external.sort_unstable();
                external.dedup();
                assert_eq!(external.len(), len, "a list names a backend twice");
            }
            let internal: BTreeSet<_> = self.ids(frontend.internal).map(at).collect();
            assert_eq!(internal.len(), frontend.internal.len as usize);
            let of_service = self.sources.iter().filter(|s| s.service == frontend.service);
            let sources = of_service
                .map(|s| ClientRange { prefix_len: s.prefix_len - 32, addr: s.addr })
                .collect();
            let Frontend { flags, affinity_s, .. } = *frontend;
            Seen { internal, external, flags, affinity_s, sources }
        };
        self.frontends.iter().map(|(key, frontend)| (*key, seen(frontend))).collect()
    }

    /// Backends in a state, by address.
    pub(super) fn in_state(&self, state: u16) -> Vec<BackendAddr> {
        let backends = self.backends.iter().filter(|b| b.state == state && b.generation != 0);
        let mut found: Vec<_> =
            backends.map(|b| BackendAddr { addr: b.addr, port: b.port }).collect();
        found.sort_unstable();
        found
    }
}

fn watch_slot(readers: &mut Readers, service: u32, id: u32, backends: &[Backend]) -> Checked {
    let backend = backends[id as usize];
    prop_assert!(id != 0, "a slot of service {service} was never written");
    prop_assert_eq!(backend.state, BACKEND_LIVE, "{} of service {} is dead", id, service);
    prop_assert_eq!(backend.service, service, "a backend of another service");
    readers.backends.insert((service, id, backend.generation));
    Ok(())
}

/// A kernel and an agent.
pub(super) struct Machine {
    pub(super) kernel: Kernel,
    pub(super) engine: Engine,
    waiting: Option<Grace>,
}

impl Machine {
    pub(super) fn new(limits: Limits) -> Self {
        let kernel = Kernel::new(limits);
        let engine = Engine::new(kernel.held());
        Self { kernel, engine, waiting: None }
    }

    /// What has changed takes effect. Says how many entries were written.
    pub(super) fn apply(&mut self) -> Result<usize, TestCaseError> {
        let diff = self.engine.diff();
        self.kernel.write(&diff, usize::MAX)?;
        Ok(diff.writes())
    }

    /// A step of what goes on beside changes.
    pub(super) fn retire(&mut self) -> Result<usize, TestCaseError> {
        let Some(grace) = self.waiting.take() else {
            self.waiting = self.engine.begin_retirement();
            if self.waiting.is_some() {
                self.kernel.begin_wait()?;
            }
            return Ok(0);
        };
        self.kernel.end_wait();
        let retired = self.engine.end_retirement(grace);
        self.kernel.retire(&retired, usize::MAX)?;
        Ok(retired.writes())
    }

    /// All that is left to do. Says how many entries were written.
    pub(super) fn settle(&mut self) -> Result<usize, TestCaseError> {
        let mut writes = self.apply()?;
        for _ in 0..4 {
            writes += self.retire()?;
        }
        Ok(writes)
    }

    /// Killed after so many writes of the change it is at, and started again.
    pub(super) fn crash(&mut self, writes: usize) -> Checked {
        let diff = self.engine.diff();
        self.kernel.write(&diff, writes)?;
        self.restart()
    }

    /// The agent starts again, and waits for readers before it writes. It hears all again.
    pub(super) fn restart(&mut self) -> Checked {
        self.waiting = None;
        let ledger_model = self.engine.model().clone();
        self.kernel.begin_wait()?;
        self.kernel.end_wait();
        self.engine = Engine::new(self.kernel.held());
        self.hear(&ledger_model);
        Ok(())
    }

    /// A write has failed after so many entries.
    pub(super) fn fail(&mut self, writes: usize) -> Checked {
        let diff = self.engine.diff();
        self.kernel.write(&diff, writes)?;
        self.kernel.begin_wait()?;
        self.kernel.end_wait();
        self.waiting = None;
        self.engine.adopt(self.kernel.held());
        Ok(())
    }

    pub(super) fn hear(&mut self, model: &crate::model::Model) {
        use crate::model::Update;
        self.engine.note(Update::Init);
        self.engine.note(Update::Node(model.node.clone()));
        for service in model.services.values() {
            self.engine.note(Update::Service(service.clone()));
        }
        for slice in model.slices.values() {
            self.engine.note(Update::EndpointSlice(slice.clone()));
        }
        self.engine.note(Update::HostPorts(model.host_ports.clone()));
        self.engine.note(Update::InitDone);
    }
}
