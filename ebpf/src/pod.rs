//! What a pod sends: the ingress hook of the host's end of its veth.
//!
//! ```text
//! answer of a translated flow -> source becomes the frontend -> pod of this node | client outside
//! to a pod of this node       -> delivered
//! to a service                -> destination becomes a backend -> pod of this node | stack
//!                                nobody answers -> refused, back into the pod
//! anything else               -> stack
//! ```

use sheave_abi::event::Event;
use sheave_abi::flow::{FORWARD, FlowKey, REPLY};
use sheave_abi::order::Addr;
use sheave_abi::service::{FrontendKey, flags};

use crate::deliver::{to_client_outside, to_pod, unwritable};
use crate::flow::{INSIDE, Opened, flow_key, flow_of};
use crate::nat::{End, rewrite};
use crate::packet::{Ip4, Packet, Verdict, ip4, transport};
use crate::refuse::{echo, refuse};
use crate::tables::Tables;

/// The hook.
#[inline(always)]
pub fn ingress(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    let Some(ip) = ip4(packet) else { return Verdict::Pass };
    // The stack answers what may go no further (RFC 1812, 5.3.1).
    if ip.ttl <= 1 {
        return Verdict::Pass;
    }
    let endpoint = tables.endpoint(&ip.dst_addr());
    let Some(segment) = transport(packet, &ip) else {
        return match endpoint {
            Some(endpoint) => to_pod(packet, tables, endpoint),
            None => without_ports(packet, tables, &ip),
        };
    };
    let mut key = flow_key(&ip, &segment, REPLY);
    if let Some(flow) = tables.flow(&key) {
        let uplink = flow.uplink;
        if rewrite(packet, End::Source, flow.addr.v4_octets(), flow.port).is_none() {
            return unwritable(tables);
        }
        return match endpoint {
            Some(endpoint) => to_pod(packet, tables, endpoint),
            None if uplink != 0 => to_client_outside(packet, tables, uplink),
            None => Verdict::Pass,
        };
    }
    if let Some(endpoint) = endpoint {
        return to_pod(packet, tables, endpoint);
    }
    key.direction = FORWARD;
    to_service(packet, tables, &ip, &key, segment.opens)
}

#[inline(always)]
fn to_service(
    packet: &mut impl Packet,
    tables: &impl Tables,
    ip: &Ip4,
    key: &FlowKey,
    opens: bool,
) -> Verdict {
    let back = Verdict::Egress(packet.ifindex());
    let backend = match flow_of(tables, key, opens, INSIDE) {
        Opened::To(backend) => backend,
        Opened::NotAService => return not_a_frontend(packet, tables, ip, back),
        Opened::Nobody { flags } if flags & flags::INTERNAL_DROP != 0 => {
            tables.count(Event::NoLocalEndpoint);
            return Verdict::Drop;
        }
        Opened::Nobody { .. } => return refuse(packet, tables, ip, back),
        Opened::Busy => {
            tables.count(Event::FlowMapBusy);
            return Verdict::Drop;
        }
    };
    if backend.addr.v4_octets() == ip.src {
        tables.count(Event::Hairpin);
        return Verdict::Drop;
    }
    if rewrite(packet, End::Destination, backend.addr.v4_octets(), backend.port).is_none() {
        return unwritable(tables);
    }
    match tables.endpoint(&backend.addr) {
        Some(endpoint) => to_pod(packet, tables, endpoint),
        None => Verdict::Pass,
    }
}

/// No frontend has this address, port and protocol: a service's address all the same, or nobody's in the
/// service range, or none of our business.
#[inline(always)]
pub(crate) fn not_a_frontend(
    packet: &mut impl Packet,
    tables: &impl Tables,
    ip: &Ip4,
    back: Verdict,
) -> Verdict {
    if is_allocated(tables, &ip.dst_addr()) {
        return refuse(packet, tables, ip, back);
    }
    unallocated(tables, ip)
}

/// ICMP, later fragments, and protocols that services do not have.
#[inline(always)]
pub(crate) fn without_ports(packet: &mut impl Packet, tables: &impl Tables, ip: &Ip4) -> Verdict {
    if !is_allocated(tables, &ip.dst_addr()) {
        return unallocated(tables, ip);
    }
    if ip.later_fragment {
        tables.count(Event::Fragment);
        return Verdict::Drop;
    }
    let back = Verdict::Egress(packet.ifindex());
    if let Some(verdict) = echo(packet, tables, ip, back) {
        return verdict;
    }
    tables.count(Event::ServiceProtocol);
    Verdict::Drop
}

#[inline(always)]
fn unallocated(tables: &impl Tables, ip: &Ip4) -> Verdict {
    match tables.settings() {
        Some(settings) if settings.is_service4(ip.dst) => {
            tables.count(Event::UnallocatedAddress);
            Verdict::Drop
        }
        _ => Verdict::Pass,
    }
}

#[inline(always)]
fn is_allocated(tables: &impl Tables, addr: &Addr) -> bool {
    tables.frontend(&FrontendKey::address(*addr)).is_some()
}
