//! Packets that do not fit the way by which they leave past the stack: answers to a client outside, what such a
//! client sends to a backend elsewhere, and what pods send to pods of other nodes. The stack would have told the
//! sender (RFC 1191, RFC 8201): so do we, or they would be lost without a word. A client outside may be behind a
//! firewall that lets no such word through; so the two ends of a TCP connection are also told when it is opened.
//!
//! Pods have the MTU of the node's uplink, so this happens where there are several, or one has changed, and
//! where the tunnel leaves less room.

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};

use crate::deliver::unwritable;
use crate::family::Family;
use crate::icmp_error::is_error;
use crate::packet::{Fragment, Packet, Verdict, Work};
use crate::refuse::Answer;
use crate::report::report;
use crate::tables::Tables;
use crate::wire::{Bytes, IP_OFFSET, Tcp, protocol, tcp_flags};

/// What every link carries (RFC 8200, 5). Spares most packets the lookup.
const FITS_ALWAYS: u32 = 1280;

/// The MTU of `uplink` if the packet is too large for it, else 0.
#[inline(always)]
pub(crate) fn too_narrow<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    protocol: u8,
    uplink: u32,
) -> u32 {
    let len = ip_len::<F>(packet, protocol);
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
fn ip_len<F: Family>(packet: &mut impl Packet, protocol: u8) -> u32 {
    let gso_size = packet.gso_size();
    if gso_size == 0 {
        return packet.frame_len().wrapping_sub(IP_OFFSET as u32);
    }
    let header_len = match protocol {
        protocol::TCP => {
            packet.at::<Tcp>(F::L4).map_or(20, |tcp| u32::from(tcp.data_offset >> 4) * 4)
        }
        _ => 8,
    };
    (F::L4 - IP_OFFSET) as u32 + header_len + gso_size
}

/// A TCP option: kind, length, value (RFC 9293, 3.2).
type MaximumSegmentSize = Bytes<4>;
const MAXIMUM_SEGMENT_SIZE: [u8; 2] = [2, 4];

/// Has whoever receives this segment, if it opens a connection, send none that are larger than `uplink` carries. Of
/// the options only the first is looked at: it is where everybody puts this one.
#[inline(never)]
pub(crate) fn limit_segments<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    uplink: u32,
) -> bool {
    try_limit_segments::<F>(packet, tables, uplink).is_some()
}

#[inline(always)]
fn try_limit_segments<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    uplink: u32,
) -> Option<()> {
    let option_at = F::L4 + size_of::<Tcp>();
    let tcp = packet.at::<Tcp>(F::L4)?;
    if tcp.flags & tcp_flags::SYN == 0 || tcp.data_offset >> 4 <= 5 {
        return None;
    }
    if packet.at::<MaximumSegmentSize>(option_at).is_none() {
        packet.pull((option_at + size_of::<MaximumSegmentSize>()) as u32);
    }
    let [kind, len, high, low] = packet.at::<MaximumSegmentSize>(option_at)?.0;
    let said = Be16([high, low]);
    let mtu = tables.uplink(uplink)?.mtu as u16;
    let fits = Be16::new(mtu.checked_sub((option_at - IP_OFFSET) as u16)?);
    if [kind, len] != MAXIMUM_SEGMENT_SIZE || said.get() <= fits.get() {
        return None;
    }
    if !packet.word_changes(F::L4 + TCP_CHECKSUM, said, fits, false) {
        return None;
    }
    let option = packet.at::<MaximumSegmentSize>(option_at)?;
    [option.0[2], option.0[3]] = fits.0;
    Some(())
}

/// Where the checksum stands in a segment.
const TCP_CHECKSUM: usize = 16;

/// Tells the sender that its packet, which is as it sent it, may have `mtu` bytes. It is told whether or not
/// it allows others to cut the packet up: here is nobody who could.
#[inline(never)]
pub(crate) fn tell<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    mtu: u32,
) -> Verdict {
    tell_as::<F>(packet, tables, work, mtu, None)
}

/// Likewise a pod of this node, in the name of its gateway.
#[inline(never)]
pub(crate) fn tell_pod<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    mtu: u32,
) -> Verdict {
    let Some(settings) = tables.settings() else { return Verdict::DROP };
    let is_v4 = work.arrived.key.src.is_v4();
    let gateway = if is_v4 { settings.hairpin4 } else { settings.hairpin6 };
    tell_as::<F>(packet, tables, work, mtu, Some(gateway).filter(|addr| *addr != Addr::default()))
}

#[inline(always)]
fn tell_as<F: Family>(
    packet: &mut impl Packet,
    tables: &impl Tables,
    work: &mut Work,
    mtu: u32,
    teller: Option<Addr>,
) -> Verdict {
    // Nobody sends an error about an error, or about a part of a datagram that is not its first (RFC 1122, 3.2.2).
    if work.arrived.fragment == Fragment::Later || is_error::<F>(packet, work) {
        return Verdict::DROP;
    }
    let back = Verdict::egress(packet.ifindex());
    // Who tells stands where the packet was going to.
    work.answer_key = work.arrived.key;
    if let Some(teller) = teller {
        work.answer_key.dst = teller;
    }
    match F::error(packet, &work.answer_key, F::TOO_BIG, mtu as u16) {
        Answer::Made => {
            report(packet, tables, work, Event::TooBig);
            back
        }
        Answer::None => Verdict::DROP,
        Answer::Failed => unwritable(tables),
    }
}
