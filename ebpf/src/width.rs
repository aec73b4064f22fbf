//! Packets that do not fit the uplink by which they leave past the stack: answers to a client outside, and
//! what such a client sends to a backend elsewhere. The stack would have told the sender (RFC 1191, RFC 8201):
//! so do we, or they would be lost without a word.
//!
//! Pods have the MTU of the node's uplink, so this happens where there are several, or one has changed.

use sheave_abi::event::Event;

use crate::deliver::unwritable;
use crate::family::Family;
use crate::packet::{Packet, Verdict, Work};
use crate::refuse::Answer;
use crate::report::report;
use crate::tables::Tables;
use crate::wire::{IP_OFFSET, Tcp, protocol};

/// What every link carries (RFC 8200, 5). Spares most packets the lookup.
const FITS_ALWAYS: u32 = 1280;

/// The MTU of `uplink` if the packet is too large for it, else 0.
#[inline(always)]
pub(crate) fn too_narrow<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &Work,
    uplink: u32,
) -> u32 {
    let len = ip_len::<F>(packet, work);
    if len <= FITS_ALWAYS {
        return 0;
    }
    match tables.uplink(uplink) {
        Some(uplink) if len > uplink.mtu => uplink.mtu,
        _ => 0,
    }
}

/// Of the packet, or of each that it is yet to be cut into.
#[inline(always)]
fn ip_len<F: Family>(packet: &mut impl Packet, work: &Work) -> u32 {
    let gso_size = packet.gso_size();
    if gso_size == 0 {
        return packet.frame_len().wrapping_sub(IP_OFFSET as u32);
    }
    let header_len = match work.arrived.key.protocol {
        protocol::TCP => {
            packet.at::<Tcp>(F::L4).map_or(20, |tcp| u32::from(tcp.data_offset >> 4) * 4)
        }
        _ => 8,
    };
    (F::L4 - IP_OFFSET) as u32 + header_len + gso_size
}

/// Tells the sender that its packet, which is as it sent it, may have `mtu` bytes. It is told whether or not
/// it allows others to cut the packet up: here is nobody who could.
#[inline(never)]
pub(crate) fn tell<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    mtu: u32,
) -> Verdict {
    let back = Verdict::egress(packet.ifindex());
    match F::error(packet, &work.arrived.key, F::TOO_BIG, mtu as u16) {
        Answer::Made => {
            report(packet, tables, work, Event::TooBig);
            back
        }
        Answer::None => Verdict::DROP,
        Answer::Failed => unwritable(tables),
    }
}
