//! The node of the packet table with a network of its own around it: by which uplink a packet would leave is
//! for the kernel's routes to say.

use sheave_dataplane::Network;
use sheave_tests::netns::Netns;
use sheave_tests::node::DetachedNode;

use crate::frame::Frame;
use crate::net::Net;
use crate::node::{network, node};
use crate::{Case, run};

/// The uplink that leads to other nodes, and what it carries. Clients come in by the loopback, as the kernel
/// runs frames.
const UPLINK_INDEX: u32 = 77;
pub(crate) const UPLINK_MTU: u16 = 1300;
/// What the clients' uplink carries.
pub(crate) const CLIENTS_MTU: u16 = 1400;

/// A node whose routes lead everywhere by that uplink.
pub(crate) fn machine() -> Netns {
    let machine = Netns::new();
    machine.sysctl("net.ipv4.ip_forward", "1");
    machine.sysctl("net.ipv6.conf.all.forwarding", "1");
    // An address that is still tried for others who have it is not local yet.
    machine.sysctl("net.ipv6.conf.default.accept_dad", "0");
    machine.ip(&format!("link set lo mtu {CLIENTS_MTU}"));
    machine.ip(&format!(
        "link add up0 index {UPLINK_INDEX} mtu {UPLINK_MTU} type veth peer name other0"
    ));
    machine.ip("link set up0 up");
    machine.ip("link set other0 up");
    for (net, len) in Net::BOTH.into_iter().zip([24, 64]) {
        machine.ip(&format!("addr add {}/{len} dev up0", net.node()));
    }
    machine.ip("-4 route add default dev up0");
    machine.ip("-6 route add default dev up0");
    machine
}

/// The node of the packet table there. With one port to give, everybody knows which is given.
pub(crate) fn node_there(
    ports: std::ops::RangeInclusive<u16>,
) -> std::sync::MutexGuard<'static, DetachedNode> {
    let mut node = node();
    node.dataplane().set_network(&network_there(ports)).unwrap();
    node
}

/// What that node knows of its network.
pub(crate) fn network_there(ports: std::ops::RangeInclusive<u16>) -> Network {
    let addresses = Net::BOTH.map(Net::node).to_vec();
    let uplinks = [1, UPLINK_INDEX].map(|index| (index, addresses.clone())).to_vec();
    Network { nat_ports: Some(ports), uplinks, ..network() }
}

/// The port that those are given who are shown as the node.
pub(crate) const PORT: u16 = 61000;

/// As the rows of all others, there.
pub(crate) fn check(cases: fn(Net) -> Vec<Case>) {
    machine().run(|| {
        let mut node = node_there(PORT..=PORT);
        for case in Net::BOTH.into_iter().flat_map(cases) {
            node.dataplane().forget_traffic().unwrap();
            run(&mut node, case);
        }
    });
}

/// One hop further; to whom, the kernel knows.
pub(crate) fn on(frame: Frame) -> Frame {
    let macs = (frame.dst_mac, frame.src_mac);
    frame.hop(macs)
}
