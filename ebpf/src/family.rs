//! What differs between IPv4 and IPv6. Everything else of the packet path is written once and compiled for
//! each of them.

use sheave_abi::flow::FlowKey;
use sheave_abi::order::{Addr, Be16};

use crate::checksum;
use crate::nat::End;
use crate::packet::{Arrived, Fragment, Packet};
use crate::refuse::{Answer, error4, error6};
use crate::wire::{Bytes, IP_OFFSET, Ipv4, Ipv6, protocol};

/// Time to live of what the node itself sends.
const HOP_LIMIT: u8 = 64;

/// An address on a program's stack: the verifier takes what the compiler writes there only if it is
/// aligned.
#[repr(C, align(8))]
pub struct OnStack(pub Addr);

/// An address family.
pub trait Family {
    /// Which of the two.
    const IS_V4: bool;
    /// Offset of what follows the IP header.
    const L4: usize;
    /// IANA number of the family's ICMP.
    const ICMP: u8;
    /// Type of an echo request.
    const ECHO_REQUEST: u8;
    /// Type of an echo reply.
    const ECHO_REPLY: u8;
    /// Type and code of the error that says: nobody listens on the port.
    const PORT_UNREACHABLE: Be16;
    /// Likewise: the time to live ended on the way.
    const TIME_EXCEEDED: Be16;
    /// Likewise: the packet does not fit the way ahead.
    const TOO_BIG: Be16;
    /// Types of the errors that quote the packet which they are about.
    const ERRORS: [u8; 4];

    /// Where the packet goes and its time to live. `None`: there is no header, or one with options, which
    /// the stack knows better.
    fn destination(packet: &mut impl Packet) -> Option<(OnStack, u8)>;

    /// Where the packet goes, whatever options it has.
    fn receiver(packet: &mut impl Packet) -> Option<OnStack>;

    /// Where it comes from and the number of what follows, if there is a header to read.
    fn source(packet: &mut impl Packet) -> Option<(Addr, u8)>;

    /// Whether it is no part of a datagram that was cut up.
    fn is_whole(packet: &mut impl Packet) -> bool;

    /// Reads the header; ports are 0. False: as [`Family::destination`].
    #[inline(always)]
    fn parse(packet: &mut impl Packet, arrived: &mut Arrived) -> bool {
        Self::parse_at(packet, IP_OFFSET, arrived)
    }

    /// Likewise the header at `ip`.
    fn parse_at(packet: &mut impl Packet, ip: usize, arrived: &mut Arrived) -> bool;

    /// Length of what follows the IP header, as that says.
    fn payload_len(packet: &mut impl Packet) -> Option<u16>;

    /// Lowers the time to live as a router must (RFC 1812, 5.3.1). The caller has seen that it is above 1.
    fn hop(packet: &mut impl Packet) -> Option<()>;

    /// Makes the IP header anew: from where the packet was going, to where it came from, with `len` bytes
    /// of `protocol`.
    fn answer_header(packet: &mut impl Packet, key: &FlowKey, protocol: u8, len: u16)
    -> Option<()>;

    /// Turns the packet into the ICMP error about it. `kind` is one of the constants above; `mtu` counts
    /// with [`Family::TOO_BIG`] alone.
    fn error(packet: &mut impl Packet, key: &FlowKey, kind: Be16, mtu: u16) -> Answer;

    /// Gives `end` of the header at `ip` another address, with the header's own checksum.
    fn set_addr(
        packet: &mut impl Packet,
        ip: usize,
        end: End,
        from: &Addr,
        to: &Addr,
    ) -> Option<()>;
}

/// RFC 791.
pub struct V4;

/// RFC 8200.
pub struct V6;

const FRAGMENT_OFFSET: u16 = 0x1fff;
const MORE_FRAGMENTS: u16 = 0x2000;

impl Family for V4 {
    const IS_V4: bool = true;
    const L4: usize = IP_OFFSET + 20;
    const ICMP: u8 = protocol::ICMP;
    const ECHO_REQUEST: u8 = 8;
    const ECHO_REPLY: u8 = 0;
    const PORT_UNREACHABLE: Be16 = Be16([3, 3]);
    const TIME_EXCEEDED: Be16 = Be16([11, 0]);
    const TOO_BIG: Be16 = Be16([3, 4]);
    // Without source quench, which nobody may heed (RFC 6633).
    const ERRORS: [u8; 4] = [3, 11, 12, 12];

    #[inline(always)]
    fn destination(packet: &mut impl Packet) -> Option<(OnStack, u8)> {
        let ip = packet.at::<Ipv4>(IP_OFFSET)?;
        if ip.version_ihl != 0x45 {
            return None;
        }
        Some((OnStack(Addr::v4(ip.dst)), ip.ttl))
    }

    #[inline(always)]
    fn receiver(packet: &mut impl Packet) -> Option<OnStack> {
        Some(OnStack(Addr::v4(packet.at::<Ipv4>(IP_OFFSET)?.dst)))
    }

    #[inline(always)]
    fn source(packet: &mut impl Packet) -> Option<(Addr, u8)> {
        let ip = packet.at::<Ipv4>(IP_OFFSET)?;
        Some((Addr::v4(ip.src), ip.protocol))
    }

    #[inline(always)]
    fn is_whole(packet: &mut impl Packet) -> bool {
        let ip = packet.at::<Ipv4>(IP_OFFSET);
        ip.is_some_and(|ip| ip.fragment.get() & (FRAGMENT_OFFSET | MORE_FRAGMENTS) == 0)
    }

    #[inline(always)]
    fn parse_at(packet: &mut impl Packet, ip: usize, arrived: &mut Arrived) -> bool {
        let Some(ip) = packet.at::<Ipv4>(ip) else { return false };
        if ip.version_ihl != 0x45 {
            return false;
        }
        let place = ip.fragment.get();
        let fragment = match (place & FRAGMENT_OFFSET, place & MORE_FRAGMENTS) {
            (0, 0) => Fragment::None,
            (0, _) => Fragment::First,
            _ => Fragment::Later,
        };
        *arrived = Arrived {
            key: key(Addr::v4(ip.src), Addr::v4(ip.dst), ip.protocol),
            id: ip.id,
            hop_limit: ip.ttl,
            fragment,
            tcp_flags: 0,
            has_ports: false,
        };
        true
    }

    #[inline(always)]
    fn payload_len(packet: &mut impl Packet) -> Option<u16> {
        Some(packet.at::<Ipv4>(IP_OFFSET)?.total_len.get().wrapping_sub(20))
    }

    #[inline(always)]
    fn hop(packet: &mut impl Packet) -> Option<()> {
        let ip = packet.at::<Ipv4>(IP_OFFSET)?;
        let from = Be16([ip.ttl, ip.protocol]);
        ip.ttl = ip.ttl.wrapping_sub(1);
        ip.checksum = checksum::update(ip.checksum, from, Be16([ip.ttl, ip.protocol]));
        Some(())
    }

    #[inline(always)]
    fn answer_header(
        packet: &mut impl Packet,
        key: &FlowKey,
        protocol: u8,
        len: u16,
    ) -> Option<()> {
        *packet.at::<Ipv4>(IP_OFFSET)? = Ipv4 {
            version_ihl: 0x45,
            tos: 0,
            total_len: Be16::new(len.wrapping_add(20)),
            id: Be16::new(0),
            fragment: Be16::new(0),
            ttl: HOP_LIMIT,
            protocol,
            checksum: Be16::new(0),
            src: key.dst.v4_octets(),
            dst: key.src.v4_octets(),
        };
        let sum = checksum::add(0, &packet.at::<Bytes<20>>(IP_OFFSET)?.0);
        packet.at::<Ipv4>(IP_OFFSET)?.checksum = Be16::new(!checksum::fold(sum));
        Some(())
    }

    #[inline(always)]
    fn error(packet: &mut impl Packet, key: &FlowKey, kind: Be16, mtu: u16) -> Answer {
        error4(packet, key, kind, mtu)
    }

    #[inline(always)]
    fn set_addr(
        packet: &mut impl Packet,
        ip: usize,
        end: End,
        from: &Addr,
        to: &Addr,
    ) -> Option<()> {
        let ip = packet.at::<Ipv4>(ip)?;
        ip.checksum = checksum::update_addr(ip.checksum, from.v4_octets(), to.v4_octets());
        match end {
            End::Source => ip.src = to.v4_octets(),
            End::Destination => ip.dst = to.v4_octets(),
        }
        Some(())
    }
}

impl Family for V6 {
    const IS_V4: bool = false;
    const L4: usize = IP_OFFSET + 40;
    const ICMP: u8 = protocol::ICMPV6;
    const ECHO_REQUEST: u8 = 128;
    const ECHO_REPLY: u8 = 129;
    const PORT_UNREACHABLE: Be16 = Be16([1, 4]);
    const TIME_EXCEEDED: Be16 = Be16([3, 0]);
    const TOO_BIG: Be16 = Be16([2, 0]);
    const ERRORS: [u8; 4] = [1, 2, 3, 4];

    #[inline(always)]
    fn destination(packet: &mut impl Packet) -> Option<(OnStack, u8)> {
        let ip = packet.at::<Ipv6>(IP_OFFSET)?;
        Some((OnStack(Addr::v6(ip.dst)), ip.hop_limit))
    }

    #[inline(always)]
    fn receiver(packet: &mut impl Packet) -> Option<OnStack> {
        Some(OnStack(Addr::v6(packet.at::<Ipv6>(IP_OFFSET)?.dst)))
    }

    #[inline(always)]
    fn source(packet: &mut impl Packet) -> Option<(Addr, u8)> {
        let ip = packet.at::<Ipv6>(IP_OFFSET)?;
        Some((Addr::v6(ip.src), ip.next_header))
    }

    /// A part has a header of its own in front of the transport's.
    #[inline(always)]
    fn is_whole(_: &mut impl Packet) -> bool {
        true
    }

    #[inline(always)]
    fn parse_at(packet: &mut impl Packet, ip: usize, arrived: &mut Arrived) -> bool {
        let Some(ip) = packet.at::<Ipv6>(ip) else { return false };
        // A header that is neither a transport's nor ICMP's is an extension, or a protocol without ports.
        *arrived = Arrived {
            key: key(Addr::v6(ip.src), Addr::v6(ip.dst), ip.next_header),
            id: Be16::new(0),
            hop_limit: ip.hop_limit,
            fragment: Fragment::None,
            tcp_flags: 0,
            has_ports: false,
        };
        true
    }

    #[inline(always)]
    fn payload_len(packet: &mut impl Packet) -> Option<u16> {
        Some(packet.at::<Ipv6>(IP_OFFSET)?.payload_len.get())
    }

    #[inline(always)]
    fn hop(packet: &mut impl Packet) -> Option<()> {
        let ip = packet.at::<Ipv6>(IP_OFFSET)?;
        ip.hop_limit = ip.hop_limit.wrapping_sub(1);
        Some(())
    }

    #[inline(always)]
    fn answer_header(
        packet: &mut impl Packet,
        key: &FlowKey,
        protocol: u8,
        len: u16,
    ) -> Option<()> {
        *packet.at::<Ipv6>(IP_OFFSET)? = Ipv6 {
            version_class_flow: [0x60, 0, 0, 0],
            payload_len: Be16::new(len),
            next_header: protocol,
            hop_limit: HOP_LIMIT,
            src: key.dst.octets(),
            dst: key.src.octets(),
        };
        Some(())
    }

    #[inline(always)]
    fn error(packet: &mut impl Packet, key: &FlowKey, kind: Be16, mtu: u16) -> Answer {
        error6(packet, key, kind, mtu)
    }

    #[inline(always)]
    fn set_addr(packet: &mut impl Packet, ip: usize, end: End, _: &Addr, to: &Addr) -> Option<()> {
        let ip = packet.at::<Ipv6>(ip)?;
        match end {
            End::Source => ip.src = to.octets(),
            End::Destination => ip.dst = to.octets(),
        }
        Some(())
    }
}

#[inline(always)]
const fn key(src: Addr, dst: Addr, protocol: u8) -> FlowKey {
    let none = Be16::new(0);
    FlowKey { src, dst, src_port: none, dst_port: none, protocol, reserved: [0; 3] }
}
