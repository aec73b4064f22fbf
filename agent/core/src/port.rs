//! One port in the maps: its number, its backends, its lists, and the frontends that lead to them.

use std::sync::Arc;

use sheave_abi::service::{
    BACKEND_DRAINING, BACKEND_GONE, Frontend, FrontendKey, SlotRange, SourceRange, flags,
};

use crate::backends::Known;
use crate::diff::Diff;
use crate::held::BackendId;
use crate::list::List;
use crate::maglev;
use crate::mirror::Mirror;
use crate::plan::{BackendAddr, ClientRange, PlannedFrontend, PlannedPort, PortKey, Scope};

/// A port, as far as it is in the maps.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) key: Arc<PortKey>,
    /// The frontends it wants, whether it has them or not.
    pub(crate) wanted: Vec<FrontendKey>,
    /// Number in the maps; 0 until it has one.
    service: u32,
    /// Sorted by address.
    backends: Vec<Known>,
    cluster: List,
    local: List,
    /// For clients outside, of either list.
    cluster_table: List,
    local_table: List,
    /// Sorted.
    sources: Vec<SourceRange>,
}

impl Port {
    /// A port that is not in the maps, as far as is known.
    pub(crate) fn new(key: PortKey) -> Self {
        Self {
            key: Arc::new(key),
            wanted: Vec::new(),
            service: 0,
            backends: Vec::new(),
            cluster: List::default(),
            local: List::default(),
            cluster_table: List::default(),
            local_table: List::default(),
            sources: Vec::new(),
        }
    }

    /// Writes what is not as planned. `frontends`: those it has.
    pub(crate) fn program(
        &mut self,
        planned: &PlannedPort,
        frontends: &[&PlannedFrontend],
        mirror: &mut Mirror,
        diff: &mut Diff,
    ) {
        if self.service == 0 {
            self.take_over(frontends, mirror);
        }
        let is_external = |scope| frontends.iter().any(|f| f.external == Some(scope));
        let is_internal = |scope| frontends.iter().any(|f| f.internal == scope);
        let mut wanted = Vec::new();
        for scope in Scope::BOTH {
            if is_internal(scope) || is_external(scope) {
                wanted.extend_from_slice(planned.backends(scope));
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        // Without a frontend there is nothing by which a later start would find what drains.
        let present = if frontends.is_empty() { &[] } else { planned.present.as_slice() };
        self.set_backends(&wanted, present, mirror, diff);
        for scope in Scope::BOTH {
            let backends = planned.backends(scope);
            let has_table = is_external(scope) && self.set_table(scope, backends, mirror, diff);
            if !has_table {
                self.table(scope).leave(&mut mirror.paper(diff));
            }
            let is_read = is_internal(scope) || (is_external(scope) && !has_table);
            let ids = if is_read { self.ids(backends) } else { Vec::new() };
            let missing = self.list(scope).set(&ids, &mut mirror.paper(diff));
            mirror.miss("SLOTS", missing);
        }
        let is_ranged = frontends.iter().any(|frontend| frontend.is_ranged());
        let sources = planned.sources.as_ref().filter(|_| is_ranged);
        self.set_sources(sources.into_iter().flatten(), mirror, diff);
        for frontend in frontends {
            let mut value = Frontend {
                service: self.service,
                internal: self.list(frontend.internal).range(),
                external: SlotRange::default(),
                affinity_s: planned.affinity_s,
                flags: planned.flags(frontend),
            };
            match frontend.external {
                Some(scope) if self.table(scope).is_empty() => {
                    value.external = self.list(scope).range();
                }
                Some(scope) => {
                    value.external = self.table(scope).range();
                    value.flags |= flags::MAGLEV;
                }
                None => {}
            }
            mirror.put_frontend(frontend.key, value, diff);
        }
    }

    /// All that it has goes. Its frontends are gone or another's already.
    pub(crate) fn leave(mut self, mirror: &mut Mirror, diff: &mut Diff) {
        for scope in Scope::BOTH {
            self.list(scope).leave(&mut mirror.paper(diff));
            self.table(scope).leave(&mut mirror.paper(diff));
        }
        for known in &self.backends {
            if mirror.backends.is(known) {
                mirror.retire_backend(known.id, BACKEND_GONE);
            }
        }
        self.sources.iter().for_each(|source| mirror.retirement.source(*source));
        mirror.leave_service(self.service);
    }

    /// Takes the number that its frontends have in the maps and what goes with it: an agent that starts
    /// again changes nothing.
    fn take_over(&mut self, frontends: &[&PlannedFrontend], mirror: &mut Mirror) {
        let held: Vec<(&PlannedFrontend, Frontend)> = frontends
            .iter()
            .filter_map(|frontend| Some((*frontend, *mirror.frontends.get(&frontend.key)?)))
            .collect();
        self.service = mirror.take_service(held.iter().map(|(_, value)| value.service));
        for (frontend, value) in held {
            if value.service != self.service {
                continue;
            }
            let is_table = value.flags & flags::MAGLEV != 0;
            self.take_over_list(frontend.internal, value.internal, mirror);
            match frontend.external {
                Some(scope) if is_table => self.take_over_table(scope, value.external, mirror),
                Some(scope) => self.take_over_list(scope, value.external, mirror),
                None => {}
            }
        }
        self.backends = mirror.orphans.backends.remove(&self.service).unwrap_or_default();
        self.backends.sort_unstable_by_key(|known| known.at);
        self.sources = mirror.orphans.sources.remove(&self.service).unwrap_or_default();
        self.sources.sort_unstable();
    }

    fn take_over_list(&mut self, scope: Scope, range: SlotRange, mirror: &mut Mirror) {
        if self.list(scope).is_empty()
            && range.len > 0
            && let Some(ids) = mirror.orphans.ranges.remove(&range.start)
        {
            *self.list(scope) = List::adopted(range.start, ids, &mut mirror.free_slots);
        }
    }

    fn take_over_table(&mut self, scope: Scope, range: SlotRange, mirror: &mut Mirror) {
        if self.table(scope).is_empty()
            && range.len > 0
            && let Some(ids) = mirror.orphans.ranges.remove(&range.start)
        {
            *self.table(scope) = List::adopted_table(range.start, ids);
        }
    }

    fn list(&mut self, scope: Scope) -> &mut List {
        match scope {
            Scope::Cluster => &mut self.cluster,
            Scope::Local => &mut self.local,
        }
    }

    fn table(&mut self, scope: Scope) -> &mut List {
        match scope {
            Scope::Cluster => &mut self.cluster_table,
            Scope::Local => &mut self.local_table,
        }
    }

    /// Both lists are sorted. A backend that is not wanted drains while its endpoint is there.
    fn set_backends(
        &mut self,
        wanted: &[BackendAddr],
        present: &[BackendAddr],
        mirror: &mut Mirror,
        diff: &mut Diff,
    ) {
        let before = std::mem::take(&mut self.backends);
        let mut wanted = wanted.iter().copied().peekable();
        let service = self.service;
        for known in
            before.into_iter().filter(|known| mirror.backends.is(known)).collect::<Vec<_>>()
        {
            while let Some(at) = wanted.next_if(|at| *at < known.at) {
                self.backends.extend(mirror.add_backend(at, service, diff));
            }
            if wanted.next_if_eq(&known.at).is_some() {
                mirror.keep_backend(known.id, diff);
            } else if present.binary_search(&known.at).is_ok() {
                mirror.retire_backend(known.id, BACKEND_DRAINING);
            } else {
                mirror.retire_backend(known.id, BACKEND_GONE);
            }
            self.backends.push(known);
        }
        for at in wanted {
            self.backends.extend(mirror.add_backend(at, service, diff));
        }
    }

    /// The ids of a sorted list; without those that found no room.
    fn ids(&self, list: &[BackendAddr]) -> Vec<BackendId> {
        let mut known = self.backends.iter();
        let mut ids = Vec::with_capacity(list.len());
        for at in list {
            let rest = known.as_slice();
            let skipped = rest.iter().take_while(|known| known.at < *at).count();
            known = rest[skipped..].iter();
            if let Some(found) = known.as_slice().first().filter(|known| known.at == *at) {
                ids.push(found.id);
            }
        }
        ids
    }

    /// A table as large as suits the list, or as there is room for; false where there is none.
    fn set_table(
        &mut self,
        scope: Scope,
        list: &[BackendAddr],
        mirror: &mut Mirror,
        diff: &mut Diff,
    ) -> bool {
        let ids = self.ids(list);
        if ids.len() != list.len() {
            return false;
        }
        let slots = mirror.limits.slots;
        for size in maglev::sizes(list.len()) {
            let entries = maglev::table(list, size);
            let entries: Vec<BackendId> =
                entries.into_iter().map(|index| ids[index as usize]).collect();
            if self.table(scope).set_table(&entries, slots, &mut mirror.paper(diff)) {
                return true;
            }
        }
        false
    }

    fn set_sources<'a>(
        &mut self,
        ranges: impl Iterator<Item = &'a ClientRange>,
        mirror: &mut Mirror,
        diff: &mut Diff,
    ) {
        let service = self.service;
        let mut wanted: Vec<SourceRange> = ranges.map(|range| range.of_service(service)).collect();
        wanted.sort_unstable();
        for gone in self.sources.iter().filter(|source| wanted.binary_search(source).is_err()) {
            mirror.retirement.source(*gone);
        }
        wanted.retain(|source| {
            self.sources.binary_search(source).is_ok() || mirror.add_source(*source, diff)
        });
        self.sources = wanted;
    }
}
