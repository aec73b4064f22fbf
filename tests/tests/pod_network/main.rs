//! Pods of several nodes reach each other: by routes where the nodes share a link, through the tunnel where
//! they do not, each family on its own. Agents are the real ones, with manifests.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod clients;
mod doctor;
mod kept;
mod mtu;
mod services;

use std::path::PathBuf;

use serde_json::Value;
use sheave_abi::event::Event;
use sheave_tests::cluster::program;
use sheave_tests::netns::Netns;
use sheave_tests::peers::{Between, Nodes};
use sheave_tests::site::{answer, ask, connected, tcp};

pub(crate) fn agent() -> PathBuf {
    program("sheave-agent")
}

/// Two nodes with the pods 2 and 3 each, and servers in pod 3, and on the nodes, at port 8080.
pub(crate) fn two_nodes(name: &str, between: Between, flags: [&[&str]; 2]) -> Nodes {
    let mut nodes = Nodes::new(name, between, 2, &agent());
    for (number, flags) in [1, 2].into_iter().zip(flags) {
        nodes.start(number, flags);
        let addresses = nodes.addresses(number);
        let node = nodes.node_mut(number);
        node.add_pod(2, 1500);
        node.add_pod(3, 1500);
        for address in node.pod_addresses(3) {
            answer(&node.pods[&3], &at(&address, 8080));
        }
        for address in addresses {
            answer(&node.netns, &at(&address, 8080));
        }
    }
    nodes
}

/// Address and port, as sockets are written.
pub(crate) fn at(address: &str, port: u16) -> String {
    match address.contains(':') {
        true => format!("[{address}]:{port}"),
        false => format!("{address}:{port}"),
    }
}

/// A connection with some data, and a datagram, from `client` to `address`, which must be seen as from `seen`.
pub(crate) fn reaches(client: &Netns, address: &str, seen: &str, what: &str) {
    let address = at(address, 8080);
    let from = tcp(client, &address, 1 << 20);
    assert_eq!(from.map(|from| from.ip().to_string()), Ok(seen.to_owned()), "TCP, {what}");
    let from = ask(&connected(client, &address, 0), 900);
    assert_eq!(from.map(|from| from.ip().to_string()), Ok(seen.to_owned()), "UDP, {what}");
}

/// Every pair of pods and nodes, in both directions and families.
pub(crate) fn all_reach_all(nodes: &Nodes) {
    for (here, there) in [(1, 2), (2, 1)] {
        let (from, to) = (nodes.node(here), nodes.node(there));
        for family in [0, 1] {
            let own = |node: u8| nodes.addresses(node)[family].clone();
            let (pod, server) = (from.pod_addresses(2), to.pod_addresses(3));
            let (pod, server) = (&pod[family], &server[family]);
            reaches(&from.pods[&2], server, pod, "pod to pod");
            reaches(&from.netns, server, &own(here), "node to pod");
            let shown = if nodes_are_tunnelled(nodes, here) { pod.clone() } else { own(here) };
            reaches(&from.pods[&2], &own(there), &shown, "pod to node");
            ping(&from.pods[&2], server);
            ping(&from.netns, server);
        }
    }
}

pub(crate) fn ping(from: &Netns, address: &str) {
    from.command("busybox", &format!("ping -c 1 -W 3 {address}"));
}

/// How the node says that it reaches the ranges of the other.
pub(crate) fn ways(nodes: &Nodes, number: u8) -> Vec<String> {
    let status = nodes.node(number).ask("/status").unwrap();
    let ranges = status["podNetwork"]["nodes"][0]["ranges"].as_array().cloned().unwrap_or_default();
    let way = |range: &Value| range["by"].as_str().unwrap_or("none").to_owned();
    ranges.iter().map(way).collect()
}

fn nodes_are_tunnelled(nodes: &Nodes, number: u8) -> bool {
    ways(nodes, number).iter().all(|way| way == "vxlan")
}

/// Packets that left through the tunnel.
pub(crate) fn tunnelled(nodes: &Nodes, number: u8) -> u64 {
    let said =
        nodes.node(number).netns.command("ip", "-json -statistics link show dev sheave-vxlan");
    let said: Value = serde_json::from_str(&said).unwrap();
    said[0]["stats64"]["tx"]["packets"].as_u64().unwrap()
}

#[test]
fn nodes_on_one_link_need_no_tunnel() {
    let nodes = two_nodes("pn-link", Between::Link, [&[], &[]]);
    assert_eq!(ways(&nodes, 1), ["native", "native"]);
    all_reach_all(&nodes);
    for number in [1, 2] {
        let node = nodes.node(number);
        assert_eq!(tunnelled(&nodes, number), 0);
        assert!(node.counter(Event::SentToNode) > 0, "past the stack");
        node.assert_nothing_dropped();
    }
}

#[test]
fn nodes_behind_routers_that_know_no_pods_are_reached_through_the_tunnel() {
    let nodes = two_nodes("pn-router", Between::Router, [&[], &[]]);
    assert_eq!(ways(&nodes, 1), ["vxlan", "vxlan"]);
    all_reach_all(&nodes);
    for number in [1, 2] {
        assert!(tunnelled(&nodes, number) > 0);
        assert!(nodes.node(number).counter(Event::SentToNode) > 0, "past the stack");
        nodes.node(number).assert_nothing_dropped();
    }
}

#[test]
fn the_tunnel_can_be_had_on_one_link_too() {
    let flags: &[&str] = &["--pod-network", "vxlan", "--vxlan-port", "4789"];
    let nodes = two_nodes("pn-forced", Between::Link, [flags, flags]);
    assert_eq!(ways(&nodes, 1), ["vxlan", "vxlan"]);
    all_reach_all(&nodes);
    for number in [1, 2] {
        assert!(tunnelled(&nodes, number) > 0);
        nodes.node(number).assert_nothing_dropped();
    }
}

#[test]
fn each_end_may_choose_its_own_way() {
    let nodes = two_nodes("pn-mixed", Between::Link, [&["--pod-network", "vxlan"], &[]]);
    assert_eq!(ways(&nodes, 1), ["vxlan", "vxlan"]);
    assert_eq!(ways(&nodes, 2), ["native", "native"]);
    all_reach_all(&nodes);
    assert!(tunnelled(&nodes, 1) > 0);
    for number in [1, 2] {
        nodes.node(number).assert_nothing_dropped();
    }
}

#[test]
fn what_no_node_of_the_cluster_wrapped_is_dropped() {
    let nodes = two_nodes("pn-stranger", Between::Router, [&[], &[]]);
    // The client outside plays a node: it wraps packets as one would.
    let [node, _] = nodes.addresses(1);
    let outside = &nodes.outside;
    outside.ip(&format!("link add vx0 type vxlan id 1 remote {node} dstport 8472 dev eth0"));
    outside.ip("link set vx0 address 02:00:00:00:00:01 up");
    outside.ip("addr add 10.244.9.1/32 dev vx0");
    outside.ip("route add 10.244.1.3/32 dev vx0 src 10.244.9.1");
    outside.ip("neigh add 10.244.1.3 lladdr 02:73:68:65:61:76 dev vx0");
    assert!(tcp(outside, "10.244.1.3:8080", 1).is_err());
    assert!(nodes.node(1).counter(Event::TunnelStranger) > 0);
}
