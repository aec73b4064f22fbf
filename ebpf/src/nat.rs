//! Rewriting one end of a packet, with all checksums that cover it.

use sheave_abi::order::Be16;

use crate::checksum;
use crate::packet::{Covered, Packet};
use crate::wire::{
    IP_OFFSET, Ipv4, L4_OFFSET, Ports, TCP_CHECKSUM_OFFSET, UDP_CHECKSUM_OFFSET, protocol,
};

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Where the packet comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// Gives `end` another address and port. The packet is TCP or UDP over IPv4 without options. `None`: the
/// headers could not be written, and the packet may not go on.
#[inline(always)]
pub fn rewrite(packet: &mut impl Packet, end: End, addr: [u8; 4], port: Be16) -> Option<()> {
    let ip = packet.at::<Ipv4>(IP_OFFSET)?;
    let udp = ip.protocol == protocol::UDP;
    let old_addr = match end {
        End::Source => ip.src,
        End::Destination => ip.dst,
    };
    let ports = packet.at::<Ports>(L4_OFFSET)?;
    let old_port = match end {
        End::Source => ports.src,
        End::Destination => ports.dst,
    };
    let offset = if udp { UDP_CHECKSUM_OFFSET } else { TCP_CHECKSUM_OFFSET };
    let (from, to) = (u32::from_ne_bytes(old_addr), u32::from_ne_bytes(addr));
    if from != to && !packet.update_l4_checksum(offset, from, to, Covered::Address, udp) {
        return None;
    }
    let (from, to) = (u16::from_ne_bytes(old_port.0), u16::from_ne_bytes(port.0));
    if from != to && !packet.update_l4_checksum(offset, from.into(), to.into(), Covered::Port, udp)
    {
        return None;
    }
    let ports = packet.at::<Ports>(L4_OFFSET)?;
    match end {
        End::Source => ports.src = port,
        End::Destination => ports.dst = port,
    }
    let ip = packet.at::<Ipv4>(IP_OFFSET)?;
    ip.checksum = checksum::update_addr(ip.checksum, old_addr, addr);
    match end {
        End::Source => ip.src = addr,
        End::Destination => ip.dst = addr,
    }
    Some(())
}
