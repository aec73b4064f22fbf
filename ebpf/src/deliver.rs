//! Where a packet that need not pass the stack goes.

use sheave_abi::endpoint::Endpoint;
use sheave_abi::event::Event;

use crate::family::Family;
use crate::packet::{Packet, Verdict};
use crate::tables::Tables;
use crate::wire::FrameAddresses;

/// Straight into a pod of this node. The caller has seen that the time to live is above 1.
#[inline(always)]
pub fn to_pod<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    endpoint: &Endpoint,
) -> Verdict {
    let Some(addresses) = packet.at::<FrameAddresses>(0) else { return unwritable(tables) };
    addresses.words = endpoint.frame_words();
    if F::hop(packet).is_none() {
        return unwritable(tables);
    }
    tables.count(Event::Delivered);
    Verdict::peer(endpoint.host_ifindex)
}

/// Likewise from the node itself, which is no hop, and where it leaves.
#[inline(always)]
pub fn from_node_to_pod(
    packet: &mut impl Packet,
    tables: &impl Tables,
    endpoint: &Endpoint,
) -> Verdict {
    let Some(addresses) = packet.at::<FrameAddresses>(0) else { return unwritable(tables) };
    addresses.words = endpoint.frame_words();
    tables.count(Event::Delivered);
    Verdict::egress(endpoint.host_ifindex)
}

/// Back into the node from where it leaves, as if it had come in there.
#[inline(always)]
pub fn from_node_to_node(packet: &mut impl Packet, tables: &impl Tables) -> Verdict {
    let Some(addresses) = packet.at::<FrameAddresses>(0) else { return unwritable(tables) };
    addresses.turn_round();
    Verdict::ingress(packet.ifindex())
}

/// Out to a client who came in through `uplink`. The stack would not forward it: its source is an address
/// of the node itself.
#[inline(always)]
pub fn to_client_outside<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    uplink: u32,
) -> Verdict {
    tables.count(Event::RepliedOutside);
    by_uplink::<F>(packet, tables, uplink)
}

/// Out by `uplink`, to whom the routes name there.
#[inline(always)]
pub fn by_uplink<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    uplink: u32,
) -> Verdict {
    if F::hop(packet).is_none() {
        return unwritable(tables);
    }
    Verdict::neighbour(uplink)
}

/// The packet was changed in part, or could not be: it may not go on.
#[inline(always)]
pub fn unwritable(tables: &impl Tables) -> Verdict {
    tables.count(Event::Unwritable);
    Verdict::DROP
}
