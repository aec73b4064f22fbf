//! How a flow gets its translation, and keeps it.
//!
//! ```text
//! first packet of a client -> frontend -> backend -> an entry for each direction in OPENING
//! answered, and heard again -> both entries in FLOWS
//! ```
//!
//! A datagram, and a connection that is only being asked for, go to whom the service has now. A connection
//! stays with its backend whether the service still has that or not; once the pod is gone, whoever delivers
//! resets it.

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, flags};
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{AffinityKey, FrontendKey, flags as frontend_flags};

use crate::carry;
use crate::masquerade;
use crate::packet::{Arrived, Packet, Socket, Work};
use crate::report::opened;
use crate::select::{choose, choose_external, still};
use crate::tables::{Stage, Tables};
use crate::wire::{protocol, tcp_flags};

/// In place of the interface that leads to the client: it is inside the cluster.
pub const INSIDE: u32 = 0;

/// What is to be done with a client's packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Way {
    /// It becomes what the flow says.
    Translated,
    /// No frontend has this destination.
    NotAService,
    /// A frontend has, but nobody answers; its flags are in [`Work::refused_by`].
    Nobody,
    /// The frontend does not take this client.
    SourceRefused,
    /// The client would reach itself, and there is no other address to show.
    Hairpin,
    /// No port is left to tell the flow from others.
    NoPort,
    /// The flow could not be kept.
    Busy,
}

/// What is known of a packet's flow. Answers are not expected for ever: a client may talk to the backend
/// itself, later and from the same port.
#[inline(always)]
pub fn find<'a>(tables: &'a impl Tables, key: &FlowKey) -> Option<(Stage, &'a Flow)> {
    if let Some(flow) = tables.flow(Stage::Established, key)
        && !is_over(tables, key.protocol, Stage::Established, flow)
    {
        return Some((Stage::Established, flow));
    }
    let flow = tables.flow(Stage::Opening, key)?;
    let is_over = is_over(tables, key.protocol, Stage::Opening, flow);
    if is_over { None } else { Some((Stage::Opening, flow)) }
}

#[inline(always)]
fn is_over(tables: &impl Tables, protocol: u8, stage: Stage, flow: &Flow) -> bool {
    flow.flags & flags::REPLY != 0 && has_ended(tables, protocol, stage, flow)
}

/// A packet to the client was seen.
#[inline(always)]
pub fn answered(tables: &impl Tables, work: &mut Work, stage: Stage, flow: &Flow) {
    let now_s = tables.now_s();
    let added = closing(&work.arrived) | flags::ANSWERED;
    if flow.seen_s == now_s && flow.flags & added == added {
        return;
    }
    let is_first = stage == Stage::Opening && flow.flags & flags::ANSWERED == 0;
    tables.touch_flow(stage, &work.arrived.key, now_s, added);
    if is_first {
        work.answer_key = inverse_key(flow, work.arrived.key.protocol);
        tables.touch_flow(stage, &work.answer_key, now_s, flags::ANSWERED);
    }
}

/// Where a client is: the argument of [`from_client`]. A constant, so that a program for clients inside alone
/// has nothing of what the others need.
pub mod side {
    /// On this node.
    pub const INSIDE: u32 = 0;
    /// Behind the uplink whose hook runs.
    pub const OUTSIDE: u32 = 1;
    /// Behind another node, which carried the packet here.
    pub const CARRIED: u32 = 2;
}

/// What becomes of a packet of a client. `known` is what [`find`] found. With [`Way::Translated`] the
/// translation is in `work.flow`.
#[inline(always)]
pub fn from_client<const SIDE: u32>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    known: Option<(Stage, &Flow)>,
) -> Way {
    (work.event, work.stage) = match known {
        None => (Event::FlowOpened, Stage::Opening),
        Some((stage, known)) => match fate::<SIDE>(packet, tables, work, stage, known) {
            Fate::Opens(event) => (event, stage),
            Fate::Is(way) => return way,
        },
    };
    open::<SIDE>(packet, tables, work)
}

/// What becomes of a known flow with the next packet of its client.
enum Fate {
    /// It begins anew. What replaces it stands where it stood, or the old entry would be found first.
    Opens(Event),
    Is(Way),
}

#[inline(always)]
fn fate<const SIDE: u32>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    stage: Stage,
    known: &Flow,
) -> Fate {
    let opens = work.arrived.opens();
    if opens && known.flags & flags::CLOSING != 0 {
        return Fate::Opens(Event::FlowOpened);
    }
    let may_move = opens || !is_connection(work.arrived.key.protocol);
    if known.backend == 0 {
        // A pod that leaves the cluster: unless a service has come to where it leads.
        return match may_move {
            true => Fate::Opens(Event::FlowOpened),
            false => Fate::Is(Way::NotAService),
        };
    }
    if may_move && still(tables, known.backend, known.generation).is_none() {
        return Fate::Opens(Event::FlowMoved);
    }
    work.flow = *known;
    if has_lost_port(tables, work, stage)
        || (SIDE != side::INSIDE && !follows::<SIDE>(packet, tables, work, stage) && may_move)
    {
        return Fate::Opens(Event::FlowOpened);
    }
    Fate::Is(match went_on(tables, work, stage) {
        true => Way::Translated,
        false => Way::Busy,
    })
}

/// Whether the port by which answers to `work.flow` are told from others was given to another flow: while this
/// one was silent for long, or had only begun, or the map had given up its entry. If only that, both are written
/// anew, in one map. For one that is established, about once a second is enough to find out.
#[inline(never)]
pub(crate) fn has_lost_port(tables: &impl Tables, work: &mut Work, stage: Stage) -> bool {
    if stage == Stage::Established && work.flow.seen_s == tables.now_s() {
        return false;
    }
    set_answer_key(work);
    match find(tables, &work.answer_key) {
        Some((_, answer)) if !leads_back(&work.arrived.key, answer) => true,
        Some((at, _)) if at == stage => false,
        // A map has given up one of the two, and what is left in the other is of when the flow began: the client may
        // have come by another way since.
        Some((at, _)) => {
            tables.end_flow(at, &work.answer_key);
            !keep(tables, work, stage)
        }
        None => !keep(tables, work, stage),
    }
}

/// A packet of the client's was seen, whose flow is in `work.flow`. False: an entry could not be written.
#[inline(always)]
pub fn went_on(tables: &impl Tables, work: &mut Work, stage: Stage) -> bool {
    let now_s = tables.now_s();
    let seen = work.flow.flags;
    if stage == Stage::Opening && seen & flags::ANSWERED != 0 && !work.arrived.opens() {
        return keep(tables, work, Stage::Established);
    }
    let added = closing(&work.arrived);
    if work.flow.seen_s == now_s && seen & added == added {
        return true;
    }
    tables.touch_flow(stage, &work.arrived.key, now_s, added);
    // The other entry, if the map has given it up: about once a second is enough to find out.
    set_answer_key(work);
    tables.touch_flow(stage, &work.answer_key, now_s, 0) || keep(tables, work, stage)
}

/// Whether the packet changes nothing of its flow, which stands in `FLOWS`, and goes where that says.
#[inline(always)]
pub(crate) fn is_settled(tables: &impl Tables, arrived: &Arrived, flow: &Flow) -> bool {
    let is_answer = flow.flags & flags::REPLY != 0;
    let added = closing(arrived) | if is_answer { flags::ANSWERED } else { 0 };
    if flow.seen_s != tables.now_s()
        || flow.flags & added != added
        || arrived.tcp_flags & tcp_flags::SYN != 0
    {
        return false;
    }
    is_answer
        || is_connection(arrived.key.protocol)
        || still(tables, flow.backend, flow.generation).is_some()
}

/// Sees that the flow in `work.flow`, of a client outside, goes by the ways there are now. False: it would not be
/// opened so again.
#[inline(always)]
fn follows<const SIDE: u32>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    stage: Stage,
) -> bool {
    if work.flow.flags & flags::CARRIED != 0 {
        return SIDE == side::OUTSIDE && carry::goes_on(tables, &work.flow);
    }
    let is_from_node = work.flow.flags & flags::FROM_NODE != 0;
    if is_from_node != (SIDE == side::CARRIED)
        || (is_from_node && work.flow.flags & flags::MASQUERADED == 0)
    {
        comes_by::<SIDE>(tables, work, stage);
    }
    masquerade::follows_routes(packet, tables, work, stage)
}

/// The client comes in by another node than it did, or not by one any more: answers go where it comes from.
#[inline(never)]
fn comes_by<const SIDE: u32>(tables: &impl Tables, work: &mut Work, stage: Stage) {
    let flags = (work.flow.flags & !flags::FROM_NODE) | from_node::<SIDE>();
    if work.flow.flags & flags::MASQUERADED == 0 {
        if work.flow.flags == flags && work.flow.uplink == work.ifindex {
            return;
        }
        work.flow.uplink = work.ifindex;
    }
    work.flow.flags = flags;
    // If it cannot be kept, it is seen again with the next packet.
    let _ = keep(tables, work, stage);
}

#[inline(always)]
const fn from_node<const SIDE: u32>() -> u32 {
    if SIDE == side::CARRIED { flags::FROM_NODE } else { 0 }
}

#[inline(always)]
fn closing(arrived: &Arrived) -> u32 {
    let closes = arrived.tcp_flags & (tcp_flags::FIN | tcp_flags::RST) != 0;
    if closes { flags::CLOSING } else { 0 }
}

#[inline(always)]
pub(crate) const fn is_connection(protocol: u8) -> bool {
    matches!(protocol, protocol::TCP | protocol::SCTP)
}

// The functions below are functions of their own in the program too: the verifier walks them once a call,
// and not once for every way that leads to it.

#[inline(never)]
fn open<const SIDE: u32>(packet: &mut impl Packet, tables: &impl Tables, work: &mut Work) -> Way {
    let key = &work.arrived.key;
    work.frontend = FrontendKey::new(key.dst, key.dst_port, key.protocol);
    if SIDE == side::CARRIED {
        carry::node_port(tables, work);
    }
    dial::<SIDE>(packet, tables, work)
}

/// Opens a flow to `work.frontend`, whatever the packet's destination is; `work.event` and `work.stage` say
/// how.
#[inline(always)]
pub(crate) fn dial<const SIDE: u32>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Way {
    let key = &work.arrived.key;
    let Some(frontend) = tables.frontend(&work.frontend) else { return Way::NotAService };
    if frontend.flags & frontend_flags::HOST_ONLY != 0 {
        return Way::NotAService;
    }
    work.client = AffinityKey { client: key.src, service: frontend.service };
    let chosen = if SIDE != side::INSIDE {
        if frontend.flags & frontend_flags::SOURCE_RANGES != 0
            && !tables.source(frontend.service, &key.src)
        {
            return Way::SourceRefused;
        }
        choose_external(tables, &frontend, &work.client, key.src_port, SIDE == side::CARRIED)
    } else {
        if frontend.affinity_s != 0
            && let Some(cookie) = tables.netns_cookie(&key.src)
        {
            // As the socket hooks know it: a client is the same one by socket and by packet.
            work.client = AffinityKey::of_netns(cookie, frontend.service);
        }
        choose(tables, &frontend, &work.client, Some(&key.src))
    };
    let Some(chosen) = chosen else {
        work.refused_by = frontend.flags;
        return Way::Nobody;
    };
    work.flow = Flow {
        src: key.src,
        dst: chosen.backend.addr,
        src_port: key.src_port,
        dst_port: chosen.backend.port,
        backend: chosen.id,
        generation: chosen.backend.generation,
        uplink: if SIDE == side::INSIDE { INSIDE } else { work.ifindex },
        seen_s: tables.now_s(),
        flags: from_node::<SIDE>(),
    };
    let pod = tables.endpoint(&work.flow.dst).map(|pod| pod.host_ifindex);
    if SIDE == side::OUTSIDE && pod.is_none() && carry::is_for(tables, &work.flow.dst) {
        carry::as_it_came(work);
    } else if SIDE != side::INSIDE && pod.is_none() && masquerade::stand_in(packet, tables, work) {
        if !masquerade::tell_apart(packet, tables, work) {
            return Way::NoPort;
        }
    } else {
        if work.flow.src == work.flow.dst {
            let Some(shown) = hairpin(tables, &work.flow.src) else { return Way::Hairpin };
            work.flow.src = shown;
        }
        let is_node = SIDE == side::INSIDE && tables.endpoint(&work.arrived.key.src).is_none();
        if !tell_apart(packet, tables, work, is_node) {
            return Way::NoPort;
        }
    }
    // Before the entries: whoever answers must look for them. What is carried comes back by the tunnel.
    if work.flow.flags & flags::CARRIED == 0 {
        tables.will_answer(pod.unwrap_or(0));
    }
    let (event, stage) = (work.event, work.stage);
    if !keep(tables, work, stage) {
        return Way::Busy;
    }
    opened(tables, work, event);
    Way::Translated
}

/// What a pod that reaches itself is shown as.
#[inline(always)]
fn hairpin(tables: &impl Tables, pod: &Addr) -> Option<Addr> {
    let settings = tables.settings()?;
    let shown = if pod.is_v4() { settings.hairpin4 } else { settings.hairpin6 };
    if shown == Addr::default() { None } else { Some(shown) }
}

/// How often another port is tried.
const PORT_TRIES: u32 = 8;

/// Gives the flow another source port while the answers of another flow would look like its own, or, if the
/// client is the node, those to a socket that has dialled the backend itself. False: none was found.
#[inline(never)]
fn tell_apart(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    is_node: bool,
) -> bool {
    for _ in 0..PORT_TRIES {
        set_answer_key(work);
        if tables.is_told_apart(work)
            && !(is_node && packet.socket(&work.answer_key) == Socket::Connected)
        {
            return true;
        }
        let Some(port) = tables.any_port() else { return false };
        work.flow.src_port = port;
    }
    false
}

/// Whether no other flow has the answers of `work.answer_key`, after one that has ended was taken away. One
/// of the steps that [`Tables`] takes.
#[inline(always)]
pub fn is_told_apart(tables: &impl Tables, work: &mut Work) -> bool {
    match find(tables, &work.answer_key) {
        None => true,
        Some((stage, other))
            if leads_back(&work.arrived.key, other)
                || has_ended(tables, work.arrived.key.protocol, stage, other) =>
        {
            // Or it would be found before the new one, which begins in the other map.
            tables.end_flow(Stage::Established, &work.answer_key);
            true
        }
        Some(_) => false,
    }
}

/// Whether `other` leads answers to `key`'s client as from `key`'s destination.
#[inline(always)]
pub(crate) fn leads_back(key: &FlowKey, other: &Flow) -> bool {
    other.src_port == key.dst_port
        && other.dst_port == key.src_port
        && other.src == key.dst
        && other.dst == key.src
}

/// Seconds after which nobody can mistake a packet for one of the flow: TIME_WAIT, a connection that was only
/// asked for, an idle one (the kernel's conntrack has the same two minutes and five days), a conversation of
/// datagrams (RFC 4787, 4.3).
const CLOSED_S: u32 = 60;
const ASKED_S: u32 = 120;
const CONNECTION_S: u32 = 432_000;
const DATAGRAMS_S: u32 = 300;

#[inline(always)]
pub(crate) fn has_ended(tables: &impl Tables, protocol: u8, stage: Stage, flow: &Flow) -> bool {
    let lifetime_s = if flow.flags & flags::CLOSING != 0 {
        CLOSED_S
    } else if !is_connection(protocol) {
        DATAGRAMS_S
    } else if stage == Stage::Opening {
        ASKED_S
    } else {
        CONNECTION_S
    };
    tables.now_s().wrapping_sub(flow.seen_s) > lifetime_s
}

/// Any port of those that the node's sockets leave to flows. One of the steps that [`Tables`] takes.
#[inline(always)]
pub fn any_port(tables: &impl Tables) -> Option<Be16> {
    let settings = tables.settings()?;
    let (first, last) = (settings.nat_port_first.get(), settings.nat_port_last.get());
    if first == 0 || last < first {
        return None;
    }
    let ports = u64::from(last - first) + 1;
    Some(Be16::new(first.wrapping_add(((u64::from(tables.random()) * ports) >> 32) as u16)))
}

/// Writes both entries, the answers' first.
#[inline(never)]
pub(crate) fn keep(tables: &impl Tables, work: &mut Work, stage: Stage) -> bool {
    // Of a flow that was silent for long the answers would be over at once.
    work.flow.seen_s = tables.now_s();
    set_answer_key(work);
    let key = &work.arrived.key;
    let is_masqueraded = work.flow.flags & flags::MASQUERADED != 0;
    work.answer = Flow {
        src: key.dst,
        dst: key.src,
        src_port: key.dst_port,
        dst_port: key.src_port,
        // Only packets of such a flow's client lead here, and they came in there.
        uplink: if is_masqueraded { work.ifindex } else { work.flow.uplink },
        flags: work.flow.flags | flags::REPLY,
        ..work.flow
    };
    tables.put_flow(stage, &work.answer_key, &work.answer).is_ok()
        && tables.put_flow(stage, &work.arrived.key, &work.flow).is_ok()
}

/// The key of the packets of the other direction.
#[inline(always)]
pub(crate) fn inverse_key(flow: &Flow, protocol: u8) -> FlowKey {
    FlowKey {
        src: flow.dst,
        dst: flow.src,
        src_port: flow.dst_port,
        dst_port: flow.src_port,
        protocol,
        reserved: [0; 3],
    }
}

#[inline(always)]
pub(crate) fn set_answer_key(work: &mut Work) {
    work.answer_key = inverse_key(&work.flow, work.arrived.key.protocol);
}
