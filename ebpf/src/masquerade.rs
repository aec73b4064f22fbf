//! Who is seen from the node's address: pods that leave the cluster, since nobody outside knows the way to a
//! pod; and clients outside whose backend is on another node, where their packets are not carried as they came
//! ([`crate::carry`]): that node would answer them itself, with an address that they never asked.
//!
//! ```text
//! a pod      uplink, egress    pod:p -> outside:d           becomes  node:n -> outside:d
//!            uplink, ingress   outside:d -> node:n          becomes  outside:d -> pod:p
//! a client   uplink, ingress   client:p -> frontend:f       becomes  node:n -> backend:b, out by an uplink
//!            uplink, ingress   backend:b -> node:n          becomes  frontend:f -> client:p, out by the client's
//! ```
//!
//! A pod is met when it has been routed, so that nobody else need be asked by which uplink it leaves, and the
//! service that it may have dialled has a flow of its own. A client passes by the stack, which takes no packet
//! from outside that claims to be from the node; one flow does both.
//!
//! The port `n` is always one of those that the node's sockets leave to flows (`Settings::nat_port_first`
//! to `nat_port_last`): the kernel gives none of them to a socket by itself, and the node's NodePorts are
//! none of them. A pod's own port is never kept, since pods are given theirs from the same range as the
//! node's sockets. What is left are sockets of the node that a program has bound to a port of the range:
//! before a port is taken, the kernel is asked whether a socket is connected to that very peer, listens on
//! the port, or receives datagrams on it. One that is bound later is hit only if it talks to the same port
//! of the same peer as the pod does. The identifier of an echo request is treated as a port; the kernel
//! keeps no table of those, so that a `ping` of the node's to the same peer with the same identifier, one
//! of 65536, would miss its replies.
//!
//! A connection that came in, straight to a pod, is not masqueraded: a segment that opens nothing and
//! belongs to no flow is left alone, and a datagram from outside is remembered.

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, flags};
use sheave_abi::order::Addr;
use sheave_abi::service::{BACKEND_GONE, FrontendKey};

use crate::deliver::{by_uplink, to_pod};
use crate::family::Family;
use crate::flow::{
    INSIDE, answered, find, has_ended, has_lost_port, is_connection, keep, leads_back,
    set_answer_key, went_on,
};
use crate::nat::translate;
use crate::packet::{Fragment, Packet, Socket, Verdict, Work};
use crate::refuse::refuse;
use crate::report::{drop, opened};
use crate::service::{is_answer, is_gone, to_client, untranslated};
use crate::tables::{Stage, Tables};
use crate::uplink::NODE;
use crate::width::{self, too_narrow};
use crate::wire::{Bytes, protocol};

/// Whether a packet from `src` to `dst` leaves the cluster. Not while nobody has said which the cluster's
/// pods are.
#[inline(never)]
pub(crate) fn leaves_cluster(tables: &impl Tables, src: &Addr, dst: &Addr) -> bool {
    let Some(settings) = tables.settings() else { return false };
    settings.node_pods.hold(src)
        && settings.cluster_pods.hold(src)
        && !settings.cluster_pods.hold(dst)
}

/// A packet of a pod that leaves the cluster, whose flow was looked for and does not answer another.
#[inline(never)]
pub(crate) fn leave<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    has_ports: bool,
) -> Verdict {
    let shown = shown(tables, packet.ifindex(), &work.arrived.key.src);
    let Some(shown) = shown else { return Verdict::PASS };
    if !has_ports {
        // Without its ports nobody knows whose it is, and outside nobody knows the way back.
        return match work.arrived.fragment {
            Fragment::Later => drop(packet, tables, work, Event::Fragment),
            _ => Verdict::PASS,
        };
    }
    let stage = match known(tables, work, &shown) {
        Known::GoesOn(stage) if went_on(tables, work, stage) => {
            return send::<F>(packet, tables, work);
        }
        Known::GoesOn(_) => return drop(packet, tables, work, Event::FlowMapBusy),
        Known::Again(stage) => stage,
        Known::No if begins::<F>(packet, work) => Stage::Opening,
        Known::No => return Verdict::PASS,
    };
    let key = &work.arrived.key;
    work.flow = Flow {
        src: shown,
        dst: key.dst,
        src_port: key.src_port,
        dst_port: key.dst_port,
        backend: 0,
        generation: 0,
        uplink: INSIDE,
        seen_s: tables.now_s(),
        flags: 0,
    };
    if !tell_apart(packet, tables, work) {
        return drop(packet, tables, work, Event::NatPorts);
    }
    if !keep(tables, work, stage) {
        return drop(packet, tables, work, Event::FlowMapBusy);
    }
    opened(tables, work, Event::Masqueraded);
    send::<F>(packet, tables, work)
}

#[inline(always)]
fn send<F: Family>(packet: &mut impl Packet, tables: &impl Tables, work: &mut Work) -> Verdict {
    match translate::<F>(packet, &work.arrived, &work.flow) {
        Ok(()) => Verdict::PASS,
        Err(why) => untranslated(packet, tables, work, why),
    }
}

/// The node's address at the uplink, of the family of `other`.
#[inline(always)]
fn shown(tables: &impl Tables, uplink: u32, other: &Addr) -> Option<Addr> {
    let uplink = tables.uplink(uplink)?;
    let shown = if other.is_v4() { uplink.addr4 } else { uplink.addr6 };
    if shown == Addr::default() { None } else { Some(shown) }
}

/// Shows the client outside whose flow is in `work.flow` as the node, if its backend is reached by an uplink.
/// False: it is not, and whom the backend sees stays. The caller has seen that it is no pod of this node.
#[inline(always)]
pub(crate) fn stand_in(packet: &mut impl Packet, tables: &impl Tables, work: &mut Work) -> bool {
    if is_gone(tables, &work.flow.dst) {
        return false;
    }
    let uplink = packet.way_out(&work.arrived.key.src, &work.flow.dst);
    let Some(shown) = shown(tables, uplink, &work.flow.dst) else { return false };
    work.flow.src = shown;
    work.flow.uplink = uplink;
    work.flow.flags |= flags::MASQUERADED;
    true
}

/// Sees about once a second whether the flow in `work.flow`, of a client outside, would still be opened so:
/// routes and addresses change, and datagrams go on for ever. False: not so, and it should begin anew. A
/// connection cannot: it keeps the address that its backend knows, and follows the routes with it.
#[inline(never)]
pub(crate) fn follows_routes(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    stage: Stage,
) -> bool {
    let dst = &work.flow.dst;
    if work.flow.seen_s == tables.now_s() || tables.endpoint(dst).is_some() || is_gone(tables, dst)
    {
        return true;
    }
    let uplink = packet.way_out(&work.arrived.key.src, dst);
    let Some(shown) = shown(tables, uplink, dst) else { return true };
    if work.flow.src == shown && work.flow.uplink == uplink {
        return true;
    }
    if work.flow.flags & flags::MASQUERADED != 0 && work.flow.uplink != uplink {
        work.flow.uplink = uplink;
        // If it cannot be kept, it is seen again with the next packet.
        let _ = keep(tables, work, stage);
    }
    false
}

/// A packet of a client outside on to its backend, as the node's own.
#[inline(never)]
pub(crate) fn pass_on<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    back: Verdict,
) -> Verdict {
    if has_no_endpoint(tables, work) {
        return refuse::<F>(packet, tables, work, Event::BackendGone, back);
    }
    let uplink = work.flow.uplink;
    let mtu = too_narrow::<F>(packet, tables, work.arrived.key.protocol, uplink);
    if mtu != 0 {
        return width::tell::<F>(packet, tables, work, mtu);
    }
    match translate::<F>(packet, &work.arrived, &work.flow) {
        Ok(()) => by_uplink::<F>(packet, tables, uplink),
        Err(why) => untranslated(packet, tables, work, why),
    }
}

/// Whether the service is there, and the backend is none of its endpoints any more. That is all that this
/// node hears of a pod of another one.
#[inline(always)]
fn has_no_endpoint(tables: &impl Tables, work: &mut Work) -> bool {
    let is_there = tables.backend(work.flow.backend).is_some_and(|backend| {
        backend.generation == work.flow.generation && backend.state != BACKEND_GONE
    });
    if is_there {
        return false;
    }
    let key = &work.arrived.key;
    work.frontend = FrontendKey::new(key.dst, key.dst_port, key.protocol);
    tables.has_frontend(&work.frontend)
}

/// What is known of the flow of `work.arrived`.
enum Known {
    No,
    /// It is in `work.flow`.
    GoesOn(Stage),
    /// It must be opened anew.
    Again(Stage),
}

#[inline(always)]
fn known(tables: &impl Tables, work: &mut Work, shown: &Addr) -> Known {
    let Some((stage, flow)) = find(tables, &work.arrived.key) else { return Known::No };
    if work.arrived.opens() && flow.flags & flags::CLOSING != 0 {
        return Known::Again(stage);
    }
    work.flow = *flow;
    if work.flow.src != *shown || has_lost_port(tables, work, stage) {
        return Known::Again(stage);
    }
    Known::GoesOn(stage)
}

/// Whether the packet may be the first of its flow, and not part of a connection that came in.
#[inline(always)]
fn begins<F: Family>(packet: &mut impl Packet, work: &Work) -> bool {
    match work.arrived.key.protocol {
        protocol::TCP => work.arrived.opens(),
        // Its verification tag is 0 in the packet that asks for an association alone (RFC 9260, 8.5.1).
        protocol::SCTP => packet.at::<Bytes<8>>(F::L4).is_some_and(|head| head.0[4..] == [0; 4]),
        // An echo reply has its identifier where answers have theirs.
        icmp if icmp == F::ICMP => work.arrived.key.dst_port.get() == 0,
        _ => true,
    }
}

/// How often a port is tried: with two of three in use, one in 650 connections must be asked for again.
const PORT_TRIES: u32 = 16;
/// From this one on, ports are taken before their time is over: of connections that both ends have closed, and
/// of what has only begun. One question and its answer never come further, and neither does a flood.
const HASTY_TRIES: u32 = 8;
/// Seconds that a datagram may wait for its answer, even so.
const ANSWER_S: u32 = 1;

/// Gives the flow in `work.flow` a port by which its answers are told from all others. False: none found.
#[inline(never)]
pub(crate) fn tell_apart(packet: &mut impl Packet, tables: &impl Tables, work: &mut Work) -> bool {
    if work.arrived.key.protocol == protocol::SCTP {
        // Its checksum covers all of the packet, so that its port stays.
        set_answer_key(work);
        return tables.is_free(work, false);
    }
    for attempt in 0..PORT_TRIES {
        let Some(port) = tables.any_port() else { return false };
        work.flow.src_port = port;
        set_answer_key(work);
        if tables.is_free(work, attempt >= HASTY_TRIES)
            && packet.socket(&work.answer_key) == Socket::None
        {
            // What ended would be found before the new flow, which begins in the other map.
            tables.end_flow(Stage::Established, &work.answer_key);
            return true;
        }
    }
    false
}

/// Whether no other flow has the answers of `work.answer_key`. One of the steps that [`Tables`] takes.
#[inline(always)]
pub fn is_free(tables: &impl Tables, work: &mut Work, hastily: bool) -> bool {
    let protocol = work.arrived.key.protocol;
    let Some((stage, answer)) = find(tables, &work.answer_key) else { return true };
    if leads_back(&work.arrived.key, answer) || has_ended(tables, protocol, stage, answer) {
        return true;
    }
    if hastily && stage == Stage::Opening {
        let silent_s = tables.now_s().wrapping_sub(answer.seen_s);
        return is_connection(protocol) || silent_s > ANSWER_S;
    }
    if !hastily || !is_connection(protocol) || answer.flags & flags::CLOSING == 0 {
        return false;
    }
    // The packets of whoever had it: nothing was quoted, so there is room.
    work.quoted.key = FlowKey {
        src: answer.dst,
        dst: answer.src,
        src_port: answer.dst_port,
        dst_port: answer.src_port,
        protocol,
        reserved: [0; 3],
    };
    tables.flow(stage, &work.quoted.key).is_none_or(|flow| flow.flags & flags::CLOSING != 0)
}

/// An answer from outside to a pod that left. The pod may have dialled a service whose backend is there.
#[inline(never)]
pub(crate) fn come_back<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Verdict {
    let Some((stage, flow)) = find(tables, &work.arrived.key) else { return Verdict::PASS };
    work.answer = *flow;
    answered(tables, work, stage, flow);
    if let Err(why) = translate::<F>(packet, &work.arrived, &work.answer) {
        return untranslated(packet, tables, work, why);
    }
    if tables.answers(NODE) && work.arrived.has_ports {
        let (key, now) = (&mut work.arrived.key, &work.answer);
        (key.src, key.dst) = (now.src, now.dst);
        (key.src_port, key.dst_port) = (now.src_port, now.dst_port);
        if let Some((stage, flow)) = find(tables, &work.arrived.key)
            && is_answer(flow)
        {
            return to_client::<F>(packet, tables, work, (stage, flow));
        }
    }
    match tables.endpoint(&work.answer.dst) {
        Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
        None => Verdict::PASS,
    }
}

/// Remembers a datagram from outside that goes straight to a pod, which alone tells its answers from
/// datagrams of the pod's own: a flow that changes nothing.
#[inline(never)]
pub(crate) fn visit(tables: &impl Tables, work: &mut Work) {
    let key = &work.arrived.key;
    if let Some((stage, flow)) = find(tables, key) {
        work.flow = *flow;
        let _ = went_on(tables, work, stage);
        return;
    }
    work.flow = Flow {
        src: key.src,
        dst: key.dst,
        src_port: key.src_port,
        dst_port: key.dst_port,
        backend: 0,
        generation: 0,
        uplink: INSIDE,
        seen_s: tables.now_s(),
        flags: 0,
    };
    set_answer_key(work);
    if find(tables, &work.answer_key).is_none() {
        let _ = keep(tables, work, Stage::Opening);
    }
}
