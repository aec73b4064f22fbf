//! From changes to what must be written: plans what is not as it was, and nothing else.
//!
//! ```text
//!                    services that changed        ports that won or lost a frontend
//! note -> ledger -> claims on frontends ---------------------> plan each -> ports -> Diff
//! Held -> mirror of the maps ------------------------------------------------^
//! ```
//!
//! What comes out is the same, but for ids, as if all had been planned from scratch: who has a frontend does
//! not depend on who came first. What was handed out counts as written; if it could not be, the maps are
//! read again ([`Engine::adopt`]).
//!
//! What was only recalled ([`Update::Recalled`]) is older than what an agent before has written: it is served
//! where the maps held nothing, and changes no Service port that they held. So an endpoint that came last is
//! not taken away, and the address of one that went is not given to clients again, which may be another pod's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU16;

use sheave_abi::order::Addr;
use sheave_abi::service::{Frontend, FrontendKey, flags};

use crate::claims::Claims;
use crate::diff::{Diff, MapFull, Retired};
use crate::endpoints::local_ready_count;
use crate::frontends;
use crate::held::Held;
use crate::ledger::Ledger;
use crate::mirror::Mirror;
use crate::model::{EndpointSlice, Knowledge, Model, ObjectKey, Update};
use crate::plan::{
    Conflict, PlannedFrontend, PlannedPort, PortKey, PortKind, host_port_port, service_ports,
};
use crate::port::Port;
use crate::retirement::Grace;

/// What should be, what the maps hold, and the way from one to the other.
#[derive(Debug)]
pub struct Engine {
    ledger: Ledger,
    mirror: Mirror,
    claims: Claims,
    served: BTreeMap<Unit, Served>,
    /// How many Services each address belongs to.
    addresses: HashMap<Addr, u32>,
    /// What did not fit the maps, to be tried again when there is more room.
    unfit: BTreeSet<Unit>,
    full: Option<MapFull>,
    swept: Swept,
    /// What the maps held when the agent started; nothing once a complete state is known.
    found: BTreeSet<FrontendKey>,
    /// Counts the times the maps were read.
    readings: u64,
}

/// What is planned together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Service(ObjectKey),
    HostPorts,
}

impl Unit {
    fn of(port: &PortKey) -> Self {
        match port.kind {
            PortKind::Service => Self::Service(port.service.clone()),
            PortKind::HostPort(_) => Self::HostPorts,
        }
    }
}

/// A unit in the maps.
#[derive(Debug, Default)]
struct Served {
    /// Sorted by key.
    ports: Vec<Port>,
    addresses: Vec<Addr>,
}

/// How far what nobody wants has been removed from maps that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Swept {
    Nothing,
    /// But for what may be a host port of a pod that has not been named yet.
    ButHostPorts,
    All,
}

/// What becomes free while claims are settled.
#[derive(Debug, Default)]
struct Freed {
    frontends: BTreeSet<FrontendKey>,
    ports: Vec<Port>,
}

impl Engine {
    /// Takes over what the maps hold.
    pub fn new(held: Held) -> Self {
        Self {
            ledger: Ledger::new(),
            found: held.frontends.keys().copied().collect(),
            mirror: Mirror::of(held),
            claims: Claims::default(),
            served: BTreeMap::new(),
            addresses: HashMap::new(),
            unfit: BTreeSet::new(),
            full: None,
            swept: Swept::Nothing,
            readings: 0,
        }
    }

    /// Takes over what the maps hold, after a write that failed.
    pub fn adopt(&mut self, held: Held) {
        let (ledger, found) = (std::mem::take(&mut self.ledger), std::mem::take(&mut self.found));
        *self = Self { ledger, found, readings: self.readings + 1, ..Self::new(held) };
    }

    /// Takes note of a change.
    pub fn note(&mut self, update: Update) {
        self.ledger.note(update);
    }

    /// What should be.
    pub fn model(&self) -> &Model {
        self.ledger.model()
    }

    /// Services whose names may lead elsewhere than when this was last asked; see [`Ledger::take_names`].
    pub fn take_names(&mut self) -> BTreeSet<ObjectKey> {
        self.ledger.take_names()
    }

    /// Whether other nodes are new, changed or gone since this was last asked.
    pub fn take_peers_changed(&mut self) -> bool {
        self.ledger.take_peers_changed()
    }

    /// The slices of a Service, in order of name.
    pub fn slices(&self, service: &ObjectKey) -> Vec<&EndpointSlice> {
        self.ledger.slices(service)
    }

    /// What absence means by now.
    pub fn knowledge(&self) -> Knowledge {
        self.ledger.knowledge()
    }

    /// What must be written now; nothing before a state is known.
    pub fn diff(&mut self) -> Diff {
        let mut diff = Diff::default();
        if self.knowledge() == Knowledge::Nothing {
            return diff;
        }
        let mut units = self.changed();
        let freed = self.settle_claims(&mut units);
        for unit in &units {
            self.program(unit, &mut diff);
        }
        for port in freed.ports {
            port.leave(&mut self.mirror, &mut diff);
        }
        for key in freed.frontends {
            if !self.is_wanted(&key) {
                self.mirror.remove_frontend(&key, &mut diff);
            }
        }
        self.sweep(&mut diff);
        if let Some(full) = self.mirror.take_full() {
            self.full = Some(full);
        } else if self.unfit.is_empty() {
            self.full = None;
        }
        diff
    }

    /// What does not fit the maps.
    pub fn full(&self) -> Option<MapFull> {
        self.full
    }

    /// All frontends that more than one wants.
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.claims.conflicts()
    }

    /// Somebody is about to wait until all programs that run have ended, after all that was handed out has
    /// been written. `None` when nothing waits for that.
    pub fn begin_retirement(&mut self) -> Option<Grace> {
        self.mirror.retirement.begin().then_some(Grace { engine: self.readings })
    }

    /// They have ended: what may be written now.
    pub fn end_retirement(&mut self, grace: Grace) -> Retired {
        if grace.engine != self.readings {
            return Retired::default();
        }
        self.mirror.end_retirement()
    }

    /// The Services that have a `healthCheckNodePort`, and how many of their ready endpoints are on this
    /// node: 0 is for load balancers to send nothing here.
    pub fn health_checks(&self) -> Vec<(ObjectKey, NonZeroU16, usize)> {
        let services = self.model().services.values();
        let checked = services.filter_map(|s| Some((s.key.clone(), s.health_check_node_port?)));
        checked
            .map(|(key, port)| {
                let count = self.local_ready_count(&key);
                (key, port, count)
            })
            .collect()
    }

    /// How many ready endpoints of a Service are on this node.
    pub fn local_ready_count(&self, service: &ObjectKey) -> usize {
        local_ready_count(self.ledger.slices(service).into_iter(), &self.model().node)
    }

    fn changed(&mut self) -> BTreeSet<Unit> {
        let changes = self.ledger.take_changes();
        let mut units = BTreeSet::new();
        if self.mirror.take_freed() {
            units = std::mem::take(&mut self.unfit);
        }
        if changes.node || self.swept == Swept::Nothing {
            units.extend(self.model().services.keys().cloned().map(Unit::Service));
            units.extend(self.served.keys().cloned());
            units.insert(Unit::HostPorts);
        }
        units.extend(changes.services.into_iter().map(Unit::Service));
        if changes.host_ports {
            units.insert(Unit::HostPorts);
        }
        units
    }

    /// Gives each frontend to the first that wants it. `units` grows by those that win or lose one thereby.
    fn settle_claims(&mut self, units: &mut BTreeSet<Unit>) -> Freed {
        let mut freed = Freed::default();
        let mut others = BTreeSet::new();
        for unit in units.iter() {
            let (wanted, addresses) = self.wanted(unit);
            let before = self.served.remove(unit).unwrap_or_default();
            self.set_addresses(&before.addresses, &addresses, &mut freed);
            let mut ports: Vec<Option<Port>> = before.ports.into_iter().map(Some).collect();
            let mut served = Served { ports: Vec::with_capacity(wanted.len()), addresses };
            for (key, frontends) in wanted {
                let known = |port: &Option<Port>| port.as_ref().is_some_and(|p| *p.key == key);
                let known = ports.iter_mut().find(|port| known(port)).and_then(Option::take);
                let mut port = known.unwrap_or_else(|| Port::new(key));
                others.extend(self.set_claims(&mut port, frontends, &mut freed));
                served.ports.push(port);
            }
            for mut port in ports.into_iter().flatten() {
                others.extend(self.set_claims(&mut port, Vec::new(), &mut freed));
                freed.ports.push(port);
            }
            if !served.ports.is_empty() {
                self.served.insert(unit.clone(), served);
            }
        }
        units.extend(others);
        freed
    }

    /// Says whom that affects beside the port.
    fn set_claims(
        &mut self,
        port: &mut Port,
        wanted: Vec<FrontendKey>,
        freed: &mut Freed,
    ) -> Vec<Unit> {
        let mut others = Vec::new();
        for key in port.wanted.iter().filter(|key| !wanted.contains(key)) {
            others.extend(self.claims.release(&port.key, key));
            freed.frontends.insert(*key);
        }
        for key in wanted.iter().filter(|key| !port.wanted.contains(key)) {
            others.extend(self.claims.claim(&port.key, *key));
        }
        port.wanted = wanted;
        others.iter().map(|port| Unit::of(port)).collect()
    }

    fn set_addresses(&mut self, before: &[Addr], after: &[Addr], freed: &mut Freed) {
        for addr in after.iter().filter(|addr| !before.contains(addr)) {
            *self.addresses.entry(*addr).or_default() += 1;
        }
        for addr in before.iter().filter(|addr| !after.contains(addr)) {
            let Some(count) = self.addresses.get_mut(addr) else { continue };
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(addr);
                freed.frontends.insert(FrontendKey::address(*addr));
            }
        }
    }

    fn is_wanted(&self, key: &FrontendKey) -> bool {
        if key.marks_address() {
            self.addresses.contains_key(&key.addr)
        } else {
            self.claims.is_held(key)
        }
    }

    /// The frontends that a unit wants, by port, and its addresses.
    fn wanted(&self, unit: &Unit) -> (BTreeMap<PortKey, Vec<FrontendKey>>, Vec<Addr>) {
        let keys = |frontends: Vec<PlannedFrontend>| {
            frontends.into_iter().map(|frontend| frontend.key).collect()
        };
        let model = self.model();
        let mut wanted = BTreeMap::new();
        match unit {
            Unit::Service(key) => {
                let Some(service) = model.services.get(key) else { return Default::default() };
                for (_, key, frontends) in frontends::of_service(service, &model.node) {
                    wanted.insert(key, keys(frontends));
                }
                (wanted, frontends::service_addresses(service).into_iter().collect())
            }
            Unit::HostPorts => {
                for host_port in &model.host_ports {
                    let (key, frontends) = frontends::of_host_port(host_port, &model.node);
                    wanted.entry(key).or_insert_with(|| keys(frontends));
                }
                (wanted, Vec::new())
            }
        }
    }

    fn plan(&self, unit: &Unit) -> BTreeMap<PortKey, PlannedPort> {
        let model = self.model();
        match unit {
            Unit::Service(key) => match model.services.get(key) {
                Some(service) => {
                    let slices = self.ledger.slices(key);
                    service_ports(service, &slices, &model.node).into_iter().collect()
                }
                None => BTreeMap::new(),
            },
            Unit::HostPorts => {
                let mut ports = BTreeMap::new();
                for host_port in &model.host_ports {
                    let (key, port) = host_port_port(host_port, &model.node);
                    ports.entry(key).or_insert(port);
                }
                ports
            }
        }
    }

    fn program(&mut self, unit: &Unit, diff: &mut Diff) {
        let planned = self.plan(unit);
        self.unfit.remove(unit);
        let Some(served) = self.served.get_mut(unit) else { return };
        let missing = self.mirror.missing();
        let is_older = self.ledger.knowledge() == Knowledge::Recalled && *unit != Unit::HostPorts;
        for addr in &served.addresses {
            self.mirror.put_frontend(FrontendKey::address(*addr), Frontend::default(), diff);
        }
        for port in &mut served.ports {
            let Some(planned) = planned.get(&*port.key) else { continue };
            let held = |frontend: &&PlannedFrontend| self.claims.holds(&port.key, &frontend.key);
            let held: Vec<&PlannedFrontend> = planned.frontends.iter().filter(held).collect();
            if is_older && held.iter().any(|frontend| self.found.contains(&frontend.key)) {
                continue;
            }
            port.program(planned, &held, &mut self.mirror, diff);
        }
        if self.mirror.missing() > missing {
            self.unfit.insert(unit.clone());
        }
    }

    /// Removes what the maps held when they were read and nobody wants. What may be a host port stays until
    /// those are known: it is not gone because nobody has named it yet.
    fn sweep(&mut self, diff: &mut Diff) {
        if self.knowledge() != Knowledge::Complete {
            return;
        }
        self.found.clear();
        let reach = match self.ledger.knows_host_ports() {
            true => Swept::All,
            false => Swept::ButHostPorts,
        };
        if self.swept >= reach {
            return;
        }
        const ON_THE_NODE: u32 = flags::EXTERNAL | flags::HOST_ONLY;
        let orphans = self.mirror.frontends.iter().filter(|(key, value)| {
            let may_go = reach == Swept::All || value.flags & ON_THE_NODE == 0;
            may_go && !self.is_wanted(key)
        });
        for key in orphans.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.mirror.remove_frontend(&key, diff);
        }
        self.mirror.retire_orphans();
        self.swept = reach;
    }
}
