//! How pods of other nodes are reached: by a route over a link that both nodes are on, or through the tunnel.
//! A pure function of the other nodes and of what the machine says; whoever applies it asks and tells the
//! kernel.
//!
//! It is decided for each range of each node, since a node may share a link in one address family alone.
//! What would harm this node, a range that holds its own addresses, say, is left out and named.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::Peer;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Routes where the nodes share a link, else the tunnel.
    #[default]
    Auto,
    /// Routes where the nodes share a link; elsewhere the network between them knows the way.
    Native,
    /// The tunnel.
    Vxlan,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Vxlan => "vxlan",
        })
    }
}

/// What the machine says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The node's own addresses, at most one a family.
    pub addresses: Vec<IpAddr>,
    /// Where its own pods are.
    pub own_ranges: Vec<IpNet>,
    /// The addresses of other nodes that are on the link of an uplink, and the uplink's index.
    pub on_link: BTreeMap<IpAddr, u32>,
    /// Index of the tunnel's device; `None`: this machine has none.
    pub tunnel: Option<u32>,
}

/// How packets to a range leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// By an uplink, to the node as the next hop.
    Native {
        /// Index of the uplink.
        uplink: u32,
        /// Address of the node on that link.
        via: IpAddr,
    },
    /// Wrapped, to the node.
    Tunnel {
        /// Index of the tunnel's device.
        device: u32,
        /// Address of the node, of either family.
        remote: IpAddr,
    },
}

/// Why packets to a range are left to whatever routes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It was said so: the mode is native, and the node is on no link of ours.
    ToTheNetwork,
    /// The tunnel is needed and there is none.
    NoTunnel,
    /// No address of the node is of a family that this one has an address of.
    NoAddress,
    /// The range overlaps that of this node's pods, or holds an address of this node's.
    OverlapsOurs,
    /// The range overlaps that of another node, which comes first by name.
    OverlapsAnother,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ToTheNetwork => {
                "the node is on no link of this one, and --pod-network native leaves the way to the network"
            }
            Self::NoTunnel => {
                "the node is on no link of this one, and this machine has no tunnel: its kernel needs vxlan \
                 (CONFIG_VXLAN), or the network a route and this node --pod-network native"
            }
            Self::NoAddress => {
                "the nodes have no addresses of one family: give both of them one with --node-ip"
            }
            Self::OverlapsOurs => {
                "the range overlaps addresses of this node or its pods: give the node another podCIDR"
            }
            Self::OverlapsAnother => {
                "the range overlaps that of another node: give one of them another podCIDR"
            }
        })
    }
}

/// A route of the kernel that is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Where it leads.
    pub to: IpNet,
    /// Next hop; `None`: whatever is behind the interface.
    pub via: Option<IpAddr>,
    /// Index of the interface.
    pub interface: u32,
    /// Whom the node's own packets are from; `None`: as the kernel chooses.
    pub source: Option<IpAddr>,
}

/// A range of another node, and the way to it or why there is none.
pub type Reached = (IpNet, Result<Way, Left>);

/// What should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// For packets of the node itself, and for whatever no program has met.
    pub routes: BTreeSet<Route>,
    /// For packets of this node's pods to others.
    pub ways: BTreeMap<IpNet, Way>,
    /// For packets of this node's pods to other nodes themselves, where pods are reached by the tunnel: a
    /// network between the nodes that does not know pods may drop what comes from one.
    pub nodes: BTreeMap<IpAddr, Way>,
    /// Whose tunnelled packets are taken: whatever this node does, others may decide otherwise.
    pub peers: BTreeSet<IpAddr>,
    /// How each node's ranges are reached, by its name.
    pub reached: BTreeMap<String, Vec<Reached>>,
}

/// Plans for all other nodes.
pub fn plan<'a>(
    mode: Mode,
    peers: impl IntoIterator<Item = &'a Peer>,
    around: &Surroundings,
) -> Plan {
    let mut plan = Plan::default();
    for peer in peers {
        plan.peers.extend(&peer.addresses);
        let reached = peer.pod_ranges.iter().map(|range| {
            let way =
                plan.refused(*range, around).map_or_else(|| way(mode, peer, *range, around), Err);
            if let Ok(way) = way {
                plan.ways.insert(*range, way);
            }
            (*range, way)
        });
        let reached: Vec<_> = reached.collect();
        for (range, way) in &reached {
            let Ok(way @ Way::Tunnel { .. }) = way else { continue };
            let of_family =
                peer.addresses.iter().filter(|ip| ip.is_ipv4() == range.addr().is_ipv4());
            plan.nodes.extend(of_family.map(|address| (*address, *way)));
        }
        plan.reached.insert(peer.name.clone(), reached);
    }
    let routes = plan.ways.iter().filter_map(|(range, way)| route(*range, *way, around));
    plan.routes = routes.collect();
    plan
}

impl Plan {
    fn refused(&self, range: IpNet, around: &Surroundings) -> Option<Left> {
        let overlaps = |other: &IpNet| other.contains(&range) || range.contains(other);
        if around.own_ranges.iter().any(overlaps)
            || around.addresses.iter().any(|address| range.contains(address))
        {
            return Some(Left::OverlapsOurs);
        }
        self.ways.keys().any(overlaps).then_some(Left::OverlapsAnother)
    }

    /// Bytes that the tunnel adds to each packet, at most; what RFC 7348, 5 shows, after the inner frame's
    /// own header. With `carries`, packets of clients outside go through it to every node.
    pub fn overhead(&self, carries: bool) -> u32 {
        let tunnels = self.ways.values().chain(self.nodes.values());
        let has_v6 = tunnels.into_iter().any(|way| match way {
            Way::Tunnel { remote, .. } => remote.is_ipv6(),
            Way::Native { via, .. } => carries && via.is_ipv6(),
        });
        if has_v6 { OVERHEAD_V6 } else { OVERHEAD_V4 }
    }
}

/// Ethernet, VXLAN, UDP and IPv4.
const OVERHEAD_V4: u32 = 14 + 8 + 8 + 20;
/// Likewise with IPv6.
const OVERHEAD_V6: u32 = 14 + 8 + 8 + 40;

fn way(mode: Mode, peer: &Peer, range: IpNet, around: &Surroundings) -> Result<Way, Left> {
    let is_v4 = range.addr().is_ipv4();
    let of_family = peer.addresses.iter().find(|address| address.is_ipv4() == is_v4);
    let on_link = of_family.and_then(|via| Some((*via, *around.on_link.get(via)?)));
    match (mode, on_link) {
        (Mode::Auto | Mode::Native, Some((via, uplink))) => return Ok(Way::Native { uplink, via }),
        (Mode::Native, None) => return Err(Left::ToTheNetwork),
        (Mode::Auto, None) | (Mode::Vxlan, _) => {}
    }
    let has_family =
        |remote: &&IpAddr| around.addresses.iter().any(|own| own.is_ipv4() == remote.is_ipv4());
    let remotes = of_family.into_iter().chain(&peer.addresses);
    let remote = *remotes.into_iter().find(has_family).ok_or(Left::NoAddress)?;
    let device = around.tunnel.ok_or(Left::NoTunnel)?;
    Ok(Way::Tunnel { device, remote })
}

/// `None`: the node has no address that could be answered.
fn route(to: IpNet, way: Way, around: &Surroundings) -> Option<Route> {
    match way {
        Way::Native { uplink, via } => {
            Some(Route { to, via: Some(via), interface: uplink, source: None })
        }
        Way::Tunnel { device, .. } => {
            let is_v4 = to.addr().is_ipv4();
            let source = around.addresses.iter().find(|own| own.is_ipv4() == is_v4)?;
            Some(Route { to, via: None, interface: device, source: Some(*source) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPLINK: u32 = 2;
    const TUNNEL: u32 = 9;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn peer(name: &str, addresses: &str, ranges: &str) -> Peer {
        Peer {
            name: name.into(),
            addresses: addresses.split_whitespace().map(ip).collect(),
            pod_ranges: ranges.split_whitespace().map(net).collect(),
        }
    }

    fn here(addresses: &str, on_link: &str) -> Surroundings {
        Surroundings {
            addresses: addresses.split_whitespace().map(ip).collect(),
            own_ranges: vec![net("10.244.0.0/24"), net("fd00:244::/64")],
            on_link: on_link.split_whitespace().map(|text| (ip(text), UPLINK)).collect(),
            tunnel: Some(TUNNEL),
        }
    }

    const BOTH: &str = "192.0.2.1 2001:db8::1";
    const PEER: &str = "192.0.2.2 2001:db8::2";
    const RANGES: &str = "10.244.1.0/24 fd00:244:1::/64";

    fn native(via: &str) -> Way {
        Way::Native { uplink: UPLINK, via: ip(via) }
    }

    fn tunnel(remote: &str) -> Way {
        Way::Tunnel { device: TUNNEL, remote: ip(remote) }
    }

    fn ways(mode: Mode, around: &Surroundings, peer: &Peer) -> Vec<Result<Way, Left>> {
        let plan = plan(mode, [peer], around);
        plan.reached[&peer.name].iter().map(|(_, way)| *way).collect()
    }

    #[test]
    fn each_family_goes_by_its_own_link_or_by_the_tunnel() {
        let other = peer("b", PEER, RANGES);
        let linked = here(BOTH, PEER);
        let far = here(BOTH, "");
        let half = here(BOTH, "192.0.2.2");
        let routes = vec![Ok(native("192.0.2.2")), Ok(native("2001:db8::2"))];
        let tunnels = vec![Ok(tunnel("192.0.2.2")), Ok(tunnel("2001:db8::2"))];
        assert_eq!(ways(Mode::Auto, &linked, &other), routes);
        assert_eq!(ways(Mode::Auto, &far, &other), tunnels);
        let mixed = vec![Ok(native("192.0.2.2")), Ok(tunnel("2001:db8::2"))];
        assert_eq!(ways(Mode::Auto, &half, &other), mixed);
        assert_eq!(ways(Mode::Vxlan, &linked, &other), tunnels);
        let left = vec![Ok(native("192.0.2.2")), Err(Left::ToTheNetwork)];
        assert_eq!(ways(Mode::Native, &half, &other), left);
    }

    #[test]
    fn pods_of_a_family_that_the_nodes_lack_go_through_the_other() {
        let other = peer("b", "192.0.2.2", RANGES);
        let around = here("192.0.2.1", "192.0.2.2");
        let expected = vec![Ok(native("192.0.2.2")), Ok(tunnel("192.0.2.2"))];
        assert_eq!(ways(Mode::Auto, &around, &other), expected);
        let plan = plan(Mode::Auto, [&other], &around);
        let to: Vec<_> = plan.routes.iter().map(|route| route.to).collect();
        assert_eq!(to, [net("10.244.1.0/24")], "the node itself has no address to send from");
        assert_eq!(plan.nodes, BTreeMap::new());
        assert_eq!(plan.overhead(true), 50);
    }

    #[test]
    fn where_pods_are_reached_by_the_tunnel_so_is_their_node() {
        let plan = plan(Mode::Vxlan, [&peer("b", PEER, RANGES)], &here(BOTH, ""));
        let nodes = [ip("192.0.2.2"), ip("2001:db8::2")];
        assert_eq!(plan.nodes.keys().copied().collect::<Vec<_>>(), nodes);
        assert_eq!(plan.overhead(false), 70);
        let source = |to: &str| plan.routes.iter().find(|r| r.to == net(to)).unwrap().source;
        assert_eq!(source("10.244.1.0/24"), Some(ip("192.0.2.1")));
        assert_eq!(source("fd00:244:1::/64"), Some(ip("2001:db8::1")));
    }

    #[test]
    fn what_is_carried_for_clients_outside_is_wrapped_for_neighbours_too() {
        let plan = plan(Mode::Auto, [&peer("b", PEER, RANGES)], &here(BOTH, PEER));
        assert_eq!((plan.overhead(false), plan.overhead(true)), (50, 70));
    }

    #[test]
    fn tunnelled_packets_are_taken_of_every_node_whatever_is_decided_here() {
        let plan = plan(Mode::Native, [&peer("b", PEER, "")], &here(BOTH, PEER));
        assert_eq!(plan.peers, BTreeSet::from([ip("192.0.2.2"), ip("2001:db8::2")]));
        assert!(plan.routes.is_empty() && plan.ways.is_empty());
    }

    #[test]
    fn what_would_cut_this_node_off_is_left_out() {
        let around = here(BOTH, PEER);
        for bad in ["10.244.0.0/25", "10.244.0.0/16", "192.0.2.0/24", "0.0.0.0/0", "::/0"] {
            let left = ways(Mode::Auto, &around, &peer("b", PEER, bad));
            assert_eq!(left, [Err(Left::OverlapsOurs)], "{bad}");
        }
        let (b, c) = (peer("b", PEER, "10.244.1.0/24"), peer("c", PEER, "10.244.1.128/25"));
        let plan = plan(Mode::Auto, [&b, &c], &around);
        assert_eq!(plan.reached["c"], [(net("10.244.1.128/25"), Err(Left::OverlapsAnother))]);
        assert_eq!(plan.ways.len(), 1);
    }

    #[test]
    fn without_a_device_or_an_address_it_is_said_why() {
        let around = Surroundings { tunnel: None, ..here("192.0.2.1", "") };
        let other = peer("b", "192.0.2.2", "10.244.1.0/24");
        assert_eq!(ways(Mode::Auto, &around, &other), [Err(Left::NoTunnel)]);
        let six = peer("b", "2001:db8::2", "10.244.1.0/24");
        assert_eq!(ways(Mode::Auto, &around, &six), [Err(Left::NoAddress)]);
    }
}
