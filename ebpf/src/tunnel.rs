//! The hooks of the tunnel's device, which come before those that it has as an uplink like any other: from whom
//! a packet may come, and to whom one goes.
//!
//! ```text
//! in    wrapped by a node of the cluster  -> on, as from any uplink      by anybody else -> dropped
//!       carried by it for a client outside, or an answer to such a client  -> [`carry`]
//!       asking whether it gets here       -> back to that node             such a one that came back -> on
//! out   wrapped by a pod's hook           -> out, nothing is left to do
//!       of the node itself                -> wrapped for the node that has the destination
//!       an answer to what came in here    -> back to where that came from, if no node has it
//! ```

use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_abi::tunnel::{VNI, VNI_ANSWER, VNI_CARRIED, VNI_ECHO, VNI_ECHO_REPLY};

use crate::carry;
use crate::deliver::unwritable;
use crate::family::{Family, V4, V6};
use crate::packet::{Packet, Verdict, ethertype};
use crate::remote::{FRAME, wrapped};
use crate::report::drop;
use crate::tables::Tables;
use crate::wire::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, FrameAddresses};

/// What is known of a packet's wrapping.
pub struct Outer {
    /// Network identifier.
    pub vni: u32,
    /// Who wrapped it; all zero: we did.
    pub node: Addr,
}

/// A frame at the tunnel's device.
pub trait Wrapped: Packet {
    /// `None`: it neither was wrapped nor is to be.
    fn outer(&mut self) -> Option<Outer>;
}

/// The ingress hook.
#[inline(always)]
pub fn ingress(packet: &mut impl Wrapped, tables: &impl Tables) -> Verdict {
    packet.note_sent(false);
    let Some(outer) = packet.outer() else {
        return refused(packet, tables, Event::TunnelStranger);
    };
    let Some(number) = tables.peer(&outer.node) else {
        return refused(packet, tables, Event::TunnelStranger);
    };
    match outer.vni {
        // Who asked for an echo has a packet socket for it. Its EtherType is nothing to the program of an uplink.
        VNI | VNI_ECHO_REPLY => Verdict::PASS,
        VNI_CARRIED | VNI_ANSWER => carried(packet, tables, outer.vni, number),
        // One for one, of the same size, to a node of the cluster, and never a reply to a reply.
        VNI_ECHO => {
            let device = packet.ifindex();
            wrapped(packet, tables, (&outer.node, VNI_ECHO_REPLY), device)
        }
        _ => refused(packet, tables, Event::TunnelStranger),
    }
}

#[inline(always)]
fn carried(packet: &mut impl Packet, tables: &impl Tables, vni: u32, number: u32) -> Verdict {
    let Some(work) = tables.work() else { return Verdict::DROP };
    let is_answer = vni == VNI_ANSWER;
    match ethertype(packet) {
        Some(ETHERTYPE_IPV4) if is_answer => carry::came_back::<V4>(packet, tables, work, number),
        Some(ETHERTYPE_IPV4) => carry::arrived::<V4>(packet, tables, work, number),
        Some(ETHERTYPE_IPV6) if is_answer => carry::came_back::<V6>(packet, tables, work, number),
        Some(ETHERTYPE_IPV6) => carry::arrived::<V6>(packet, tables, work, number),
        _ => Verdict::DROP,
    }
}

/// The egress hook.
#[inline(always)]
pub fn egress(packet: &mut impl Wrapped, tables: &impl Tables) -> Verdict {
    if packet.is_sent() {
        return Verdict::DONE;
    }
    let came_from =
        packet.outer().map(|outer| outer.node).filter(|node| tables.peer(node).is_some());
    match ethertype(packet) {
        Some(ETHERTYPE_IPV4) => leaves::<V4>(packet, tables, came_from),
        Some(ETHERTYPE_IPV6) => leaves::<V6>(packet, tables, came_from),
        _ => Verdict::DROP,
    }
}

#[inline(always)]
fn leaves<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    came_from: Option<Addr>,
) -> Verdict {
    let Some(dst) = F::receiver(packet) else { return unwritable(tables) };
    let node = match tables.remote(&dst.0) {
        Some(remote) => remote.node,
        None => match came_from {
            Some(node) => node,
            // What the stack says to all of a link: nobody is on this one.
            None if is_multicast(&dst.0) => return Verdict::DROP,
            None => return refused(packet, tables, Event::TunnelNowhere),
        },
    };
    let Some(addresses) = packet.at::<FrameAddresses>(0) else { return unwritable(tables) };
    addresses.words = FRAME;
    match packet.wrap(&node, VNI) {
        true => Verdict::PASS,
        false => unwritable(tables),
    }
}

#[inline(always)]
fn is_multicast(addr: &Addr) -> bool {
    if addr.is_v4() { addr.v4_octets()[0] >= 224 } else { addr.octets()[0] == 0xff }
}

#[inline(never)]
fn refused(packet: &mut impl Packet, tables: &impl Tables, event: Event) -> Verdict {
    let Some(work) = tables.work() else { return Verdict::DROP };
    let is_read = match ethertype(packet) {
        Some(ETHERTYPE_IPV4) => V4::parse(packet, &mut work.arrived),
        Some(ETHERTYPE_IPV6) => V6::parse(packet, &mut work.arrived),
        _ => false,
    };
    if !is_read {
        tables.count(event);
        return Verdict::DROP;
    }
    drop(packet, tables, work, event)
}
