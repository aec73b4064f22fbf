//! The kernel's maps, written one entry at a time, and the readers that may be at work on them.
//!
//! A reader may have begun at any moment since the last wait for readers, and may have got as far as it
//! likes: it may hold a frontend's value of then, or an id that it read from a slot. What it holds must lead
//! to a live backend of its service port after every write.

use std::collections::{BTreeMap, BTreeSet};

use sheave_abi::service::{BACKEND_GONE, BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange};
use sheave_core::diff::{Diff, Retired};
use sheave_core::held::{BackendId, Held, Limits};

/// What readers that have begun may hold.
#[derive(Clone, Debug, Default)]
struct Readers {
    /// Service port and range, of a frontend's value.
    ranges: BTreeSet<(u32, SlotRange)>,
    /// Service port, id and generation, read from a slot that has another id now.
    ids: BTreeSet<(u32, u32, u32)>,
}

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Maps {
    limits: Limits,
    pub(super) frontends: BTreeMap<FrontendKey, Frontend>,
    slots: Vec<u32>,
    backends: Vec<Backend>,
    /// Those that have begun since somebody began to wait, and those that are waited for.
    readers: [Readers; 2],
}

impl Maps {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            frontends: BTreeMap::new(),
            slots: vec![0; limits.slots as usize],
            backends: vec![Backend::default(); limits.backends as usize],
            readers: Default::default(),
        }
    }

    /// As the dataplane reads them.
    pub(super) fn held(&self) -> Held {
        let mut ranges = BTreeMap::<u32, Vec<BackendId>>::new();
        for range in self.frontends.values().flat_map(|f| [f.internal, f.external]) {
            let known = ranges.entry(range.start).or_default();
            if known.len() < range.len as usize {
                *known = self.ids(range).iter().copied().map(BackendId).collect();
            }
        }
        ranges.retain(|_, ids| !ids.is_empty());
        let used = (0u32..).zip(&self.backends).filter(|(_, b)| b.generation != 0);
        Held {
            frontends: self.frontends.clone(),
            backends: used.map(|(id, backend)| (BackendId(id), *backend)).collect(),
            ranges,
            sources: BTreeSet::new(),
            limits: self.limits,
        }
    }

    /// Writes in order, and stops after `writes` entries.
    pub(super) fn write(&mut self, diff: &Diff, writes: usize) {
        let backends = diff.backends.iter().map(Write::Backend);
        let slots = diff.slots.iter().map(Write::Slot);
        let frontends = diff.frontends.iter().map(Write::Frontend);
        let gone = diff.gone_frontends.iter().map(Write::Gone);
        assert!(diff.sources.is_empty(), "nobody asked for ranges of clients");
        for write in backends.chain(slots).chain(frontends).chain(gone).take(writes) {
            match write {
                Write::Backend((id, backend)) => self.put_backend(*id, *backend),
                Write::Slot((slot, id)) => self.put_slot(*slot, id.0),
                Write::Frontend((key, value)) => self.put_frontend(*key, *value),
                Write::Gone(key) => {
                    assert!(self.frontends.remove(key).is_some(), "{key:?} is not there");
                }
            }
        }
    }

    pub(super) fn retire(&mut self, retired: &Retired) {
        for (id, backend) in &retired.backends {
            let before = self.backends[id.0 as usize];
            assert_ne!(before.state, backend.state, "{id:?}: nothing new");
            assert_eq!(Backend { state: backend.state, ..before }, *backend, "{id:?}");
            assert!(!self.may_be_read(id.0), "{id:?} goes, and a reader may have it");
            self.backends[id.0 as usize] = *backend;
        }
    }

    /// Somebody begins to wait for all readers there are. New ones come all the time.
    pub(super) fn begin_wait(&mut self) {
        let begun = self
            .frontends
            .values()
            .flat_map(|f| [(f.service, f.internal), (f.service, f.external)]);
        let new = Readers { ranges: begun.collect(), ids: BTreeSet::new() };
        let [before, waited_for] = &mut self.readers;
        *waited_for = std::mem::replace(before, new);
    }

    pub(super) fn end_wait(&mut self) {
        self.readers[1] = Readers::default();
    }

    pub(super) fn wait_for_readers(&mut self) {
        self.begin_wait();
        self.end_wait();
    }

    fn put_backend(&mut self, id: BackendId, backend: Backend) {
        let before = self.backends[id.0 as usize];
        assert!(id.0 != 0 && backend.state == BACKEND_LIVE, "{id:?}: {backend:?}");
        match before.state {
            BACKEND_LIVE => panic!("{id:?} is in use and overwritten"),
            BACKEND_GONE => {
                assert_eq!(backend.generation, before.generation.wrapping_add(1), "{id:?}");
                assert!(
                    !self.may_be_read(id.0),
                    "{id:?} is given to another, and a reader may have it"
                );
            }
            _ => assert_eq!(Backend { state: BACKEND_LIVE, ..before }, backend, "{id:?}"),
        }
        self.backends[id.0 as usize] = backend;
    }

    fn put_slot(&mut self, slot: u32, id: u32) {
        let before = self.slots[slot as usize];
        self.slots[slot as usize] = id;
        let backends = &self.backends;
        for readers in &mut self.readers {
            for (service, range) in &readers.ranges {
                if slot >= range.start && slot - range.start < range.len {
                    assert_leads(backends, *service, id, slot);
                    let generation = backends[before as usize].generation;
                    readers.ids.insert((*service, before, generation));
                }
            }
        }
    }

    fn put_frontend(&mut self, key: FrontendKey, value: Frontend) {
        assert_ne!(self.frontends.get(&key), Some(&value), "{key:?}: nothing new");
        for range in [value.internal, value.external] {
            for (slot, id) in (range.start..).zip(self.ids(range)) {
                assert_leads(&self.backends, value.service, *id, slot);
            }
            self.readers[0].ranges.insert((value.service, range));
        }
        self.frontends.insert(key, value);
    }

    /// A reader may have it, or find it.
    fn may_be_read(&self, id: u32) -> bool {
        self.readers.iter().any(|readers| {
            readers.ids.iter().any(|(_, read, _)| *read == id)
                || readers.ranges.iter().any(|(_, range)| self.ids(*range).contains(&id))
        })
    }

    /// What a range of slots holds.
    pub(super) fn ids(&self, range: SlotRange) -> &[u32] {
        &self.slots[range.start as usize..(range.start + range.len) as usize]
    }

    pub(super) fn backend(&self, id: u32) -> &Backend {
        &self.backends[id as usize]
    }

    pub(super) fn assert_empty(&self) {
        assert!(self.frontends.is_empty(), "{:?}", self.frontends);
        for (id, backend) in self.backends.iter().enumerate() {
            assert_eq!(backend.state, BACKEND_GONE, "{id}: {backend:?} has stayed");
        }
    }
}

enum Write<'a> {
    Backend(&'a (BackendId, Backend)),
    Slot(&'a (u32, BackendId)),
    Frontend(&'a (FrontendKey, Frontend)),
    Gone(&'a FrontendKey),
}

fn assert_leads(backends: &[Backend], service: u32, id: u32, slot: u32) {
    let backend = &backends[id as usize];
    assert!(id != 0 && backend.state == BACKEND_LIVE, "slot {slot} leads to {id}: {backend:?}");
    assert_eq!(backend.service, service, "slot {slot} leads to another's backend {id}");
}
