//! Packets whose time to live ends at this node, on their way to a service: the sender is told, as by any
//! router (RFC 1812, 5.3.1), so that a route can be traced.
//!
//! The stack could not say it: to a service's address it knows no way, and a NodePort's is its own, so that
//! it would take the packet for itself and refuse it; so it would an answer to a client for whom the node
//! stands in. What goes elsewhere is left to the stack.

use sheave_abi::event::Event;
use sheave_abi::flow::flags as flow_flags;
use sheave_abi::service::{FrontendKey, flags};

use crate::deliver::unwritable;
use crate::family::Family;
use crate::flow::find;
use crate::packet::{Fragment, Packet, Verdict, Work};
use crate::refuse::Answer;
use crate::report::report;
use crate::service::{is_allocated, ports};
use crate::tables::Tables;

/// Answers the packet by the interface that it came from, with the service's address: the only one of the
/// node's that every client surely reaches.
#[inline(always)]
pub(crate) fn expired<F: Family>(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    let back = Verdict::egress(packet.ifindex());
    match tables.work() {
        Some(work) => answer::<F>(packet, tables, work, back),
        None => Verdict::PASS,
    }
}

#[inline(never)]
fn answer<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    back: Verdict,
) -> Verdict {
    if !F::parse(packet, &mut work.arrived)
        || !ports::<F>(packet, tables, &mut work.arrived)
        || !(is_to_service(tables, work) || is_to_client(tables, work))
    {
        return Verdict::PASS;
    }
    tell::<F>(packet, tables, work, back)
}

/// Tells the sender of a packet that was read into `work.arrived` with its ports.
#[inline(always)]
pub(crate) fn tell<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    back: Verdict,
) -> Verdict {
    if work.arrived.fragment == Fragment::Later {
        // Its first part was answered, for all of them (RFC 1812, 4.3.2.7).
        return Verdict::DROP;
    }
    match F::error(packet, &work.arrived.key, F::TIME_EXCEEDED, 0) {
        Answer::Made => {
            report(packet, tables, work, Event::HopLimit);
            back
        }
        Answer::None => Verdict::DROP,
        Answer::Failed => unwritable(tables),
    }
}

/// Whether it is from a backend elsewhere, which takes the node for its client: the stack would too.
#[inline(always)]
fn is_to_client(tables: &impl Tables, work: &Work) -> bool {
    const BOTH: u32 = flow_flags::MASQUERADED | flow_flags::REPLY;
    find(tables, &work.arrived.key).is_some_and(|(_, flow)| flow.flags & BOTH == BOTH)
}

#[inline(always)]
fn is_to_service(tables: &impl Tables, work: &mut Work) -> bool {
    let key = &work.arrived.key;
    work.frontend = FrontendKey::new(key.dst, key.dst_port, key.protocol);
    match tables.frontend(&work.frontend) {
        Some(frontend) => frontend.flags & flags::HOST_ONLY == 0,
        None => is_allocated(tables, &key.dst),
    }
}
