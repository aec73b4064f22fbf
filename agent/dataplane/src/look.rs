//! Looking at what the maps hold, for answers to people: single entries, and what traffic has left there.
//! Nothing here is for reconciling.

use std::path::Path;

use sheave_abi::order::Addr;
use sheave_abi::pins::UPLINK_LINKS_DIR;
use sheave_abi::service::{
    Affinity, AffinityKey, BACKEND_GONE, Backend, Frontend, FrontendKey, SlotRange, SourceRange,
};
use sheave_abi::settings::Settings;
use sheave_abi::socket::{SocketKey, SocketPeer};
use sheave_abi::tunnel::RemoteRange;

use crate::Dataplane;
use crate::maps::MapError;

/// The clock of the programs: nanoseconds of CLOCK_MONOTONIC.
pub fn now_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to memory that lives until the call returns.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Its seconds, as entries of maps have them.
pub fn now_s() -> u32 {
    (now_ns() / 1_000_000_000) as u32
}

/// Whether programs of ours are installed, whoever runs or does not.
pub fn is_installed(bpffs_dir: &Path) -> bool {
    bpffs_dir.join(sheave_abi::pins::POD_INGRESS).exists()
}

/// The interfaces that our programs are attached to as uplinks, by links.
pub fn uplinks(bpffs_dir: &Path) -> Vec<String> {
    let pins = std::fs::read_dir(bpffs_dir.join(UPLINK_LINKS_DIR)).into_iter().flatten().flatten();
    let names = pins.filter_map(|pin| {
        let name = pin.file_name().into_string().ok()?;
        Some(name.strip_suffix("-ingress")?.replace(':', "."))
    });
    names.collect()
}

impl Dataplane {
    /// All of `FRONTENDS`, in no order.
    pub fn frontends(&self) -> Result<Vec<(FrontendKey, Frontend)>, MapError> {
        self.maps.frontends.entries()
    }

    /// One entry of `FRONTENDS`.
    pub fn frontend(&self, key: &FrontendKey) -> Result<Option<Frontend>, MapError> {
        self.maps.frontends.get(key)
    }

    /// The ids in a range of `SLOTS`, each once, in order of their number.
    pub fn choices(&self, range: SlotRange) -> Result<Vec<u32>, MapError> {
        if range.len == 0 {
            return Ok(Vec::new());
        }
        let mut ids = self.maps.slots.range(range.start, range.len)?;
        ids.retain(|id| *id != 0);
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// One entry of `BACKENDS`, in use or not.
    pub fn backend(&self, id: u32) -> Result<Option<Backend>, MapError> {
        self.maps.backends.get(&id)
    }

    /// The entries of `BACKENDS` that are in use, by id: live and draining.
    pub fn backends_in_use(&self) -> Result<Vec<(u32, Backend)>, MapError> {
        const CHUNK: u32 = 4096;
        let len = self.maps.backends.max_entries();
        let mut found = Vec::new();
        for start in (0..len).step_by(CHUNK as usize) {
            let chunk = self.maps.backends.range(start, CHUNK.min(len - start))?;
            let used = (start..).zip(chunk).filter(|(_, b)| b.state != BACKEND_GONE);
            found.extend(used);
        }
        Ok(found)
    }

    /// `SOURCES`: whether a service port with source ranges takes this client.
    pub fn admits(&self, service: u32, client: Addr) -> Result<bool, MapError> {
        // The longest key finds the longest range that holds it.
        let key = SourceRange { prefix_len: 32 + 128, service, addr: client };
        let Some(sources) = &self.maps.sources else { return Ok(true) };
        Ok(sources.get(&key)?.is_some())
    }

    /// One entry of `AFFINITY`.
    pub fn affinity(&self, key: &AffinityKey) -> Result<Option<Affinity>, MapError> {
        self.maps.affinity.get(key)
    }

    /// All of `SOCKETS`, in no order; entries of sockets that are closed among them.
    pub fn socket_entries(&self) -> Result<Vec<(SocketKey, SocketPeer)>, MapError> {
        self.maps.sockets.entries()
    }

    /// Whether `OPTED_OUT` names the network namespace with this cookie.
    pub fn is_opted_out(&self, netns_cookie: u64) -> Result<bool, MapError> {
        let Some(opted_out) = &self.maps.opted_out else { return Ok(false) };
        Ok(opted_out.get(&netns_cookie)?.is_some())
    }

    /// Whether `ENDPOINTS` names a pod of this node by this address.
    pub fn is_pod_here(&self, addr: Addr) -> Result<bool, MapError> {
        Ok(self.maps.endpoints.get(&addr)?.is_some())
    }

    /// `UPLINKS`: the node's own addresses there, each once.
    pub fn node_addresses(&self) -> Result<Vec<Addr>, MapError> {
        let uplinks = self.maps.uplinks.entries()?.into_iter();
        let mut found: Vec<Addr> = uplinks.flat_map(|(_, up)| [up.addr4, up.addr6]).collect();
        found.retain(|addr| *addr != Addr::default());
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// `CARRIAGE` and `REMOTES`: whether what clients outside send to a pod with this address is carried to its node as
    /// it came.
    pub fn is_carried_to(&self, addr: Addr) -> Result<bool, MapError> {
        let (Some(carriage), Some(remotes)) = (&self.maps.carriage, &self.maps.remotes) else {
            return Ok(false);
        };
        let settings = self.settings()?;
        if !settings.cluster_pods.hold(&addr) || settings.node_pods.hold(&addr) {
            return Ok(false);
        }
        let carries = carriage.get(&0)?.is_some_and(|carriage| carriage.device != 0);
        Ok(carries && remotes.get(&RemoteRange { prefix_len: 128, addr })?.is_some())
    }

    /// `SETTINGS`.
    pub fn settings(&self) -> Result<Settings, MapError> {
        Ok(self.maps.settings.get(&0)?.unwrap_or_default())
    }
}
