//! The difference between the plan and what the maps hold: pure, and in the order it must be written.
//!
//! ```text
//! backends -> slots -> frontends -> frontends that go -> (all readers have ended) -> backends that go
//! ```
//!
//! A reader that finds a frontend finds its slots and backends too, before, while and after. A list of
//! backends that changes is written to slots that nobody reads and goes live with its frontend. Ids that
//! the maps have stay as they are, so a restart with nothing new to say writes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sheave_abi::order::Addr;
use sheave_abi::service::{BACKEND_GONE, BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange};

use crate::held::{BackendId, Held, ServiceId};
use crate::plan::{BackendAddr, Plan, PlannedPort, Scope};
use crate::slots::FreeSlots;

/// What to write, in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Diff {
    /// New backends.
    pub backends: Vec<(BackendId, Backend)>,
    /// New lists of backends, by first slot.
    pub slots: Vec<(u32, Vec<BackendId>)>,
    /// New and changed frontends.
    pub frontends: Vec<(FrontendKey, Frontend)>,
    /// Frontends that are no more.
    pub gone_frontends: Vec<FrontendKey>,
    /// Backends that nobody leads to any more: to be written after all readers of the above have ended.
    pub gone_backends: Vec<(BackendId, Backend)>,
}

impl Diff {
    /// How many map entries it writes; 0 when the maps hold what they should.
    pub fn writes(&self) -> usize {
        let slots: usize = self.slots.iter().map(|(_, list)| list.len()).sum();
        self.backends.len()
            + slots
            + self.frontends.len()
            + self.gone_frontends.len()
            + self.gone_backends.len()
    }

    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes() == 0
    }
}

/// The plan does not fit the maps. Nothing of it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "map {map} is full: {needed} entries are needed and it has {max}; remove services, or start the agent with a larger map"
)]
pub struct MapFull {
    /// Name of the map.
    pub map: &'static str,
    /// Entries that would be in use while the change is made.
    pub needed: u64,
    /// Entries that fit.
    pub max: u32,
}

/// What to write so that the maps hold the plan.
pub fn diff(plan: &Plan, held: &Held) -> Result<Diff, MapFull> {
    Assignment::new(held).assign(plan)
}

/// The state of one run of [`diff`].
struct Assignment<'a> {
    held: &'a Held,
    /// Backends in use, by service and place.
    live: HashMap<(u32, BackendAddr), BackendId>,
    next_backend: u32,
    free_slots: FreeSlots,
    used_services: BTreeSet<u32>,
    next_service: u32,
    kept_backends: BTreeSet<BackendId>,
    wanted: BTreeMap<FrontendKey, Frontend>,
    diff: Diff,
}

impl<'a> Assignment<'a> {
    fn new(held: &'a Held) -> Self {
        let live = held
            .backends
            .iter()
            .filter(|(_, backend)| backend.state == BACKEND_LIVE)
            .map(|(id, b)| ((b.service, BackendAddr { addr: b.addr, port: b.port }), *id))
            .collect();
        let by_frontend = held.frontends.values().map(|frontend| frontend.service);
        // Ids that only a backend still names are not given to others: its flows know it by them.
        let by_backend = held.backends.values().map(|backend| backend.service);
        Self {
            held,
            live,
            next_backend: 1,
            free_slots: FreeSlots::beside(&held.ranges_in_use(), held.limits.slots),
            used_services: by_frontend.chain(by_backend).collect(),
            next_service: 1,
            kept_backends: BTreeSet::new(),
            wanted: BTreeMap::new(),
            diff: Diff::default(),
        }
    }

    fn assign(mut self, plan: &Plan) -> Result<Diff, MapFull> {
        for addr in &plan.addresses {
            self.wanted.insert(address_marker(*addr), Frontend::default());
        }
        let mut claimed = BTreeSet::new();
        for port in plan.ports.values() {
            let service = self.service_of(port, &claimed);
            claimed.insert(service.0);
            self.assign_port(port, service)?;
        }
        self.finish()
    }

    /// The id its frontends have in the maps, unless another port has claimed it; otherwise a new one.
    fn service_of(&mut self, port: &PlannedPort, claimed: &BTreeSet<u32>) -> ServiceId {
        let known = port.frontends.iter().filter_map(|f| self.held.frontends.get(&f.key));
        let known = known.map(|frontend| frontend.service);
        if let Some(id) = known.into_iter().find(|id| *id != 0 && !claimed.contains(id)) {
            return ServiceId(id);
        }
        while self.used_services.contains(&self.next_service) {
            self.next_service += 1;
        }
        self.used_services.insert(self.next_service);
        ServiceId(self.next_service)
    }

    fn assign_port(&mut self, port: &PlannedPort, service: ServiceId) -> Result<(), MapFull> {
        let mut lists = Vec::new();
        let mut ranges: HashMap<Vec<BackendId>, SlotRange> = HashMap::new();
        for scope in [Scope::Cluster, Scope::Local] {
            let read =
                |f: &crate::plan::PlannedFrontend| f.internal == scope || f.external == Some(scope);
            let mut range = SlotRange::default();
            if port.frontends.iter().any(read) {
                let list = self.backends(port.backends(scope), service)?;
                range = match ranges.get(&list) {
                    Some(range) => *range,
                    None => self.range(port, scope, &list)?,
                };
                ranges.insert(list, range);
            }
            lists.push(range);
        }
        let range_of = |scope| match scope {
            Scope::Cluster => lists[0],
            Scope::Local => lists[1],
        };
        for frontend in &port.frontends {
            let value = Frontend {
                service: service.0,
                internal: range_of(frontend.internal),
                external: frontend.external.map(range_of).unwrap_or_default(),
                affinity_s: port.affinity_s,
                flags: port.flags(frontend),
            };
            self.wanted.insert(frontend.key, value);
        }
        Ok(())
    }

    /// The ids of a list of backends, old ones where the maps have them.
    fn backends(
        &mut self,
        list: &[BackendAddr],
        service: ServiceId,
    ) -> Result<Vec<BackendId>, MapFull> {
        let mut ids = Vec::with_capacity(list.len());
        for backend in list {
            let id = match self.live.get(&(service.0, *backend)) {
                Some(id) => *id,
                None => self.new_backend(*backend, service)?,
            };
            self.kept_backends.insert(id);
            ids.push(id);
        }
        Ok(ids)
    }

    fn new_backend(
        &mut self,
        backend: BackendAddr,
        service: ServiceId,
    ) -> Result<BackendId, MapFull> {
        // Ids in use, those that go with this change included: they are free only with the next.
        while self.held.live(BackendId(self.next_backend)).is_some() {
            self.next_backend += 1;
        }
        let id = BackendId(self.next_backend);
        let max = self.held.limits.backends;
        if id.0 >= max {
            let needed = u64::from(id.0) + 1;
            return Err(MapFull { map: "BACKENDS", needed, max });
        }
        self.next_backend += 1;
        let before = self.held.backends.get(&id).map_or(0, |backend| backend.generation);
        let value = Backend {
            addr: backend.addr,
            service: service.0,
            generation: before.wrapping_add(1),
            port: backend.port,
            state: BACKEND_LIVE,
        };
        self.live.insert((service.0, backend), id);
        self.diff.backends.push((id, value));
        Ok(id)
    }

    /// The slots that hold `list`: those its frontends lead to, if they do; otherwise new ones.
    fn range(
        &mut self,
        port: &PlannedPort,
        scope: Scope,
        list: &[BackendId],
    ) -> Result<SlotRange, MapFull> {
        if list.is_empty() {
            return Ok(SlotRange::default());
        }
        for frontend in &port.frontends {
            let Some(value) = self.held.frontends.get(&frontend.key) else { continue };
            let internal = (frontend.internal == scope).then_some(value.internal);
            let external = (frontend.external == Some(scope)).then_some(value.external);
            for range in internal.into_iter().chain(external) {
                if self.held.range(range) == list {
                    return Ok(range);
                }
            }
        }
        let len = u32::try_from(list.len()).unwrap_or(u32::MAX);
        let Some(range) = self.free_slots.take(len) else {
            let in_use: u64 =
                self.held.ranges_in_use().iter().map(|range| u64::from(range.len)).sum();
            let needed = in_use + u64::from(len);
            return Err(MapFull { map: "SLOTS", needed, max: self.held.limits.slots });
        };
        self.diff.slots.push((range.start, list.to_vec()));
        Ok(range)
    }

    fn finish(mut self) -> Result<Diff, MapFull> {
        let max = self.held.limits.frontends;
        for (key, value) in &self.wanted {
            if self.held.frontends.get(key) != Some(value) {
                self.diff.frontends.push((*key, *value));
            }
        }
        let added =
            self.wanted.keys().filter(|key| !self.held.frontends.contains_key(*key)).count();
        let needed = (self.held.frontends.len() + added) as u64;
        if needed > u64::from(max) {
            return Err(MapFull { map: "FRONTENDS", needed, max });
        }
        let gone = self.held.frontends.keys().filter(|key| !self.wanted.contains_key(*key));
        self.diff.gone_frontends = gone.copied().collect();
        for (id, backend) in &self.held.backends {
            if backend.state == BACKEND_LIVE && !self.kept_backends.contains(id) {
                self.diff.gone_backends.push((*id, Backend { state: BACKEND_GONE, ..*backend }));
            }
        }
        Ok(self.diff)
    }
}

fn address_marker(addr: Addr) -> FrontendKey {
    FrontendKey::address(addr)
}

impl Held {
    /// What the maps hold once `diff` has been written.
    pub fn apply(&mut self, diff: &Diff) {
        let Diff { backends, slots, frontends, gone_frontends, gone_backends } = diff;
        self.backends.extend(backends.iter().copied());
        self.ranges.extend(slots.iter().cloned());
        self.frontends.extend(frontends.iter().copied());
        for key in gone_frontends {
            self.frontends.remove(key);
        }
        self.backends.extend(gone_backends.iter().copied());
        let starts: BTreeSet<u32> = self.ranges_in_use().iter().map(|range| range.start).collect();
        self.ranges.retain(|start, _| starts.contains(start));
    }
}
