//! Answers made from the packet itself: a TCP reset, an ICMP port unreachable, an echo reply.
//!
//! Each turns the packet round; the caller sends it back to where it came from. A packet whose checksum
//! the sender left to the hardware stays one: its receiver, on this machine, takes it as correct.

use sheave_abi::event::Event;
use sheave_abi::flow::FlowKey;
use sheave_abi::order::Be16;

use crate::checksum::{add, fold, pseudo, update};
use crate::deliver::unwritable;
use crate::family::{Family, V4, V6};
use crate::packet::{Fragment, Packet, Verdict, Work};
use crate::report::{drop, report};
use crate::tables::Tables;
use crate::wire::{
    Bytes, FrameAddresses, IP_OFFSET, Icmp, Ipv4, Ipv6, Ports, Quoted4, Quoted6, Tcp, protocol,
    tcp_flags,
};

/// Refuses a packet that wants a connection or an answer; `back` sends the refusal.
#[inline(always)]
pub fn refuse<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    event: Event,
    back: Verdict,
) -> Verdict {
    if work.arrived.fragment == Fragment::Later {
        // Nobody sends an error about a part that is not the first (RFC 1122, 3.2.2).
        return drop(packet, tables, work, Event::Fragment);
    }
    let key = &work.arrived.key;
    let answer = match key.protocol {
        protocol::TCP => reset::<F>(packet, key),
        // Nobody sends an error about an ICMP message that could be one (RFC 1122, 3.2.2).
        protocol if protocol == F::ICMP => Answer::None,
        _ => F::error(packet, key, F::PORT_UNREACHABLE, 0),
    };
    match answer {
        Answer::Made => {
            report(packet, tables, work, event);
            back
        }
        Answer::None => Verdict::DROP,
        Answer::Failed => unwritable(tables),
    }
}

/// Whether the packet has become its own answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Answer {
    /// It has.
    Made,
    /// It may not be answered.
    None,
    /// It could not be changed.
    Failed,
}

impl From<Option<Answer>> for Answer {
    fn from(answer: Option<Answer>) -> Self {
        answer.unwrap_or(Self::Failed)
    }
}

// Both are functions of their own in the program too: the verifier walks them once, not once a caller.

#[inline(never)]
fn reset<F: Family>(packet: &mut impl Packet, key: &FlowKey) -> Answer {
    try_reset::<F>(packet, key).into()
}

#[inline(never)]
pub(crate) fn error4(packet: &mut impl Packet, key: &FlowKey, kind: Be16, mtu: u16) -> Answer {
    try_error4(packet, key, kind, mtu).into()
}

#[inline(never)]
pub(crate) fn error6(packet: &mut impl Packet, key: &FlowKey, kind: Be16, mtu: u16) -> Answer {
    try_error6(packet, key, kind, mtu).into()
}

/// Turns a segment into the reset that answers it (RFC 9293, 3.10.7.1).
#[inline(always)]
fn try_reset<F: Family>(packet: &mut impl Packet, key: &FlowKey) -> Option<Answer> {
    let tcp_len = F::payload_len(packet)?;
    let tcp = *packet.at::<Tcp>(F::L4)?;
    if tcp.flags & tcp_flags::RST != 0 {
        return Some(Answer::None);
    }
    let header_len = ((tcp.data_offset >> 4) as u32) * 4;
    let (seq, ack, flags) = if tcp.flags & tcp_flags::ACK != 0 {
        (tcp.ack, [0; 4], tcp_flags::RST)
    } else {
        let control =
            u32::from(tcp.flags & tcp_flags::SYN != 0) + u32::from(tcp.flags & tcp_flags::FIN != 0);
        let len = u32::from(tcp_len).wrapping_sub(header_len).wrapping_add(control);
        let ack = u32::from_be_bytes(tcp.seq).wrapping_add(len);
        ([0; 4], ack.to_be_bytes(), tcp_flags::RST | tcp_flags::ACK)
    };
    if !packet.resize((F::L4 + size_of::<Tcp>()) as u32) {
        return None;
    }
    *packet.at::<Tcp>(F::L4)? = Tcp {
        ports: Ports { src: tcp.ports.dst, dst: tcp.ports.src },
        seq,
        ack,
        data_offset: 5 << 4,
        flags,
        window: Be16::new(0),
        checksum: Be16::new(0),
        urgent: Be16::new(0),
    };
    let sum = pseudo(&key.dst, &key.src, protocol::TCP, size_of::<Tcp>() as u32);
    let sum = add(sum, &packet.at::<Bytes<20>>(F::L4)?.0);
    packet.at::<Tcp>(F::L4)?.checksum = Be16::new(!fold(sum));
    turn_round::<F>(packet, key, protocol::TCP, size_of::<Tcp>() as u16)?;
    Some(Answer::Made)
}

/// RFC 792; RFC 1812, 4.3.2.3; the MTU is where RFC 1191, 4 puts it.
#[inline(always)]
fn try_error4(packet: &mut impl Packet, key: &FlowKey, kind: Be16, mtu: u16) -> Option<Answer> {
    const L4: usize = IP_OFFSET + size_of::<Ipv4>();
    const LEN: usize = size_of::<Icmp>() + size_of::<Quoted4>();
    packet.at::<Quoted4>(IP_OFFSET)?;
    if !packet.resize((L4 + LEN) as u32) {
        return None;
    }
    // From where it is to where it will be, without a place on the stack between.
    let [quoted, quote] = packet.at::<[Quoted4; 2]>(IP_OFFSET)?;
    *quote = *quoted;
    *packet.at::<Icmp>(L4)? = error_header(kind, mtu);
    let sum = add(0, &packet.at::<Bytes<LEN>>(L4)?.0);
    packet.at::<Icmp>(L4)?.checksum = Be16::new(!fold(sum));
    turn_round::<V4>(packet, key, protocol::ICMP, LEN as u16)?;
    Some(Answer::Made)
}

/// RFC 4443, 3.
#[inline(always)]
fn try_error6(packet: &mut impl Packet, key: &FlowKey, kind: Be16, mtu: u16) -> Option<Answer> {
    const L4: usize = IP_OFFSET + size_of::<Ipv6>();
    const LEN: usize = size_of::<Icmp>() + size_of::<Quoted6>();
    packet.at::<Quoted6>(IP_OFFSET)?;
    if !packet.resize((L4 + LEN) as u32) {
        return None;
    }
    // From where it is to where it will be, without a place on the stack between.
    let [quoted, quote] = packet.at::<[Quoted6; 2]>(IP_OFFSET)?;
    *quote = *quoted;
    *packet.at::<Icmp>(L4)? = error_header(kind, mtu);
    let sum = pseudo(&key.dst, &key.src, protocol::ICMPV6, LEN as u32);
    let sum = add(sum, &packet.at::<Bytes<LEN>>(L4)?.0);
    packet.at::<Icmp>(L4)?.checksum = Be16::new(!fold(sum));
    turn_round::<V6>(packet, key, protocol::ICMPV6, LEN as u16)?;
    Some(Answer::Made)
}

#[inline(always)]
const fn error_header(kind: Be16, mtu: u16) -> Icmp {
    let [kind, code] = kind.0;
    let [high, low] = mtu.to_be_bytes();
    Icmp { kind, code, checksum: Be16::new(0), rest: [0, 0, high, low] }
}

/// Answers an echo request to `ip.dst`. `None`: it is none.
#[inline(always)]
pub fn echo<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &Work,
    back: Verdict,
) -> Option<Verdict> {
    let key = &work.arrived.key;
    if key.protocol != F::ICMP {
        return None;
    }
    let icmp = packet.at::<Icmp>(F::L4)?;
    if icmp.kind != F::ECHO_REQUEST || icmp.code != 0 {
        return None;
    }
    icmp.kind = F::ECHO_REPLY;
    icmp.checksum = update(icmp.checksum, Be16([F::ECHO_REQUEST, 0]), Be16([F::ECHO_REPLY, 0]));
    let len = F::payload_len(packet)?;
    if turn_round::<F>(packet, key, F::ICMP, len).is_none() {
        return Some(unwritable(tables));
    }
    tables.count(Event::EchoAnswered);
    Some(back)
}

/// Swaps who sends and who receives, and makes the IP header anew for `len` bytes of `protocol`.
#[inline(always)]
fn turn_round<F: Family>(
    packet: &mut impl Packet,
    key: &FlowKey,
    protocol: u8,
    len: u16,
) -> Option<()> {
    packet.at::<FrameAddresses>(0)?.turn_round();
    F::answer_header(packet, key, protocol, len)
}
