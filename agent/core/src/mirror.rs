//! The maps as they are when all that was handed out has been written, and what is free in them.

use std::collections::{BTreeMap, HashMap, HashSet};

use sheave_abi::service::{
    BACKEND_GONE, BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange, SourceRange,
};

use crate::backends::{Backends, Known};
use crate::diff::{Diff, MapFull, Retired};
use crate::held::{BackendId, Held, Limits};
use crate::list::Paper;
use crate::plan::BackendAddr;
use crate::retirement::Retirement;
use crate::slots::FreeSlots;

/// The maps.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) limits: Limits,
    pub(crate) frontends: BTreeMap<FrontendKey, Frontend>,
    pub(crate) backends: Backends,
    pub(crate) free_slots: FreeSlots,
    pub(crate) retirement: Retirement,
    pub(crate) orphans: Orphans,
    services: ServiceIds,
    /// Entries of `SOURCES`.
    sources: usize,
    /// How many entries did not fit since this was last asked, by map.
    missing: BTreeMap<&'static str, usize>,
    /// There is more room than when this was last asked.
    has_freed: bool,
}

/// What the maps held when they were read and no port has taken over yet.
#[derive(Debug, Default)]
pub(crate) struct Orphans {
    /// By first slot.
    pub(crate) ranges: BTreeMap<u32, Vec<BackendId>>,
    /// By service port.
    pub(crate) backends: HashMap<u32, Vec<Known>>,
    /// By service port.
    pub(crate) sources: HashMap<u32, Vec<SourceRange>>,
}

/// Numbers of service ports. None is given twice: what was kept by one never means another.
#[derive(Debug)]
struct ServiceIds {
    used: HashSet<u32>,
    next: u32,
}

impl Mirror {
    /// The maps as they were read.
    pub(crate) fn of(held: Held) -> Self {
        let Held { frontends, backends, ranges, sources, limits } = held;
        let by_frontend = frontends.values().map(|frontend| frontend.service);
        let by_backend = backends.values().map(|backend| backend.service);
        let by_source = sources.iter().map(|source| source.service);
        let newest = by_frontend.chain(by_backend).chain(by_source).max().unwrap_or(0);
        let in_use = |(start, ids): (&u32, &Vec<BackendId>)| SlotRange {
            start: *start,
            len: ids.len() as u32,
        };
        let mut orphans = Orphans::default();
        for (id, backend) in backends.iter().filter(|(_, b)| b.state != BACKEND_GONE) {
            let at = BackendAddr { addr: backend.addr, port: backend.port };
            let known = Known { at, id: *id, generation: backend.generation };
            orphans.backends.entry(backend.service).or_default().push(known);
        }
        for source in &sources {
            orphans.sources.entry(source.service).or_default().push(*source);
        }
        Self {
            limits,
            frontends,
            backends: Backends::adopted(&backends, limits.backends),
            free_slots: FreeSlots::beside(&ranges.iter().map(in_use).collect(), limits.slots),
            retirement: Retirement::default(),
            orphans: Orphans { ranges, ..orphans },
            services: ServiceIds { used: HashSet::new(), next: newest.wrapping_add(1) },
            sources: sources.len(),
            missing: BTreeMap::new(),
            has_freed: false,
        }
    }

    /// Where lists are written.
    pub(crate) fn paper<'a>(&'a mut self, diff: &'a mut Diff) -> Paper<'a> {
        Paper {
            free: &mut self.free_slots,
            retirement: &mut self.retirement,
            writes: &mut diff.slots,
        }
    }

    /// A number for a port whose frontends are known by `numbers`: the first that no other port has, or a
    /// new one.
    pub(crate) fn take_service(&mut self, mut numbers: impl Iterator<Item = u32>) -> u32 {
        let ServiceIds { used, next } = &mut self.services;
        let known = numbers.find(|id| *id != 0 && !used.contains(id));
        let id = known.unwrap_or_else(|| {
            while *next == 0 || used.contains(next) {
                *next = next.wrapping_add(1);
            }
            *next
        });
        if id == *next {
            *next = next.wrapping_add(1);
        }
        used.insert(id);
        id
    }

    /// The port is no more.
    pub(crate) fn leave_service(&mut self, id: u32) {
        self.services.used.remove(&id);
    }

    /// New or changed.
    pub(crate) fn put_frontend(&mut self, key: FrontendKey, value: Frontend, diff: &mut Diff) {
        match self.frontends.get(&key) {
            Some(held) if *held == value => return,
            None if self.frontends.len() >= self.limits.frontends as usize => {
                return self.miss("FRONTENDS", 1);
            }
            _ => {}
        }
        self.frontends.insert(key, value);
        diff.frontends.push((key, value));
    }

    /// Not wanted any more.
    pub(crate) fn remove_frontend(&mut self, key: &FrontendKey, diff: &mut Diff) {
        if self.frontends.remove(key).is_some() {
            self.has_freed = true;
            diff.gone_frontends.push(*key);
        }
    }

    /// An id for a backend that has none.
    pub(crate) fn add_backend(
        &mut self,
        at: BackendAddr,
        service: u32,
        diff: &mut Diff,
    ) -> Option<Known> {
        let Some((known, value)) = self.backends.add(at, service) else {
            self.miss("BACKENDS", 1);
            return None;
        };
        diff.backends.push((known.id, value));
        Some(known)
    }

    /// A backend that is wanted, whatever it was about to become.
    pub(crate) fn keep_backend(&mut self, id: BackendId, diff: &mut Diff) {
        self.retirement.keep(id);
        if self.backends.get(id).state != BACKEND_LIVE {
            diff.backends.push((id, self.backends.set_state(id, BACKEND_LIVE)));
        }
    }

    /// A backend that no list names any more has `state` once readers have ended.
    pub(crate) fn retire_backend(&mut self, id: BackendId, state: u16) {
        if self.backends.get(id).state == state {
            self.retirement.keep(id);
        } else {
            self.retirement.backend(id, state);
        }
    }

    /// A client range that is wanted.
    pub(crate) fn add_source(&mut self, source: SourceRange, diff: &mut Diff) -> bool {
        if self.retirement.keep_source(&source) {
            return true;
        }
        if self.sources >= self.limits.sources as usize {
            self.miss("SOURCES", 1);
            return false;
        }
        self.sources += 1;
        diff.sources.push(source);
        true
    }

    /// So many entries do not fit.
    pub(crate) fn miss(&mut self, map: &'static str, entries: usize) {
        if entries > 0 {
            *self.missing.entry(map).or_default() += entries;
        }
    }

    /// True when something that did not fit may fit since this was last asked.
    pub(crate) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.has_freed)
    }

    /// How many entries did not fit so far.
    pub(crate) fn missing(&self) -> usize {
        self.missing.values().sum()
    }

    /// The first map that was too small since this was last asked.
    pub(crate) fn take_full(&mut self) -> Option<MapFull> {
        let (map, missing) = std::mem::take(&mut self.missing).into_iter().next()?;
        let (used, max) = match map {
            "FRONTENDS" => (self.frontends.len(), self.limits.frontends),
            "BACKENDS" => (self.backends.in_use() + 1, self.limits.backends),
            "SOURCES" => (self.sources, self.limits.sources),
            _ => {
                let free = self.free_slots.total();
                ((self.limits.slots - free) as usize, self.limits.slots)
            }
        };
        Some(MapFull { map, needed: (used + missing) as u64, max })
    }

    /// All that no frontend leads to and no port has taken over retires.
    pub(crate) fn retire_orphans(&mut self) {
        let ranges = self.frontends.values().flat_map(|f| [f.internal, f.external]);
        let starts: HashSet<u32> =
            ranges.filter(|range| range.len > 0).map(|range| range.start).collect();
        let services: HashSet<u32> = self.frontends.values().map(|f| f.service).collect();
        let Orphans { ranges, backends, sources } = &mut self.orphans;
        let retirement = &mut self.retirement;
        ranges.retain(|start, ids| {
            let stays = starts.contains(start);
            if !stays {
                retirement.slots(SlotRange { start: *start, len: ids.len() as u32 });
            }
            stays
        });
        backends.retain(|service, known| {
            let stays = services.contains(service);
            if !stays {
                known.iter().for_each(|known| retirement.backend(known.id, BACKEND_GONE));
            }
            stays
        });
        sources.retain(|service, ranges| {
            let stays = services.contains(service);
            if !stays {
                ranges.iter().for_each(|range| retirement.source(*range));
            }
            stays
        });
    }

    /// All readers have ended that were there when the wait began.
    pub(crate) fn end_retirement(&mut self) -> Retired {
        let waiting = self.retirement.end();
        self.has_freed = true;
        waiting.slots.into_iter().for_each(|range| self.free_slots.give(range));
        self.sources -= waiting.sources.len();
        let state =
            |(id, state)| -> (BackendId, Backend) { (id, self.backends.set_state(id, state)) };
        Retired {
            backends: waiting.backends.into_iter().map(state).collect(),
            sources: waiting.sources,
        }
    }
}
