//! The cluster that all packets are of, as small as it can be: two nodes with two pods each, and Services on
//! pods of one or both of them. Each node knows all of it by its own maps.
//!
//! ```text
//! 10.96.0.1  80     -> both pods of the first node, one of the second      NodePort 30080
//! 10.96.0.2  53     -> a pod of the first node                             port 80 of the nodes, at them alone
//!            7      -> nobody
//!            81     -> all four pods       NodePort 30081, load balancer 203.0.113.1 ports 80 and 8080
//! ```
//!
//! All of it with IPv6 too, and for TCP, UDP and SCTP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange, flags};
use sheave_abi::settings::{Net, Nets, Settings};

use super::maps::Map;
use crate::Input;

/// The interface that leads outside.
pub(super) const UPLINK: u32 = 2;
/// The tunnel's device.
pub(super) const TUNNEL: u32 = 3;
/// The host's ends of the pods' veths.
pub(super) const POD_IFINDEXES: [u32; 2] = [12, 13];
/// Bytes of an IP packet that the tunnel carries.
pub(super) const TUNNEL_MTU: u32 = 1350;

/// A node that is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    First,
    Second,
}

impl Node {
    pub(super) const BOTH: [Self; 2] = [Self::First, Self::Second];

    pub(super) fn any(input: &mut Input<'_>) -> Self {
        Self::BOTH[usize::from(input.below(2))]
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    pub(super) fn addr(self, is_v4: bool) -> Addr {
        addr(if self == Self::First { NODE } else { OTHER_NODE }, is_v4)
    }

    /// Its pods, in order of [`POD_IFINDEXES`].
    pub(super) fn pods(self, is_v4: bool) -> [Addr; 2] {
        let numbers = if self == Self::First { [0, 1] } else { [2, 11] };
        numbers.map(|number| addr(number, is_v4))
    }

    /// Where its pods have their addresses.
    pub(super) fn range(self) -> Nets {
        nets(if self == Self::First { 0 } else { 2 }, 24, 64)
    }

    /// Whose address it is.
    pub(super) fn with(addr: &Addr) -> Option<Self> {
        Self::BOTH.into_iter().find(|node| node.addr(addr.is_v4()) == *addr)
    }
}

/// How packets for pods of the other node leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Uplink,
    Tunnel,
}

/// What a node was told of the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    /// `None`: nothing.
    pub(super) to_pods: Option<By>,
    /// Whether it carries what clients outside send.
    pub(super) carries: bool,
    /// Whether the tunnel's packets are IPv4.
    pub(super) over_v4: bool,
    /// Whether the uplink carries less than the tunnel, as it does not by itself.
    pub(super) is_narrow: bool,
}

impl Ways {
    /// A node that knows no other.
    pub(super) const NONE: Self =
        Self { to_pods: None, carries: false, over_v4: true, is_narrow: false };

    /// Bytes of an IP packet that the uplink carries.
    pub(super) fn uplink_mtu(self) -> u32 {
        if self.is_narrow { 1300 } else { 1400 }
    }

    /// By the interface with this index a packet leaves `node` for `dst`; 0: by none.
    pub(super) fn way_out(self, node: Node, dst: &Addr) -> u32 {
        let Some(by) = self.to_pods else { return 0 };
        if Node::with(dst) == Some(node) {
            return 0;
        }
        if let Some(pod) = node.pods(dst.is_v4()).iter().position(|pod| pod == dst) {
            return POD_IFINDEXES[pod];
        }
        match by {
            By::Tunnel if node.other().range().hold(dst) => TUNNEL,
            _ => UPLINK,
        }
    }
}

/// The number of a node that is known and not simulated.
pub(super) const KNOWN_NODE: usize = 13;
/// Of one that is no node of the cluster.
pub(super) const STRANGER: usize = 14;
/// Of the load balancer's address.
pub(super) const BALANCED: usize = 12;
const NODE: usize = 7;
const OTHER_NODE: usize = 10;

/// How many of the addresses any packet may have.
const COMMON: usize = 10;

/// Two pods of the first node, one of the second, one that is gone, two services, an address that no service
/// has, the first node, two clients outside.
pub(super) fn any(input: &mut Input<'_>, is_v4: bool) -> Addr {
    addr(usize::from(input.byte()) % COMMON, is_v4)
}

/// See [`any`]; then the second node, its other pod, a load balancer's address, two more nodes.
pub(super) fn addr(number: usize, is_v4: bool) -> Addr {
    const V4: [[u8; 4]; 15] = [
        [10, 244, 0, 2],
        [10, 244, 0, 3],
        [10, 244, 1, 2],
        [10, 244, 0, 9],
        [10, 96, 0, 1],
        [10, 96, 0, 2],
        [10, 96, 0, 77],
        [192, 0, 2, 1],
        [198, 51, 100, 1],
        [198, 51, 100, 2],
        [192, 0, 2, 2],
        [10, 244, 1, 3],
        [203, 0, 113, 1],
        [192, 0, 2, 3],
        [192, 0, 2, 66],
    ];
    let [a, b, c, d] = V4[number];
    let ip = match is_v4 {
        true => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        false => IpAddr::V6(Ipv6Addr::new(0xfd00, a.into(), b.into(), c.into(), 0, 0, 0, d.into())),
    };
    match ip {
        IpAddr::V4(ip) => Addr::v4(ip.octets()),
        IpAddr::V6(ip) => Addr::v6(ip.octets()),
    }
}

/// Frontends: number of the address, port, protocol, service, flags, slots inside and outside.
type Row = (usize, u16, u8, u32, u32, SlotRange, SlotRange);

const NONE: SlotRange = SlotRange { start: 0, len: 0 };
const THREE: SlotRange = SlotRange { start: 1, len: 3 };
const ONE: SlotRange = SlotRange { start: 1, len: 1 };
const FOUR: SlotRange = SlotRange { start: 7, len: 4 };
/// A slot leads to the backend of its own number.
pub(super) const SLOTS: u32 = 15;

/// The same of a family.
fn of_family(range: SlotRange, is_v4: bool) -> SlotRange {
    match is_v4 || range.len == 0 {
        true => range,
        false if range.start < FOUR.start => SlotRange { start: range.start + THREE.len, ..range },
        false => SlotRange { start: range.start + FOUR.len, ..range },
    }
}

/// Who is behind a slot: numbers of addresses, of each family.
const BEHIND: [(usize, bool); 15] = [
    (0, true),
    (0, true),
    (1, true),
    (2, true),
    (0, false),
    (1, false),
    (2, false),
    (0, true),
    (1, true),
    (2, true),
    (11, true),
    (0, false),
    (1, false),
    (2, false),
    (11, false),
];

/// The first is nobody's.
pub(super) fn backends(node: Node) -> Vec<Backend> {
    let of = |(id, (number, is_v4)): (usize, (usize, bool))| Backend {
        addr: addr(number, is_v4),
        service: if id < FOUR.start as usize { 1 } else { 4 },
        // Of each node's own count.
        generation: if node == Node::First { 1 } else { 5 },
        port: Be16::new(8080),
        state: BACKEND_LIVE,
    };
    let mut backends: Vec<Backend> = BEHIND.into_iter().enumerate().map(of).collect();
    backends[0] = Backend::default();
    backends
}

pub(super) fn frontends(node: Node) -> Map<FrontendKey, Frontend> {
    const TABLE: u32 = flags::EXTERNAL | flags::MAGLEV;
    let at_node = if node == Node::First { NODE } else { OTHER_NODE };
    let frontends = Map::default();
    for is_v4 in [true, false] {
        for number in [4, 5, BALANCED] {
            frontends.put(FrontendKey::address(addr(number, is_v4)), Frontend::default());
        }
        for protocol in [6, 17, 132] {
            let rows: [Row; 9] = [
                (4, 80, protocol, 1, 0, THREE, NONE),
                (5, 53, protocol, 2, 0, ONE, NONE),
                (5, 7, protocol, 3, 0, NONE, NONE),
                (at_node, 30080, protocol, 1, TABLE, THREE, THREE),
                (at_node, 80, protocol, 2, flags::EXTERNAL, ONE, ONE),
                (5, 81, protocol, 4, 0, FOUR, NONE),
                (at_node, 30081, protocol, 4, TABLE, FOUR, FOUR),
                (BALANCED, 80, protocol, 4, TABLE, FOUR, FOUR),
                (BALANCED, 8080, protocol, 4, TABLE, FOUR, FOUR),
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

/// The networks of both families that have this address.
fn nets(number: usize, len4: u32, len6: u32) -> Nets {
    let net = |is_v4: bool, len: u32| {
        let bits = if is_v4 { 96 + len } else { len };
        let mask = u128::MAX << (128 - bits);
        let masked = u128::from_be_bytes(addr(number, is_v4).octets()) & mask;
        Net { addr: Addr::v6(masked.to_be_bytes()), mask: Addr::v6(mask.to_be_bytes()) }
    };
    Nets { v4: net(true, len4), v6: net(false, len6) }
}

pub(super) fn settings(node: Node) -> Settings {
    Settings {
        services: nets(4, 16, 48),
        node_pods: node.range(),
        cluster_pods: nets(0, 16, 48),
        hairpin4: Addr::v4([169, 254, 0, 1]),
        hairpin6: Addr::v6([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        nat_port_first: Be16::new(60_000),
        nat_port_last: Be16::new(60_999),
        ..Settings::default()
    }
}
