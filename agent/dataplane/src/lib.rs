//! The only owner of aya: load, attach, pin, write maps, read events and counters.
//!
//! ```text
//! Dataplane::open   bpffs -> maps' layouts -> load all programs -> put them to work
//!           held    maps -> core's Held        (a restart begins here)
//!           apply   core's Diff -> maps, in its order
//!           retire  what waited for readers to end
//! ```
//!
//! Everything is pinned: when the agent ends, however it ends, programs and maps go on. Calls block for
//! as long as the kernel needs; a caller with an executor makes them on a thread of their own.

mod bpffs;
mod busy;
mod cgroup2;
mod cleanup;
mod clients;
mod echo;
mod ethtool;
mod features;
mod figures;
mod interface;
mod log;
mod look;
mod maps;
mod namespaces;
mod network;
mod occupancy;
mod opt_out;
mod pod_network;
mod programs;
mod sizes;
mod sock_diag;
mod sys;
mod tc;
mod trace;
mod write;
mod xdp;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey};
use sheave_abi::order::Addr;
use sheave_abi::pins::{
    CGROUP_LINKS_DIR, MAPS_DIR, POD_LINKS_DIR, PROGRAMS_DIR, TUNNEL_LINKS_DIR, UPLINK_LINKS_DIR,
    XDP_LINKS_DIR,
};
use sheave_abi::service::BACKEND_GONE;
use sheave_core::held::{BackendId, Held, Limits};

pub use bpffs::BpffsError;
pub use busy::calls_retried;
pub use cgroup2::CgroupError;
pub use cleanup::{Cleaned, CleanupError, cleanup, installed, installed_network};
pub use echo::{ECHO_TIMEOUT, Echo, EchoError};
pub use features::{Feature, Features};
pub use figures::Figures;
pub use interface::{InterfaceError, netns_cookie};
pub use look::{is_installed, now_ns, now_s, uplinks};
pub use maps::MapError;
pub use namespaces::{Namespace, namespaces};
pub use network::{Cidr, Network};
pub use opt_out::{OptOutError, opt_in, opt_out};
pub use pod_network::{
    Clients, Existing, NetlinkError, ROUTE_PROTOCOL, RoutesApplied, apply_routes, device,
    ensure_device, mtu, on_link,
};
pub use programs::{AttachError, DRIVER_HOOK, LoadError, PACKET_HOOKS, SOCKET_HOOKS};
pub use tc::{AttachedProgram, ProgramOrder, TcAttachment, programs_at};

pub use sizes::Sizes;
pub use sock_diag::OpenSocket;
pub use trace::Records;
pub use write::wait_for_readers;
pub use xdp::{Served, WhyNot, XdpMode, xdp_at};

use maps::Maps;
use programs::Loaded;

/// What a node's dataplane is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataplaneConfig {
    /// Where everything is pinned; a BPF file system.
    pub bpffs_dir: PathBuf,
    /// Mount a BPF file system if none is there.
    pub mount_bpffs: bool,
    /// The cgroup whose processes have their sockets translated; `None`: the root of the hierarchy that
    /// is mounted.
    pub cgroup2_path: Option<PathBuf>,
    /// Interfaces that lead out of the node.
    pub uplinks: Vec<String>,
    /// `None`: links where the kernel has them.
    pub tc_attachment: Option<TcAttachment>,
    /// Among the programs that others attach to the uplinks.
    pub program_order: ProgramOrder,
    /// Whether the uplinks' drivers run a program too.
    pub xdp: XdpMode,
    /// Sizes of the maps that are not there yet; `None`: by the memory of the machine.
    pub sizes: Option<Sizes>,
}

impl Default for DataplaneConfig {
    fn default() -> Self {
        Self {
            bpffs_dir: sheave_abi::pins::DIR.into(),
            mount_bpffs: true,
            cgroup2_path: None,
            uplinks: Vec::new(),
            tc_attachment: None,
            program_order: ProgramOrder::default(),
            xdp: XdpMode::default(),
            sizes: None,
        }
    }
}

/// The dataplane could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The agent may not.
    #[error(
        "the dataplane needs root: run the agent as root, or give it CAP_BPF, CAP_NET_ADMIN and CAP_SYS_ADMIN"
    )]
    NotRoot,
    /// No place for pins.
    #[error(transparent)]
    Bpffs(#[from] BpffsError),
    /// No place for the socket hooks.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// An uplink cannot carry programs.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// Programs do not load and none ran before.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Programs do not attach.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// Maps are unusable.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// Which programs run.
#[derive(Debug)]
pub enum ProgramsRunning {
    /// Those of this version.
    Ours,
    /// Those of the version before: ours were refused, for this reason.
    Before(LoadError),
}

/// The dataplane of one node, open for changes.
#[derive(Debug)]
pub struct Dataplane {
    maps: Maps,
    running: ProgramsRunning,
    served: Served,
    bpffs_dir: PathBuf,
    how: TcAttachment,
    /// Whoever wrote before us may have freed slots and ids a moment ago that programs still read: none may
    /// be written before [`wait_for_readers`]. From then on the engine sees to that.
    readers_linger: bool,
}

impl Dataplane {
    /// Installs the dataplane, or takes over the one that is installed: its maps are used as they are and
    /// its programs replaced one by one, each at once.
    pub fn open(config: &DataplaneConfig) -> Result<Self, OpenError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(OpenError::NotRoot);
        }
        let cgroup = cgroup2::open(config.cgroup2_path.as_deref())?;
        let dir = &config.bpffs_dir;
        bpffs::ensure(dir, config.mount_bpffs)?;
        for sub in [
            MAPS_DIR,
            PROGRAMS_DIR,
            CGROUP_LINKS_DIR,
            UPLINK_LINKS_DIR,
            XDP_LINKS_DIR,
            POD_LINKS_DIR,
            TUNNEL_LINKS_DIR,
        ] {
            bpffs::make_dir(&dir.join(sub))?;
        }
        let uplinks = config
            .uplinks
            .iter()
            .map(|name| Ok((name.clone(), interface::ethernet(name)?)))
            .collect::<Result<Vec<_>, InterfaceError>>()?;
        // Before anything is loaded: a program must not run on a map whose entries it misreads.
        match Maps::open(dir) {
            Ok(_) | Err(MapError::Absent { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let sizes = config.sizes.unwrap_or_else(Sizes::of_this_machine);
        let mut planned = xdp::plan(config.xdp, &uplinks);
        let loaded = Loaded::load(dir, sizes)
            .and_then(|loaded| loaded.with_driver(dir, sizes, &mut planned));
        let mut loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                let installed = dir.join(sheave_abi::pins::POD_INGRESS).exists();
                return if installed {
                    Ok(Self::around(dir, ProgramsRunning::Before(error))?)
                } else {
                    Err(error.into())
                };
            }
        };
        let mut dataplane = Self::around(dir, ProgramsRunning::Ours)?;
        let how = config.tc_attachment.unwrap_or_else(features::tc_attachment);
        dataplane.how = how;
        loaded.attach_sockets(dir, &cgroup)?;
        let pods = dataplane.maps.endpoints.entries()?;
        let host_ifindexes: Vec<u32> = pods.iter().map(|(_, pod)| pod.host_ifindex).collect();
        loaded.attach_pods(dir, how, &host_ifindexes)?;
        loaded.attach_uplinks(dir, (how, config.program_order), &uplinks)?;
        loaded.pin_tunnel(dir)?;
        dataplane.served = loaded.attach_driver(dir, &uplinks, planned)?;
        loaded.listen();
        drop(loaded);
        dataplane.enter_older_pods()?;
        sys::return_freed_memory();
        Ok(dataplane)
    }

    /// Opens the maps of an installed dataplane and touches nothing else: for those who only look.
    pub fn inspect(bpffs_dir: &Path) -> Result<Self, MapError> {
        Self::around(bpffs_dir, ProgramsRunning::Ours)
    }

    fn around(bpffs_dir: &Path, running: ProgramsRunning) -> Result<Self, MapError> {
        Ok(Self {
            maps: Maps::open(bpffs_dir)?,
            running,
            served: Served::new(),
            bpffs_dir: bpffs_dir.to_owned(),
            how: TcAttachment::Tcx,
            readers_linger: true,
        })
    }

    /// Which programs run.
    pub fn running(&self) -> &ProgramsRunning {
        &self.running
    }

    /// By which way each uplink is served; nothing for who only looks, and while others' programs run.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// Reads what the maps hold.
    pub fn held(&self) -> Result<Held, MapError> {
        let limits = Limits {
            frontends: self.maps.frontends.max_entries(),
            backends: self.maps.backends.max_entries(),
            slots: self.maps.slots.max_entries(),
            sources: self.maps.sources.as_ref().map_or(0, maps::Table::max_entries),
        };
        let frontends: BTreeMap<_, _> = self.maps.frontends.entries()?.into_iter().collect();
        // The frontends of one list may disagree about its length, if a writer was killed between them.
        let mut lens = BTreeMap::<u32, u32>::new();
        for range in frontends.values().flat_map(|f| [f.internal, f.external]) {
            if range.len != 0 {
                let len = lens.entry(range.start).or_default();
                *len = range.len.max(*len);
            }
        }
        let mut ranges = BTreeMap::new();
        for (start, len) in lens {
            let slots = self.maps.slots.range(start, len)?;
            ranges.insert(start, slots.into_iter().map(BackendId).collect());
        }
        let sources = match &self.maps.sources {
            Some(map) => map.trie_entries()?.into_iter().map(|(source, _)| source).collect(),
            None => BTreeSet::new(),
        };
        let backends = self.backends(limits.backends)?;
        Ok(Held { frontends, backends, ranges, sources, limits })
    }

    fn backends(
        &self,
        len: u32,
    ) -> Result<BTreeMap<BackendId, sheave_abi::service::Backend>, MapError> {
        const CHUNK: u32 = 4096;
        let mut backends = BTreeMap::new();
        for start in (0..len).step_by(CHUNK as usize) {
            let chunk = self.maps.backends.range(start, CHUNK.min(len - start))?;
            for (id, backend) in (start..).zip(chunk) {
                if backend.state != BACKEND_GONE || backend.generation != 0 {
                    backends.insert(BackendId(id), backend);
                }
            }
        }
        Ok(backends)
    }

    /// All counters, summed over the CPUs.
    pub fn counters(&self) -> Result<Vec<(Event, u64)>, MapError> {
        Event::ALL.iter().map(|event| Ok((*event, self.maps.counter(*event)?))).collect()
    }

    /// The pods of this node that packets are delivered to, as the CNI plugin has entered them.
    pub fn endpoints(&self) -> Result<Vec<(Addr, Endpoint)>, MapError> {
        self.maps.endpoints.entries()
    }

    /// Enters a pod, for tests and for repair; the CNI plugin does so by itself.
    pub fn put_endpoint(&self, addr: Addr, endpoint: Endpoint) -> Result<(), MapError> {
        self.maps.endpoints.put(&addr, &endpoint)
    }

    /// Takes a pod out.
    pub fn remove_endpoint(&self, addr: Addr) -> Result<(), MapError> {
        self.maps.endpoints.remove(&addr)
    }

    /// How many entries each map holds, and how many fit, for those that fill with traffic.
    pub fn pressure(&self) -> Result<Vec<(&'static str, usize, u32)>, MapError> {
        Ok(vec![
            ("FLOWS", self.maps.flows.entries()?.len(), self.maps.flows.max_entries()),
            ("OPENING", self.maps.opening.entries()?.len(), self.maps.opening.max_entries()),
            ("SOCKETS", self.maps.sockets.entries()?.len(), self.maps.sockets.max_entries()),
            ("AFFINITY", self.maps.affinity.entries()?.len(), self.maps.affinity.max_entries()),
        ])
    }

    /// The flows of the packet path that were answered and went on.
    pub fn flows(&self) -> Result<Vec<(FlowKey, Flow)>, MapError> {
        self.maps.flows.entries()
    }

    /// Forgets what traffic has left: flows, fragments, which backend a client had. Connections that were
    /// translated packet by packet are cut. For tests that want a node as new.
    pub fn forget_traffic(&self) -> Result<(), MapError> {
        for flows in [&self.maps.flows, &self.maps.opening] {
            for (key, _) in flows.entries()? {
                flows.remove(&key)?;
            }
        }
        for (key, _) in self.maps.fragments.entries()? {
            self.maps.fragments.remove(&key)?;
        }
        for (key, _) in self.maps.affinity.entries()? {
            self.maps.affinity.remove(&key)?;
        }
        let slots: Vec<u32> = (0..self.maps.answering.max_entries()).collect();
        self.maps.answering.put_all(&slots, &vec![0; slots.len()])
    }

    /// Those that only began.
    pub fn opening(&self) -> Result<Vec<(FlowKey, Flow)>, MapError> {
        self.maps.opening.entries()
    }
}

/// The packet programs, loaded on the maps of `bpffs_dir` and attached to nothing: for packet tables.
pub fn load_packet_programs(bpffs_dir: &Path) -> Result<PacketPrograms, OpenError> {
    bpffs::ensure(bpffs_dir, true)?;
    bpffs::make_dir(&bpffs_dir.join(MAPS_DIR))?;
    let sizes = Sizes::for_memory(0);
    let loaded = Loaded::load(bpffs_dir, sizes)?;
    Ok(PacketPrograms { loaded: loaded.load_driver(bpffs_dir, sizes)? })
}

/// Likewise those of another build, which log; what they say is passed on from now on.
pub fn load_logging_packet_programs(
    bpffs_dir: &Path,
    object: &[u8],
) -> Result<PacketPrograms, OpenError> {
    bpffs::ensure(bpffs_dir, true)?;
    bpffs::make_dir(&bpffs_dir.join(MAPS_DIR))?;
    let mut loaded = Loaded::load_with(object, bpffs_dir, Sizes::for_memory(0))?;
    loaded.listen();
    Ok(PacketPrograms { loaded })
}

/// See [`load_packet_programs`].
pub struct PacketPrograms {
    loaded: Loaded,
}

impl PacketPrograms {
    /// Runs one program once on one frame, as if it had come in through the loopback of this namespace:
    /// the verdict as tc or XDP has it, and the frame afterwards.
    pub fn run(&mut self, program: &str, frame: &[u8]) -> Result<(i32, Vec<u8>), OpenError> {
        use aya::TestRunOptions;
        let mut out = vec![0; frame.len() + 256];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut out),
            ..TestRunOptions::default()
        };
        let result = self.loaded.test_run(program, options)?;
        let len = result.data_size_out as usize;
        out.truncate(len);
        Ok((result.return_value as i32, out))
    }
}
