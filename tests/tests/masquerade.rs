//! Pods that leave the cluster, with real interfaces and without netfilter: no rule is installed anywhere
//! in these namespaces, and no agent runs.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage};
use nix::sys::socket::{bind, connect, setsockopt, socket, sockopt};
use sheave_abi::event::Event;
use sheave_tests::netns::Netns;
use sheave_tests::site::{self, NODE, OUTSIDE, Site, answer, ask, connected, tcp};

const RANGE: std::ops::RangeInclusive<u16> = 61000..=65535;

fn serve_outside(site: &Site) -> [String; 2] {
    let servers = [format!("{}:8080", OUTSIDE[0]), format!("[{}]:8080", OUTSIDE[1])];
    servers.iter().for_each(|server| answer(&site.lab.outside, server));
    servers
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A connection from a port of its own choice.
fn tcp_from(netns: &Netns, port: u16, address: &str) -> std::io::Result<TcpStream> {
    let to: SocketAddr = address.parse().unwrap();
    netns.run(|| {
        let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        let from = SockaddrStorage::from(SocketAddr::from(([0, 0, 0, 0], port)));
        bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &from)?;
        connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &SockaddrStorage::from(to))?;
        Ok(TcpStream::from(fd))
    })
}

#[test]
fn a_pod_is_seen_from_the_address_of_its_node() {
    let site = Site::new("masquerade");
    let servers = serve_outside(&site);
    for (server, node) in servers.iter().zip(NODE) {
        let seen = tcp(site.pod(2), server, 8 << 20).unwrap();
        assert!(seen.ip() == ip(node) && RANGE.contains(&seen.port()), "TCP to {server}: {seen}");
        let client = connected(site.pod(2), server, 0);
        let first = ask(&client, 1200).unwrap();
        assert!(
            first.ip() == ip(node) && RANGE.contains(&first.port()),
            "UDP to {server}: {first}"
        );
        assert_eq!(ask(&client, 1200).unwrap(), first, "one conversation, one port");
    }
    assert_eq!(site.counter(Event::Masqueraded), 4);
    for (outside, count) in OUTSIDE.iter().zip([5, 6]) {
        site.pod(2).command("busybox", &format!("ping -c 3 -i 0.1 -W 2 {outside}"));
        assert_eq!(site.counter(Event::Masqueraded), count, "ping {outside}");
    }
    site.assert_nothing_dropped();
}

#[test]
fn datagrams_in_fragments_leave_and_come_back() {
    let site = Site::new("masq-fragments");
    answer(&site.lab.outside, "192.0.2.9:8080");
    let client = connected(site.pod(2), "192.0.2.9:8080", 0);
    assert_eq!(ask(&client, 9000).unwrap().ip(), ip(NODE[0]));
    site.assert_nothing_dropped();
}

#[test]
fn two_pods_with_one_source_port_are_told_apart() {
    let site = Site::new("masq-two");
    let servers = serve_outside(&site);
    let sockets = [2, 3].map(|pod| connected(site.pod(pod), &servers[0], 40000));
    let seen = [0, 1, 0, 1].map(|i| ask(&sockets[i], 10).unwrap().port());
    assert!(seen[0] == seen[2] && seen[1] == seen[3] && seen[0] != seen[1], "{seen:?}");
    let streams = [2, 3].map(|pod| tcp_from(site.pod(pod), 40000, &servers[0]));
    let seen = streams.map(|stream| site::exchange(stream, 100_000).unwrap().port());
    assert_ne!(seen[0], seen[1]);
}

#[test]
fn a_port_that_a_pod_uses_again_opens_a_new_flow() {
    let site = Site::new("masq-again");
    let servers = serve_outside(&site);
    for round in 0..4 {
        let stream = tcp_from(site.pod(2), 40001, &servers[0]).unwrap();
        // With a reset, nothing lingers in the pod, so that it may use its port again at once.
        let off = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, sockopt::Linger, &off).unwrap();
        let kept = stream.try_clone().unwrap();
        site::exchange(Ok(stream), 1000).unwrap_or_else(|error| panic!("round {round}: {error}"));
        drop(kept);
    }
    assert_eq!(site.counter(Event::Masqueraded), 4);
}

#[test]
fn thousands_of_connections_to_one_destination() {
    let site = Site::new("masq-many");
    let servers = serve_outside(&site);
    let address: SocketAddr = servers[0].parse().unwrap();
    let mut seen = BTreeSet::new();
    let mut open = Vec::new();
    for pod in [2, 3] {
        let streams = site.pod(pod).run(|| {
            let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(3)).unwrap();
            (0..1000).map(connect).collect::<Vec<_>>()
        });
        open.extend(streams);
    }
    for stream in &mut open {
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let mut line = [0; 61];
        stream.read_exact(&mut line).unwrap();
        seen.insert(String::from_utf8_lossy(&line).trim().to_owned());
    }
    assert_eq!(seen.len(), 2000, "each has a port of its own");
    for stream in &mut open {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(site.counter(Event::NatPorts), 0);
}

#[test]
fn without_a_free_port_the_packet_is_dropped_and_ports_come_back() {
    let site = Site::new("masq-full");
    let servers = serve_outside(&site);
    site.tell(|network| network.nat_ports = Some(61000..=61003));
    let address: SocketAddr = servers[0].parse().unwrap();
    let dial = || {
        let second = Duration::from_secs(1);
        site.pod(2).run(|| TcpStream::connect_timeout(&address, second))
    };
    let mut open: Vec<_> = (0..4).map(|_| dial().unwrap()).collect();
    dial().unwrap_err();
    assert!(site.counter(Event::NatPorts) > 0);
    // Both ends close, and the port serves again, long before a closed connection is forgotten.
    site::exchange(Ok(open.pop().unwrap()), 10).unwrap();
    // One of four ports may be missed by chance; the connection is then asked for again.
    let patience = Duration::from_secs(8);
    site.pod(2).run(|| TcpStream::connect_timeout(&address, patience)).unwrap();
}

#[test]
fn sockets_of_the_node_in_the_range_are_not_hit() {
    let site = Site::new("masq-sockets");
    let servers = serve_outside(&site);
    site.tell(|network| network.nat_ports = Some(61000..=61003));
    // All but one port are the node's: listening, bound, connected to the same peer.
    let (listeners, bound) = site.lab.node.run(|| {
        let listeners = [61000, 61001].map(|port| TcpListener::bind(("0.0.0.0", port)).unwrap());
        let bound = [61000, 61001, 61003].map(|port| UdpSocket::bind(("0.0.0.0", port)).unwrap());
        (listeners, bound)
    });
    let mut connected_one = tcp_from(&site.lab.node, 61003, &servers[0]).unwrap();
    assert_eq!(tcp(site.pod(2), &servers[0], 1000).unwrap().port(), 61002);
    let client = connected(site.pod(2), &servers[0], 0);
    // The one free port of four may be missed by chance, and the datagram is lost.
    let _ = ask(&client, 10);
    for _ in 0..5 {
        assert_eq!(ask(&client, 10).unwrap().port(), 61002);
    }
    let mut line = [0; 61];
    connected_one.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    connected_one.read_exact(&mut line).unwrap();
    connected_one.write_all(b"mine").unwrap();
    let mut back = [0; 4];
    connected_one.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"mine");
    drop((listeners, bound));
}

#[test]
fn who_came_straight_to_a_pod_is_answered_by_the_pod() {
    let site = Site::new("masq-visits");
    for address in ["10.244.0.2:7070", "[fd00:244::2]:7070"] {
        answer(site.pod(2), address);
        // The client takes answers from whom it asked and from nobody else.
        let outside = &site.lab.outside;
        let seen = tcp(outside, address, 1 << 20).unwrap();
        assert!(OUTSIDE.contains(&seen.ip().to_string().as_str()), "{seen}");
        let client = connected(outside, address, 0);
        for _ in 0..3 {
            ask(&client, 1000).unwrap();
        }
    }
    site.lab.outside.command("busybox", "ping -c 1 -W 2 10.244.0.2");
    site.lab.outside.command("busybox", "ping -c 1 -W 2 fd00:244::2");
    assert_eq!(site.counter(Event::Masqueraded), 0);
    site.assert_nothing_dropped();
}

#[test]
fn nothing_else_changes_its_address() {
    let site = Site::new("masq-others");
    let servers = serve_outside(&site);
    answer(site.pod(3), "10.244.0.3:7070");
    assert_eq!(tcp(site.pod(2), "10.244.0.3:7070", 10).unwrap().ip(), ip("10.244.0.2"));
    let own = tcp_from(&site.lab.node, 40002, &servers[0]);
    assert_eq!(site::exchange(own, 10).unwrap().to_string(), "192.0.2.1:40002", "the node's own");
    site.tell(|network| network.cluster_pods.clear());
    assert_eq!(tcp(site.pod(2), &servers[0], 10).unwrap().ip(), ip("10.244.0.2"), "not told yet");
    assert_eq!(site.counter(Event::Masqueraded), 0);
    site.tell(|network| network.uplinks.clear());
    assert_eq!(tcp(site.pod(2), &servers[0], 10).unwrap().ip(), ip("10.244.0.2"), "no address");
}

#[test]
fn a_service_whose_backend_is_outside_answers_as_the_service() {
    use sheave_core::model::{Protocol::Tcp, Update};
    use sheave_tests::services::{service, slice};
    let mut site = Site::new("masq-service");
    serve_outside(&site);
    site.serve(vec![
        Update::Service(service("db", Tcp, "10.96.0.1:80", None)),
        slice("db", Tcp, 8080, &["192.0.2.9"]),
    ]);
    let seen = tcp(site.pod(2), "10.96.0.1:80", 1 << 20).unwrap();
    assert_eq!(seen.ip(), ip(NODE[0]));
    site.assert_nothing_dropped();
}
