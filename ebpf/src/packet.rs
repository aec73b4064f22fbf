//! Access to a packet, and what is read from it before anything is decided.

use sheave_abi::order::{Addr, Be16};

use crate::wire::{
    ETHERTYPE_IPV4, Ethernet, Header, IP_OFFSET, Ipv4, L4_OFFSET, Ports, Tcp, protocol, tcp_flags,
};

/// How a change to a transport checksum reaches it: see [`Packet::update_l4_checksum`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Covered {
    /// An IPv4 address: part of the pseudo-header.
    Address,
    /// A port: part of the segment.
    Port,
}

/// A frame that one of the hooks was given.
pub trait Packet {
    /// The header at `offset`, or `None` when the packet ends before it does.
    fn at<H: Header>(&mut self, offset: usize) -> Option<&mut H>;

    /// Makes the first `len` bytes readable where the driver left them outside the linear part.
    fn pull(&mut self, len: u32);

    /// Cuts the packet, or extends it with zeroes, to `len` bytes. False: it could not be done.
    fn resize(&mut self, len: u32) -> bool;

    /// Tells the transport checksum at `offset` that what it covers changes from `from` to `to` (in
    /// memory order). Knows the packets whose checksum the hardware is to complete, and with `udp` that
    /// zero means none (RFC 768). False: it could not be done.
    fn update_l4_checksum(
        &mut self,
        offset: usize,
        from: u32,
        to: u32,
        what: Covered,
        udp: bool,
    ) -> bool;

    /// The interface whose hook is running.
    fn ifindex(&self) -> u32;
}

/// What becomes of a packet.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// On to other programs, then the stack.
    Pass,
    /// Gone; a counter says why.
    Drop,
    /// To the peer of this interface, in its network namespace.
    Peer(u32),
    /// Out of this interface, to the neighbour that the routes name.
    Neighbour(u32),
    /// Out of this interface as it is.
    Egress(u32),
    /// Into this interface as if it had just come in.
    Ingress(u32),
}

/// What the decision needs of an IPv4 packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ip4 {
    /// Source.
    pub src: [u8; 4],
    /// Destination.
    pub dst: [u8; 4],
    /// IANA number.
    pub protocol: u8,
    /// Time to live.
    pub ttl: u8,
    /// A fragment, but not the first: there are no ports in it.
    pub later_fragment: bool,
}

impl Ip4 {
    /// Source as the maps have it.
    #[inline(always)]
    pub const fn src_addr(&self) -> Addr {
        Addr::v4(self.src)
    }

    /// Destination as the maps have it.
    #[inline(always)]
    pub const fn dst_addr(&self) -> Addr {
        Addr::v4(self.dst)
    }
}

/// What the decision needs of the transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transport {
    /// Ports.
    pub ports: Ports,
    /// This packet asks to open a connection: a TCP SYN without ACK.
    pub opens: bool,
}

const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Reads the IPv4 header. `None`: another protocol, options, or no whole header; the stack knows what to
/// do with those.
#[inline(always)]
pub fn ip4(packet: &mut impl Packet) -> Option<Ip4> {
    if packet.at::<Tcp>(L4_OFFSET).is_none() {
        packet.pull((L4_OFFSET + size_of::<Tcp>()) as u32);
    }
    if packet.at::<Ethernet>(0)?.ethertype != ETHERTYPE_IPV4 {
        return None;
    }
    let ip = packet.at::<Ipv4>(IP_OFFSET)?;
    if ip.version_ihl != 0x45 {
        return None;
    }
    Some(Ip4 {
        src: ip.src,
        dst: ip.dst,
        protocol: ip.protocol,
        ttl: ip.ttl,
        later_fragment: ip.fragment.get() & FRAGMENT_OFFSET != 0,
    })
}

/// Reads the ports. `None`: a protocol without, or they are not in this packet.
#[inline(always)]
pub fn transport(packet: &mut impl Packet, ip: &Ip4) -> Option<Transport> {
    if ip.later_fragment {
        return None;
    }
    match ip.protocol {
        protocol::TCP => {
            let tcp = packet.at::<Tcp>(L4_OFFSET)?;
            let opens = tcp.flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN;
            Some(Transport { ports: tcp.ports, opens })
        }
        protocol::UDP => Some(Transport { ports: *packet.at::<Ports>(L4_OFFSET)?, opens: false }),
        _ => None,
    }
}

/// Lowers the time to live as a router must (RFC 1812, 5.3.1). The caller has seen that it is above 1.
#[inline(always)]
pub fn decrement_ttl(ip: &mut Ipv4) {
    let from = Be16([ip.ttl, ip.protocol]);
    ip.ttl = ip.ttl.wrapping_sub(1);
    ip.checksum = crate::checksum::update(ip.checksum, from, Be16([ip.ttl, ip.protocol]));
}
