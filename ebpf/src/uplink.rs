//! What comes in from the network, and what leaves to it: the hooks of an interface that leads out.

use sheave_abi::event::Event;
use sheave_abi::flow::{FORWARD, REPLY};
use sheave_abi::service::flags;

use crate::deliver::{to_pod, unwritable};
use crate::flow::{Opened, flow_key, flow_of};
use crate::nat::{End, rewrite};
use crate::packet::{Ip4, Packet, Verdict, ip4, transport};
use crate::pod::not_a_frontend;
use crate::tables::Tables;

/// The ingress hook: NodePorts, and packets to pods of this node.
#[inline(always)]
pub fn ingress(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    let Some(ip) = ip4(packet) else { return Verdict::Pass };
    if ip.ttl <= 1 {
        return Verdict::Pass;
    }
    if let Some(endpoint) = tables.endpoint(&ip.dst_addr()) {
        return to_pod(packet, tables, endpoint);
    }
    let Some(segment) = transport(packet, &ip) else { return from_outside(tables, &ip) };
    let key = flow_key(&ip, &segment, FORWARD);
    let backend = match flow_of(tables, &key, segment.opens, packet.ifindex()) {
        Opened::To(backend) => backend,
        Opened::NotAService => return from_outside(tables, &ip),
        Opened::Nobody { flags } if flags & flags::EXTERNAL == 0 => {
            tables.count(Event::InsideOnly);
            return Verdict::Drop;
        }
        Opened::Nobody { flags } if flags & flags::EXTERNAL_DROP != 0 => {
            tables.count(Event::NoLocalEndpoint);
            return Verdict::Drop;
        }
        // The address is the node's own and no process of it listens there: the stack refuses it.
        Opened::Nobody { .. } => return Verdict::Pass,
        Opened::Busy => {
            tables.count(Event::FlowMapBusy);
            return Verdict::Drop;
        }
    };
    if rewrite(packet, End::Destination, backend.addr.v4_octets(), backend.port).is_none() {
        return unwritable(tables);
    }
    match tables.endpoint(&backend.addr) {
        Some(endpoint) => to_pod(packet, tables, endpoint),
        None => Verdict::Pass,
    }
}

/// The egress hook: answers of backends in the node's own network, and packets of host processes to
/// service addresses that the socket hooks left alone, because nobody answers for them.
#[inline(always)]
pub fn egress(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    let Some(ip) = ip4(packet) else { return Verdict::Pass };
    let Some(segment) = transport(packet, &ip) else { return Verdict::Pass };
    if let Some(flow) = tables.flow(&flow_key(&ip, &segment, REPLY)) {
        if rewrite(packet, End::Source, flow.addr.v4_octets(), flow.port).is_none() {
            return unwritable(tables);
        }
        tables.count(Event::RepliedOutside);
        return Verdict::Pass;
    }
    match tables.settings() {
        Some(settings) if settings.is_service4(ip.dst) => {
            let back = Verdict::Ingress(packet.ifindex());
            not_a_frontend(packet, tables, &ip, back)
        }
        _ => Verdict::Pass,
    }
}

#[inline(always)]
fn from_outside(tables: &impl Tables, ip: &Ip4) -> Verdict {
    match tables.settings() {
        Some(settings) if settings.is_service4(ip.dst) => {
            tables.count(Event::InsideOnly);
            Verdict::Drop
        }
        _ => Verdict::Pass,
    }
}
