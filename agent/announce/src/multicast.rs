//! The sockets that carry heartbeats: UDP multicast on one uplink, never further than its network segment.
//!
//! Both address families carry every heartbeat, so that a segment needs only one of them. Groups and port
//! are fixed: nodes must find each other before anything is known.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;

/// In the IPv4 local scope of administratively scoped addresses (RFC 2365, 6.1).
pub(crate) const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 83, 72);
/// A transient group of link-local scope (RFC 4291, 2.7): nobody else's by assignment.
pub(crate) const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0x5348, 0x4541);
/// Unassigned by IANA, and outside of the ranges of ephemeral ports and NodePorts.
pub(crate) const PORT: u16 = 10262;

/// Longer than any heartbeat.
pub(crate) const DATAGRAM_LEN_MAX: usize = 2048;

/// A socket of one address family.
#[derive(Debug)]
pub(crate) struct HeartbeatSocket {
    socket: AsyncFd<Socket>,
    group: SockAddr,
    index: u32,
}

impl HeartbeatSocket {
    /// Hears and speaks to the group of IPv4.
    ///
    /// # Errors
    /// Also while the uplink has no address of this family: what has no source, others discard.
    pub(crate) fn v4(uplink: &str, index: u32) -> io::Result<Self> {
        let group = SocketAddrV4::new(GROUP_V4, PORT).into();
        let probe = open(Domain::IPV4, uplink)?;
        probe.connect(&group)?;
        let source = probe.local_addr()?.as_socket_ipv4();
        if source.is_none_or(|source| source.ip().is_unspecified()) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let socket = open(Domain::IPV4, uplink)?;
        socket.bind(&SocketAddr::from((GROUP_V4, PORT)).into())?;
        socket.set_multicast_all_v4(false)?;
        socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(index))?;
        set_outgoing_v4(&socket, index)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_multicast_ttl_v4(1)?;
        Ok(Self { socket: crate::receive::register(socket)?, group, index })
    }

    /// Hears and speaks to the group of IPv6.
    pub(crate) fn v6(uplink: &str, index: u32) -> io::Result<Self> {
        let socket = open(Domain::IPV6, uplink)?;
        socket.set_only_v6(true)?;
        let group = SocketAddrV6::new(GROUP_V6, PORT, 0, index);
        socket.bind(&group.into())?;
        socket.join_multicast_v6(&GROUP_V6, index)?;
        socket.set_multicast_if_v6(index)?;
        socket.set_multicast_loop_v6(false)?;
        socket.set_multicast_hops_v6(1)?;
        Ok(Self { socket: crate::receive::register(socket)?, group: group.into(), index })
    }

    /// Joins the group anew, which the kernel tells the network. A switch that snoops IGMP or MLD forgets a
    /// group after some minutes in which nobody told it, and on networks without a querier nobody asks.
    pub(crate) fn renew(&self) -> io::Result<()> {
        let socket = self.socket.get_ref();
        if self.group.is_ipv4() {
            let interface = InterfaceIndexOrAddress::Index(self.index);
            socket.leave_multicast_v4_n(&GROUP_V4, &interface)?;
            socket.join_multicast_v4_n(&GROUP_V4, &interface)
        } else {
            socket.leave_multicast_v6(&GROUP_V6, self.index)?;
            socket.join_multicast_v6(&GROUP_V6, self.index)
        }
    }

    /// Sends to the group. A full buffer loses the packet: the next one follows.
    pub(crate) fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.socket.get_ref().send_to(packet, &self.group).map(drop)
    }

    /// Waits until something is there, and hands over what is, up to a bound.
    pub(crate) async fn receive(&self, take: impl FnMut(&[u8])) -> io::Result<()> {
        crate::receive::some(&self.socket, DATAGRAM_LEN_MAX, take).await
    }
}

/// IP_MULTICAST_IF by index: an uplink need not have an IPv4 address.
fn set_outgoing_v4(socket: &Socket, index: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let request = libc::ip_mreqn {
        imr_multiaddr: libc::in_addr { s_addr: 0 },
        imr_address: libc::in_addr { s_addr: 0 },
        imr_ifindex: index.cast_signed(),
    };
    // SAFETY: the pointer and the length are those of a value that lives until the call returns.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MULTICAST_IF,
            (&raw const request).cast(),
            size_of_val(&request) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn open(domain: Domain, uplink: &str) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // One socket an uplink, all on the same port.
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(uplink.as_bytes()))?;
    Ok(socket)
}
