//! How full the maps are, counted without holding what is in them.

use sheave_abi::service::BACKEND_GONE;

use crate::Dataplane;
use crate::maps::MapError;

impl Dataplane {
    /// Each map whose room is limited, with how many entries it holds and how many fit.
    pub fn occupancy(&self) -> Result<Vec<(&'static str, usize, u32)>, MapError> {
        let maps = &self.maps;
        let mut all = vec![
            ("FRONTENDS", maps.frontends.count()?, maps.frontends.max_entries()),
            ("BACKENDS", self.backends_counted()?, maps.backends.max_entries()),
            ("ENDPOINTS", maps.endpoints.count()?, maps.endpoints.max_entries()),
            ("FLOWS", maps.flows.count()?, maps.flows.max_entries()),
            ("OPENING", maps.opening.count()?, maps.opening.max_entries()),
            ("SOCKETS", maps.sockets.count()?, maps.sockets.max_entries()),
            ("AFFINITY", maps.affinity.count()?, maps.affinity.max_entries()),
        ];
        if let Some(opted_out) = &maps.opted_out {
            all.push(("OPTED_OUT", opted_out.count()?, opted_out.max_entries()));
        }
        Ok(all)
    }

    fn backends_counted(&self) -> Result<usize, MapError> {
        const CHUNK: u32 = 4096;
        let len = self.maps.backends.max_entries();
        let mut used = 0;
        for start in (0..len).step_by(CHUNK as usize) {
            let chunk = self.maps.backends.range(start, CHUNK.min(len - start))?;
            used += chunk.iter().filter(|backend| backend.state != BACKEND_GONE).count();
        }
        Ok(used)
    }
}
