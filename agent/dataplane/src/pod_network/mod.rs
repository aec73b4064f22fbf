//! The way to pods of other nodes: routes and the tunnel's device in the kernel, what the packet programs know
//! of both, and what runs at the device. What should be is `core`'s plan; here it is asked what is, and made
//! so.

mod carriers;
mod device;
mod netlink;
mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use aya::programs::{SchedClassifier, TcAttachType};
use ipnet::IpNet;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::pins::{PROGRAMS_DIR, TUNNEL_LINKS_DIR};
use sheave_abi::tunnel::{Carriage, DEVICE, Overlay, PEERS_MAX, Remote, RemoteRange};
use sheave_core::pod_network::{Plan, Way};

pub use device::{device, ensure_device};
pub use netlink::NetlinkError;
pub use routes::{Existing, ROUTE_PROTOCOL, RoutesApplied, apply_routes, on_link};

pub(crate) use device::remove_device;
pub(crate) use routes::our_routes;

use crate::Dataplane;
use crate::maps::{MapError, Table};
use crate::network::addr;
use crate::programs::{AttachError, attach_error};
use crate::tc::{self, ProgramOrder, TcAttachment};

/// What runs at the tunnel's device, in the order in which it is attached: what is wrapped and unwrapped comes
/// before the rest. Name, suffix of the pin, side, place among them.
const PROGRAMS: [(&str, &str, TcAttachType, ProgramOrder, u16); 4] = [
    ("uplink_ingress", "ingress", TcAttachType::Ingress, ProgramOrder::Last, 2),
    ("uplink_egress", "egress", TcAttachType::Egress, ProgramOrder::Last, 2),
    ("tunnel_ingress", "unwrap", TcAttachType::Ingress, ProgramOrder::First, 1),
    ("tunnel_egress", "wrap", TcAttachType::Egress, ProgramOrder::First, 1),
];

/// Takes all of our routes away, and the device. Says what they were.
pub(crate) fn remove_all() -> Result<Vec<String>, NetlinkError> {
    let routes = our_routes()?;
    let mut gone: Vec<String> = routes.iter().map(|r| format!("the route to {}", r.to)).collect();
    let applied = apply_routes(&Default::default(), Existing::Follows)?;
    if let Some((_, error)) = applied.failed.into_iter().next() {
        return Err(error);
    }
    if remove_device()? {
        gone.push(format!("the interface {DEVICE}"));
    }
    Ok(gone)
}

/// What [`remove_all`] would.
pub(crate) fn all() -> Result<Vec<String>, NetlinkError> {
    let mut all: Vec<String> =
        our_routes()?.iter().map(|r| format!("the route to {}", r.to)).collect();
    if device()?.is_some() {
        all.push(format!("the interface {DEVICE}"));
    }
    Ok(all)
}

/// How clients outside reach pods of other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Their packets are carried as they came by the tunnel's device, which has this index. `None`: the node stands in
    /// for them.
    pub carried_by: Option<u32>,
    /// Where this node serves NodePorts.
    pub node_port_addresses: Vec<IpAddr>,
}

impl Dataplane {
    /// Tells the programs how pods of other nodes are reached, and who may send through the tunnel, which has
    /// this UDP port. Writes only what changed, and says whether anything did.
    pub fn set_remotes(
        &self,
        plan: &Plan,
        port: u16,
        existing: Existing,
    ) -> Result<bool, MapError> {
        let (Some(remotes), Some(peers), Some(overlay)) =
            (&self.maps.remotes, &self.maps.peers, &self.maps.overlay)
        else {
            // Programs of a version before, which know nothing of this.
            return Ok(false);
        };
        let mut changed = self.set_peers(peers, plan, existing)?;
        let stays = existing == Existing::Stays;
        let wanted: BTreeMap<RemoteRange, Remote> = entries(plan).collect();
        let held: BTreeMap<RemoteRange, Remote> = remotes.trie_entries()?.into_iter().collect();
        let is_other = |range, remote: &Remote| match held.get(range) {
            Some(held) => !stays && held != remote,
            None => true,
        };
        for (range, remote) in wanted.iter().filter(|(range, remote)| is_other(range, remote)) {
            remotes.put(range, remote)?;
            changed = true;
        }
        for range in held.keys().filter(|range| !stays && !wanted.contains_key(range)) {
            remotes.remove(range)?;
            changed = true;
        }
        let held = overlay.get(&0)?;
        let had_nodes = held.is_some_and(|held| stays && held.has_nodes != 0);
        let has_nodes = (had_nodes || !plan.nodes.is_empty()).into();
        let said = Overlay { port: Be16::new(port), has_nodes };
        if held != Some(said) {
            overlay.put(&0, &said)?;
            changed = true;
        }
        Ok(changed)
    }

    fn set_peers(
        &self,
        peers: &Table<Addr, u32>,
        plan: &Plan,
        existing: Existing,
    ) -> Result<bool, MapError> {
        let mut wanted: BTreeSet<Addr> = plan.peers.iter().map(|ip| addr(*ip)).collect();
        let held: BTreeMap<Addr, u32> = peers.entries()?.into_iter().collect();
        if existing == Existing::Stays {
            wanted.extend(held.keys());
        }
        let named = |number| self.maps.carriers.as_ref()?.get(&number).ok().flatten();
        let wanted = carriers::numbered(&wanted, &held, named, PEERS_MAX);
        let mut changed = false;
        for (peer, number) in wanted.iter().filter(|(peer, n)| held.get(peer) != Some(n)) {
            // First who it is: what a flow keeps is looked up here.
            if let Some(carriers) = &self.maps.carriers {
                carriers.put(number, peer)?;
            }
            peers.put(peer, number)?;
            changed = true;
        }
        for peer in held.keys().filter(|peer| !wanted.contains_key(peer)) {
            peers.remove(peer)?;
            changed = true;
        }
        Ok(changed)
    }

    /// Tells the programs how clients outside reach pods of other nodes. Writes only what changed, and says whether
    /// anything did.
    pub fn set_clients(&self, clients: &Clients) -> Result<bool, MapError> {
        let Some(carriage) = &self.maps.carriage else {
            // Programs of a version before, which stand in for all of them.
            return Ok(false);
        };
        let wanted = carriage_of(clients);
        if carriage.get(&0)? == Some(wanted) {
            return Ok(false);
        }
        carriage.put(&0, &wanted).map(|()| true)
    }

    /// Puts the programs to work at the tunnel's device, which was just made or not.
    pub fn attach_tunnel(&self, ifindex: u32) -> Result<(), AttachError> {
        for (name, suffix, side, order, priority) in PROGRAMS {
            let pin = self.bpffs_dir.join(PROGRAMS_DIR).join(name);
            let mut program = SchedClassifier::from_pin(&pin)
                .map_err(|error| attach_error(name, DEVICE, error))?;
            match self.how {
                TcAttachment::Tcx => {
                    let path = self.bpffs_dir.join(TUNNEL_LINKS_DIR).join(suffix);
                    tc::attach_tcx(&mut program, name, (DEVICE, ifindex), side, order, &path)?;
                }
                TcAttachment::Clsact => {
                    tc::attach_clsact(&mut program, name, DEVICE, side, priority)?;
                }
            }
        }
        Ok(())
    }
}

fn carriage_of(clients: &Clients) -> Carriage {
    let of_family = |v4| {
        let address = clients.node_port_addresses.iter().find(|ip| ip.is_ipv4() == v4);
        address.map_or_else(Addr::default, |ip| addr(*ip))
    };
    Carriage {
        device: clients.carried_by.unwrap_or(0),
        node_port4: of_family(true),
        node_port6: of_family(false),
    }
}

fn entries(plan: &Plan) -> impl Iterator<Item = (RemoteRange, Remote)> {
    let nodes = plan.nodes.iter().map(|(ip, way)| (IpNet::from(*ip), *way));
    let ranges = plan.ways.iter().map(|(range, way)| (*range, *way));
    ranges.chain(nodes).map(|(range, way)| (remote_range(range), remote(way)))
}

fn remote_range(range: IpNet) -> RemoteRange {
    let prefix_len = u32::from(range.prefix_len());
    RemoteRange {
        prefix_len: if range.addr().is_ipv4() { 96 + prefix_len } else { prefix_len },
        addr: addr(range.network()),
    }
}

fn remote(way: Way) -> Remote {
    match way {
        Way::Native { uplink, via } => Remote { node: addr(via), ifindex: uplink, tunnelled: 0 },
        Way::Tunnel { device, remote } => {
            Remote { node: addr(remote), ifindex: device, tunnelled: 1 }
        }
    }
}

/// How large packets may be that leave by an interface; nothing while it is not there.
pub fn mtu(ifindex: u32) -> Option<u32> {
    crate::interface::mtu(ifindex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_both_families_lie_in_one_trie() {
        let range = |text: &str| remote_range(text.parse().unwrap());
        let four = RemoteRange { prefix_len: 120, addr: Addr::v4([10, 244, 1, 0]) };
        assert_eq!(range("10.244.1.0/24"), four);
        assert_eq!(range("fd00:244:1::/64").prefix_len, 64);
        assert_eq!(range("192.0.2.1/32").prefix_len, 128);
    }
}
