//! ICMP errors of real stacks about translated packets: who sent the packet hears of them.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd as _;

use sheave_abi::event::Event;
use sheave_tests::kernel;
use sheave_tests::netns::Netns;

use crate::node::Node;
use crate::wire::{PATIENCE, connected, datagram, exchange, set_option};

#[test]
fn a_backend_that_does_not_listen_refuses() {
    let mut node = Node::new("closed", kernel::tc_attachment());
    let refused = Err(ErrorKind::ConnectionRefused);
    let (pod, outside, far) = (&node.pods[0], &node.outside, &node.far);
    for (netns, tcp, udp) in [
        (pod, "10.96.0.3:80", "10.96.0.3:53"),
        (pod, "[fd00:10:96::3]:80", "[fd00:10:96::3]:53"),
        (outside, "192.0.2.1:30083", "192.0.2.1:30054"),
        (outside, "[2001:db8:2::1]:30083", "[2001:db8:2::1]:30054"),
        (far, "192.0.2.1:30083", "192.0.2.1:30054"),
    ] {
        assert_eq!(exchange(netns, tcp, 0), Err(ErrorKind::ConnectionRefused), "{tcp}");
        assert_eq!(datagram(netns, udp, 100), refused, "{udp}");
    }
    assert_eq!(node.counter(Event::ErrorTranslated), 5, "one a datagram");
    node.assert_no_drops();
}

#[test]
fn a_backend_hears_that_its_client_is_gone() {
    let mut node = Node::new("client-gone", kernel::tc_attachment());
    for (address, backend) in
        [("10.96.0.3:53", "10.244.0.3:9999"), ("[fd00:10:96::3]:53", "[fd00:10:244::3]:9999")]
    {
        let server = node.pods[1].run(|| UdpSocket::bind(backend).unwrap());
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        // The client's socket is closed before the server answers.
        node.pods[0].run(|| connected(address).send(b"who hears the answer?").unwrap());
        let (_, client) = server.recv_from(&mut [0; 64]).unwrap();
        server.connect(client).unwrap();
        server.send(b"nobody").unwrap();
        let heard = server.recv(&mut [0; 64]).map_err(|error| error.kind());
        assert_eq!(heard, Err(ErrorKind::ConnectionRefused), "{address}");
    }
    assert_eq!(node.counter(Event::ErrorTranslated), 2, "one an answer");
    node.assert_no_drops();
}

/// Sends a datagram that may pass `hops` routers, and says who told that it may go no further.
pub(crate) fn exceeded_at(netns: &Netns, address: &str, hops: i32) -> Option<IpAddr> {
    netns.run(|| {
        let socket = connected(address);
        if address.starts_with('[') {
            set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, hops);
            set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1);
        } else {
            set_option(&socket, libc::IPPROTO_IP, libc::IP_TTL, hops);
            set_option(&socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1);
        }
        socket.send(b"how far").unwrap();
        match socket.recv(&mut [0; 64]) {
            Ok(_) => None,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::HostUnreachable, "{address} {hops}: {error}");
                Some(offender(&socket))
            }
        }
    })
}

/// Whom the first error in the socket's queue came from.
fn offender(socket: &UdpSocket) -> IpAddr {
    let mut control = [0u64; 32];
    let mut name = [0u8; 64];
    // SAFETY: a message header may be all zero; the buffers live through the calls and are as long as said.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_name = name.as_mut_ptr().cast();
        message.msg_namelen = name.len() as u32;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        let got = libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_ERRQUEUE);
        assert!(got >= 0, "{}", std::io::Error::last_os_error());
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        assert!(!header.is_null());
        // struct sock_extended_err is 16 bytes, the offender's address follows it.
        let offender = libc::CMSG_DATA(header).add(16);
        match i32::from(offender.cast::<u16>().read_unaligned()) {
            libc::AF_INET => Ipv4Addr::from(offender.add(4).cast::<[u8; 4]>().read()).into(),
            libc::AF_INET6 => Ipv6Addr::from(offender.add(8).cast::<[u8; 16]>().read()).into(),
            family => panic!("family {family}"),
        }
    }
}

#[test]
fn a_route_can_be_traced_through_a_service() {
    let mut node = Node::new("traceroute", kernel::tc_attachment());
    let (pod, far) = (&node.pods[0], &node.far);
    let at = |text: &str| Some(text.parse::<IpAddr>().unwrap());
    let trace = |netns, address, hops: &[Option<IpAddr>]| {
        for (hop, expected) in (1..).zip(hops) {
            assert_eq!(exceeded_at(netns, address, hop), *expected, "{address}, {hop} hops");
        }
    };
    // To a pod of another node: our node, both routers, there.
    let routers = [at("10.96.0.4"), at("192.0.2.9"), at("198.51.100.2"), None];
    trace(pod, "10.96.0.4:53", &routers);
    let routers = [at("fd00:10:96::4"), at("2001:db8:2::9"), at("2001:db8:100::2"), None];
    trace(pod, "[fd00:10:96::4]:53", &routers);
    // To a pod of this node, from inside and outside.
    trace(pod, "10.96.0.1:53", &[at("10.96.0.1"), None]);
    trace(pod, "[fd00:10:96::1]:53", &[at("fd00:10:96::1"), None]);
    let routers = [at("203.0.113.1"), at("198.51.100.1"), at("192.0.2.1"), None];
    trace(far, "192.0.2.1:30053", &routers);
    let routers = [at("2001:db8:113::1"), at("2001:db8:100::1"), at("2001:db8:2::1"), None];
    trace(far, "[2001:db8:2::1]:30053", &routers);
    // And to the node's own ports it may be the last hop.
    assert_eq!(datagram(far, "192.0.2.1:9", 1), Err(ErrorKind::ConnectionRefused));
    node.assert_no_drops();
}
