//! The maps of a node in memory: what the programs ask of them, and what happens to them between two packets.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::{HashMap, HashSet};

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, FragmentKey, FragmentPorts};
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{Affinity, AffinityKey, BACKEND_LIVE, Backend, Frontend, FrontendKey};
use sheave_abi::settings::Settings;
use sheave_abi::socket::{SocketKey, SocketPeer};
use sheave_abi::trace::Record;
use sheave_abi::tunnel::{Carriage, Overlay, PORT, Remote};
use sheave_abi::uplink::Uplink;
use sheave_ebpf::packet::Work;
use sheave_ebpf::tables::{MapBusy, Stage, Tables as Asked};

use super::cluster::{
    self, By, KNOWN_NODE, Node, POD_IFINDEXES, SLOTS, TUNNEL, TUNNEL_MTU, UPLINK, Ways, addr,
};
use super::frame::Ends;
use super::maps::{Map, work};
use crate::Input;

/// All of them.
pub(super) struct Tables {
    /// Whose they are.
    pub(super) node: Node,
    /// What it was told of the other one.
    pub(super) ways: Ways,
    frontends: Map<FrontendKey, Frontend>,
    slots: Vec<u32>,
    backends: Vec<Backend>,
    endpoints: Map<Addr, Endpoint>,
    flows: [Map<FlowKey, Flow>; 2],
    fragments: Map<FragmentKey, FragmentPorts>,
    affinity: Map<AffinityKey, Affinity>,
    uplink: Uplink,
    tunnel: Uplink,
    /// Addresses of other nodes; their numbers are the indexes.
    carriers: Vec<Addr>,
    carriage: Carriage,
    settings: Settings,
    answering: RefCell<HashSet<u32>>,
    work: UnsafeCell<Work>,
    random: Cell<u32>,
    now_s: Cell<u32>,
    is_busy: Cell<bool>,
    /// What was counted since it was cleared.
    pub(super) events: RefCell<Vec<Event>>,
    /// Protocols and ends as its pods have had them of who asked: whether by a NodePort of this node that another
    /// one was not asked for, and whether in another way. No map of a node's.
    pub(super) visits: RefCell<HashMap<(u8, Ends), [bool; 2]>>,
}

impl Tables {
    pub(super) fn new(node: Node) -> Self {
        let uplink = |mtu| Uplink { addr4: node.addr(true), addr6: node.addr(false), mtu };
        Self {
            node,
            ways: Ways::NONE,
            frontends: cluster::frontends(node),
            slots: (0..SLOTS).collect(),
            backends: cluster::backends(node),
            endpoints: endpoints(node),
            flows: [Map::default(), Map::default()],
            fragments: Map::default(),
            affinity: Map::default(),
            uplink: uplink(Ways::NONE.uplink_mtu()),
            tunnel: uplink(TUNNEL_MTU),
            carriers: carriers(node),
            carriage: Carriage {
                device: 0,
                node_port4: node.addr(true),
                node_port6: node.addr(false),
            },
            settings: cluster::settings(node),
            answering: RefCell::default(),
            work: UnsafeCell::new(work()),
            random: Cell::new(1),
            now_s: Cell::new(1000),
            is_busy: Cell::new(false),
            events: RefCell::default(),
            visits: RefCell::default(),
        }
    }

    /// The agent hears of the other node, or is told to reach it in another way. Flows follow about once a second.
    pub(super) fn set_ways(&mut self, ways: Ways) {
        self.now_s.set(self.now_s.get() + 1);
        self.ways = ways;
        self.uplink.mtu = ways.uplink_mtu();
        self.carriage.device = if ways.carries { TUNNEL } else { 0 };
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

    /// Any backend, in or out of its Service: the pod stays.
    pub(super) fn change_backend(&mut self, input: &mut Input<'_>) {
        let id = 1 + usize::from(input.byte()) % (self.backends.len() - 1);
        self.backends[id].state = input.below(3).into();
    }

    /// Whether all are in their Services.
    pub(super) fn has_all_backends(&self) -> bool {
        self.backends[1..].iter().all(|backend| backend.state == BACKEND_LIVE)
    }

    /// No entry can be written for now.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy.get()
    }

    /// The node cannot open all flows that it should.
    pub(super) fn is_short(&self) -> bool {
        self.is_busy.get() || self.settings.nat_port_first.get() == 0
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

fn endpoints(node: Node) -> Map<Addr, Endpoint> {
    let endpoints = Map::default();
    for is_v4 in [true, false] {
        for (pod, (addr, host_ifindex)) in
            node.pods(is_v4).into_iter().zip(POD_IFINDEXES).enumerate()
        {
            let (pod_mac, host_mac) = ([2, 0, 0, 0, 0, pod as u8], [2, 0, 0, 0, 1, pod as u8]);
            endpoints.put(addr, Endpoint { host_ifindex, pod_mac, host_mac });
        }
    }
    endpoints
}

/// Each node has numbers of its own for the others, and each of a node's addresses has one.
fn carriers(node: Node) -> Vec<Addr> {
    let other = node.other();
    let known = [addr(KNOWN_NODE, true), addr(KNOWN_NODE, false)];
    let mut carriers = vec![Addr::default()];
    match node {
        Node::First => carriers.extend([other.addr(true), other.addr(false), known[0], known[1]]),
        Node::Second => carriers.extend([known[1], other.addr(false), known[0], other.addr(true)]),
    }
    carriers
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
        match ifindex {
            UPLINK => Some(&self.uplink),
            TUNNEL => Some(&self.tunnel),
            _ => None,
        }
    }

    fn remote(&self, addr: &Addr) -> Option<Remote> {
        let (by, other) = (self.ways.to_pods?, self.node.other());
        // Nodes are in the table where the tunnel leads to their pods.
        let is_named = Node::with(addr) == Some(other) && by == By::Tunnel;
        if !other.range().hold(addr) && !is_named {
            return None;
        }
        Some(match by {
            By::Uplink => Remote { node: other.addr(addr.is_v4()), ifindex: UPLINK, tunnelled: 0 },
            By::Tunnel => {
                Remote { node: other.addr(self.ways.over_v4), ifindex: TUNNEL, tunnelled: 1 }
            }
        })
    }

    fn peer(&self, addr: &Addr) -> Option<u32> {
        self.ways.to_pods?;
        let number = self.carriers.iter().position(|carrier| carrier == addr)?;
        (number != 0).then_some(number as u32)
    }

    fn carrier(&self, number: u32) -> Option<&Addr> {
        self.carriers.get(number as usize)
    }

    fn carriage(&self) -> Option<&Carriage> {
        Some(&self.carriage)
    }

    fn overlay(&self) -> Overlay {
        match self.ways.to_pods {
            None => Overlay::default(),
            Some(by) => Overlay { port: Be16::new(PORT), has_nodes: u16::from(by == By::Tunnel) },
        }
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
