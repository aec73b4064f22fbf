//! What a pod sends: the ingress hook of the host's end of its veth.
//!
//! ```text
//! to a pod of this node       -> delivered, unless it answers a translated flow
//! answer of a translated flow -> its ends become those that the client knows -> pod | client outside
//! to a service                -> its ends become those of the flow -> pod of this node | stack
//!                                nobody answers -> refused, back into the pod
//! to a pod that is gone       -> refused, back into the pod
//! to a pod of another node    -> out to that node
//! anything else               -> stack
//! ```

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;
use sheave_abi::service::flags;

use crate::carry;
use crate::deliver::to_pod;
use crate::expired::expired;
use crate::family::{Family, V4, V6};
use crate::flow::{INSIDE, Way, find, from_client, side};
use crate::icmp_error::{self, Met};
use crate::packet::{Packet, Verdict, Work, ethertype};
use crate::refuse::refuse;
use crate::remote;
use crate::report::drop;
use crate::service::{gives_way, is_answer, is_gone, not_a_frontend, ports, to_backend, to_client};
use crate::tables::Tables;
use crate::wire::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};

/// The hook.
#[inline(always)]
pub fn ingress(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    packet.note_sent(false);
    match ethertype(packet) {
        Some(ETHERTYPE_IPV4) => sent::<V4>(packet, tables),
        Some(ETHERTYPE_IPV6) => sent::<V6>(packet, tables),
        _ => Verdict::PASS,
    }
}

#[inline(always)]
fn sent<F: Family>(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    let Some((dst, hop_limit)) = F::destination(packet) else { return Verdict::PASS };
    if hop_limit <= 1 {
        return expired::<F>(packet, tables);
    }
    match tables.endpoint(&dst.0) {
        // The short way: no flow was ever opened to this pod, so this answers none.
        Some(endpoint) if !tables.answers(packet.ifindex()) => {
            to_pod::<F>(packet, tables, endpoint)
        }
        None if !tables.answers(packet.ifindex()) => match remote::of_pod(tables, &dst.0) {
            Some(remote) => remote::send_unread::<F>(packet, tables, &remote),
            None => read::<F>(packet, tables, None),
        },
        endpoint => read::<F>(packet, tables, endpoint),
    }
}

#[inline(always)]
fn read<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    endpoint: Option<&Endpoint>,
) -> Verdict {
    match tables.work() {
        Some(work) => translated::<F>(packet, tables, work, endpoint),
        None => Verdict::PASS,
    }
}

#[inline(never)]
fn translated<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    endpoint: Option<&Endpoint>,
) -> Verdict {
    if !F::parse(packet, &mut work.arrived) {
        return Verdict::PASS;
    }
    work.ifindex = packet.ifindex();
    let back = Verdict::egress(work.ifindex);
    if !ports::<F>(packet, tables, &mut work.arrived) {
        if let Some(verdict) = icmp_error::forward::<F>(packet, tables, work, Met::Pod) {
            return verdict;
        }
        return match endpoint {
            Some(endpoint) => to_pod::<F>(packet, tables, endpoint),
            None => elsewhere::<F>(packet, tables, work, back),
        };
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
        // A datagram of another node's own, which came through the tunnel, is answered through it.
        if flow.uplink == INSIDE
            && let Some(remote) = remote::of_node(tables, &flow.dst)
        {
            work.flow = *flow;
            return remote::send_translated::<F>(packet, tables, work, &remote);
        }
        if carry::carrier_of(flow) != 0 {
            return carry::back::<F>(packet, tables, work);
        }
        return to_client::<F>(packet, tables, work, (stage, flow));
    }
    if let Some(endpoint) = endpoint {
        return to_pod::<F>(packet, tables, endpoint);
    }
    if let Some(remote) = remote::of_pod(tables, &work.arrived.key.dst) {
        return remote::send::<F>(packet, tables, work, &remote);
    }
    match from_client::<{ side::INSIDE }>(packet, tables, work, known) {
        Way::Translated => match remote::of_pod(tables, &work.flow.dst) {
            Some(remote) => remote::send_translated::<F>(packet, tables, work, &remote),
            None => to_backend::<F>(packet, tables, work, back),
        },
        Way::NotAService => match remote::of_node(tables, &work.arrived.key.dst) {
            Some(remote) => remote::send::<F>(packet, tables, work, &remote),
            None => untaken::<F>(packet, tables, work, Way::NotAService, back),
        },
        way => untaken::<F>(packet, tables, work, way, back),
    }
}

/// A packet without ports that is neither for a pod of this node nor about a flow.
#[inline(always)]
fn elsewhere<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    back: Verdict,
) -> Verdict {
    let dst = &work.arrived.key.dst;
    match remote::of_pod(tables, dst).or_else(|| remote::of_node(tables, dst)) {
        Some(remote) => remote::send::<F>(packet, tables, work, &remote),
        None => not_a_frontend::<F>(packet, tables, work, back),
    }
}

/// What becomes of a packet inside that gets no backend.
#[inline(always)]
pub(crate) fn untaken<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    way: Way,
    back: Verdict,
) -> Verdict {
    let event = match way {
        Way::NotAService if is_gone(tables, &work.arrived.key.dst) => {
            return refuse::<F>(packet, tables, work, Event::PodGone, back);
        }
        Way::NotAService => return not_a_frontend::<F>(packet, tables, work, back),
        Way::Nobody if work.refused_by & flags::INTERNAL_DROP != 0 => Event::NoLocalEndpoint,
        Way::Nobody => return refuse::<F>(packet, tables, work, Event::Refused, back),
        Way::SourceRefused => Event::SourceRefused,
        Way::Hairpin => Event::Hairpin,
        Way::NoPort => Event::NatPorts,
        Way::Busy => Event::FlowMapBusy,
        Way::Translated => return Verdict::PASS,
    };
    drop(packet, tables, work, event)
}
