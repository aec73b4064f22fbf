//! Processes of the node itself on the packet path: those whose sockets no hook has translated, and
//! connected datagram sockets whose backend is gone.
//!
//! A packet to a service's address has no route but the node's default one, so it is met where it leaves:
//! at the uplink. It goes on from there into the pod; the pod's answer passes the node's stack with the
//! service as its source, where strict reverse path filtering (`rp_filter` 1) would drop it unless services
//! are routed to that pod.
//!
//! A datagram socket that connected to a service has its backend's address; once that pod is gone, so is
//! the route to it, and its packets leave the same way. The kernel still knows which socket sent them, and
//! `SOCKETS` which service it had dialled: the service has a backend now, or the sender is refused. So it is with
//! a socket that was sent on a detour (see [`crate::socket`]), be it of datagrams or a connection that begins.

use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_abi::service::FrontendKey;
use sheave_abi::socket::{SocketKey, TO_FRONTEND};

use crate::deliver::{from_node_to_node, from_node_to_pod};
use crate::family::Family;
use crate::flow::{Way, dial, find, from_client, side};
use crate::nat::translate;
use crate::packet::{Packet, Verdict, Work};
use crate::pod::untaken;
use crate::refuse::refuse;
use crate::service::{is_gone, untranslated};
use crate::tables::{Stage, Tables};
use crate::wire::protocol;

/// A packet to a service, or to a pod of this node that is not there.
#[inline(never)]
pub(crate) fn dials<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Verdict {
    let known = find(tables, &work.arrived.key);
    let stage = known.map_or(Stage::Opening, |(stage, _)| stage);
    let mut way = from_client::<{ side::INSIDE }>(packet, tables, work, known);
    let may_go_elsewhere = work.arrived.key.protocol == protocol::UDP || work.arrived.opens();
    if way == Way::NotAService && may_go_elsewhere {
        way = dials_again(packet, tables, work, stage);
    }
    match way {
        Way::Translated => to_backend::<F>(packet, tables, work),
        way => {
            let back = Verdict::ingress(packet.ifindex());
            untaken::<F>(packet, tables, work, way, back)
        }
    }
}

/// A datagram for a backend that is gone, or what is on a detour, to whom the service has now.
#[inline(never)]
fn dials_again(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    stage: Stage,
) -> Way {
    let key = &work.arrived.key;
    work.socket = SocketKey {
        cookie: packet.socket_cookie(),
        addr: key.dst,
        port: key.dst_port,
        direction: TO_FRONTEND,
        protocol: key.protocol,
        reserved: 0,
    };
    let Some(dialled) = tables.socket(&work.socket) else { return Way::NotAService };
    if dialled.backend != 0 && key.protocol != protocol::UDP {
        return Way::NotAService;
    }
    work.frontend = FrontendKey::new(dialled.addr, dialled.port, key.protocol);
    (work.event, work.stage) = (Event::FlowMoved, stage);
    dial::<{ side::INSIDE }>(packet, tables, work)
}

#[inline(always)]
fn to_backend<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Verdict {
    let is_own = is_own(packet, tables, &work.flow.dst);
    if is_own && !work.flow.dst.is_v4() {
        // Shown as a link-local address, it would be answered on the link.
        let back = Verdict::ingress(packet.ifindex());
        return refuse::<F>(packet, tables, work, Event::Refused, back);
    }
    let endpoint = tables.endpoint(&work.flow.dst);
    if endpoint.is_none() && is_gone(tables, &work.flow.dst) {
        let back = Verdict::ingress(packet.ifindex());
        return refuse::<F>(packet, tables, work, Event::BackendGone, back);
    }
    if let Err(why) = translate::<F>(packet, &work.arrived, &work.flow) {
        return untranslated(packet, tables, work, why);
    }
    match endpoint {
        Some(endpoint) => from_node_to_pod(packet, tables, endpoint),
        None if is_own => from_node_to_node(packet, tables),
        None => Verdict::neighbour(packet.ifindex()),
    }
}

/// Whether it is the node's address at this uplink.
#[inline(always)]
pub(crate) fn is_own(packet: &impl Packet, tables: &impl Tables, addr: &Addr) -> bool {
    tables.uplink(packet.ifindex()).is_some_and(|up| up.addr4 == *addr || up.addr6 == *addr)
}
