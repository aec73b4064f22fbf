//! Where a packet that need not pass the stack goes.

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;

use crate::packet::{Packet, Verdict, decrement_ttl};
use crate::tables::Tables;
use crate::wire::{Ethernet, IP_OFFSET, Ipv4};

/// Straight into a pod of this node. The caller has seen that the time to live is above 1.
#[inline(always)]
pub fn to_pod(packet: &mut impl Packet, tables: &impl Tables, endpoint: &Endpoint) -> Verdict {
    let Some(ethernet) = packet.at::<Ethernet>(0) else { return unwritable(tables) };
    ethernet.dst = endpoint.pod_mac;
    ethernet.src = endpoint.host_mac;
    let Some(ip) = packet.at::<Ipv4>(IP_OFFSET) else { return unwritable(tables) };
    decrement_ttl(ip);
    tables.count(Event::Delivered);
    Verdict::Peer(endpoint.host_ifindex)
}

/// Out to a client who came in through `uplink`. The stack would not forward it: its source is an address
/// of the node itself.
#[inline(always)]
pub fn to_client_outside(packet: &mut impl Packet, tables: &impl Tables, uplink: u32) -> Verdict {
    let Some(ip) = packet.at::<Ipv4>(IP_OFFSET) else { return unwritable(tables) };
    decrement_ttl(ip);
    tables.count(Event::RepliedOutside);
    Verdict::Neighbour(uplink)
}

/// The packet was changed in part, or could not be: it may not go on.
#[inline(always)]
pub fn unwritable(tables: &impl Tables) -> Verdict {
    tables.count(Event::Unwritable);
    Verdict::Drop
}
