//! Clients outside whose backend is on the other node: it sees them as they are, and they hear from whom they
//! asked.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use sheave_abi::event::Event;
use sheave_tests::peers::{Between, Nodes};
use sheave_tests::site::{ask, connected, tcp};

use crate::services::{BALANCED, served, served_at};
use crate::{at, two_nodes};

/// The client's own addresses.
const CLIENT: [&str; 2] = ["198.51.100.9", "2001:db8:9::9"];

/// Who is seen by the backend, by a connection and a datagram, when the client asks `frontend`.
fn seen(nodes: &Nodes, frontend: &str) -> [Result<String, ErrorKind>; 2] {
    let whole = |seen: SocketAddr| seen.ip().to_string();
    let by_tcp = tcp(&nodes.outside, frontend, 1 << 20).map(whole);
    let by_udp = ask(&connected(&nodes.outside, frontend, 0), 900).map(whole);
    [by_tcp, by_udp]
}

/// The addresses of the load balancer lead to a node.
fn balanced_by(nodes: &Nodes, number: u8) {
    for (address, node) in BALANCED.iter().zip(nodes.addresses(number)) {
        nodes.router.ip(&format!("route replace {address} via {node}"));
    }
}

#[test]
fn a_backend_elsewhere_sees_the_client_itself() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-client", between, [&[], &[]]);
        served(&nodes, &[1, 2], 2);
        for number in [1, 2] {
            balanced_by(&nodes, number);
            let own = nodes.addresses(number).map(|address| at(&address, 30080));
            let balanced = BALANCED.map(|address| at(address, 80));
            for frontends in [own, balanced] {
                for (frontend, client) in frontends.iter().zip(CLIENT) {
                    let seen = seen(&nodes, frontend);
                    let expected = [Ok(client.to_owned()), Ok(client.to_owned())];
                    assert_eq!(seen, expected, "{between:?} by node {number}, {frontend}");
                }
            }
        }
        for number in [1, 2] {
            nodes.node(number).assert_nothing_dropped();
            assert!(nodes.node(number).counter(Event::Carried) > 0, "node {number}");
        }
    }
}

#[test]
fn a_node_that_is_told_to_stands_in_for_its_clients() {
    for flags in [["--client-address", "masquerade"], ["--pod-network", "native"]] {
        let nodes = two_nodes("pn-shown", Between::Link, [&flags, &flags]);
        served(&nodes, &[1, 2], 2);
        for address in nodes.addresses(1) {
            let seen = seen(&nodes, &at(&address, 30080));
            assert_eq!(seen, [Ok(address.clone()), Ok(address)], "{flags:?}");
        }
        assert_eq!(nodes.node(1).counter(Event::Carried), 0);
        nodes.node(1).assert_nothing_dropped();
    }
}

#[test]
fn one_port_of_the_client_has_two_conversations_by_two_nodes() {
    let nodes = two_nodes("pn-twice", Between::Link, [&[], &[]]);
    served(&nodes, &[1, 2], 2);
    for (family, any) in ["0.0.0.0:40000", "[::]:40000"].into_iter().enumerate() {
        let socket = nodes.outside.run(|| UdpSocket::bind(any)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let frontends = [1, 2].map(|number| at(&nodes.addresses(number)[family], 30080));
        // The backend has both as from the client, so one of them from another port.
        let mut ports = BTreeSet::new();
        for frontend in frontends.iter().chain(&frontends) {
            socket.send_to(b"hello", frontend.as_str()).unwrap();
            let mut answer = [0; 100];
            let (_, from) = socket.recv_from(&mut answer).unwrap();
            assert_eq!(from.to_string(), *frontend);
            let seen: SocketAddr = String::from_utf8_lossy(&answer[..60]).trim().parse().unwrap();
            assert_eq!(seen.ip().to_string(), CLIENT[family]);
            ports.insert(seen.port());
        }
        assert_eq!(ports.len(), 2, "{ports:?}");
    }
}

#[test]
fn a_backend_that_refuses_is_heard() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-refused", between, [&[], &[]]);
        served_at(&nodes, &[1, 2], 2, 8081);
        for address in nodes.addresses(1) {
            let seen = seen(&nodes, &at(&address, 30080));
            let refused = || Err(ErrorKind::ConnectionRefused);
            assert_eq!(seen, [refused(), refused()], "{between:?}, {address}");
        }
    }
}

#[test]
fn a_client_is_told_what_does_not_fit_and_cuts_it_up() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-cut", between, [&[], &[]]);
        served(&nodes, &[1, 2], 2);
        for address in nodes.addresses(1) {
            let stream = tcp(&nodes.outside, &at(&address, 30080), 4 << 20);
            assert!(stream.is_ok(), "{between:?}, {address}: {stream:?}");
        }
        // Parts of IPv6 datagrams are not served.
        let socket = connected(&nodes.outside, &at(&nodes.addresses(1)[0], 30080), 0);
        // Of the first ones, client and backend learn what fits.
        let arrives = (0..4).any(|_| ask(&socket, 4000).is_ok());
        assert!(arrives, "{between:?}");
        assert!(nodes.node(1).counter(Event::TooBig) > 0, "{between:?}");
    }
}

#[test]
fn a_client_that_hears_of_no_path_mtu_sends_segments_that_fit() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-deaf", between, [&[], &[]]);
        served(&nodes, &[1, 2], 2);
        let deaf = [
            "add table inet deaf",
            "add chain inet deaf in { type filter hook input priority 0 ; }",
            "add rule inet deaf in icmp type destination-unreachable drop",
            "add rule inet deaf in icmpv6 type packet-too-big drop",
        ];
        deaf.iter().for_each(|rule| drop(nodes.outside.command("nft", rule)));
        for address in nodes.addresses(1) {
            let stream = tcp(&nodes.outside, &at(&address, 30080), 4 << 20);
            assert!(stream.is_ok(), "{between:?}, {address}: {stream:?}");
        }
        assert_eq!(nodes.node(1).counter(Event::TooBig), 0, "{between:?}");
    }
}

#[test]
fn a_connection_goes_on_when_its_address_moves_to_another_node() {
    let mut nodes = two_nodes("pn-moves", Between::Link, [&[], &[]]);
    served(&nodes, &[1, 2], 2);
    balanced_by(&nodes, 1);
    let mut streams: Vec<TcpStream> = Vec::new();
    for (address, client) in BALANCED.iter().zip(CLIENT) {
        let to: SocketAddr = at(address, 80).parse().unwrap();
        let mut stream = nodes.outside.run(|| TcpStream::connect(to)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut seen = [0; 61];
        stream.read_exact(&mut seen).unwrap();
        assert!(String::from_utf8_lossy(&seen).contains(client));
        streams.push(stream);
    }
    let echo = |stream: &mut TcpStream, what: &str| {
        stream.write_all(what.as_bytes()).unwrap();
        let mut back = vec![0; what.len()];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, what.as_bytes());
    };
    for number in [2, 1] {
        balanced_by(&nodes, number);
        for stream in &mut streams {
            echo(stream, "still there");
            // A flow is looked at about once a second.
            std::thread::sleep(Duration::from_millis(1100));
            echo(stream, "and after a while");
        }
    }
    // The node by which it began is no more.
    balanced_by(&nodes, 2);
    nodes.node_mut(1).kill_agent();
    nodes.node(1).netns.ip("link set up0 down");
    for stream in &mut streams {
        echo(stream, "without it");
    }
}

#[test]
fn a_node_that_has_no_backend_any_more_stands_in() {
    let mut nodes = two_nodes("pn-behind", Between::Link, [&[], &[]]);
    served(&nodes, &[1, 2], 1);
    // Node 2 hears no more of what changes: to it the backend is on node 1.
    nodes.node_mut(2).kill_agent();
    served(&nodes, &[1], 2);
    for address in nodes.addresses(1) {
        let seen = tcp(&nodes.outside, &at(&address, 30080), 1 << 16);
        let family = usize::from(address.contains(':'));
        let expected = &nodes.addresses(2)[family];
        assert_eq!(seen.map(|seen| seen.ip().to_string()).as_deref(), Ok(expected.as_str()));
    }
}

#[test]
fn a_conversation_of_datagrams_goes_to_whom_the_service_has_now() {
    let nodes = two_nodes("pn-talk", Between::Link, [&[], &[]]);
    served(&nodes, &[1, 2], 2);
    for family in [0, 1] {
        served(&nodes, &[1, 2], 2);
        let socket = connected(&nodes.outside, &at(&nodes.addresses(1)[family], 30080), 0);
        assert_eq!(
            ask(&socket, 100).map(|seen| seen.ip().to_string()).as_deref(),
            Ok(CLIENT[family])
        );
        served(&nodes, &[1, 2], 1);
        assert_eq!(
            ask(&socket, 100).map(|seen| seen.ip().to_string()).as_deref(),
            Ok(CLIENT[family])
        );
    }
}
