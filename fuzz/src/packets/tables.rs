//! The maps of a node in memory, as small as they can be: two pods here, one elsewhere; a Service on all of
//! them, one on a pod here, one on nobody.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, FragmentKey, FragmentPorts};
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{
    Affinity, AffinityKey, BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange, flags,
};
use sheave_abi::settings::{Net, Nets, Settings};
use sheave_abi::socket::{SocketKey, SocketPeer};
use sheave_abi::trace::Record;
use sheave_abi::tunnel::{Carriage, Overlay, Remote};
use sheave_abi::uplink::Uplink;
use sheave_ebpf::packet::Work;
use sheave_ebpf::tables::{MapBusy, Stage, Tables as Asked};

use super::traffic::addr;
use crate::Input;

/// The interface that leads outside.
pub(super) const UPLINK: u32 = 2;
/// The host's ends of the pods' veths.
pub(super) const POD_IFINDEXES: [u32; 2] = [12, 13];

/// A map whose values stay where they are until the test ends, replaced or not: somebody may be reading
/// them, as the kernel's programs do.
struct Map<K, V> {
    entries: RefCell<HashMap<K, Box<V>>>,
    replaced: RefCell<Vec<Box<V>>>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { entries: RefCell::default(), replaced: RefCell::default() }
    }
}

impl<K: Hash + Eq + Copy, V> Map<K, V> {
    fn get(&self, key: &K) -> Option<&V> {
        let value: *const V = &**self.entries.borrow().get(key)?;
        // SAFETY: a boxed value is never written again, and is freed with the map.
        Some(unsafe { &*value })
    }

    fn put(&self, key: K, value: V) {
        let before = self.entries.borrow_mut().insert(key, Box::new(value));
        self.replaced.borrow_mut().extend(before);
    }

    fn remove(&self, key: &K) {
        let before = self.entries.borrow_mut().remove(key);
        self.replaced.borrow_mut().extend(before);
    }

    fn keys(&self) -> Vec<K> {
        self.entries.borrow().keys().copied().collect()
    }
}

/// All of them.
pub(super) struct Tables {
    frontends: Map<FrontendKey, Frontend>,
    slots: Vec<u32>,
    backends: Vec<Backend>,
    endpoints: Map<Addr, Endpoint>,
    flows: [Map<FlowKey, Flow>; 2],
    fragments: Map<FragmentKey, FragmentPorts>,
    affinity: Map<AffinityKey, Affinity>,
    uplink: Uplink,
    settings: Settings,
    answering: RefCell<HashSet<u32>>,
    work: UnsafeCell<Work>,
    random: Cell<u32>,
    now_s: Cell<u32>,
    is_busy: Cell<bool>,
    /// What was counted since it was cleared.
    pub(super) events: RefCell<Vec<Event>>,
}

/// Frontends: number of the address, port, protocol, service, flags, slots inside and outside.
type Row = (usize, u16, u8, u32, u32, SlotRange, SlotRange);

const NONE: SlotRange = SlotRange { start: 0, len: 0 };
const ALL: SlotRange = SlotRange { start: 1, len: 3 };
const ONE: SlotRange = SlotRange { start: 1, len: 1 };

/// The same of a family.
fn of_family(range: SlotRange, is_v4: bool) -> SlotRange {
    if is_v4 || range.len == 0 { range } else { SlotRange { start: range.start + 3, ..range } }
}

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            frontends: frontends(),
            // Of each family: the pods here, then the one elsewhere.
            slots: (0..=6).collect(),
            backends: vec![Backend::default(); 8],
            endpoints: Map::default(),
            flows: [Map::default(), Map::default()],
            fragments: Map::default(),
            affinity: Map::default(),
            uplink: Uplink { addr4: addr(7, true), addr6: addr(7, false), mtu: 1400 },
            settings: settings(),
            answering: RefCell::default(),
            work: UnsafeCell::new(work()),
            random: Cell::new(1),
            now_s: Cell::new(1000),
            is_busy: Cell::new(false),
            events: RefCell::default(),
        }
        .with_backends()
    }

    fn with_backends(mut self) -> Self {
        for id in 1..=6 {
            self.backends[id] = Backend {
                addr: addr((id - 1) % 3, id <= 3),
                service: 1,
                generation: 1,
                port: Be16::new(8080),
                state: BACKEND_LIVE,
            };
        }
        for (pod, ifindex) in POD_IFINDEXES.into_iter().enumerate() {
            for is_v4 in [true, false] {
                let (pod_mac, host_mac) = ([2, 0, 0, 0, 0, pod as u8], [2, 0, 0, 0, 1, pod as u8]);
                let endpoint = Endpoint { host_ifindex: ifindex, pod_mac, host_mac };
                self.endpoints.put(addr(pod, is_v4), endpoint);
            }
        }
        self
    }

    /// Something happens between two packets.
    pub(super) fn change(&mut self, input: &mut Input<'_>) {
        let number = 1 + usize::from(input.below(6));
        match input.below(8) {
            0 => self.backends[number].state = input.below(3).into(),
            1 => self.backends[number].generation += 1,
            2 => self.now_s.set(self.now_s.get() + u32::from(input.byte()) * 1000),
            // What is used least goes when a map is full: not within the second in which it was used.
            3 => {
                self.now_s.set(self.now_s.get() + 1);
                let flows = &self.flows[usize::from(input.below(2))];
                let mut keys = flows.keys();
                keys.sort_by_key(|key| {
                    (key.src, key.dst, key.src_port, key.dst_port, key.protocol)
                });
                if let Some(key) = keys.get(usize::from(input.byte()) % keys.len().max(1)) {
                    flows.remove(key);
                }
            }
            // A flow whose other half could not be written is looked at again in the next second.
            4 => {
                self.is_busy.set(input.below(2) == 1);
                self.now_s.set(self.now_s.get() + 1);
            }
            5 => self.settings.nat_port_first = Be16::new(u16::from(input.below(2)) * 60_000),
            6 => self.settings.traced = input.below(2).into(),
            _ => self.random.set(u32::from(input.byte()) << 24 | u32::from(input.byte())),
        }
    }

    /// The interface of the pod with this address, if it is here.
    pub(super) fn ifindex_of(&self, addr: &Addr) -> Option<u32> {
        self.endpoints.get(addr).map(|endpoint| endpoint.host_ifindex)
    }

    /// The pod behind an interface, and its addresses.
    pub(super) fn endpoint_at(&self, ifindex: u32) -> Option<(Vec<Addr>, Endpoint)> {
        let keys = self.endpoints.keys();
        let here = keys.into_iter().filter(|key| self.ifindex_of(key) == Some(ifindex));
        let addrs: Vec<Addr> = here.collect();
        let endpoint = *self.endpoints.get(addrs.first()?)?;
        Some((addrs, endpoint))
    }

    fn stage(&self, stage: Stage) -> &Map<FlowKey, Flow> {
        &self.flows[stage as usize]
    }
}

fn frontends() -> Map<FrontendKey, Frontend> {
    let frontends = Map::default();
    for is_v4 in [true, false] {
        for number in [4, 5] {
            frontends.put(FrontendKey::address(addr(number, is_v4)), Frontend::default());
        }
        for protocol in [6, 17, 132] {
            let rows: [Row; 5] = [
                (4, 80, protocol, 1, 0, ALL, NONE),
                (5, 53, protocol, 2, 0, ONE, NONE),
                (5, 7, protocol, 3, 0, NONE, NONE),
                (7, 30080, protocol, 1, flags::EXTERNAL | flags::MAGLEV, ALL, ALL),
                (7, 80, protocol, 2, flags::EXTERNAL, ONE, ONE),
            ];
            for (number, port, protocol, service, flags, internal, external) in rows {
                let key = FrontendKey::new(addr(number, is_v4), Be16::new(port), protocol);
                let [internal, external] =
                    [internal, external].map(|range| of_family(range, is_v4));
                let value = Frontend { service, internal, external, affinity_s: 0, flags };
                frontends.put(key, value);
            }
        }
    }
    frontends
}

fn settings() -> Settings {
    let net = |number, is_v4: bool, len: u32| {
        let bits = if is_v4 { 96 + len } else { len };
        let mask = Addr::v6((u128::MAX << (128 - bits)).to_be_bytes());
        let masked = u128::from_be_bytes(addr(number, is_v4).octets()) & u128::MAX << (128 - bits);
        Net { addr: Addr::v6(masked.to_be_bytes()), mask }
    };
    let nets =
        |number, len4, len6| Nets { v4: net(number, true, len4), v6: net(number, false, len6) };
    Settings {
        services: nets(4, 16, 48),
        node_pods: nets(0, 24, 64),
        cluster_pods: nets(0, 16, 48),
        hairpin4: Addr::v4([169, 254, 0, 1]),
        hairpin6: Addr::v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        nat_port_first: Be16::new(60_000),
        nat_port_last: Be16::new(60_999),
        ..Settings::default()
    }
}

fn work() -> Work {
    let none = Addr::default();
    Work {
        arrived: Default::default(),
        quoted: Default::default(),
        flow: Default::default(),
        answer_key: Default::default(),
        answer: Default::default(),
        client: AffinityKey { client: none, service: 0 },
        frontend: FrontendKey::address(none),
        socket: SocketKey {
            cookie: 0,
            addr: none,
            port: Be16::new(0),
            direction: 0,
            protocol: 0,
            reserved: 0,
        },
        event: Event::FlowOpened,
        stage: Stage::Opening,
        refused_by: 0,
        ifindex: 0,
        record: Record {
            time_ns: 0,
            event: 0,
            ifindex: 0,
            src: none,
            dst: none,
            src_port: Be16::new(0),
            dst_port: Be16::new(0),
            protocol: 0,
            backend: 0,
            reserved: 0,
        },
    }
}

impl Asked for Tables {
    fn work(&self) -> Option<&mut Work> {
        // SAFETY: a hook asks once, and has ended before the next begins.
        Some(unsafe { &mut *self.work.get() })
    }

    fn frontend(&self, key: &FrontendKey) -> Option<Frontend> {
        self.frontends.get(key).copied()
    }

    fn has_frontend(&self, key: &FrontendKey) -> bool {
        self.frontends.get(key).is_some()
    }

    fn slot(&self, index: u32) -> Option<u32> {
        self.slots.get(index as usize).copied().filter(|id| *id != 0)
    }

    fn backend(&self, id: u32) -> Option<&Backend> {
        self.backends.get(id as usize)
    }

    fn source(&self, _: u32, _: &Addr) -> bool {
        true
    }

    fn endpoint(&self, addr: &Addr) -> Option<&Endpoint> {
        self.endpoints.get(addr)
    }

    fn netns_cookie(&self, _: &Addr) -> Option<u64> {
        None
    }

    fn uplink(&self, ifindex: u32) -> Option<&Uplink> {
        (ifindex == UPLINK).then_some(&self.uplink)
    }

    fn remote(&self, _: &Addr) -> Option<Remote> {
        None
    }

    fn peer(&self, _: &Addr) -> Option<u32> {
        None
    }

    fn carrier(&self, _: u32) -> Option<&Addr> {
        None
    }

    fn carriage(&self) -> Option<&Carriage> {
        None
    }

    fn overlay(&self) -> Overlay {
        Overlay::default()
    }

    fn answers(&self, ifindex: u32) -> bool {
        self.answering.borrow().contains(&ifindex)
    }

    fn will_answer(&self, ifindex: u32) {
        self.answering.borrow_mut().insert(ifindex);
    }

    fn flow(&self, stage: Stage, key: &FlowKey) -> Option<&Flow> {
        self.stage(stage).get(key)
    }

    fn put_flow(&self, stage: Stage, key: &FlowKey, flow: &Flow) -> Result<(), MapBusy> {
        if self.is_busy.get() {
            return Err(MapBusy);
        }
        self.stage(stage).put(*key, *flow);
        Ok(())
    }

    fn touch_flow(&self, stage: Stage, key: &FlowKey, seen_s: u32, flags: u32) -> bool {
        let Some(flow) = self.stage(stage).get(key).copied() else { return false };
        self.stage(stage).put(*key, Flow { seen_s, flags: flow.flags | flags, ..flow });
        true
    }

    fn fragment(&self, key: &FragmentKey) -> Option<&FragmentPorts> {
        self.fragments.get(key)
    }

    fn put_fragment(&self, key: &FragmentKey, ports: &FragmentPorts) {
        self.fragments.put(*key, *ports);
    }

    fn end_flow(&self, stage: Stage, key: &FlowKey) {
        self.stage(stage).remove(key);
    }

    fn opted_out(&self, _: u64) -> bool {
        false
    }

    fn socket(&self, _: &SocketKey) -> Option<&SocketPeer> {
        None
    }

    fn put_socket(&self, _: &SocketKey, _: &SocketPeer) -> Result<(), MapBusy> {
        Err(MapBusy)
    }

    fn affinity(&self, key: &AffinityKey) -> Option<&Affinity> {
        self.affinity.get(key)
    }

    fn put_affinity(&self, key: &AffinityKey, affinity: &Affinity) {
        self.affinity.put(*key, *affinity);
    }

    fn settings(&self) -> Option<&Settings> {
        Some(&self.settings)
    }

    fn count(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    fn emit(&self, record: &Record) {
        assert_eq!(self.settings.traced, 1, "nobody follows {record:?}");
    }

    fn random(&self) -> u32 {
        // xorshift: any will do.
        let mut x = self.random.get() | 1;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }

    fn now_s(&self) -> u32 {
        self.now_s.get()
    }

    fn now_ns(&self) -> u64 {
        u64::from(self.now_s.get()) * 1_000_000_000
    }
}
