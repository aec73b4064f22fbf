//! Writing differences, in their order. No decisions are left here.

use sheave_abi::service::{Backend, Frontend, FrontendKey, SourceRange};
use sheave_core::diff::{Diff, Retired};
use sheave_core::held::BackendId;

use crate::maps::MapError;
use crate::{Dataplane, sys};

/// Differences of more entries than this leave behind enough freed memory to give it back.
const LARGE: usize = 10_000;

impl Dataplane {
    /// Writes `diff` and says how many entries that were; it is in effect then. After an error the maps
    /// hold a part of it, in an order that readers may see: read [`Dataplane::held`] again and go on from
    /// there.
    pub fn apply(&mut self, diff: &Diff) -> Result<usize, MapError> {
        let written = self.write(diff);
        // What the maps hold is read again, and with it what programs may still read seems free.
        self.readers_linger |= written.is_err();
        written
    }

    fn write(&mut self, diff: &Diff) -> Result<usize, MapError> {
        let Diff { backends, slots, sources, frontends, gone_frontends } = diff;
        if self.readers_linger && !(backends.is_empty() && slots.is_empty()) {
            wait_for_readers();
            self.readers_linger = false;
        }
        self.put_backends(backends)?;
        let (indexes, ids): (Vec<u32>, Vec<u32>) =
            slots.iter().map(|(index, id)| (*index, id.0)).unzip();
        self.maps.slots.put_all(&indexes, &ids)?;
        if let (Some(map), false) = (&self.maps.sources, sources.is_empty()) {
            map.put_all(sources, &vec![1; sources.len()])?;
        }
        let (keys, values): (Vec<FrontendKey>, Vec<Frontend>) = frontends.iter().copied().unzip();
        self.maps.frontends.put_all(&keys, &values)?;
        for key in gone_frontends {
            self.maps.frontends.remove(key)?;
        }
        if diff.writes() > LARGE {
            sys::return_freed_memory();
        }
        Ok(diff.writes())
    }

    /// Writes what waited until readers had ended ([`wait_for_readers`]), and says how many entries.
    pub fn retire(&mut self, retired: &Retired) -> Result<usize, MapError> {
        let written = self.put_backends(&retired.backends).and_then(|()| {
            retired.sources.iter().try_for_each(|source| self.remove_source(source))
        });
        self.readers_linger |= written.is_err();
        written.map(|()| retired.writes())
    }

    fn remove_source(&self, source: &SourceRange) -> Result<(), MapError> {
        self.maps.sources.as_ref().map_or(Ok(()), |map| map.remove(source))
    }

    fn put_backends(&self, backends: &[(BackendId, Backend)]) -> Result<(), MapError> {
        let (ids, values): (Vec<u32>, Vec<Backend>) =
            backends.iter().map(|(id, backend)| (id.0, *backend)).unzip();
        self.maps.backends.put_all(&ids, &values)
    }
}

/// Returns once every run of a program has ended that had begun when this was called.
pub fn wait_for_readers() {
    sys::wait_for_running_programs();
}
