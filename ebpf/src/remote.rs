//! Packets of this node's pods to those of other nodes: straight out to the node, past this one's stack. By the
//! uplink as they are where both nodes are on its link, else through the tunnel; the agent has decided.
//!
//! The way is looked for among the ranges of the cluster's pods alone, so that nothing else pays for it. Where
//! pods are reached through the tunnel, so are their nodes, since a network that does not know pods need not
//! carry what comes from one.

use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_abi::tunnel::{MAC, MAC_SENDER, Remote, VNI};

use crate::deliver::unwritable;
use crate::family::Family;
use crate::nat::translate;
use crate::packet::{Packet, Verdict, Work};
use crate::service::untranslated;
use crate::tables::Tables;
use crate::width::{tell_pod, too_narrow};
use crate::wire::FrameAddresses;

/// How a pod of another node is reached. `None`: it is none, or the routes know better.
#[inline(always)]
pub(crate) fn of_pod(tables: &impl Tables, dst: &Addr) -> Option<Remote> {
    let settings = tables.settings()?;
    if !settings.cluster_pods.hold(dst) || settings.node_pods.hold(dst) {
        return None;
    }
    tables.remote(dst)
}

/// Likewise a node that is no link's neighbour.
#[inline(always)]
pub(crate) fn of_node(tables: &impl Tables, dst: &Addr) -> Option<Remote> {
    if tables.overlay().has_nodes == 0 {
        return None;
    }
    tables.remote(dst).filter(|remote| remote.tunnelled != 0)
}

/// Sends a packet that nothing need be known of but where it goes. The caller has seen that the time to live is
/// above 1.
#[inline(always)]
pub(crate) fn send_unread<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    remote: &Remote,
) -> Verdict {
    let Some((_, protocol)) = F::source(packet) else { return unwritable(tables) };
    if too_narrow::<F>(packet, tables, protocol, remote.ifindex) != 0 {
        let Some(work) = tables.work() else { return Verdict::DROP };
        return match F::parse(packet, &mut work.arrived) {
            true => send::<F>(packet, tables, work, remote),
            false => Verdict::DROP,
        };
    }
    leave::<F>(packet, tables, remote)
}

/// Likewise one that was read into `work.arrived`.
#[inline(never)]
pub(crate) fn send<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    remote: &Remote,
) -> Verdict {
    let mtu = too_narrow::<F>(packet, tables, work.arrived.key.protocol, remote.ifindex);
    if mtu != 0 {
        return tell_pod::<F>(packet, tables, work, mtu);
    }
    leave::<F>(packet, tables, remote)
}

/// Sends what `work.flow` says a client's packet becomes.
#[inline(never)]
pub(crate) fn send_translated<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    remote: &Remote,
) -> Verdict {
    // As the client sent it, or it would not know what it is told about.
    let mtu = too_narrow::<F>(packet, tables, work.arrived.key.protocol, remote.ifindex);
    if mtu != 0 {
        return tell_pod::<F>(packet, tables, work, mtu);
    }
    match translate::<F>(packet, &work.arrived, &work.flow) {
        Ok(()) => leave::<F>(packet, tables, remote),
        Err(why) => untranslated(packet, tables, work, why),
    }
}

#[inline(always)]
fn leave<F: Family>(packet: &mut impl Packet, tables: &impl Tables, remote: &Remote) -> Verdict {
    if F::hop(packet).is_none() {
        return unwritable(tables);
    }
    tables.count(Event::SentToNode);
    if remote.tunnelled == 0 {
        packet.note_sent(true);
        return match remote.node.is_v4() == F::IS_V4 {
            true => packet.to_neighbour(remote.ifindex, &remote.node),
            false => Verdict::neighbour(remote.ifindex),
        };
    }
    wrapped(packet, tables, (&remote.node, VNI), remote.ifindex)
}

/// Into the tunnel, to a node and in a network of it.
#[inline(always)]
pub(crate) fn wrapped(
    packet: &mut impl Packet,
    tables: &impl Tables,
    (node, vni): (&Addr, u32),
    device: u32,
) -> Verdict {
    let Some(addresses) = packet.at::<FrameAddresses>(0) else { return unwritable(tables) };
    addresses.words = FRAME;
    if !packet.wrap(node, vni) {
        return unwritable(tables);
    }
    packet.note_sent(true);
    Verdict::egress(device)
}

/// Both Ethernet addresses of what is wrapped, in memory order: for the other node's device, and from nobody's.
pub(crate) const FRAME: [u32; 3] = [
    u32::from_ne_bytes([MAC[0], MAC[1], MAC[2], MAC[3]]),
    u32::from_ne_bytes([MAC[4], MAC[5], MAC_SENDER[0], MAC_SENDER[1]]),
    u32::from_ne_bytes([MAC_SENDER[2], MAC_SENDER[3], MAC_SENDER[4], MAC_SENDER[5]]),
];
