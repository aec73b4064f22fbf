//! Answers made from the packet itself: a TCP reset, an ICMP port unreachable, an echo reply.
//!
//! Each turns the packet round; the caller sends it back to where it came from. A packet whose checksum
//! the sender left to the hardware stays one: its receiver, on this machine, takes it as correct.

use sheave_abi::event::Event;
use sheave_abi::order::Be16;

use crate::checksum::{add, fold, update};
use crate::deliver::unwritable;
use crate::packet::{Ip4, Packet, Verdict};
use crate::tables::Tables;
use crate::wire::{
    Bytes, Ethernet, ICMP_ECHO_REPLY, ICMP_ECHO_REQUEST, ICMP_PORT_UNREACHABLE, ICMP_UNREACHABLE,
    IP_OFFSET, Icmp, Ipv4, L4_OFFSET, Ports, Quoted, Tcp, protocol, tcp_flags,
};

/// Time to live of what the node itself sends.
const TTL: u8 = 64;

/// Refuses a TCP or UDP packet; `back` sends the answer.
#[inline(always)]
pub fn refuse(packet: &mut impl Packet, tables: &impl Tables, ip: &Ip4, back: Verdict) -> Verdict {
    let answer = match ip.protocol {
        protocol::TCP => reset(packet, ip),
        _ => port_unreachable(packet, ip),
    };
    match answer {
        Answer::Made => {
            tables.count(Event::Refused);
            back
        }
        Answer::None => Verdict::Drop,
        Answer::Failed => unwritable(tables),
    }
}

/// Whether the packet has become its own answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Answer {
    /// It has.
    Made,
    /// It was a reset, which nobody answers.
    None,
    /// It could not be changed.
    Failed,
}

impl From<Option<Answer>> for Answer {
    #[inline(always)]
    fn from(answer: Option<Answer>) -> Self {
        match answer {
            Some(answer) => answer,
            None => Answer::Failed,
        }
    }
}

// The makers of answers are functions of their own in the program too: inlined into one frame they would
// not fit the 512 bytes of stack.

#[inline(never)]
fn reset(packet: &mut impl Packet, ip: &Ip4) -> Answer {
    try_reset(packet, ip).into()
}

#[inline(never)]
fn port_unreachable(packet: &mut impl Packet, ip: &Ip4) -> Answer {
    try_port_unreachable(packet, ip).into()
}

/// Turns a segment into the reset that answers it (RFC 9293, 3.10.7.1).
#[inline(always)]
fn try_reset(packet: &mut impl Packet, ip: &Ip4) -> Option<Answer> {
    const LEN: usize = size_of::<Ipv4>() + size_of::<Tcp>();
    let total_len = packet.at::<Ipv4>(IP_OFFSET)?.total_len.get() as u32;
    let tcp = *packet.at::<Tcp>(L4_OFFSET)?;
    if tcp.flags & tcp_flags::RST != 0 {
        return Some(Answer::None);
    }
    let header_len = size_of::<Ipv4>() as u32 + ((tcp.data_offset >> 4) as u32) * 4;
    let (seq, ack, flags) = if tcp.flags & tcp_flags::ACK != 0 {
        (tcp.ack, [0; 4], tcp_flags::RST)
    } else {
        let control =
            u32::from(tcp.flags & tcp_flags::SYN != 0) + u32::from(tcp.flags & tcp_flags::FIN != 0);
        let len = total_len.wrapping_sub(header_len).wrapping_add(control);
        let ack = u32::from_be_bytes(tcp.seq).wrapping_add(len);
        ([0; 4], ack.to_be_bytes(), tcp_flags::RST | tcp_flags::ACK)
    };
    if !packet.resize((IP_OFFSET + LEN) as u32) {
        return None;
    }
    *packet.at::<Tcp>(L4_OFFSET)? = Tcp {
        ports: Ports { src: tcp.ports.dst, dst: tcp.ports.src },
        seq,
        ack,
        data_offset: 5 << 4,
        flags,
        window: Be16::new(0),
        checksum: Be16::new(0),
        urgent: Be16::new(0),
    };
    let pseudo = add(add(0, &ip.src), &ip.dst) + u32::from(protocol::TCP) + size_of::<Tcp>() as u32;
    let sum = add(pseudo, &packet.at::<Bytes<20>>(L4_OFFSET)?.0);
    packet.at::<Tcp>(L4_OFFSET)?.checksum = Be16::new(!fold(sum));
    turn_round(packet, ip, protocol::TCP, LEN as u16)?;
    Some(Answer::Made)
}

/// Turns a datagram into the error that answers it (RFC 792; RFC 1812, 4.3.2.3).
#[inline(always)]
fn try_port_unreachable(packet: &mut impl Packet, ip: &Ip4) -> Option<Answer> {
    const LEN: usize = size_of::<Ipv4>() + size_of::<Icmp>() + size_of::<Quoted>();
    let quoted = *packet.at::<Quoted>(IP_OFFSET)?;
    if !packet.resize((IP_OFFSET + LEN) as u32) {
        return None;
    }
    *packet.at::<Icmp>(L4_OFFSET)? = Icmp {
        kind: ICMP_UNREACHABLE,
        code: ICMP_PORT_UNREACHABLE,
        checksum: Be16::new(0),
        rest: [0; 4],
    };
    *packet.at::<Quoted>(L4_OFFSET + size_of::<Icmp>())? = quoted;
    let sum = add(0, &packet.at::<Bytes<36>>(L4_OFFSET)?.0);
    packet.at::<Icmp>(L4_OFFSET)?.checksum = Be16::new(!fold(sum));
    turn_round(packet, ip, protocol::ICMP, LEN as u16)?;
    Some(Answer::Made)
}

/// Answers an echo request to `ip.dst`. `None`: it is none.
#[inline(always)]
pub fn echo(
    packet: &mut impl Packet,
    tables: &impl Tables,
    ip: &Ip4,
    back: Verdict,
) -> Option<Verdict> {
    if ip.protocol != protocol::ICMP || ip.later_fragment {
        return None;
    }
    let icmp = packet.at::<Icmp>(L4_OFFSET)?;
    if icmp.kind != ICMP_ECHO_REQUEST || icmp.code != 0 {
        return None;
    }
    icmp.kind = ICMP_ECHO_REPLY;
    icmp.checksum = update(icmp.checksum, Be16([ICMP_ECHO_REQUEST, 0]), Be16([ICMP_ECHO_REPLY, 0]));
    let total_len = packet.at::<Ipv4>(IP_OFFSET)?.total_len.get();
    if turn_round(packet, ip, protocol::ICMP, total_len).is_none() {
        return Some(unwritable(tables));
    }
    tables.count(Event::EchoAnswered);
    Some(back)
}

/// Swaps who sends and who receives, and makes the IP header anew.
#[inline(always)]
fn turn_round(packet: &mut impl Packet, ip: &Ip4, protocol: u8, total_len: u16) -> Option<()> {
    let ethernet = packet.at::<Ethernet>(0)?;
    let (dst, src) = (ethernet.dst, ethernet.src);
    ethernet.dst = src;
    ethernet.src = dst;
    *packet.at::<Ipv4>(IP_OFFSET)? = Ipv4 {
        version_ihl: 0x45,
        tos: 0,
        total_len: Be16::new(total_len),
        id: Be16::new(0),
        fragment: Be16::new(0),
        ttl: TTL,
        protocol,
        checksum: Be16::new(0),
        src: ip.dst,
        dst: ip.src,
    };
    let sum = add(0, &packet.at::<Bytes<20>>(IP_OFFSET)?.0);
    packet.at::<Ipv4>(IP_OFFSET)?.checksum = Be16::new(!fold(sum));
    Some(())
}
