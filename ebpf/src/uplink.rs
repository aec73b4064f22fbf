//! What comes in from the network, and what leaves to it: the hooks of an interface that leads out.

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::flow::{FlowKey, flags as flow_flags};
use sheave_abi::service::flags;

use crate::carry;
use crate::deliver::{from_node_to_node, to_pod, unwritable};
use crate::expired::expired;
use crate::family::{Family, V4, V6};
use crate::flow::{Way, answered, find, from_client, side};
use crate::host::{self, is_own};
use crate::icmp_error::{self, Met, Told};
use crate::masquerade::{self, leaves_cluster};
use crate::nat::translate;
use crate::packet::{Packet, Verdict, Work, ethertype};
use crate::pod::untaken;
use crate::refuse::refuse;
use crate::report::drop;
use crate::service::{gives_way, is_answer, is_gone, ports, to_backend, to_client, untranslated};
use crate::tables::Tables;
use crate::wire::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ports, protocol};

/// In place of an interface's index: the node itself.
pub(crate) const NODE: u32 = 0;

/// The ingress hook: frontends that are reached from outside, answers to flows that left, and packets to
/// pods of this node.
#[inline(always)]
pub fn ingress(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    packet.note_sent(false);
    match ethertype(packet) {
        Some(ETHERTYPE_IPV4) => received::<V4>(packet, tables),
        Some(ETHERTYPE_IPV6) => received::<V6>(packet, tables),
        _ => Verdict::PASS,
    }
}

#[inline(always)]
fn received<F: Family>(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    let Some((dst, hop_limit)) = F::destination(packet) else { return Verdict::PASS };
    if hop_limit <= 1 {
        return expired::<F>(packet, tables);
    }
    let endpoint = tables.endpoint(&dst.0);
    match endpoint {
        Some(endpoint) if !tables.answers(NODE) && !is_datagram::<F>(packet) => {
            return to_pod::<F>(packet, tables, endpoint);
        }
        None if is_datagram::<F>(packet) && is_for_tunnel::<F>(packet, tables) => {
            return Verdict::PASS;
        }
        _ => {}
    }
    match tables.work() {
        Some(work) => to_node::<F>(packet, tables, work, endpoint),
        None => Verdict::PASS,
    }
}

#[inline(never)]
fn to_node<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    endpoint: Option<&Endpoint>,
) -> Verdict {
    if !F::parse(packet, &mut work.arrived) {
        return Verdict::PASS;
    }
    work.ifindex = packet.ifindex();
    let key = &work.arrived.key;
    let is_visit = endpoint.is_some()
        && key.protocol == protocol::UDP
        && leaves_cluster(tables, &key.dst, &key.src);
    if let Some(endpoint) = endpoint
        && !is_visit
        && !tables.answers(NODE)
    {
        return to_pod::<F>(packet, tables, endpoint);
    }
    if !ports::<F>(packet, tables, &mut work.arrived) {
        if let Some(verdict) = icmp_error::forward::<F>(packet, tables, work, Met::Uplink) {
            return verdict;
        }
        return match endpoint {
            Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
            None => from_outside(packet, tables, work),
        };
    }
    if endpoint.is_none() && is_tunnelled(tables, &work.arrived.key) {
        let dst = work.arrived.key.dst;
        if host::is_own(packet, tables, &dst) {
            return Verdict::PASS;
        }
    }
    let known = find(tables, &work.arrived.key);
    if let Some((stage, flow)) = known
        && is_answer(flow)
    {
        if gives_way(tables, work, flow) {
            return match endpoint {
                Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
                None => Verdict::PASS,
            };
        }
        return match flow.backend {
            0 => masquerade::come_back::<F>(packet, tables, work),
            _ if carry::carrier_of(flow) != 0 => carry::back::<F>(packet, tables, work),
            _ => to_client::<F>(packet, tables, work, (stage, flow)),
        };
    }
    if let Some(endpoint) = endpoint {
        if is_visit {
            masquerade::visit(tables, work);
        }
        return to_pod::<F>(packet, tables, endpoint);
    }
    let back = Verdict::egress(work.ifindex);
    match from_client::<{ side::OUTSIDE }>(packet, tables, work, known) {
        Way::Translated if work.flow.flags & flow_flags::MASQUERADED != 0 => {
            masquerade::pass_on::<F>(packet, tables, work, back)
        }
        Way::Translated if work.flow.flags & flow_flags::CARRIED != 0 => {
            carry::carry::<F>(packet, tables, work)
        }
        Way::Translated => to_backend::<F>(packet, tables, work, back),
        way => unserved::<F>(packet, tables, work, way, back),
    }
}

/// What becomes of a packet from outside that gets no backend.
#[inline(always)]
pub(crate) fn unserved<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    way: Way,
    back: Verdict,
) -> Verdict {
    match way {
        Way::NotAService if is_gone(tables, &work.arrived.key.dst) => {
            refuse::<F>(packet, tables, work, Event::PodGone, back)
        }
        Way::NotAService => from_outside(packet, tables, work),
        Way::Nobody if work.refused_by & flags::EXTERNAL == 0 => {
            drop(packet, tables, work, Event::InsideOnly)
        }
        Way::Nobody if work.refused_by & flags::EXTERNAL_DROP != 0 => {
            drop(packet, tables, work, Event::NoLocalEndpoint)
        }
        way => untaken::<F>(packet, tables, work, way, back),
    }
}

/// The egress hook: answers of backends in the node's own network, pods that leave the cluster, and packets
/// of host processes to service addresses that the socket hooks left alone, because nobody answers for
/// them.
#[inline(always)]
pub fn egress(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    if packet.is_sent() {
        return Verdict::PASS;
    }
    match ethertype(packet) {
        Some(ETHERTYPE_IPV4) => leaving::<V4>(packet, tables),
        Some(ETHERTYPE_IPV6) => leaving::<V6>(packet, tables),
        _ => Verdict::PASS,
    }
}

#[inline(always)]
fn leaving<F: Family>(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    match tables.work() {
        Some(work) => from_node::<F>(packet, tables, work),
        None => Verdict::PASS,
    }
}

/// Where a packet goes that leaves by an uplink.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Course {
    /// To a service, or to a pod of this node that is not there.
    Inside,
    /// From a pod of this node to outside of the cluster.
    OutOfCluster,
    /// Elsewhere.
    Elsewhere,
}

#[inline(never)]
fn course(tables: &impl Tables, key: &FlowKey) -> Course {
    let Some(settings) = tables.settings() else { return Course::Elsewhere };
    if settings.services.hold(&key.dst) || settings.node_pods.hold(&key.dst) {
        return Course::Inside;
    }
    match leaves_cluster(tables, &key.src, &key.dst) {
        true => Course::OutOfCluster,
        false => Course::Elsewhere,
    }
}

#[inline(never)]
fn from_node<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
) -> Verdict {
    if !F::parse(packet, &mut work.arrived) {
        return Verdict::PASS;
    }
    work.ifindex = packet.ifindex();
    let course = course(tables, &work.arrived.key);
    if course == Course::Elsewhere && !tables.answers(NODE) {
        return Verdict::PASS;
    }
    let has_ports = ports::<F>(packet, tables, &mut work.arrived);
    if course == Course::Elsewhere && is_tunnelled(tables, &work.arrived.key) {
        return Verdict::PASS;
    }
    if has_ports
        && let Some((stage, flow)) = find(tables, &work.arrived.key)
        && is_answer(flow)
    {
        // An answer that was carried has been seen when it came back here.
        if flow.flags & flow_flags::CARRIED != 0 || gives_way(tables, work, flow) {
            return Verdict::PASS;
        }
        answered(tables, work, stage, flow);
        if let Err(why) = translate::<F>(packet, &work.arrived, flow) {
            return untranslated(packet, tables, work, why);
        }
        if is_own(packet, tables, &flow.dst) {
            return from_node_to_node(packet, tables);
        }
        tables.count(Event::RepliedOutside);
        return Verdict::PASS;
    }
    if !has_ports {
        match icmp_error::retell::<F>(packet, tables, work, Met::Uplink) {
            Told::Nothing | Told::Carried => {}
            Told::Retold => return Verdict::PASS,
            Told::Failed => return unwritable(tables),
        }
    }
    match course {
        Course::OutOfCluster => return masquerade::leave::<F>(packet, tables, work, has_ports),
        Course::Inside if has_ports => {}
        _ => return Verdict::PASS,
    }
    host::dials::<F>(packet, tables, work)
}

/// Whether the packet wraps one that our hooks meet by itself.
#[inline(always)]
fn is_tunnelled(tables: &impl Tables, key: &FlowKey) -> bool {
    let port = tables.overlay().port;
    key.protocol == protocol::UDP && key.dst_port == port && port.get() != 0
}

/// Likewise, before the packet is read: a whole one, that the node unwraps itself. A function of its own: what it
/// needs of the stack is not needed below the rest.
#[inline(never)]
fn is_for_tunnel<F: Family>(packet: &mut impl Packet, tables: &impl Tables) -> bool {
    let port = tables.overlay().port;
    port.get() != 0
        && packet.at::<Ports>(F::L4).is_some_and(|ports| ports.dst == port)
        && F::is_whole(packet)
        && F::receiver(packet).is_some_and(|dst| is_own(packet, tables, &dst.0))
}

#[inline(always)]
fn is_datagram<F: Family>(packet: &mut impl Packet) -> bool {
    F::source(packet).is_some_and(|(_, protocol)| protocol == protocol::UDP)
}

#[inline(always)]
fn from_outside(packet: &impl Packet, tables: &impl Tables, work: &mut Work) -> Verdict {
    match tables.settings() {
        Some(settings) if settings.services.hold(&work.arrived.key.dst) => {
            drop(packet, tables, work, Event::InsideOnly)
        }
        _ => Verdict::PASS,
    }
}
