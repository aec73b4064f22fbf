//! ICMP errors about translated packets (RFC 792, RFC 4443; RFC 5508, 4 for what a translator owes them).
//!
//! Whoever sends an error saw a packet after its translation, and quotes it. The packet's sender knows it as
//! it was before. The quoted packet turned round is one of the flow's other direction, so the entry for that
//! says it all: what such a packet becomes is the original turned round.
//!
//! ```text
//! error            who told it   -> quoted source       { quoted source -> quoted destination }
//! entry of         quoted destination -> quoted source  becomes  original destination -> original source
//! error becomes    who told it   -> original source     { original source -> original destination }
//! ```
//!
//! If it was the quoted destination itself that told, it shows the original destination's address instead of
//! its own; a router on the way keeps its address. Not so where the node stands in for a client outside: then
//! it tells as well, whoever did. The router may be on the way of the error too, and takes nothing that claims
//! to be from itself.

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, flags};
use sheave_abi::order::{Addr, Be16};

use crate::carry;
use crate::checksum::{add, fold, of_addr, update};
use crate::deliver::{by_uplink, to_client_outside, to_pod, unwritable};
use crate::family::Family;
use crate::flow::find;
use crate::nat::End;
use crate::packet::{Fragment, Packet, Verdict, Work};
use crate::service::is_answer;
use crate::tables::Tables;
use crate::wire::{Bytes, IP_OFFSET, Icmp, protocol};

/// What became of a packet that may be an error about a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Told {
    /// It is none.
    Nothing,
    /// Its receiver understands it now; the entry that said how is in [`Work::flow`].
    Retold,
    /// Its receiver does already: it is about a packet that was carried, by the flow in [`Work::flow`].
    Carried,
    /// It could not be changed.
    Failed,
}

/// Which hook the error met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Met {
    /// A pod's: flows that are masqueraded are not yet, or no more.
    Pod,
    /// An uplink's.
    Uplink,
}

/// Retells the error and sends it where the stack would not, or not so soon. `None`: it is none about a flow.
#[inline(always)]
pub(crate) fn forward<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    met: Met,
) -> Option<Verdict> {
    match retell::<F>(packet, tables, work, met) {
        Told::Carried if met == Met::Uplink => {
            return Some(carry::carry::<F>(packet, tables, work));
        }
        Told::Nothing | Told::Carried => return None,
        Told::Failed => return Some(unwritable(tables)),
        Told::Retold => {}
    }
    // A pod that left the cluster may have dialled a service whose backend is there.
    if work.flow.backend == 0 {
        // What masquerades leaves the other end as it is: so does whoever told.
        work.arrived.key.dst = work.flow.dst;
        if retell::<F>(packet, tables, work, met) == Told::Failed {
            return Some(unwritable(tables));
        }
    }
    let uplink = work.flow.uplink;
    let carrier = carry::carrier_of(&work.flow);
    Some(match tables.endpoint(&work.flow.dst) {
        Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
        None if carrier != 0 && is_answer(&work.flow) => {
            carry::answer::<F>(packet, tables, carrier)
        }
        None if uplink != 0 && is_answer(&work.flow) => {
            to_client_outside::<F>(packet, tables, uplink)
        }
        None if is_stood_in_for(&work.flow) => by_uplink::<F>(packet, tables, uplink),
        None => Verdict::PASS,
    })
}

/// Changes an error about a translated packet into one about what its sender sent, addressed to that.
#[inline(never)]
pub(crate) fn retell<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    met: Met,
) -> Told {
    if !is_error::<F>(packet, work) || !read_quoted::<F>(packet, work) {
        return Told::Nothing;
    }
    let Some((_, flow)) = find(tables, &work.answer_key) else { return Told::Nothing };
    if met == Met::Uplink && flow.flags & (flags::CARRIED | flags::REPLY) == flags::CARRIED {
        work.flow = *flow;
        return Told::Carried;
    }
    let changes_nothing = flow.src == work.answer_key.src && flow.dst == work.answer_key.dst;
    if changes_nothing || (flow.backend == 0 && met == Met::Pod) {
        return Told::Nothing;
    }
    work.flow = *flow;
    if rewrite::<F>(packet, work).is_none() {
        return Told::Failed;
    }
    tables.count(Event::ErrorTranslated);
    Told::Retold
}

/// Whether the entry is for what a client outside sends to a backend that takes the node for the client.
#[inline(always)]
fn is_stood_in_for(flow: &Flow) -> bool {
    flow.flags & (flags::MASQUERADED | flags::REPLY) == flags::MASQUERADED
}

/// Whether the packet in `work.arrived` is an error, of those that quote what they are about.
#[inline(always)]
pub(crate) fn is_error<F: Family>(packet: &mut impl Packet, work: &Work) -> bool {
    if work.arrived.key.protocol != F::ICMP || work.arrived.fragment == Fragment::Later {
        return false;
    }
    let Some(icmp) = packet.at::<Icmp>(F::L4) else { return false };
    let [a, b, c, d] = F::ERRORS;
    let kind = icmp.kind;
    kind == a || kind == b || kind == c || kind == d
}

/// Where the parts of the quoted packet stand.
struct Quoted<F>(core::marker::PhantomData<F>);

impl<F: Family> Quoted<F> {
    const IP: usize = F::L4 + size_of::<Icmp>();
    const L4: usize = Self::IP + (F::L4 - IP_OFFSET);
    const END: usize = Self::L4 + HEAD_LEN;
}

/// What every error quotes of a transport's header, at least.
const HEAD_LEN: usize = 8;
type Head = Bytes<HEAD_LEN>;

/// Reads the quoted packet's ends, turned round, into `work.answer_key`. False: there are none to read.
#[inline(always)]
fn read_quoted<F: Family>(packet: &mut impl Packet, work: &mut Work) -> bool {
    if packet.at::<Bytes<1>>(Quoted::<F>::END - 1).is_none() {
        packet.pull(Quoted::<F>::END as u32);
    }
    if !F::parse_at(packet, Quoted::<F>::IP, &mut work.quoted)
        || work.quoted.fragment == Fragment::Later
    {
        return false;
    }
    let Some(head) = packet.at::<Head>(Quoted::<F>::L4) else { return false };
    let head = head.0;
    let key = &work.quoted.key;
    let none = Be16::new(0);
    let (src_port, dst_port) = match key.protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            (Be16([head[0], head[1]]), Be16([head[2], head[3]]))
        }
        icmp if icmp == F::ICMP && head[0] == F::ECHO_REQUEST => (Be16([head[4], head[5]]), none),
        icmp if icmp == F::ICMP && head[0] == F::ECHO_REPLY => (none, Be16([head[4], head[5]])),
        _ => return false,
    };
    work.answer_key = FlowKey {
        src: key.dst,
        dst: key.src,
        src_port: dst_port,
        dst_port: src_port,
        protocol: key.protocol,
        reserved: [0; 3],
    };
    true
}

#[inline(always)]
fn rewrite<F: Family>(packet: &mut impl Packet, work: &Work) -> Option<()> {
    let (seen, becomes) = (&work.answer_key, &work.flow);
    let mut sum = packet.at::<Icmp>(F::L4)?.checksum;
    // Without the ends of IPv4 headers, whose own checksum makes up for them.
    if F::ICMP == protocol::ICMPV6 {
        sum = both_addrs(sum, seen, &becomes.src, &becomes.dst);
        sum = update(sum, of_addr(&seen.dst), of_addr(&becomes.dst));
    }
    let outside = &work.arrived.key;
    F::set_addr(packet, IP_OFFSET, End::Destination, &outside.dst, &becomes.dst)?;
    if outside.src == seen.src || becomes.flags & flags::MASQUERADED != 0 {
        F::set_addr(packet, IP_OFFSET, End::Source, &outside.src, &becomes.src)?;
        if F::ICMP == protocol::ICMPV6 {
            sum = update(sum, of_addr(&outside.src), of_addr(&becomes.src));
        }
    }
    F::set_addr(packet, Quoted::<F>::IP, End::Source, &seen.dst, &becomes.dst)?;
    F::set_addr(packet, Quoted::<F>::IP, End::Destination, &seen.src, &becomes.src)?;
    let head = packet.at::<Head>(Quoted::<F>::L4)?;
    let before = fold(add(0, &head.0));
    rewrite_head::<F>(&mut head.0, work);
    let after = fold(add(0, &head.0));
    sum = update(sum, Be16::new(before), Be16::new(after));
    packet.at::<Icmp>(F::L4)?.checksum = sum;
    Some(())
}

/// A checksum that covers both ends, after they became others.
#[inline(always)]
fn both_addrs(sum: Be16, seen: &FlowKey, src: &Addr, dst: &Addr) -> Be16 {
    update(update(sum, of_addr(&seen.src), of_addr(src)), of_addr(&seen.dst), of_addr(dst))
}

/// The ports, or the identifier of an echo, and the checksum that stands beside them: not TCP's and SCTP's,
/// which a quote need not reach, and which nobody checks.
#[inline(always)]
fn rewrite_head<F: Family>(head: &mut [u8; HEAD_LEN], work: &Work) {
    let (seen, becomes) = (&work.answer_key, &work.flow);
    if seen.protocol == F::ICMP {
        // An echo has one of the two, the other is 0 before and after.
        let (from, to) = match head[0] == F::ECHO_REQUEST {
            true => (seen.dst_port, becomes.dst_port),
            false => (seen.src_port, becomes.src_port),
        };
        let mut sum = update(Be16([head[2], head[3]]), from, to);
        if F::ICMP == protocol::ICMPV6 {
            sum = both_addrs(sum, seen, &becomes.src, &becomes.dst);
        }
        [head[2], head[3]] = sum.0;
        [head[4], head[5]] = to.0;
        return;
    }
    [head[0], head[1]] = becomes.dst_port.0;
    [head[2], head[3]] = becomes.src_port.0;
    if seen.protocol == protocol::UDP && (head[6] | head[7]) != 0 {
        let sum = both_addrs(Be16([head[6], head[7]]), seen, &becomes.src, &becomes.dst);
        let sum = update(sum, seen.src_port, becomes.src_port);
        let sum = update(sum, seen.dst_port, becomes.dst_port);
        [head[6], head[7]] = if sum.get() == 0 { [0xff, 0xff] } else { sum.0 };
    }
}
