//! Packets that the tunnel has no room for: whoever sends them is told by its gateway, and all arrives.

use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use sheave_abi::event::Event;
use sheave_tests::peers::Between;

use crate::{at, two_nodes};

/// What the kernel knows of a way after it was told: bytes of a packet.
fn path_mtu(socket: &UdpSocket, is_v4: bool) -> i32 {
    let (level, option) = match is_v4 {
        true => (libc::IPPROTO_IP, libc::IP_MTU),
        false => (libc::IPPROTO_IPV6, libc::IPV6_MTU),
    };
    let mut mtu = 0i32;
    let mut len = size_of::<i32>() as libc::socklen_t;
    // SAFETY: both pointers are to memory of the size given.
    let got = unsafe {
        let value = (&raw mut mtu).cast();
        libc::getsockopt(socket.as_raw_fd(), level, option, value, &raw mut len)
    };
    assert_eq!(got, 0);
    mtu
}

#[test]
fn a_pod_is_told_what_the_tunnel_has_room_for() {
    // A pod that believes in 1500 bytes; the tunnel's ends have addresses of both families.
    let nodes = two_nodes("pn-mtu", Between::Router, [&[], &[]]);
    let tunnel = nodes.node(1).ask("/status").unwrap()["podNetwork"]["tunnel"]["mtu"].clone();
    assert_eq!(tunnel, 1430, "for the wider of the headers");
    for family in [0, 1] {
        let server = at(&nodes.node(2).pod_addresses(3)[family], 8080);
        let client = &nodes.node(1).pods[&2];
        client.run(|| {
            let any = if family == 0 { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).unwrap();
            socket.set_read_timeout(Some(std::time::Duration::from_secs(3))).unwrap();
            socket.connect(&server).unwrap();
            assert_eq!(path_mtu(&socket, family == 0), 1500);
            let overhead = if family == 0 { 28 } else { 48 };
            // Linux sends datagrams that may not be cut up until it knows better.
            socket.send(&vec![1; 1500 - overhead]).unwrap();
            let mut answer = [0; 2048];
            let told = socket.recv(&mut answer);
            assert!(told.is_err(), "it did not fit");
            assert_eq!(path_mtu(&socket, family == 0), 1430);
            socket.send(&vec![1; 1430 - overhead - 61]).unwrap();
            assert_eq!(socket.recv(&mut answer).unwrap(), 1430 - overhead);
        });
    }
    assert!(nodes.node(1).counter(Event::TooBig) >= 2);
    nodes.node(1).assert_nothing_dropped();
}

#[test]
fn the_tunnel_follows_the_uplink() {
    let nodes = two_nodes("pn-mtu-up", Between::Router, [&[], &[]]);
    // Both ends of the way, as when a network is changed: what is too long for the other end of a link is lost.
    for number in [1, 2] {
        let node = nodes.node(number);
        node.netns.ip("link set up0 mtu 1400");
        let mtu = || node.ask("/status").unwrap()["podNetwork"]["tunnel"]["mtu"].clone();
        let limit = std::time::Duration::from_secs(5);
        sheave_tests::wait::until("the tunnel to be narrower", limit, mtu, |mtu| *mtu == 1330);
        let said = node.netns.command("ip", "link show dev sheave-vxlan");
        assert!(said.contains("mtu 1330"), "{said}");
    }
    crate::all_reach_all(&nodes);
}
