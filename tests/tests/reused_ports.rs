//! Sockets that are given a port which a flow to a service has or had, and dial its backend themselves: as a
//! client does, or as a socket hook does for it. No agent runs.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use sheave_abi::event::Event;
use sheave_core::model::Protocol::{Tcp, Udp};
use sheave_core::model::Update;
use sheave_tests::netns::Netns;
use sheave_tests::services::{service, slice};
use sheave_tests::site::{Site, answer, ask, exchange};

const BACKEND: [&str; 2] = ["10.244.0.2:8080", "[fd00:244::2]:8080"];
const SERVICE: [&str; 2] = ["10.96.0.1:80", "[fd00:96::1]:80"];

/// A service of both protocols and families with one backend.
fn site(name: &str) -> Site {
    let mut site = Site::new(name);
    let mut updates = Vec::new();
    for (family, pod) in ["10.244.0.2", "fd00:244::2"].into_iter().enumerate() {
        answer(site.pod(2), BACKEND[family]);
        for (protocol, name) in [(Tcp, "tcp"), (Udp, "udp")] {
            let name = format!("{name}{family}");
            updates.push(Update::Service(service(&name, protocol, SERVICE[family], None)));
            updates.push(slice(&name, protocol, 8080, &[pod]));
        }
    }
    site.serve(updates);
    site
}

/// A socket with a port of its own choice, which others may have too.
fn dial(
    netns: &Netns,
    kind: SockType,
    port: u16,
    address: &str,
) -> std::io::Result<std::os::fd::OwnedFd> {
    let to: SocketAddr = address.parse().unwrap();
    let (family, any) = match to {
        SocketAddr::V4(_) => (AddressFamily::Inet, SocketAddr::from(([0; 4], port))),
        SocketAddr::V6(_) => (AddressFamily::Inet6, SocketAddr::from(([0u16; 8], port))),
    };
    netns.run(|| {
        let fd = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        // A handshake without an answer must not outlast the test.
        let patience = nix::sys::time::TimeVal::new(3, 0);
        setsockopt(&fd, sockopt::SendTimeout, &patience)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(any))?;
        connect(fd.as_raw_fd(), &SockaddrStorage::from(to))?;
        Ok(fd)
    })
}

fn stream(netns: &Netns, port: u16, address: &str) -> std::io::Result<TcpStream> {
    dial(netns, SockType::Stream, port, address).map(TcpStream::from)
}

fn datagrams(netns: &Netns, port: u16, address: &str) -> UdpSocket {
    let socket = UdpSocket::from(dial(netns, SockType::Datagram, port, address).unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    socket
}

/// The service, its backend, and both again, from one port.
fn dial_in_turn(site: &Site, netns: &Netns, port: u16) {
    for family in 0..2 {
        for (round, address) in
            [SERVICE[family], BACKEND[family]].into_iter().cycle().take(4).enumerate()
        {
            exchange(stream(netns, port, address), 10_000)
                .unwrap_or_else(|error| panic!("{address}, round {round}: {error}"));
        }
    }
    assert!(site.counter(Event::FlowOpened) >= 2, "the packet path was used");
    site.assert_nothing_dropped();
}

#[test]
fn a_connection_of_the_node_to_a_backend_after_one_to_its_service() {
    let site = site("again-node");
    dial_in_turn(&site, &site.lab.node, 40123);
}

#[test]
fn a_connection_of_a_pod_to_a_backend_after_one_to_its_service() {
    let site = site("again-pod");
    dial_in_turn(&site, site.pod(4), 40123);
}

#[test]
fn datagrams_of_the_node_to_a_backend_after_some_to_its_service() {
    let site = site("again-udp");
    for family in 0..2 {
        for address in [SERVICE[family], BACKEND[family]].into_iter().cycle().take(4) {
            let socket = datagrams(&site.lab.node, 40124, address);
            ask(&socket, 100).unwrap_or_else(|error| panic!("{address}: {error}"));
        }
    }
    site.assert_nothing_dropped();
}

#[test]
fn two_sockets_of_the_node_with_one_port_are_told_apart() {
    let site = site("again-both");
    let node = &site.lab.node;
    for family in 0..2 {
        let (backend, service) = (BACKEND[family], SERVICE[family]);
        let itself = datagrams(node, 40125, backend);
        ask(&itself, 100).unwrap();
        let by_service = datagrams(node, 40125, service);
        for _ in 0..3 {
            let seen = ask(&by_service, 100).unwrap();
            assert_ne!(seen.port(), 40125, "the backend must see two");
            assert_eq!(ask(&itself, 100).unwrap().port(), 40125);
        }
        let itself = stream(node, 40126, backend);
        let by_service = stream(node, 40126, service);
        assert_ne!(exchange(by_service, 10_000).unwrap().port(), 40126);
        assert_eq!(exchange(itself, 10_000).unwrap().port(), 40126);
    }
    site.assert_nothing_dropped();
}
