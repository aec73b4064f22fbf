//! The maps themselves, and [`Tables`] on them. Pinned by name: every object shares one set.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray};
use sheave_abi::endpoint::{ENDPOINTS_MAX, Endpoint};
use sheave_abi::event::{COUNTERS_MAX, Event};
use sheave_abi::flow::{Flow, FlowKey};
use sheave_abi::limits::{
    AFFINITY_MAX, BACKENDS_MAX, FLOWS_MAX, FRONTENDS_MAX, SLOTS_MAX, SOCKETS_MAX, UPDATE_TRIES,
};
use sheave_abi::order::Addr;
use sheave_abi::service::{Affinity, AffinityKey, Backend, Frontend, FrontendKey};
use sheave_abi::settings::Settings;
use sheave_abi::socket::{SocketKey, SocketPeer};

use crate::tables::{MapBusy, Tables};

#[map]
static FRONTENDS: HashMap<FrontendKey, Frontend> =
    HashMap::pinned(FRONTENDS_MAX, BPF_F_NO_PREALLOC);
#[map]
static SLOTS: Array<u32> = Array::pinned(SLOTS_MAX, 0);
#[map]
static BACKENDS: Array<Backend> = Array::pinned(BACKENDS_MAX, 0);
#[map]
static ENDPOINTS: HashMap<Addr, Endpoint> = HashMap::pinned(ENDPOINTS_MAX, BPF_F_NO_PREALLOC);
#[map]
static FLOWS: LruHashMap<FlowKey, Flow> = LruHashMap::pinned(FLOWS_MAX, 0);
#[map]
static SOCKETS: LruHashMap<SocketKey, SocketPeer> = LruHashMap::pinned(SOCKETS_MAX, 0);
#[map]
static AFFINITY: LruHashMap<AffinityKey, Affinity> = LruHashMap::pinned(AFFINITY_MAX, 0);
#[map]
static SETTINGS: Array<Settings> = Array::pinned(1, 0);
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(COUNTERS_MAX, 0);

/// [`Tables`] on the kernel's maps.
pub struct Maps;

impl Tables for Maps {
    #[inline(always)]
    fn frontend(&self, key: &FrontendKey) -> Option<&Frontend> {
        // SAFETY: not preallocated, so an entry that is removed while we read it is not reused before we
        // end; values are replaced whole.
        unsafe { FRONTENDS.get(key) }
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> Option<u32> {
        SLOTS.get(index).copied().filter(|id| *id != 0)
    }

    #[inline(always)]
    fn backend(&self, id: u32) -> Option<&Backend> {
        BACKENDS.get(id)
    }

    #[inline(always)]
    fn endpoint(&self, addr: &Addr) -> Option<&Endpoint> {
        // SAFETY: as for FRONTENDS.
        unsafe { ENDPOINTS.get(addr) }
    }

    #[inline(always)]
    fn flow(&self, key: &FlowKey) -> Option<&Flow> {
        // SAFETY: an LRU entry may be reused for another flow while we read it: the worst is one packet
        // sent to another backend, which refuses it, or a wrong source, which its receiver refuses.
        unsafe { FLOWS.get(key) }
    }

    #[inline(always)]
    fn put_flow(&self, key: &FlowKey, flow: &Flow) -> Result<(), MapBusy> {
        for _ in 0..UPDATE_TRIES {
            if FLOWS.insert(key, flow, 0).is_ok() {
                return Ok(());
            }
        }
        Err(MapBusy)
    }

    #[inline(always)]
    fn socket(&self, key: &SocketKey) -> Option<&SocketPeer> {
        // SAFETY: as for FLOWS.
        unsafe { SOCKETS.get(key) }
    }

    #[inline(always)]
    fn put_socket(&self, key: &SocketKey, peer: &SocketPeer) -> Result<(), MapBusy> {
        for _ in 0..UPDATE_TRIES {
            if SOCKETS.insert(key, peer, 0).is_ok() {
                return Ok(());
            }
        }
        Err(MapBusy)
    }

    #[inline(always)]
    fn affinity(&self, key: &AffinityKey) -> Option<&Affinity> {
        // SAFETY: as for FLOWS; what is read is checked against BACKENDS before it is used.
        unsafe { AFFINITY.get(key) }
    }

    #[inline(always)]
    fn put_affinity(&self, key: &AffinityKey, affinity: &Affinity) {
        for _ in 0..UPDATE_TRIES {
            if AFFINITY.insert(key, affinity, 0).is_ok() {
                return;
            }
        }
    }

    #[inline(always)]
    fn settings(&self) -> Option<&Settings> {
        SETTINGS.get(0)
    }

    #[inline(always)]
    fn count(&self, event: Event) {
        if let Some(counter) = COUNTERS.get_ptr_mut(event as u32) {
            // SAFETY: the pointer is to this CPU's slot, which nobody else writes.
            unsafe { *counter = (*counter).wrapping_add(1) };
        }
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: no arguments.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn now_s(&self) -> u32 {
        // SAFETY: no arguments.
        (unsafe { bpf_ktime_get_ns() } / 1_000_000_000) as u32
    }
}
