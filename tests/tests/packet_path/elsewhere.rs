//! Clients outside whose backend is on another node, which knows a way to them that does not lead through
//! ours: its answers come back because it takes our node for the client. And one whose backend is a process in
//! our node's own network, which sees it as it is.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};

use sheave_abi::event::Event;
use sheave_dataplane::Dataplane;
use sheave_tests::kernel;

use crate::errors::exceeded_at;
use crate::node::{NARROW_MTU, Node, link};
use crate::wire::{PATIENCE, ask, connected, datagram, exchange, greeting, set_option};

/// NodePorts of `away`, and whom it sees.
const AWAY: [(&str, &str); 2] =
    [("192.0.2.1:30084", "192.0.2.1"), ("[2001:db8:2::1]:30084", "2001:db8:2::1")];
const AWAY_UDP: [&str; 2] = ["192.0.2.1:30055", "[2001:db8:2::1]:30055"];

#[test]
fn a_backend_on_another_node_answers_through_ours_with_and_without_an_agent() {
    let mut node = Node::new("elsewhere", kernel::tc_attachment());
    let mut kept = node.beside.run(|| TcpStream::connect(AWAY[0].0).unwrap());
    assert_eq!(greeting(&mut kept), AWAY[0].1);
    for _ in ["served", "with the agent killed"] {
        for (address, seen_as) in AWAY {
            assert_eq!(exchange(&node.beside, address, 1 << 20).unwrap(), seen_as, "{address}");
        }
        for address in AWAY_UDP {
            datagram(&node.beside, address, 1200).unwrap();
        }
        node.dataplane = None;
    }
    kept.write_all(b"still there").unwrap();
    kept.read_exact(&mut [0; 11]).unwrap();
    node.dataplane = Some(Dataplane::inspect(&node.config.bpffs_dir).unwrap());
    assert_eq!(node.counter(Event::FlowOpened), 9, "each once");
    node.assert_no_drops();
}

#[test]
fn the_width_of_the_way_to_it_is_found() {
    let mut node = Node::new("elsewhere-mtu", kernel::tc_attachment());
    for (address, seen_as) in AWAY {
        let before = node.counter(Event::ErrorTranslated);
        assert_eq!(exchange(&node.beside, address, 4 << 20).unwrap(), seen_as, "{address}");
        assert!(node.counter(Event::ErrorTranslated) > before, "{address}: the client was told");
    }
    let too_large = NARROW_MTU as usize;
    for address in AWAY_UDP {
        node.beside.run(|| {
            let socket = connected(address);
            let (level, option) = match address.starts_with('[') {
                true => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
                false => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
            };
            set_option(&socket, level, option, libc::IP_PMTUDISC_DO);
            let error = ask(&socket, too_large).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{address}: {error}");
            ask(&socket, too_large - 48).unwrap();
        });
    }
    // Cut up by the sender, and on the way: the first was lost while nobody knew the width.
    node.beside.run(|| {
        let socket = connected(AWAY_UDP[0]);
        for len in [1200, 1400, 3000] {
            ask(&socket, len).unwrap();
        }
    });
    node.assert_no_drops();
}

#[test]
fn what_it_refuses_and_where_the_way_ends_is_told() {
    let mut node = Node::new("elsewhere-errors", kernel::tc_attachment());
    let refused = Err(ErrorKind::ConnectionRefused);
    for (tcp, udp) in
        [("192.0.2.1:30085", "192.0.2.1:30056"), ("[2001:db8:2::1]:30085", "[2001:db8:2::1]:30056")]
    {
        assert_eq!(exchange(&node.beside, tcp, 0), Err(ErrorKind::ConnectionRefused), "{tcp}");
        assert_eq!(datagram(&node.beside, udp, 100), refused, "{udp}");
    }
    // The router, our node, and twice it for those behind.
    let at = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    let hops = |router, ours| [at(router), at(ours), at(ours), at(ours), None];
    let ways = [hops("198.18.0.1", "192.0.2.1"), hops("2001:db8:18::1", "2001:db8:2::1")];
    for (address, hops) in AWAY_UDP.iter().zip(ways) {
        for (hop, expected) in (1..).zip(hops) {
            let seen = exceeded_at(&node.beside, address, hop);
            assert_eq!(seen, expected, "{address}, {hop} hops");
        }
    }
    node.assert_no_drops();
}

#[test]
fn thousands_of_connections_to_one_backend_use_ports_again() {
    const HELD: usize = 500;
    // More than there are ports.
    const SHORT: usize = 5000;
    let mut node = Node::new("elsewhere-many", kernel::tc_attachment());
    let far = &node.far;
    far.sysctl("net.core.somaxconn", "4096");
    node.beside.run(|| {
        let address: SocketAddr = AWAY[0].0.parse().unwrap();
        let dial = || {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            assert_eq!(greeting(&mut stream), AWAY[0].1);
            stream
        };
        let mut held: Vec<TcpStream> = (0..HELD).map(|_| dial()).collect();
        for number in 0..SHORT {
            let mut stream = dial();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(stream.read(&mut [0]).unwrap(), 0, "connection {number} ends");
        }
        // Each has its own.
        for (number, stream) in held.iter_mut().enumerate() {
            stream.write_all(&number.to_be_bytes()).unwrap();
        }
        for (number, stream) in held.iter_mut().enumerate() {
            let mut back = [0; size_of::<usize>()];
            stream.read_exact(&mut back).unwrap();
            assert_eq!(usize::from_be_bytes(back), number);
        }
        let sockets: Vec<_> = (0..1000).map(|_| connected(AWAY_UDP[0])).collect();
        for _ in 0..2 {
            sockets.iter().for_each(|socket| ask(socket, 100).unwrap());
        }
    });
    assert_eq!(node.counter(Event::NatPorts), 0);
    node.assert_no_drops();
}

#[test]
fn it_is_shown_the_address_of_the_uplink_that_leads_to_it() {
    let mut node = Node::new("elsewhere-uplinks", kernel::tc_attachment());
    link(
        (&node.netns, "up1", ["198.18.1.1/24", "2001:db8:19::1/64"]),
        (&node.far, "eth1", ["198.18.1.7/24", "2001:db8:19::7/64"]),
        1500,
    );
    node.netns.ip("route add 10.244.1.0/24 via 198.18.1.7");
    node.netns.ip("route add fd00:10:244:1::/64 via 2001:db8:19::7");
    node.dataplane = None;
    node.config.uplinks.push("up1".into());
    let (netns, config) = (&node.netns, &node.config);
    let dataplane = netns.run(|| Dataplane::open(config)).unwrap();
    let up1 = netns.run(|| nix::net::if_::if_nametoindex("up1")).unwrap();
    let addresses = ["198.18.1.1", "2001:db8:19::1"].map(|text| text.parse().unwrap());
    node.network.uplinks.push((up1, addresses.to_vec()));
    let network = &node.network;
    assert!(netns.run(|| dataplane.set_network(network)).unwrap());
    node.dataplane = Some(dataplane);
    for ((address, _), seen_as) in AWAY.into_iter().zip(["198.18.1.1", "2001:db8:19::1"]) {
        assert_eq!(exchange(&node.beside, address, 1 << 20).unwrap(), seen_as, "{address}");
    }
    AWAY_UDP.iter().for_each(|address| datagram(&node.beside, address, 1200).unwrap());
    node.assert_no_drops();
}

#[test]
fn a_process_of_our_own_node_sees_the_client() {
    let mut node = Node::new("elsewhere-own", kernel::tc_attachment());
    for (address, seen_as) in
        [("192.0.2.1:30086", "198.18.0.7"), ("[2001:db8:2::1]:30086", "2001:db8:18::7")]
    {
        assert_eq!(exchange(&node.beside, address, 1 << 20).unwrap(), seen_as, "{address}");
    }
    for address in ["192.0.2.1:30057", "[2001:db8:2::1]:30057"] {
        datagram(&node.beside, address, 1200).unwrap();
    }
    node.assert_no_drops();
}
