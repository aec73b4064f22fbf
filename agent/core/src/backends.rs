//! Ids and generations of backends, as `BACKENDS` holds them.

use std::collections::{BTreeMap, BTreeSet};

use sheave_abi::service::{BACKEND_GONE, BACKEND_LIVE, Backend};

use crate::held::BackendId;
use crate::plan::BackendAddr;

/// A backend that a port knows by its address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) at: BackendAddr,
    pub(crate) id: BackendId,
    /// The use of the id that is meant.
    pub(crate) generation: u32,
}

/// All backends.
#[derive(Debug)]
pub(crate) struct Backends {
    /// By id; what has never been used is all zero.
    values: Vec<Backend>,
    /// Ids below the length of `values` that may be given.
    free: BTreeSet<u32>,
    max: u32,
}

impl Backends {
    /// What the maps hold.
    pub(crate) fn adopted(held: &BTreeMap<BackendId, Backend>, max: u32) -> Self {
        let len = held.keys().next_back().map_or(0, |id| id.0) + 1;
        let mut values = vec![Backend::default(); len as usize];
        for (id, backend) in held {
            values[id.0 as usize] = *backend;
        }
        let is_free = |id: &u32| values[*id as usize].state == BACKEND_GONE;
        let free = (1..len).filter(is_free).collect();
        Self { values, free, max }
    }

    /// What is written for `id`.
    pub(crate) fn get(&self, id: BackendId) -> Backend {
        self.values[id.0 as usize]
    }

    /// True while the id is still used as it was.
    pub(crate) fn is(&self, known: &Known) -> bool {
        let backend = self.get(known.id);
        backend.state != BACKEND_GONE && backend.generation == known.generation
    }

    /// How many ids are not free.
    pub(crate) fn in_use(&self) -> usize {
        self.values.len() - 1 - self.free.len()
    }

    /// Gives an id; `None` when the map is full. Ids that are used again have the next generation.
    pub(crate) fn add(&mut self, at: BackendAddr, service: u32) -> Option<(Known, Backend)> {
        let id = match self.free.pop_first() {
            Some(id) => id,
            None if self.values.len() < self.max as usize => {
                self.values.push(Backend::default());
                self.values.len() as u32 - 1
            }
            None => return None,
        };
        let value = &mut self.values[id as usize];
        let generation = value.generation.wrapping_add(1);
        let (addr, port) = (at.addr, at.port);
        *value = Backend { addr, service, generation, port, state: BACKEND_LIVE };
        Some((Known { at, id: BackendId(id), generation }, *value))
    }

    /// The same backend in another state.
    pub(crate) fn set_state(&mut self, id: BackendId, state: u16) -> Backend {
        let value = &mut self.values[id.0 as usize];
        value.state = state;
        if state == BACKEND_GONE {
            self.free.insert(id.0);
        }
        *value
    }
}
