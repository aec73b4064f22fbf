//! A packet of a service's flow, whichever hook it met.

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FragmentKey, FragmentPorts, flags};
use sheave_abi::order::Addr;
use sheave_abi::service::FrontendKey;

use crate::deliver::{to_client_outside, to_pod, unwritable};
use crate::family::Family;
use crate::flow::{INSIDE, answered, inverse_key};
use crate::nat::{Unwritten, translate};
use crate::packet::{Arrived, Fragment, Packet, Socket, Verdict, Work, read_ports};
use crate::refuse::{echo, refuse};
use crate::report::drop;
use crate::tables::{Stage, Tables};
use crate::width::{self, too_narrow};
use crate::wire::{protocol, tcp_flags};

/// Reads the ports, those of a later fragment from what the first has left. False: there are none.
#[inline(always)]
pub fn ports<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    arrived: &mut Arrived,
) -> bool {
    match arrived.fragment {
        Fragment::None => read_ports::<F>(packet, arrived),
        Fragment::First => {
            let has = read_ports::<F>(packet, arrived);
            if has {
                put_fragment(tables, arrived);
            }
            has
        }
        Fragment::Later => recall_ports(tables, arrived),
    }
}

#[inline(never)]
fn put_fragment(tables: &impl Tables, arrived: &Arrived) {
    let ports = FragmentPorts { src: arrived.key.src_port, dst: arrived.key.dst_port };
    tables.put_fragment(&fragment_key(arrived), &ports);
}

#[inline(never)]
fn recall_ports(tables: &impl Tables, arrived: &mut Arrived) -> bool {
    let Some(ports) = tables.fragment(&fragment_key(arrived)) else { return false };
    (arrived.key.src_port, arrived.key.dst_port) = (ports.src, ports.dst);
    true
}

#[inline(always)]
fn fragment_key(arrived: &Arrived) -> FragmentKey {
    let key = &arrived.key;
    let (src, dst, protocol) = (key.src, key.dst, key.protocol);
    FragmentKey { src, dst, id: arrived.id, protocol, reserved: 0 }
}

/// Whether the entry is for what the client is sent.
#[inline(always)]
pub fn is_answer(flow: &Flow) -> bool {
    flow.flags & flags::REPLY != 0
}

/// Whether the flow that the packet seems to answer has been closed, and the packet accepts another connection:
/// its client has dialled the backend itself since, from the same port. The flow is forgotten then.
#[inline(always)]
pub fn gives_way(tables: &impl Tables, work: &mut Work, flow: &Flow) -> bool {
    const ACCEPTS: u8 = tcp_flags::SYN | tcp_flags::ACK;
    if work.arrived.tcp_flags & ACCEPTS != ACCEPTS || flow.flags & flags::CLOSING == 0 {
        return false;
    }
    work.answer_key = inverse_key(flow, work.arrived.key.protocol);
    tables.forget(work);
    true
}

/// Takes the flow of `work.arrived` and `work.answer_key` out. Both entries: a late packet of the client's would
/// write the other one again. What had begun is left in `OPENING` when it goes on in `FLOWS`. One of the steps
/// that [`Tables`] takes.
#[inline(always)]
pub fn forget(tables: &impl Tables, work: &Work) {
    for stage in [Stage::Opening, Stage::Established] {
        tables.end_flow(stage, &work.answer_key);
        tables.end_flow(stage, &work.arrived.key);
    }
}

/// A packet of a known flow back to its client, who has come here by itself. Not if the client is the node, and has given the port to a
/// socket that has dialled the backend itself: from its own hook, or without a service.
#[inline(always)]
pub fn to_client<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    (stage, flow): (Stage, &Flow),
) -> Verdict {
    let uplink = flow.uplink;
    let endpoint = tables.endpoint(&flow.dst);
    if uplink == INSIDE
        && endpoint.is_none()
        && packet.socket(&work.arrived.key) == Socket::Connected
    {
        return Verdict::PASS;
    }
    answered(tables, work, stage, flow);
    if uplink != 0 && endpoint.is_none() {
        let mtu = too_narrow::<F>(packet, tables, work.arrived.key.protocol, uplink);
        if mtu != 0 {
            return width::tell::<F>(packet, tables, work, mtu);
        }
    }
    if let Err(why) = translate::<F>(packet, &work.arrived, flow) {
        return untranslated(packet, tables, work, why);
    }
    match endpoint {
        Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
        None if uplink != 0 => to_client_outside::<F>(packet, tables, uplink),
        None => Verdict::PASS,
    }
}

/// A client's packet on to what `work.flow` says.
#[inline(always)]
pub fn to_backend<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    back: Verdict,
) -> Verdict {
    let endpoint = tables.endpoint(&work.flow.dst);
    if endpoint.is_none() && is_gone(tables, &work.flow.dst) {
        return refuse::<F>(packet, tables, work, Event::BackendGone, back);
    }
    if let Err(why) = translate::<F>(packet, &work.arrived, &work.flow) {
        return untranslated(packet, tables, work, why);
    }
    match endpoint {
        Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
        None => Verdict::PASS,
    }
}

/// An address of this node's pods that no pod has: the caller has looked.
#[inline(always)]
pub fn is_gone(tables: &impl Tables, dst: &Addr) -> bool {
    tables.settings().is_some_and(|settings| settings.node_pods.hold(dst))
}

/// The packet was changed in part, or could not be: it may not go on.
#[inline(always)]
pub fn untranslated(
    packet: &impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    why: Unwritten,
) -> Verdict {
    match why {
        Unwritten::Headers => unwritable(tables),
        Unwritten::SctpPort => drop(packet, tables, work, Event::SctpPort),
    }
}

/// No frontend has this address, port and protocol: a service's address all the same, or nobody's in the
/// service range, or none of our business.
#[inline(never)]
pub fn not_a_frontend<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    back: Verdict,
) -> Verdict {
    if !is_allocated(tables, &work.arrived.key.dst) {
        return unallocated(packet, tables, work);
    }
    if work.arrived.fragment == Fragment::Later {
        return drop(packet, tables, work, Event::Fragment);
    }
    if F::ICMP == protocol::ICMPV6 && work.arrived.key.protocol == protocol::IPV6_FRAGMENT {
        return drop(packet, tables, work, Event::Ipv6Fragment);
    }
    // An answer's checksum covers all of its parts.
    if work.arrived.fragment == Fragment::First && work.arrived.key.protocol == F::ICMP {
        return drop(packet, tables, work, Event::Fragment);
    }
    if let Some(verdict) = echo::<F>(packet, tables, work, back) {
        return verdict;
    }
    if work.arrived.has_ports {
        return refuse::<F>(packet, tables, work, Event::Refused, back);
    }
    drop(packet, tables, work, Event::ServiceProtocol)
}

#[inline(always)]
fn unallocated(packet: &impl Packet, tables: &impl Tables, work: &mut Work) -> Verdict {
    match tables.settings() {
        Some(settings) if settings.services.hold(&work.arrived.key.dst) => {
            drop(packet, tables, work, Event::UnallocatedAddress)
        }
        _ => Verdict::PASS,
    }
}

#[inline(always)]
pub(crate) fn is_allocated(tables: &impl Tables, addr: &Addr) -> bool {
    tables.has_frontend(&FrontendKey::address(*addr))
}
