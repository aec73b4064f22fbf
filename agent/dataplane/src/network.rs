//! What the programs must know of the node and the cluster, and how it stands in the maps.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use sheave_abi::order::{Addr, Be16};
use sheave_abi::settings::{Net, Nets, Settings};
use sheave_abi::uplink::Uplink;

use crate::maps::MapError;
use crate::{Dataplane, interface};

/// An address and a prefix length.
pub type Cidr = (IpAddr, u8);

/// The addresses that have a meaning. Of every list one a family counts, the last.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Network {
    /// Of services.
    pub services: Vec<Cidr>,
    /// Of this node's pods.
    pub node_pods: Vec<Cidr>,
    /// Of all pods.
    pub cluster_pods: Vec<Cidr>,
    /// What a pod that reaches itself through a service sees as its client.
    pub hairpin: Vec<IpAddr>,
    /// Ports that the node's own sockets leave to translated flows.
    pub nat_ports: Option<RangeInclusive<u16>>,
    /// Interfaces that lead out, by index, with the node's addresses there.
    pub uplinks: Vec<(u32, Vec<IpAddr>)>,
}

impl Dataplane {
    /// Tells the programs. Writes only what changed, and says whether anything did.
    pub fn set_network(&self, network: &Network) -> Result<bool, MapError> {
        let before = self.maps.settings.get(&0)?.unwrap_or_default();
        let wanted = Settings {
            host_netns_cookie: interface::netns_cookie().unwrap_or(0),
            traced: before.traced,
            ..settings(network)
        };
        let mut changed = before != wanted;
        if changed {
            self.maps.settings.put(&0, &wanted)?;
        }
        let uplinks: Vec<(u32, Uplink)> = network
            .uplinks
            .iter()
            .map(|(index, addresses)| (*index, uplink(*index, addresses)))
            .collect();
        let held = self.maps.uplinks.entries()?;
        for (index, uplink) in uplinks.iter().filter(|uplink| !held.contains(uplink)) {
            self.maps.uplinks.put(index, uplink)?;
            changed = true;
        }
        for (index, _) in held.iter().filter(|(i, _)| uplinks.iter().all(|(u, _)| u != i)) {
            self.maps.uplinks.remove(index)?;
            changed = true;
        }
        let own = network.uplinks.iter().flat_map(|(_, addresses)| addresses.iter().copied());
        changed |= self.enter_node(&own.collect::<Vec<_>>())?;
        Ok(changed)
    }
}

fn settings(network: &Network) -> Settings {
    let shown = |v4| {
        let of_family = network.hairpin.iter().rfind(|ip: &&IpAddr| ip.is_ipv4() == v4);
        of_family.map_or_else(Addr::default, |ip| addr(*ip))
    };
    let ports = network.nat_ports.clone().unwrap_or(0..=0);
    Settings {
        services: nets(&network.services),
        node_pods: nets(&network.node_pods),
        cluster_pods: nets(&network.cluster_pods),
        hairpin4: shown(true),
        hairpin6: shown(false),
        nat_port_first: Be16::new(*ports.start()),
        nat_port_last: Be16::new(*ports.end()),
        ..Settings::default()
    }
}

fn nets(cidrs: &[Cidr]) -> Nets {
    let mut nets = Nets::default();
    for (ip, prefix_len) in cidrs {
        // The mask of a mapped address covers its prefix too.
        let bits = if ip.is_ipv4() { 96 + u32::from(*prefix_len) } else { u32::from(*prefix_len) };
        let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
        let net = u128::from_be_bytes(addr(*ip).octets()) & mask;
        let net = Net { addr: Addr::v6(net.to_be_bytes()), mask: Addr::v6(mask.to_be_bytes()) };
        match ip {
            IpAddr::V4(_) => nets.v4 = net,
            IpAddr::V6(_) => nets.v6 = net,
        }
    }
    nets
}

fn uplink(index: u32, addresses: &[IpAddr]) -> Uplink {
    let mut uplink = Uplink { mtu: interface::mtu(index).unwrap_or(0), ..Uplink::default() };
    for address in addresses {
        match address {
            IpAddr::V4(_) => uplink.addr4 = addr(*address),
            IpAddr::V6(_) => uplink.addr6 = addr(*address),
        }
    }
    uplink
}

pub(crate) fn addr(ip: IpAddr) -> Addr {
    match ip {
        IpAddr::V4(ip) => Addr::v4(ip.octets()),
        IpAddr::V6(ip) => Addr::v6(ip.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_and_no_other() {
        let network = Network {
            services: vec![("10.96.3.4".parse().unwrap(), 16), ("fd00::1".parse().unwrap(), 108)],
            ..Network::default()
        };
        let settings = settings(&network);
        let holds = |ip: &str| settings.services.hold(&addr(ip.parse().unwrap()));
        assert!(holds("10.96.255.1") && holds("10.96.0.0") && holds("fd00::f:ffff"));
        assert!(!holds("10.97.0.1") && !holds("fd00::10:0") && !holds("::ffff"));
        let none = super::settings(&Network::default());
        assert!(!none.services.hold(&Addr::default()));
        assert!(!none.node_pods.hold(&Addr::v4([0; 4])));
    }
}
