//! The maps themselves, and [`Tables`] on them. Pinned by name: every object shares one set.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use sheave_abi::endpoint::{ENDPOINTS_MAX, Endpoint};
use sheave_abi::event::{COUNTERS_MAX, Event};
use sheave_abi::flow::{Flow, FlowKey, FragmentKey, FragmentPorts};
use sheave_abi::limits::{
    AFFINITY_MAX, BACKENDS_MAX, FLOWS_MAX, FRAGMENTS_MAX, FRONTENDS_MAX, OPENING_MAX,
    OPTED_OUT_MAX, SLOTS_MAX, SOCKETS_MAX, SOURCES_MAX,
};
use sheave_abi::namespace::NAMESPACES_MAX;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{Affinity, AffinityKey, Backend, Frontend, FrontendKey};
use sheave_abi::settings::Settings;
use sheave_abi::socket::{SocketKey, SocketPeer};
use sheave_abi::trace::{EVENTS_BYTES, Record};
use sheave_abi::tunnel::{Carriage, Overlay, PEERS_MAX, REMOTES_MAX, Remote};
use sheave_abi::uplink::{UPLINKS_MAX, Uplink};

use crate::packet::Work;
use crate::steps;
use crate::tables::{MapBusy, Stage, Tables, persist};

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
static NAMESPACES: HashMap<Addr, u64> = HashMap::pinned(NAMESPACES_MAX, BPF_F_NO_PREALLOC);
#[map]
static FLOWS: LruHashMap<FlowKey, Flow> = LruHashMap::pinned(FLOWS_MAX, 0);
#[map]
static OPENING: LruHashMap<FlowKey, Flow> = LruHashMap::pinned(OPENING_MAX, 0);
#[map]
static FRAGMENTS: LruHashMap<FragmentKey, FragmentPorts> = LruHashMap::pinned(FRAGMENTS_MAX, 0);
#[map]
static SOURCES: LpmTrie<[u32; 5], u8> = LpmTrie::pinned(SOURCES_MAX, BPF_F_NO_PREALLOC);
#[map]
static UPLINKS: HashMap<u32, Uplink> = HashMap::pinned(UPLINKS_MAX, BPF_F_NO_PREALLOC);
#[map]
static REMOTES: LpmTrie<[u32; 4], Remote> = LpmTrie::pinned(REMOTES_MAX, BPF_F_NO_PREALLOC);
#[map]
static PEERS: HashMap<Addr, u32> = HashMap::pinned(PEERS_MAX, BPF_F_NO_PREALLOC);
#[map]
static OVERLAY: Array<Overlay> = Array::pinned(1, 0);
#[map]
static CARRIERS: Array<Addr> = Array::pinned(PEERS_MAX, 0);
#[map]
static CARRIAGE: Array<Carriage> = Array::pinned(1, 0);
#[map]
static ANSWERING: Array<u32> = Array::pinned(ANSWERING_MAX, 0);
#[map]
static EVENTS: RingBuf = RingBuf::pinned(EVENTS_BYTES, 0);
#[map]
static SOCKETS: LruHashMap<SocketKey, SocketPeer> = LruHashMap::pinned(SOCKETS_MAX, 0);
#[map]
static OPTED_OUT: HashMap<u64, u32> = HashMap::pinned(OPTED_OUT_MAX, BPF_F_NO_PREALLOC);
#[map]
static AFFINITY: LruHashMap<AffinityKey, Affinity> = LruHashMap::pinned(AFFINITY_MAX, 0);
#[map]
static SETTINGS: Array<Settings> = Array::pinned(1, 0);
#[map]
static WORK: PerCpuArray<Work> = PerCpuArray::with_max_entries(1, 0);
#[map]
static COUNTERS: PerCpuArray<u64> = PerCpuArray::pinned(COUNTERS_MAX, 0);

/// [`Tables`] on the kernel's maps.
pub struct Maps;

impl Tables for Maps {
    #[inline(always)]
    fn work(&self) -> Option<&mut Work> {
        // SAFETY: this CPU's room; a tc program is not interrupted by another on the same CPU, and each
        // asks once.
        WORK.get_ptr_mut(0).map(|work| unsafe { &mut *work })
    }

    #[inline(always)]
    fn frontend(&self, key: &FrontendKey) -> Option<Frontend> {
        // Since 6.1 the memory of a replaced entry is used again at once, for whatever is written next: who
        // is held up between finding an entry and reading it may read another service's. What is found
        // twice alike stood there in between.
        for _ in 0..FRONTEND_TRIES {
            // SAFETY: the memory stays a frontend's, if not this one's, before we end.
            let (first, second) = unsafe { (*FRONTENDS.get(key)?, *FRONTENDS.get(key)?) };
            if first == second {
                return Some(first);
            }
        }
        None
    }

    #[inline(always)]
    fn has_frontend(&self, key: &FrontendKey) -> bool {
        // SAFETY: only whether it is there counts.
        unsafe { FRONTENDS.get(key) }.is_some()
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
        // SAFETY: the memory of an entry that is replaced may be another pod's while we read: that pod gets
        // one packet that is not its own, and drops it.
        unsafe { ENDPOINTS.get(addr) }
    }

    #[inline(always)]
    fn netns_cookie(&self, addr: &Addr) -> Option<u64> {
        // SAFETY: as for ENDPOINTS: the worst is another pod's cookie for one new flow.
        unsafe { NAMESPACES.get(addr) }.copied()
    }

    #[inline(always)]
    fn source(&self, service: u32, addr: &Addr) -> bool {
        let [a, b, c, d] = addr.words();
        let key = OnStack(Key::new(160, [service, a, b, c, d]));
        SOURCES.get(&key.0).is_some()
    }

    #[inline(always)]
    fn uplink(&self, ifindex: u32) -> Option<&Uplink> {
        // SAFETY: written when the agent starts, and the same each time.
        unsafe { UPLINKS.get(&ifindex) }
    }

    #[inline(always)]
    fn remote(&self, addr: &Addr) -> Option<Remote> {
        let key = BehindWord(0, Key::new(128, addr.words()));
        REMOTES.get(&key.1).copied()
    }

    #[inline(always)]
    fn peer(&self, addr: &Addr) -> Option<u32> {
        // SAFETY: a word; the worst is another node's number for one packet.
        unsafe { PEERS.get(addr) }.copied()
    }

    #[inline(always)]
    fn carrier(&self, number: u32) -> Option<&Addr> {
        CARRIERS.get(number)
    }

    #[inline(always)]
    fn carriage(&self) -> Option<&Carriage> {
        CARRIAGE.get(0)
    }

    #[inline(always)]
    fn overlay(&self) -> Overlay {
        OVERLAY.get(0).copied().unwrap_or_default()
    }

    #[inline(always)]
    fn answers(&self, ifindex: u32) -> bool {
        ANSWERING.get(answering(ifindex)).is_none_or(|answers| *answers != 0)
    }

    #[inline(always)]
    fn will_answer(&self, ifindex: u32) {
        if let Some(answers) = ANSWERING.get_ptr_mut(answering(ifindex)) {
            // SAFETY: a word of the map; whoever else writes it writes the same.
            unsafe { answers.write(1) };
        }
    }

    #[inline(always)]
    fn flow(&self, stage: Stage, key: &FlowKey) -> Option<&Flow> {
        // SAFETY: an LRU entry may be reused for another flow while we read it: the worst is one packet
        // sent to another backend, which refuses it, or a wrong source, which its receiver refuses.
        unsafe { flows(stage).get(key) }
    }

    #[inline(always)]
    fn put_flow(&self, stage: Stage, key: &FlowKey, flow: &Flow) -> Result<(), MapBusy> {
        put(self, flows(stage), key, flow)
    }

    #[inline(always)]
    fn touch_flow(&self, stage: Stage, key: &FlowKey, seen_s: u32, flags: u32) -> bool {
        let Some(flow) = flows(stage).get_ptr_mut(key) else { return false };
        // SAFETY: the entry stays readable until we end. Another CPU may write the same words: a flag that
        // is lost is set by the next packet.
        unsafe {
            (*flow).seen_s = seen_s;
            (*flow).flags |= flags;
        }
        true
    }

    #[inline(always)]
    fn end_flow(&self, stage: Stage, key: &FlowKey) {
        // Not there: as it should be.
        let _ = flows(stage).remove(key);
    }

    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<&FragmentPorts> {
        // SAFETY: as for FLOWS.
        unsafe { FRAGMENTS.get(key) }
    }

    #[inline(always)]
    fn put_fragment(&self, key: &FragmentKey, ports: &FragmentPorts) {
        let _ = put(self, &FRAGMENTS, key, ports);
    }

    #[inline(always)]
    fn opted_out(&self, netns_cookie: u64) -> bool {
        // SAFETY: only whether it is there counts.
        unsafe { OPTED_OUT.get(&netns_cookie) }.is_some()
    }

    #[inline(always)]
    fn socket(&self, key: &SocketKey) -> Option<&SocketPeer> {
        // SAFETY: as for FLOWS.
        unsafe { SOCKETS.get(key) }
    }

    #[inline(always)]
    fn put_socket(&self, key: &SocketKey, peer: &SocketPeer) -> Result<(), MapBusy> {
        put(self, &SOCKETS, key, peer)
    }

    #[inline(always)]
    fn affinity(&self, key: &AffinityKey) -> Option<&Affinity> {
        // SAFETY: as for FLOWS; what is read is checked against BACKENDS before it is used.
        unsafe { AFFINITY.get(key) }
    }

    #[inline(always)]
    fn put_affinity(&self, key: &AffinityKey, affinity: &Affinity) {
        let _ = put(self, &AFFINITY, key, affinity);
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
    fn emit(&self, record: &Record) {
        // Full: whoever follows is too slow, and counts what it misses.
        let _ = EVENTS.output::<Record>(record, 0);
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: no arguments.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn now_s(&self) -> u32 {
        (self.now_ns() / 1_000_000_000) as u32
    }

    #[inline(always)]
    fn now_ns(&self) -> u64 {
        // SAFETY: no arguments.
        unsafe { bpf_ktime_get_ns() }
    }

    #[inline(always)]
    fn any_port(&self) -> Option<Be16> {
        // No port has the number 0.
        match steps::any_port() as u16 {
            0 => None,
            port => Some(Be16::new(port)),
        }
    }

    #[inline(always)]
    fn is_told_apart(&self, work: &mut Work) -> bool {
        steps::with(work, || steps::is_told_apart() != 0)
    }

    #[inline(always)]
    fn forget(&self, work: &mut Work) {
        steps::with(work, || steps::forget());
    }

    #[inline(always)]
    fn is_free(&self, work: &mut Work, hastily: bool) -> bool {
        steps::with(work, || steps::is_free(hastily.into()) != 0)
    }
}

/// A key that is packed, on a program's stack: the verifier takes what the compiler writes there only if it is
/// aligned.
#[repr(C, align(8))]
struct OnStack<T>(T);

/// Likewise, where words of the address are copied two at a time: it begins at a multiple of 8.
#[repr(C, align(8))]
struct BehindWord<T>(u32, T);

/// How often a frontend is read until it is read twice alike.
const FRONTEND_TRIES: u32 = 3;

#[inline(always)]
fn flows(stage: Stage) -> &'static LruHashMap<FlowKey, Flow> {
    match stage {
        Stage::Opening => &OPENING,
        Stage::Established => &FLOWS,
    }
}

#[inline(always)]
fn put<K, V>(counters: &Maps, map: &LruHashMap<K, V>, key: &K, value: &V) -> Result<(), MapBusy> {
    persist(|| map.insert(key, value, 0).is_ok(), || counters.count(Event::UpdateRetried))
}

/// Slots of `ANSWERING`: a power of two for interfaces, and the node's. Interfaces that share a slot cost
/// each other a lookup a packet.
const ANSWERING_MAX: u32 = 4096 + 1;

#[inline(always)]
fn answering(ifindex: u32) -> u32 {
    if ifindex == 0 { ANSWERING_MAX - 1 } else { ifindex & (ANSWERING_MAX - 2) }
}
