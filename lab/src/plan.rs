//! Who has which name and address: pure, from what was ordered and which network this lab has got.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::spec::{Layout, Spec};

/// The last part of the address: routers 1, this machine 2, nodes from 11, clients from 61. The pool of load
/// balancer addresses is 100 to 119.
const ROUTER: u8 = 1;
const HERE: u8 = 2;
const NODES_FROM: u8 = 11;
const CLIENTS_FROM: u8 = 61;
const POOL: [u8; 2] = [100, 119];

/// Which of the networks that a lab may have. RFC 2544 sets 198.18.0.0/15 aside for such a use, and no
/// network outside has it; likewise the prefix of IPv6, which is locally assigned (RFC 4193).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network(pub u8);

/// One machine of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its host name: `node-1`, `client-1`.
    pub name: String,
    /// Which link its uplink is on.
    pub link: usize,
    /// IPv4, and IPv6 where the lab has both.
    pub addresses: Vec<IpAddr>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// In the order of their numbers, from 1.
    pub nodes: Vec<Place>,
    /// Likewise.
    pub clients: Vec<Place>,
    /// The router's addresses on each link.
    pub routers: Vec<Vec<IpAddr>>,
    /// Addresses of the machine that the lab is on, on the first link.
    pub here: Vec<IpAddr>,
    /// Load balancer addresses, a range a family, on the first link.
    pub pool: Vec<String>,
}

impl Plan {
    /// From an order that was checked.
    pub(crate) fn new(spec: &Spec, network: Network) -> Self {
        let addresses = |link: usize, last: u8| {
            let v4 = IpAddr::from(network.v4(spec.layout, link, last));
            let v6 = spec.dual_stack.then(|| IpAddr::from(network.v6(link, last)));
            [v4].into_iter().chain(v6).collect::<Vec<_>>()
        };
        let place = |kind: &str, index: usize, link: usize, first: u8| Place {
            name: format!("{kind}-{}", index + 1),
            link,
            // Bounded by the order.
            addresses: addresses(link, first + index as u8),
        };
        let links = spec.layout.links();
        let [first, last] = POOL.map(|last| addresses(0, last));
        Self {
            nodes: (0..spec.nodes).map(|i| place("node", i, i % links, NODES_FROM)).collect(),
            clients: (0..spec.clients).map(|i| place("client", i, 0, CLIENTS_FROM)).collect(),
            routers: (0..links).map(|link| addresses(link, ROUTER)).collect(),
            here: addresses(0, HERE),
            pool: first.iter().zip(&last).map(|(first, last)| format!("{first}-{last}")).collect(),
        }
    }

    /// Nodes, then clients.
    pub fn machines(&self) -> impl Iterator<Item = &Place> {
        self.nodes.iter().chain(&self.clients)
    }
}

impl Network {
    /// The interface by which the machine that the lab is on reaches it. Its name claims the network.
    pub(crate) fn interface(self) -> String {
        format!("sheave-lab{}", self.0)
    }

    fn v4(self, layout: Layout, link: usize, last: u8) -> Ipv4Addr {
        let half = if layout.links() > 1 { 128 * link as u8 } else { 0 };
        Ipv4Addr::new(198, 18, self.0, half + last)
    }

    /// The last part is written as in IPv4, so that people see who it is.
    fn v6(self, link: usize, last: u8) -> Ipv6Addr {
        let digits =
            u16::from(last / 100) << 8 | u16::from(last / 10 % 10) << 4 | u16::from(last % 10);
        Ipv6Addr::new(0xfd00, 0x1ab, u16::from(self.0), link as u16, 0, 0, 0, digits)
    }

    /// The length of a link's prefix, by family.
    pub(crate) fn prefix(layout: Layout, address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) if layout.links() > 1 => 25,
            IpAddr::V4(_) => 24,
            IpAddr::V6(_) => 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(layout: Layout) -> Plan {
        let mut spec = Spec::new("lab", "/", "/");
        (spec.layout, spec.clients) = (layout, 1);
        Plan::new(&spec, Network(7))
    }

    fn addresses(place: &Place) -> Vec<String> {
        place.addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everybody_has_an_address_of_the_link() {
        let plan = plan(Layout::OneLink);
        assert_eq!(addresses(&plan.nodes[2]), ["198.18.7.13", "fd00:1ab:7::13"]);
        assert_eq!(addresses(&plan.clients[0]), ["198.18.7.61", "fd00:1ab:7::61"]);
        assert_eq!(plan.pool[0], "198.18.7.100-198.18.7.119");
        assert_eq!(plan.pool[1], "fd00:1ab:7::100-fd00:1ab:7::119");
        assert_eq!(
            plan.machines().map(|place| place.name.as_str()).collect::<Vec<_>>(),
            ["node-1", "node-2", "node-3", "client-1"]
        );
    }

    #[test]
    fn nodes_take_turns_on_two_links() {
        let plan = plan(Layout::Routed);
        assert_eq!(plan.nodes.iter().map(|node| node.link).collect::<Vec<_>>(), [0, 1, 0]);
        assert_eq!(addresses(&plan.nodes[1]), ["198.18.7.140", "fd00:1ab:7:1::12"]);
        assert_eq!(plan.routers[1][0].to_string(), "198.18.7.129");
        let all: Vec<_> = plan.machines().flat_map(|place| place.addresses.clone()).collect();
        let mut each = all.clone();
        each.sort();
        each.dedup();
        assert_eq!(each.len(), all.len(), "nobody has another's address");
    }
}
