//! What comes in from the network, met by the driver before the kernel has made a socket buffer of it: what
//! can be finished without one.
//!
//! ```text
//! what nobody may reach                       -> dropped
//! what nobody answers                         -> refused, out where it came from
//! known flow that leaves where it came in     -> its ends become those of the flow -> out
//!   (to a backend of another node, and its answers)
//! anything else                               -> as it came, to the tc program
//! ```
//!
//! A packet that goes on is as it came, and nothing was written about it: the tc program does with it all
//! that it does where this one is not attached, so that nothing is done twice and nothing here must be kept
//! in step with it. Flows are begun, moved, renewed and ended there alone. So are the packets of a flow that
//! write something: about one a second of each direction, which goes through the stack and has it see that
//! the neighbour still is where it was; nobody does so for packets that pass it by.
//!
//! Left to the tc program besides: parts of datagrams, SCTP (whose checksum may be left to the hardware),
//! ICMP errors, and packets whose sender has not completed their checksum (see [`is_partial`]).

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, flags as flow_flags};
use sheave_abi::order::Be16;
use sheave_abi::service::{Frontend, FrontendKey, flags};

use crate::checksum::{fold, pseudo};
use crate::deliver::unwritable;
use crate::expired::expired;
use crate::family::{Family, V4, V6};
use crate::flow::{Way, find, is_settled};
use crate::nat::translate;
use crate::packet::{Arrived, Fragment, Packet, Verdict, Work, ethertype, read_ports};
use crate::service::{is_answer, is_gone, untranslated};
use crate::tables::{Stage, Tables};
use crate::uplink::unserved;
use crate::wire::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, FrameAddresses, IP_OFFSET, protocol};

/// A frame of which there is no socket buffer yet.
pub trait Frame: Packet {
    /// The Ethernet addresses with which a packet with the ends of `flow` leaves by the interface it came
    /// in by: as long as the routes lead there, the neighbour is known and the packet not too large.
    fn next_hop(&mut self, flow: &Flow, protocol: u8, ip_len: u16) -> Option<FrameAddresses>;
}

/// The hook.
#[inline(always)]
pub fn ingress(packet: &mut impl Frame, tables: &impl Tables) -> Verdict {
    match ethertype(packet) {
        Some(ETHERTYPE_IPV4) => received::<V4>(packet, tables),
        Some(ETHERTYPE_IPV6) => received::<V6>(packet, tables),
        _ => Verdict::PASS,
    }
}

#[inline(always)]
fn received<F: Family>(packet: &mut impl Frame, tables: &impl Tables) -> Verdict {
    let Some((dst, hop_limit)) = F::destination(packet) else { return Verdict::PASS };
    if hop_limit <= 1 {
        return expired::<F>(packet, tables);
    }
    if tables.endpoint(&dst.0).is_some() {
        return Verdict::PASS;
    }
    match tables.work() {
        Some(work) => to_node::<F>(packet, tables, work),
        None => Verdict::PASS,
    }
}

#[inline(never)]
fn to_node<F: Family>(packet: &mut impl Frame, tables: &impl Tables, work: &mut Work) -> Verdict {
    if !F::parse(packet, &mut work.arrived)
        || work.arrived.fragment != Fragment::None
        || !read_ports::<F>(packet, &mut work.arrived)
    {
        return Verdict::PASS;
    }
    work.ifindex = packet.ifindex();
    match find(tables, &work.arrived.key) {
        Some((Stage::Established, flow)) => known::<F>(packet, tables, work, flow),
        Some((Stage::Opening, _)) => Verdict::PASS,
        None => unknown::<F>(packet, tables, work),
    }
}

/// A packet of a flow.
#[inline(always)]
fn known<F: Family>(
    packet: &mut impl Frame,
    tables: &impl Tables,
    work: &mut Work,
    flow: &Flow,
) -> Verdict {
    let protocol = work.arrived.key.protocol;
    // Nobody here wraps packets.
    const TUNNELLED: u32 = flow_flags::CARRIED | flow_flags::FROM_NODE;
    if flow.uplink != work.ifindex
        || flow.flags & TUNNELLED != 0
        || !matches!(protocol, protocol::TCP | protocol::UDP)
        || !is_settled(tables, &work.arrived, flow)
        || is_here(tables, flow)
    {
        return Verdict::PASS;
    }
    work.flow = *flow;
    let Some(len) = F::payload_len(packet) else { return Verdict::PASS };
    if is_partial::<F>(packet, &work.arrived, len) {
        return Verdict::PASS;
    }
    let ip_len = len.wrapping_add((F::L4 - IP_OFFSET) as u16);
    let Some(addresses) = packet.next_hop(&work.flow, protocol, ip_len) else {
        return Verdict::PASS;
    };
    if let Err(why) = translate::<F>(packet, &work.arrived, &work.flow) {
        return untranslated(packet, tables, work, why);
    }
    if F::hop(packet).is_none() {
        return unwritable(tables);
    }
    let Some(ethernet) = packet.at::<FrameAddresses>(0) else { return unwritable(tables) };
    *ethernet = addresses;
    if is_answer(&work.flow) {
        tables.count(Event::RepliedOutside);
    }
    Verdict::egress(work.ifindex)
}

/// Whether the flow leads to a pod of this node, there or gone.
#[inline(always)]
fn is_here(tables: &impl Tables, flow: &Flow) -> bool {
    tables.endpoint(&flow.dst).is_some() || is_gone(tables, &flow.dst)
}

/// Whether the packet's checksum may be one that its sender has left to the hardware: then it is the sum of
/// the pseudo-header alone. Packets that never were on a wire are like that, those that come through a veth
/// or from a virtual machine's host, and the driver tells this program nothing of it. Of those with a
/// complete checksum one in 65535 looks the same; the tc program, which is told, takes both for what they
/// are.
#[inline(always)]
fn is_partial<F: Family>(packet: &mut impl Packet, arrived: &Arrived, len: u16) -> bool {
    let key = &arrived.key;
    let offset = if key.protocol == protocol::TCP { 16 } else { 6 };
    let Some(field) = packet.at::<Be16>(F::L4 + offset) else { return true };
    let sum = u32::from(fold(pseudo(&key.src, &key.dst, key.protocol, len.into())));
    // Zero has two representations.
    u32::from(field.get()) % 0xffff == sum % 0xffff
}

/// A packet of which no flow is known: for those who would open one, and will not, this is the end.
#[inline(always)]
fn unknown<F: Family>(packet: &mut impl Frame, tables: &impl Tables, work: &mut Work) -> Verdict {
    let key = &work.arrived.key;
    work.frontend = FrontendKey::new(key.dst, key.dst_port, key.protocol);
    let way = match tables.frontend(&work.frontend) {
        Some(frontend) if frontend.flags & flags::HOST_ONLY == 0 => way_to(tables, work, &frontend),
        _ => Way::NotAService,
    };
    let back = Verdict::egress(work.ifindex);
    match way {
        Way::Translated => Verdict::PASS,
        way => unserved::<F>(packet, tables, work, way, back),
    }
}

/// Why the frontend takes no flow of the client, without a look at its backends.
#[inline(always)]
fn way_to(tables: &impl Tables, work: &mut Work, frontend: &Frontend) -> Way {
    if frontend.flags & flags::SOURCE_RANGES != 0
        && !tables.source(frontend.service, &work.arrived.key.src)
    {
        return Way::SourceRefused;
    }
    if frontend.external.len == 0 {
        work.refused_by = frontend.flags;
        return Way::Nobody;
    }
    Way::Translated
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use crate::nat::tests::{Ends, ends, frame, is_correct};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn packet() -> impl Strategy<Value = (bool, Ends)> {
        any::<bool>().prop_flat_map(|v4| (Just(v4), ends(v4)))
    }

    fn is_told<F: Family>(frame: &mut fake::Frame) -> bool {
        let mut arrived = Arrived::default();
        assert!(F::parse(frame, &mut arrived) && read_ports::<F>(frame, &mut arrived));
        let len = F::payload_len(frame).unwrap();
        is_partial::<F>(frame, &arrived, len)
    }

    proptest! {
        #[test]
        fn checksums_that_were_left_to_the_hardware_are_told_from_complete_ones(
            (v4, ends) in packet(), udp: bool, partial: bool, payload in vec(any::<u8>(), 0..64),
        ) {
            let protocol = if udp { protocol::UDP } else { protocol::TCP };
            let mut frame = frame(v4, protocol, partial, &ends, &payload);
            let looks = is_correct(&fake::Frame { partial: true, ..frame.clone() });
            prop_assert!(looks || !partial);
            let told = if v4 { is_told::<V4>(&mut frame) } else { is_told::<V6>(&mut frame) };
            prop_assert_eq!(told, looks);
        }
    }
}
