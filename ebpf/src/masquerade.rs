//! Pods that leave the cluster: seen from the node's address, as they are where nobody outside knows the
//! way to a pod.
//!
//! ```text
//! uplink, egress    pod:p -> outside:d   becomes  node:n -> outside:d
//! uplink, ingress   outside:d -> node:n  becomes  outside:d -> pod:p
//! ```
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

use crate::deliver::to_pod;
use crate::family::Family;
use crate::flow::{
    CLOSED_S, INSIDE, answered, find, has_ended, is_connection, keep, leads_back, set_answer_key,
    went_on,
};
use crate::nat::translate;
use crate::packet::{Fragment, Packet, Verdict, Work};
use crate::report::{drop, opened};
use crate::service::{is_answer, to_client, untranslated};
use crate::tables::{Stage, Tables};
use crate::uplink::NODE;
use crate::wire::protocol;

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
    let Some(shown) = shown(packet, tables, &work.arrived.key.src) else { return Verdict::PASS };
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
        Known::No if begins::<F>(work) => Stage::Opening,
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

/// The node's address at the uplink, of the family of `pod`.
#[inline(always)]
fn shown(packet: &impl Packet, tables: &impl Tables, pod: &Addr) -> Option<Addr> {
    let uplink = tables.uplink(packet.ifindex())?;
    let shown = if pod.is_v4() { uplink.addr4 } else { uplink.addr6 };
    if shown == Addr::default() { None } else { Some(shown) }
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
    if work.flow.src != *shown {
        return Known::Again(stage);
    }
    // Its port may have been given to another when it was silent for long.
    if tables.now_s().wrapping_sub(work.flow.seen_s) > CLOSED_S {
        set_answer_key(work);
        let is_ours = find(tables, &work.answer_key)
            .is_some_and(|(_, answer)| leads_back(&work.arrived.key, answer));
        if !is_ours {
            return Known::Again(stage);
        }
    }
    Known::GoesOn(stage)
}

/// Whether the packet may be the first of its flow, and not part of a connection that came in.
#[inline(always)]
fn begins<F: Family>(work: &Work) -> bool {
    match work.arrived.key.protocol {
        protocol::TCP => work.arrived.opens(),
        // An echo reply has its identifier where answers have theirs.
        icmp if icmp == F::ICMP => work.arrived.key.dst_port.get() == 0,
        _ => true,
    }
}

/// How often a port is tried: with two of three in use, one in 650 connections must be asked for again.
const PORT_TRIES: u32 = 16;
/// From this one on, ports of connections that both ends have closed are taken before their time is over.
const HASTY_TRIES: u32 = 8;

/// Gives the flow in `work.flow` a port by which its answers are told from all others. False: none found.
#[inline(never)]
fn tell_apart(packet: &mut impl Packet, tables: &impl Tables, work: &mut Work) -> bool {
    if work.arrived.key.protocol == protocol::SCTP {
        // Its checksum covers all of the packet, so that its port stays.
        set_answer_key(work);
        return tables.is_free(work, false);
    }
    for attempt in 0..PORT_TRIES {
        let Some(port) = tables.any_port() else { return false };
        work.flow.src_port = port;
        set_answer_key(work);
        if tables.is_free(work, attempt >= HASTY_TRIES) && !packet.has_socket(&work.answer_key) {
            // What ended would be found before the new flow, which begins in the other map.
            tables.end_flow(&work.answer_key);
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
    if leads_back(&work.arrived.key, answer) || has_ended(tables, protocol, answer) {
        return true;
    }
    if !hastily || !is_connection(protocol) || answer.flags & flags::CLOSING == 0 {
        return false;
    }
    // The packets of the pod that had it: nothing was quoted, so there is room.
    work.quoted.key = FlowKey {
        src: answer.dst,
        dst: work.answer_key.src,
        src_port: answer.dst_port,
        dst_port: work.answer_key.src_port,
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
