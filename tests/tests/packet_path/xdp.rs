//! Clients outside, served in the uplink's driver too.
//!
//! A veth polls for its peer only if it has a program of its own, so the other end of the uplink has one
//! that lets everything pass.

use std::io::ErrorKind;
use std::net::UdpSocket;

use sheave_abi::event::Event;
use sheave_dataplane::XdpMode;
use sheave_tests::kernel;
use sheave_tests::netns::Netns;
use sheave_tests::veth::{Tap, complete_checksums, load_foreign_program};

use crate::node::{NARROW_MTU, Node};
use crate::traffic::traffic_flows_at;
use crate::wire::{ask, connected, datagram, exchange, set_option};

/// A node whose uplink's driver runs our program.
pub(crate) fn node(name: &str) -> Node {
    let node = Node::with_xdp(name, kernel::tc_attachment(), XdpMode::Native);
    assert_eq!(node.dataplane.as_ref().unwrap().served()["up0"], Ok(()));
    let pin = node.config.bpffs_dir.join("others");
    load_foreign_program(&pin);
    node.outside.ip(&format!("link set dev cl0 xdpdrv pinned {}", pin.display()));
    node
}

/// A client of another network, no wider than the way to the backend elsewhere.
struct Client(Netns);

impl Client {
    fn new(node: &Node) -> Self {
        let client = Netns::new();
        client.sysctl("net.ipv6.conf.default.accept_dad", "0");
        let outside = &node.outside;
        let mtu = NARROW_MTU;
        outside.ip(&format!("link add client0 mtu {mtu} type veth peer name eth0 mtu {mtu}"));
        outside.give("eth0", &client);
        for (netns, name, last) in [(outside, "client0", 1), (&client, "eth0", 7)] {
            netns.ip(&format!("link set {name} up"));
            netns.ip(&format!("addr add 198.18.1.{last}/24 dev {name}"));
            netns.ip(&format!("addr add 2001:db8:19::{last}/64 dev {name}"));
        }
        client.ip("route add default via 198.18.1.1");
        client.ip("route add default via 2001:db8:19::1");
        Self(client)
    }
}

const ELSEWHERE: [(&str, &str); 2] =
    [("192.0.2.1:30084", "192.0.2.1:30055"), ("[2001:db8:2::1]:30084", "[2001:db8:2::1]:30055")];

#[test]
fn traffic_flows_with_the_driver_as_without() {
    traffic_flows_at(node("xdp"));
}

#[test]
fn flows_that_leave_where_they_came_in_do_not_reach_the_stack() {
    let mut node = node("xdp-on");
    let client = Client::new(&node);
    // As if they had been on a wire.
    complete_checksums(&client.0, "eth0");
    complete_checksums(&node.far, "eth0");
    let tap = Tap::new(&node.netns, "up0");
    for (tcp, udp) in ELSEWHERE {
        let sent = 4 << 20;
        exchange(&client.0, tcp, sent).unwrap();
        // To and fro, each of at least as many packets as that, at 1280 bytes.
        let (seen, all) = (tap.seen(), 2 * sent as u32 / 1280);
        assert!(seen < all / 4, "{tcp}: {seen} packets of {all} reached the stack");
        let socket = client.0.run(|| connected(udp));
        (0..200).for_each(|len| client.0.run(|| ask(&socket, len)).unwrap());
        let seen = tap.seen();
        assert!(seen < 100, "{udp}: {seen} packets of 400 reached the stack");
    }
    assert_eq!(node.counter(Event::FlowOpened), 4, "each once");
    assert!(node.counter(Event::RepliedOutside) > 400);
    node.assert_no_drops();
}

#[test]
fn packets_that_were_never_on_a_wire_arrive_right_too() {
    let mut node = node("xdp-partial");
    let client = Client::new(&node);
    for (tcp, udp) in ELSEWHERE {
        exchange(&client.0, tcp, 1 << 20).unwrap();
        for len in [0, 1, 1000, 1200] {
            datagram(&client.0, udp, len).unwrap();
        }
    }
    // Either end alone.
    complete_checksums(&client.0, "eth0");
    exchange(&client.0, ELSEWHERE[0].0, 1 << 20).unwrap();
    complete_checksums(&node.far, "eth0");
    exchange(&client.0, ELSEWHERE[1].0, 1 << 20).unwrap();
    node.assert_no_drops();
}

#[test]
fn who_is_refused_is_refused_by_the_driver() {
    let mut node = node("xdp-refused");
    let outside = &node.outside;
    // Neighbours are found by the stack.
    exchange(outside, "192.0.2.1:30080", 10).unwrap();
    exchange(outside, "[2001:db8:2::1]:30080", 10).unwrap();
    let tap = Tap::new(&node.netns, "up0");
    let refused: Result<String, _> = Err(ErrorKind::ConnectionRefused);
    for address in ["192.0.2.1:30081", "[2001:db8:2::1]:30081"] {
        for _ in 0..20 {
            assert_eq!(exchange(outside, address, 0), refused, "{address}");
        }
    }
    assert!(tap.seen() < 20, "they reach the stack");
    assert_eq!(node.counter(Event::Refused), 40);
}

#[test]
fn the_driver_is_one_hop() {
    let node = node("xdp-hop");
    let client = Client::new(&node);
    complete_checksums(&client.0, "eth0");
    complete_checksums(&node.far, "eth0");
    let tap = Tap::new(&node.netns, "up0");
    let limits = [(libc::IPPROTO_IP, libc::IP_TTL), (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS)];
    for ((_, udp), (level, option)) in ELSEWHERE.into_iter().zip(limits) {
        let socket = client.0.run(|| connected(udp));
        let tries = |ttl| {
            set_option(&socket, level, option, ttl);
            client.0.run(|| in_driver(&socket, &tap))
        };
        // Client, outside, node, outside, beyond, far: four hand it on.
        assert!(tries(5).is_ok(), "{udp}: reaches the backend");
        assert!(tries(4).is_err(), "{udp}: does not");
    }
}

/// Asks until a question passed by the stack, or failed.
fn in_driver(socket: &UdpSocket, tap: &Tap) -> std::io::Result<()> {
    for _ in 0..1000 {
        tap.seen();
        ask(socket, 100)?;
        if tap.seen() == 0 {
            return Ok(());
        }
    }
    panic!("every datagram reached the stack");
}
