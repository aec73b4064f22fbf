//! Writing a difference, in its order. No decisions are left here.

use sheave_abi::service::{Backend, Frontend, FrontendKey};
use sheave_core::diff::Diff;
use sheave_core::held::BackendId;

use crate::maps::MapError;
use crate::{Dataplane, sys};

impl Dataplane {
    /// Writes `diff` and says how many entries that were. After an error the maps hold a part of it, in
    /// an order that readers may see: read [`Dataplane::held`] again and go on from there.
    pub fn apply(&mut self, diff: &Diff) -> Result<usize, MapError> {
        let Diff { backends, slots, frontends, gone_frontends, gone_backends } = diff;
        if diff.is_empty() {
            return Ok(0);
        }
        if self.readers_linger && !(backends.is_empty() && slots.is_empty()) {
            self.wait_for_readers();
        }
        self.put_backends(backends)?;
        self.put_slots(slots)?;
        self.put_frontends(frontends)?;
        for key in gone_frontends {
            self.maps.frontends.remove(key)?;
        }
        self.readers_linger |= !(frontends.is_empty() && gone_frontends.is_empty());
        if !gone_backends.is_empty() {
            self.wait_for_readers();
            self.put_backends(gone_backends)?;
        }
        Ok(diff.writes())
    }

    fn wait_for_readers(&mut self) {
        sys::wait_for_running_programs();
        self.readers_linger = false;
    }

    fn put_backends(&self, backends: &[(BackendId, Backend)]) -> Result<(), MapError> {
        let (ids, values): (Vec<u32>, Vec<Backend>) =
            backends.iter().map(|(id, backend)| (id.0, *backend)).unzip();
        self.maps.backends.put_all(&ids, &values)
    }

    fn put_slots(&self, slots: &[(u32, Vec<BackendId>)]) -> Result<(), MapError> {
        let (indexes, ids): (Vec<u32>, Vec<u32>) = slots
            .iter()
            .flat_map(|(start, list)| (*start..).zip(list.iter().map(|id| id.0)))
            .unzip();
        self.maps.slots.put_all(&indexes, &ids)
    }

    fn put_frontends(&self, frontends: &[(FrontendKey, Frontend)]) -> Result<(), MapError> {
        let (keys, values): (Vec<FrontendKey>, Vec<Frontend>) = frontends.iter().copied().unzip();
        self.maps.frontends.put_all(&keys, &values)
    }
}
