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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::{add, fold};
    use crate::fake::Frame;
    use crate::packet::{ip4, transport};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// Ones' complement sum of big-endian words, an odd last byte padded.
    fn sum(bytes: &[u8]) -> u32 {
        bytes.chunks(2).map(|pair| add(0, &[pair[0], *pair.get(1).unwrap_or(&0)])).sum()
    }

    fn pseudo(bytes: &[u8]) -> u32 {
        let len = (bytes.len() - L4_OFFSET) as u32;
        sum(&bytes[26..34]) + u32::from(bytes[23]) + len
    }

    /// A correct frame.
    fn frame(
        udp: bool,
        partial: bool,
        ends: ([u8; 4], [u8; 4], u16, u16),
        payload: &[u8],
    ) -> Frame {
        let (src, dst, src_port, dst_port) = ends;
        let mut bytes: Vec<u8> = std::vec![0; 12];
        bytes.extend([8, 0, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, if udp { 17 } else { 6 }, 0, 0]);
        bytes.extend(src);
        bytes.extend(dst);
        bytes.extend([src_port.to_be_bytes(), dst_port.to_be_bytes()].concat());
        let header_len = if udp { 8 } else { 20 };
        bytes.resize(L4_OFFSET + header_len, 0);
        bytes.extend(payload);
        let total = (bytes.len() - IP_OFFSET) as u16;
        bytes[16..18].copy_from_slice(&total.to_be_bytes());
        if udp {
            bytes[38..40].copy_from_slice(&(total - 20).to_be_bytes());
        }
        let ip_sum = !fold(sum(&bytes[IP_OFFSET..L4_OFFSET]));
        bytes[24..26].copy_from_slice(&ip_sum.to_be_bytes());
        let offset = if udp { UDP_CHECKSUM_OFFSET } else { TCP_CHECKSUM_OFFSET };
        let l4_sum = match partial {
            true => fold(pseudo(&bytes)),
            false => !fold(fold_twice(pseudo(&bytes), sum(&bytes[L4_OFFSET..]))),
        };
        let l4_sum = if udp && l4_sum == 0 { 0xffff } else { l4_sum };
        bytes[offset..offset + 2].copy_from_slice(&l4_sum.to_be_bytes());
        Frame { bytes, partial }
    }

    fn fold_twice(a: u32, b: u32) -> u32 {
        u32::from(fold(a)) + u32::from(fold(b))
    }

    /// True when every checksum is what its receiver expects.
    fn is_correct(frame: &Frame) -> bool {
        let bytes = &frame.bytes;
        let udp = bytes[23] == 17;
        let offset = if udp { UDP_CHECKSUM_OFFSET } else { TCP_CHECKSUM_OFFSET };
        let field = u16::from_be_bytes([bytes[offset], bytes[offset + 1]]);
        let ip = fold(sum(&bytes[IP_OFFSET..L4_OFFSET])) == 0xffff;
        let l4 = match frame.partial {
            true => field % 0xffff == fold(pseudo(bytes)) % 0xffff,
            false => fold(fold_twice(pseudo(bytes), sum(&bytes[L4_OFFSET..]))) == 0xffff,
        };
        ip && (l4 || (udp && field == 0))
    }

    proptest! {
        #[test]
        fn a_rewritten_packet_is_correct_and_changed_nowhere_else(
            udp: bool,
            partial: bool,
            source: bool,
            ends: ([u8; 4], [u8; 4], u16, u16),
            addr: [u8; 4],
            port: u16,
            payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let before = frame(udp, partial, ends, &payload);
            prop_assert!(is_correct(&before), "{before:?}");
            let mut after = before.clone();
            let end = if source { End::Source } else { End::Destination };
            prop_assert!(rewrite(&mut after, end, addr, Be16::new(port)).is_some());
            prop_assert!(is_correct(&after), "{after:?}");

            let (src, dst, src_port, dst_port) = ends;
            let ends = if source { (addr, dst, port, dst_port) } else { (src, addr, src_port, port) };
            let mut expected = frame(udp, partial, ends, &payload).bytes;
            // Checksums were judged above: zero has two representations.
            let offset = if udp { UDP_CHECKSUM_OFFSET } else { TCP_CHECKSUM_OFFSET };
            for at in [24, offset] {
                expected[at..at + 2].copy_from_slice(&after.bytes[at..at + 2]);
            }
            prop_assert_eq!(&after.bytes, &expected);

            // And back again.
            let (addr, port) = if source { (src, src_port) } else { (dst, dst_port) };
            prop_assert!(rewrite(&mut after, end, addr, Be16::new(port)).is_some());
            prop_assert!(is_correct(&after));
        }

        #[test]
        fn a_datagram_without_a_checksum_stays_without(
            ends: ([u8; 4], [u8; 4], u16, u16),
            addr: [u8; 4],
            port: u16,
        ) {
            let mut frame = frame(true, false, ends, b"x");
            frame.bytes[UDP_CHECKSUM_OFFSET..UDP_CHECKSUM_OFFSET + 2].fill(0);
            prop_assert!(rewrite(&mut frame, End::Destination, addr, Be16::new(port)).is_some());
            prop_assert_eq!(&frame.bytes[UDP_CHECKSUM_OFFSET..UDP_CHECKSUM_OFFSET + 2], &[0, 0]);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut frame = Frame { bytes: bytes.clone(), partial: false };
            if let Some(ip) = ip4(&mut frame) {
                prop_assert!(bytes.len() >= L4_OFFSET && bytes[14] == 0x45);
                if transport(&mut frame, &ip).is_some() {
                    let needed = if ip.protocol == protocol::TCP { 54 } else { 38 };
                    prop_assert!(bytes.len() >= needed);
                    let fragment = u16::from_be_bytes([bytes[20], bytes[21]]);
                    prop_assert_eq!(fragment & 0x1fff, 0, "a later fragment has no ports");
                }
            }
        }
    }
}
