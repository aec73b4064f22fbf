//! The pinned maps, typed.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, FragmentKey, FragmentPorts};
use sheave_abi::order::Addr;
use sheave_abi::pins::MAPS_DIR;
use sheave_abi::service::{Affinity, AffinityKey, Backend, Frontend, FrontendKey, SourceRange};
use sheave_abi::settings::Settings;
use sheave_abi::socket::{SocketKey, SocketPeer};
use sheave_abi::tunnel::{Carriage, Overlay, Remote, RemoteRange};
use sheave_abi::uplink::Uplink;

use crate::sys::{self, Plain};

macro_rules! plain {
    ($($name:ty),*) => {
        $(
            // SAFETY: repr(C), integers and byte arrays only, size asserted in the abi: no padding.
            unsafe impl Plain for $name {}
        )*
    };
}
plain!(Addr, Endpoint, FrontendKey, Frontend, Backend, Settings, FlowKey, Flow);
plain!(FragmentKey, FragmentPorts);
plain!(SocketKey, SocketPeer, AffinityKey, Affinity, SourceRange, Uplink);
plain!(RemoteRange, Remote, Overlay, Carriage);

/// A map could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// It is not there.
    #[error("map {map} is not pinned at {path}: the dataplane is not installed; make this machine a node with `sheave up` or `sheave join`", path = path.display())]
    Absent {
        /// Its name.
        map: &'static str,
        /// Where it should be.
        path: std::path::PathBuf,
    },
    /// It was made by a version with another layout.
    #[error(
        "map {map} has keys of {found_key} and values of {found_value} bytes where this version has {key} and {value}: another version made it; run `sheave cleanup`, which ends this node's service connections, and start again"
    )]
    Layout {
        /// Its name.
        map: &'static str,
        /// Size of a key in this version.
        key: usize,
        /// Size of a value in this version.
        value: usize,
        /// Size of a key as found.
        found_key: u32,
        /// Size of a value as found.
        found_value: u32,
    },
    /// The kernel refused.
    #[error("cannot {verb} map {map}")]
    Io {
        /// Its name.
        map: &'static str,
        /// What was tried.
        verb: &'static str,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// One pinned map.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    name: &'static str,
    fd: OwnedFd,
    max_entries: u32,
    _types: PhantomData<(K, V)>,
}

impl<K: Plain, V: Plain> Table<K, V> {
    pub(crate) fn open(bpffs_dir: &Path, name: &'static str) -> Result<Self, MapError> {
        let path = bpffs_dir.join(MAPS_DIR).join(name);
        let error = |error| MapError::Io { map: name, verb: "open", error };
        let Some(fd) = sys::open_pinned(&path).map_err(error)? else {
            return Err(MapError::Absent { map: name, path });
        };
        let info = sys::map_info(fd.as_fd()).map_err(error)?;
        if info.key_size as usize != size_of::<K>() || info.value_size as usize != size_of::<V>() {
            return Err(MapError::Layout {
                map: name,
                key: size_of::<K>(),
                value: size_of::<V>(),
                found_key: info.key_size,
                found_value: info.value_size,
            });
        }
        Ok(Self { name, fd, max_entries: info.max_entries, _types: PhantomData })
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn failed(&self, verb: &'static str) -> impl FnOnce(io::Error) -> MapError {
        let map = self.name;
        move |error| MapError::Io { map, verb, error }
    }

    pub(crate) fn max_entries(&self) -> u32 {
        self.max_entries
    }

    pub(crate) fn get(&self, key: &K) -> Result<Option<V>, MapError> {
        sys::lookup(self.fd(), key).map_err(self.failed("read"))
    }

    pub(crate) fn put(&self, key: &K, value: &V) -> Result<(), MapError> {
        sys::update(self.fd(), key, value).map_err(self.failed("write"))
    }

    pub(crate) fn put_all(&self, keys: &[K], values: &[V]) -> Result<(), MapError> {
        sys::update_batch(self.fd(), keys, values).map_err(self.failed("write"))
    }

    pub(crate) fn remove(&self, key: &K) -> Result<(), MapError> {
        sys::delete(self.fd(), key).map_err(self.failed("remove from"))
    }

    /// For hash maps.
    pub(crate) fn entries(&self) -> Result<Vec<(K, V)>, MapError> {
        sys::hash_entries(self.fd()).map_err(self.failed("read"))
    }
}

impl<K: Plain, V: Plain> Table<K, V> {
    /// For hash maps: how many entries there are.
    pub(crate) fn count(&self) -> Result<usize, MapError> {
        sys::hash_count::<K, V>(self.fd()).map_err(self.failed("read"))
    }
}

impl<K: Plain, V: Plain> Table<K, V> {
    /// For tries.
    pub(crate) fn trie_entries(&self) -> Result<Vec<(K, V)>, MapError> {
        sys::trie_entries(self.fd()).map_err(self.failed("read"))
    }
}

impl<V: Plain> Table<u32, V> {
    /// For arrays.
    pub(crate) fn range(&self, start: u32, len: u32) -> Result<Vec<V>, MapError> {
        sys::array_range(self.fd(), start, len).map_err(self.failed("read"))
    }
}

/// A map that may be absent, where an older version made the others.
fn younger<K, V>(table: Result<Table<K, V>, MapError>) -> Result<Option<Table<K, V>>, MapError> {
    match table {
        Ok(table) => Ok(Some(table)),
        Err(MapError::Absent { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All maps of one node.
#[derive(Debug)]
pub(crate) struct Maps {
    pub(crate) frontends: Table<FrontendKey, Frontend>,
    pub(crate) slots: Table<u32, u32>,
    pub(crate) backends: Table<u32, Backend>,
    /// Not there in maps that were made by a version without it.
    pub(crate) sources: Option<Table<SourceRange, u8>>,
    pub(crate) endpoints: Table<Addr, Endpoint>,
    /// Likewise.
    pub(crate) namespaces: Option<Table<Addr, u64>>,
    pub(crate) flows: Table<FlowKey, Flow>,
    pub(crate) opening: Table<FlowKey, Flow>,
    pub(crate) fragments: Table<FragmentKey, FragmentPorts>,
    pub(crate) answering: Table<u32, u32>,
    pub(crate) uplinks: Table<u32, Uplink>,
    pub(crate) sockets: Table<SocketKey, SocketPeer>,
    pub(crate) affinity: Table<AffinityKey, Affinity>,
    /// Likewise.
    pub(crate) opted_out: Option<Table<u64, u32>>,
    /// Likewise.
    pub(crate) remotes: Option<Table<RemoteRange, Remote>>,
    /// Likewise.
    pub(crate) peers: Option<Table<Addr, u32>>,
    /// Likewise.
    pub(crate) overlay: Option<Table<u32, Overlay>>,
    /// Likewise.
    pub(crate) carriers: Option<Table<u32, Addr>>,
    /// Likewise.
    pub(crate) carriage: Option<Table<u32, Carriage>>,
    pub(crate) settings: Table<u32, Settings>,
    counters: Table<u32, u64>,
}

impl Maps {
    pub(crate) fn open(bpffs_dir: &Path) -> Result<Self, MapError> {
        Ok(Self {
            frontends: Table::open(bpffs_dir, "FRONTENDS")?,
            slots: Table::open(bpffs_dir, "SLOTS")?,
            backends: Table::open(bpffs_dir, "BACKENDS")?,
            sources: younger(Table::open(bpffs_dir, "SOURCES"))?,
            endpoints: Table::open(bpffs_dir, "ENDPOINTS")?,
            namespaces: younger(Table::open(bpffs_dir, "NAMESPACES"))?,
            flows: Table::open(bpffs_dir, "FLOWS")?,
            opening: Table::open(bpffs_dir, "OPENING")?,
            fragments: Table::open(bpffs_dir, "FRAGMENTS")?,
            answering: Table::open(bpffs_dir, "ANSWERING")?,
            uplinks: Table::open(bpffs_dir, "UPLINKS")?,
            sockets: Table::open(bpffs_dir, "SOCKETS")?,
            affinity: Table::open(bpffs_dir, "AFFINITY")?,
            opted_out: younger(Table::open(bpffs_dir, "OPTED_OUT"))?,
            remotes: younger(Table::open(bpffs_dir, "REMOTES"))?,
            peers: younger(Table::open(bpffs_dir, "PEERS"))?,
            overlay: younger(Table::open(bpffs_dir, "OVERLAY"))?,
            carriers: younger(Table::open(bpffs_dir, "CARRIERS"))?,
            carriage: younger(Table::open(bpffs_dir, "CARRIAGE"))?,
            settings: Table::open(bpffs_dir, "SETTINGS")?,
            counters: Table::open(bpffs_dir, "COUNTERS")?,
        })
    }

    /// Sum over all CPUs.
    pub(crate) fn counter(&self, event: Event) -> Result<u64, MapError> {
        let failed = || self.counters.failed("read");
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| failed()(error))?;
        let values =
            sys::lookup_per_cpu(self.counters.fd(), event as u32, cpus).map_err(failed())?;
        Ok(values.into_iter().fold(0, u64::wrapping_add))
    }
}
