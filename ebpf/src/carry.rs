//! Clients outside whose backend is a pod of another node. What they send goes to that node as it came, wrapped,
//! and the answers come back through the node that was asked: so the backend sees who asks it, and the client
//! hears from whom it asked.
//!
//! ```text
//! asked      uplink, ingress   client -> frontend                            wrapped, VNI_CARRIED
//! backend's  tunnel, ingress   client -> frontend  becomes  client -> backend     into the pod
//!            pod               backend -> client   becomes  frontend -> client    wrapped, VNI_ANSWER
//! asked      tunnel, ingress   frontend -> client                            out to the client
//! ```
//!
//! The backend's node chooses anew, among its own: it has the same table, and the same client, so it comes to
//! the same pod. While the two do not know the same it may have none; then it stands in for the client, as a
//! node does that carries nothing ([`crate::masquerade`]). What was carried is never carried on.
//!
//! The node that was asked keeps a flow that changes nothing, so that a connection goes on to the node that has
//! it whatever becomes of the service. The backend's keeps by which node to answer, and follows when the
//! client's packets come by another: a load balancer's address has moved there.

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, flags};
use sheave_abi::order::Addr;
use sheave_abi::service::FrontendKey;
use sheave_abi::tunnel::{Remote, VNI_ANSWER, VNI_CARRIED};

use crate::deliver::{to_client_outside, to_pod, unwritable};
use crate::expired;
use crate::family::Family;
use crate::flow::{Way, answered, find, from_client, side};
use crate::icmp_error::{self, Met};
use crate::masquerade;
use crate::nat::translate;
use crate::packet::{Packet, Verdict, Work};
use crate::refuse::refuse;
use crate::remote::{self, wrapped};
use crate::report::drop;
use crate::service::{is_answer, ports, to_backend, untranslated};
use crate::tables::Tables;
use crate::uplink::unserved;
use crate::width::{self, too_narrow};
use crate::wire::tcp_flags;

/// The number of the node by which an answer goes; 0: by none.
#[inline(always)]
pub(crate) fn carrier_of(flow: &Flow) -> u32 {
    if flow.flags & flags::FROM_NODE == 0 { 0 } else { flow.uplink }
}

/// Index of the tunnel's device, if packets are carried.
#[inline(always)]
fn device(tables: &impl Tables) -> Option<u32> {
    tables.carriage().map(|carriage| carriage.device).filter(|device| *device != 0)
}

/// Whether what a client outside sends to this backend, which is no pod of this node, is carried.
#[inline(always)]
pub(crate) fn is_for(tables: &impl Tables, backend: &Addr) -> bool {
    device(tables).is_some() && remote::of_pod(tables, backend).is_some()
}

/// Whether a flow that is carried still can be.
#[inline(always)]
pub(crate) fn goes_on(tables: &impl Tables, flow: &Flow) -> bool {
    device(tables).is_some() && node_of(tables, flow).is_some()
}

/// The node of the flow's backend, which may have left its service since. `None`: nobody knows any more.
#[inline(always)]
fn node_of(tables: &impl Tables, flow: &Flow) -> Option<Remote> {
    let backend = tables.backend(flow.backend)?;
    if backend.generation != flow.generation {
        return None;
    }
    remote::of_pod(tables, &backend.addr)
}

/// Makes the flow in `work.flow` one that changes nothing.
#[inline(always)]
pub(crate) fn as_it_came(work: &mut Work) {
    work.flow.dst = work.arrived.key.dst;
    work.flow.dst_port = work.arrived.key.dst_port;
    work.flow.flags = flags::CARRIED;
}

/// By which address this node knows what another node was asked for, a NodePort.
#[inline(always)]
pub(crate) fn node_port(tables: &impl Tables, work: &mut Work) {
    let key = &work.arrived.key;
    let is_known =
        tables.has_frontend(&work.frontend) || tables.has_frontend(&FrontendKey::address(key.dst));
    if is_known {
        return;
    }
    if let Some(carriage) = tables.carriage() {
        work.frontend.addr =
            if key.dst.is_v4() { carriage.node_port4 } else { carriage.node_port6 };
    }
}

/// A client's packet, or an error about what it was sent, to the node of the backend in `work.flow`.
#[inline(never)]
pub(crate) fn carry<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Verdict {
    let Some(device) = device(tables) else {
        return drop(packet, tables, work, Event::TunnelNowhere);
    };
    let Some(remote) = node_of(tables, &work.flow) else {
        return drop(packet, tables, work, Event::TunnelNowhere);
    };
    let mtu = too_narrow::<F>(packet, tables, work.arrived.key.protocol, device);
    if mtu != 0 {
        return width::tell::<F>(packet, tables, work, mtu);
    }
    if F::hop(packet).is_none() {
        return unwritable(tables);
    }
    tables.count(Event::Carried);
    wrapped(packet, tables, (&remote.node, VNI_CARRIED), device)
}

/// What node `number` carried here.
#[inline(always)]
pub(crate) fn arrived<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    number: u32,
) -> Verdict {
    let back = Verdict::egress(packet.ifindex());
    let verdict = for_here::<F>(packet, tables, work, number, back);
    // It was refused, or its sender told something: by the node that it came by.
    or_turned_back(packet, tables, verdict, number, VNI_ANSWER)
}

/// What leaves by the tunnel's device again, where this hook is, goes back to node `number`.
#[inline(always)]
fn or_turned_back(
    packet: &mut impl Packet,
    tables: &impl Tables,
    verdict: Verdict,
    number: u32,
    vni: u32,
) -> Verdict {
    match verdict == Verdict::egress(packet.ifindex()) {
        true => turned_back(packet, tables, number, vni),
        false => verdict,
    }
}

#[inline(never)]
fn for_here<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    number: u32,
    back: Verdict,
) -> Verdict {
    if !F::parse(packet, &mut work.arrived) {
        return lost(tables);
    }
    let has_ports = ports::<F>(packet, tables, &mut work.arrived);
    if work.arrived.hop_limit <= 1 {
        // To a service: the node that was asked has seen it, and this one may not know its NodePort's address.
        return match has_ports {
            true => expired::tell::<F>(packet, tables, work, back),
            false => lost(tables),
        };
    }
    work.ifindex = number;
    if !has_ports {
        return match icmp_error::forward::<F>(packet, tables, work, Met::Uplink) {
            Some(verdict) => verdict,
            None => drop(packet, tables, work, Event::CarriedInVain),
        };
    }
    if work.arrived.tcp_flags & tcp_flags::SYN != 0 {
        let device = packet.ifindex();
        width::limit_segments::<F>(packet, tables, device);
    }
    let known = find(tables, &work.arrived.key);
    match from_client::<{ side::CARRIED }>(packet, tables, work, known) {
        Way::Translated if work.flow.flags & flags::MASQUERADED != 0 => {
            masquerade::pass_on::<F>(packet, tables, work, back)
        }
        // This node was asked before, and carried it elsewhere.
        Way::Translated if work.flow.flags & flags::CARRIED != 0 => {
            refuse::<F>(packet, tables, work, Event::BackendGone, back)
        }
        Way::Translated => to_backend::<F>(packet, tables, work, back),
        Way::NotAService => drop(packet, tables, work, Event::CarriedInVain),
        way => unserved::<F>(packet, tables, work, way, back),
    }
}

/// A packet of a flow that was carried here, which [`find`] has found, back to its client.
#[inline(never)]
pub(crate) fn back<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Verdict {
    let Some((stage, flow)) = find(tables, &work.arrived.key) else { return lost(tables) };
    work.flow = *flow;
    answered(tables, work, stage, flow);
    // A pod of this node, which has asked another one, is answered past the tunnel.
    if tables.endpoint(&work.flow.dst).is_none() {
        let device = device(tables).unwrap_or(0);
        let mtu = too_narrow::<F>(packet, tables, work.arrived.key.protocol, device);
        if mtu != 0 {
            return width::tell::<F>(packet, tables, work, mtu);
        }
    }
    if let Err(why) = translate::<F>(packet, &work.arrived, &work.flow) {
        return untranslated(packet, tables, work, why);
    }
    match tables.endpoint(&work.flow.dst) {
        Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
        None => answer::<F>(packet, tables, work.flow.uplink),
    }
}

/// An answer, which is as the client is to have it, to the node where the client came in.
#[inline(always)]
pub(crate) fn answer<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    number: u32,
) -> Verdict {
    if F::hop(packet).is_none() {
        return unwritable(tables);
    }
    tables.count(Event::Carried);
    turned_back(packet, tables, number, VNI_ANSWER)
}

/// Nobody can be told.
#[inline(always)]
fn lost(tables: &impl Tables) -> Verdict {
    tables.count(Event::CarriedInVain);
    Verdict::DROP
}

/// To node `number`.
#[inline(never)]
fn turned_back(packet: &mut impl Packet, tables: &impl Tables, number: u32, vni: u32) -> Verdict {
    let (Some(device), Some(node)) = (device(tables), tables.carrier(number)) else {
        tables.count(Event::TunnelNowhere);
        return Verdict::DROP;
    };
    wrapped(packet, tables, (node, vni), device)
}

/// An answer that came back here by node `number`, out to the client.
#[inline(always)]
pub(crate) fn came_back<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    number: u32,
) -> Verdict {
    let verdict = to_client::<F>(packet, tables, work);
    // It does not fit, and its sender was told so.
    or_turned_back(packet, tables, verdict, number, VNI_CARRIED)
}

#[inline(never)]
fn to_client<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Verdict {
    if !F::parse(packet, &mut work.arrived) || work.arrived.hop_limit <= 1 {
        return lost(tables);
    }
    let uplink = match of_client::<F>(packet, tables, work) {
        // An error about a packet, or a flow that was given up: the routes know.
        0 => packet.way_out(&work.arrived.key.src, &work.arrived.key.dst),
        uplink => uplink,
    };
    if uplink == 0 {
        return drop(packet, tables, work, Event::CarriedInVain);
    }
    let mtu = too_narrow::<F>(packet, tables, work.arrived.key.protocol, uplink);
    if mtu != 0 {
        return width::tell::<F>(packet, tables, work, mtu);
    }
    if work.arrived.tcp_flags & tcp_flags::SYN != 0 {
        let device = packet.ifindex();
        width::limit_segments::<F>(packet, tables, device);
    }
    to_client_outside::<F>(packet, tables, uplink)
}

/// By which uplink the client came in whom the packet answers; 0: not known.
#[inline(always)]
fn of_client<F: Family>(packet: &mut impl Packet, tables: &impl Tables, work: &mut Work) -> u32 {
    if !ports::<F>(packet, tables, &mut work.arrived) {
        return 0;
    }
    let Some((stage, flow)) = find(tables, &work.arrived.key) else { return 0 };
    if !is_answer(flow) || flow.flags & flags::CARRIED == 0 {
        return 0;
    }
    let uplink = flow.uplink;
    answered(tables, work, stage, flow);
    uplink
}
