//! Rewriting the ends of a packet, with all checksums that cover them.

use sheave_abi::flow::Flow;
use sheave_abi::order::{Addr, Be16};

use crate::family::Family;
use crate::packet::{Arrived, Packet};
use crate::wire::{IP_OFFSET, Icmp, Ports, protocol};

/// Which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Where the packet comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// Why a packet could not be rewritten. It may not go on: a part of it may have been changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwritten {
    /// Its headers cannot be written.
    Headers,
    /// SCTP's checksum covers all of the packet and cannot be changed in part.
    SctpPort,
}

/// Gives the packet the ends that its flow says.
#[inline(always)]
pub fn translate<F: Family>(
    packet: &mut impl Packet,
    arrived: &Arrived,
    flow: &Flow,
) -> Result<(), Unwritten> {
    let key = &arrived.key;
    let protocol = key.protocol;
    if key.src != flow.src {
        set_addr::<F>(packet, arrived, End::Source, &key.src, &flow.src)?;
    }
    if key.dst != flow.dst {
        set_addr::<F>(packet, arrived, End::Destination, &key.dst, &flow.dst)?;
    }
    if !arrived.has_ports {
        return Ok(());
    }
    if key.src_port != flow.src_port {
        set_port::<F>(packet, protocol, End::Source, key.src_port, flow.src_port)?;
    }
    if key.dst_port != flow.dst_port {
        set_port::<F>(packet, protocol, End::Destination, key.dst_port, flow.dst_port)?;
    }
    Ok(())
}

#[inline(always)]
fn set_addr<F: Family>(
    packet: &mut impl Packet,
    arrived: &Arrived,
    end: End,
    from: &Addr,
    to: &Addr,
) -> Result<(), Unwritten> {
    let protocol = arrived.key.protocol;
    // ICMP of IPv4 has no pseudo-header, SCTP's checksum neither; later fragments carry none.
    let covered = arrived.has_ports && protocol != protocol::SCTP && protocol != protocol::ICMP;
    let offset = F::L4 + checksum_offset(protocol);
    if covered && !packet.address_changes(offset, from, to, protocol == protocol::UDP) {
        return Err(Unwritten::Headers);
    }
    F::set_addr(packet, IP_OFFSET, end, from, to).ok_or(Unwritten::Headers)
}

#[inline(always)]
fn set_port<F: Family>(
    packet: &mut impl Packet,
    protocol: u8,
    end: End,
    from: Be16,
    to: Be16,
) -> Result<(), Unwritten> {
    if protocol == protocol::SCTP {
        return Err(Unwritten::SctpPort);
    }
    let offset = F::L4 + checksum_offset(protocol);
    if !packet.word_changes(offset, from, to, protocol == protocol::UDP) {
        return Err(Unwritten::Headers);
    }
    if protocol == F::ICMP {
        let icmp = packet.at::<Icmp>(F::L4).ok_or(Unwritten::Headers)?;
        [icmp.rest[0], icmp.rest[1]] = to.0;
        return Ok(());
    }
    let ports = packet.at::<Ports>(F::L4).ok_or(Unwritten::Headers)?;
    match end {
        End::Source => ports.src = to,
        End::Destination => ports.dst = to,
    }
    Ok(())
}

/// Where the checksum stands in the transport's header.
#[inline(always)]
const fn checksum_offset(protocol: u8) -> usize {
    match protocol {
        protocol::TCP => 16,
        protocol::UDP => 6,
        _ => 2,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::checksum::fold;
    use crate::fake::Frame;
    use crate::family::{V4, V6};
    use crate::packet::read_ports;
    use proptest::prelude::*;
    use std::vec::Vec;

    pub(crate) type Ends = (Addr, Addr, Be16, Be16);

    /// Ones' complement sum of big-endian words, an odd last byte padded.
    fn sum(bytes: &[u8]) -> u32 {
        let word = |pair: &[u8]| Be16([pair[0], *pair.get(1).unwrap_or(&0)]).get();
        let mut sum: u64 = bytes.chunks(2).map(|pair| u64::from(word(pair))).sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u32
    }

    const fn l4(v4: bool) -> usize {
        if v4 { V4::L4 } else { V6::L4 }
    }

    fn protocol_of(bytes: &[u8]) -> u8 {
        if bytes[14] == 0x45 { bytes[23] } else { bytes[20] }
    }

    /// What the transport's checksum covers beside the transport: nothing for ICMP of IPv4.
    fn pseudo(bytes: &[u8]) -> u32 {
        let v4 = bytes[14] == 0x45;
        let protocol = protocol_of(bytes);
        if protocol == protocol::ICMP {
            return 0;
        }
        let addresses = if v4 { &bytes[26..34] } else { &bytes[22..54] };
        sum(addresses) + u32::from(protocol) + (bytes.len() - l4(v4)) as u32
    }

    /// A correct frame.
    pub(crate) fn frame(
        v4: bool,
        protocol: u8,
        partial: bool,
        ends: &Ends,
        payload: &[u8],
    ) -> Frame {
        let (src, dst, src_port, dst_port) = ends;
        let mut l4_bytes = match protocol {
            protocol::TCP => [&src_port.0[..], &dst_port.0, &[0; 16]].concat(),
            protocol::UDP => [&src_port.0[..], &dst_port.0, &[0; 4]].concat(),
            protocol::ICMP => [&[8, 0, 0, 0][..], &src_port.0, &[0; 2]].concat(),
            _ => [&[128, 0, 0, 0][..], &src_port.0, &[0; 2]].concat(),
        };
        l4_bytes.extend(payload);
        let len = l4_bytes.len() as u16;
        let mut bytes: Vec<u8> = std::vec![0; 12];
        if v4 {
            bytes.extend([8, 0, 0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0]);
            bytes.extend(src.v4_octets());
            bytes.extend(dst.v4_octets());
            bytes[16..18].copy_from_slice(&(len + 20).to_be_bytes());
            let header = !fold(sum(&bytes[IP_OFFSET..V4::L4]));
            bytes[24..26].copy_from_slice(&header.to_be_bytes());
        } else {
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, protocol, 64]);
            bytes.extend(src.octets());
            bytes.extend(dst.octets());
            bytes[18..20].copy_from_slice(&len.to_be_bytes());
        }
        bytes.extend(l4_bytes);
        if protocol == protocol::UDP {
            let at = l4(v4) + 4;
            bytes[at..at + 2].copy_from_slice(&len.to_be_bytes());
        }
        let at = l4(v4) + checksum_offset(protocol);
        let sum = match partial {
            true => fold(pseudo(&bytes)),
            false => !fold(pseudo(&bytes) + sum(&bytes[l4(v4)..])),
        };
        let sum = if protocol == protocol::UDP && sum == 0 { 0xffff } else { sum };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        Frame { bytes, partial }
    }

    /// True when every checksum is what its receiver expects.
    pub(crate) fn is_correct(frame: &Frame) -> bool {
        let bytes = &frame.bytes;
        let v4 = bytes[14] == 0x45;
        let at = l4(v4) + checksum_offset(protocol_of(bytes));
        let field = Be16([bytes[at], bytes[at + 1]]).get();
        let header = !v4 || sum(&bytes[IP_OFFSET..V4::L4]) == 0xffff;
        header
            && match frame.partial {
                true => field % 0xffff == fold(pseudo(bytes)) % 0xffff,
                false => fold(pseudo(bytes) + sum(&bytes[l4(v4)..])) == 0xffff,
            }
    }

    fn rewrite(frame: &mut Frame, v4: bool, to: &Ends) -> Result<(), Unwritten> {
        let (src, dst, src_port, dst_port) = *to;
        let flow = Flow { src, dst, src_port, dst_port, ..Flow::default() };
        if v4 { rewrite_as::<V4>(frame, &flow) } else { rewrite_as::<V6>(frame, &flow) }
    }

    fn rewrite_as<F: Family>(frame: &mut Frame, flow: &Flow) -> Result<(), Unwritten> {
        let mut arrived = Arrived::default();
        assert!(F::parse(frame, &mut arrived) && read_ports::<F>(frame, &mut arrived));
        translate::<F>(frame, &arrived, flow)
    }

    pub(crate) fn ends(v4: bool) -> impl Strategy<Value = Ends> {
        let addr = move || {
            any::<[u8; 16]>().prop_map(move |a| match v4 {
                true => Addr::v4([a[0], a[1], a[2], a[3]]),
                // Not one that is mapped.
                false => Addr::v6([
                    0xfd, a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11],
                    a[12], a[13], a[14], a[15],
                ]),
            })
        };
        let port = || any::<u16>().prop_map(Be16::new);
        (addr(), addr(), port(), port())
    }

    fn case() -> impl Strategy<Value = (bool, u8, Ends, Ends)> {
        any::<(bool, u8)>().prop_flat_map(|(v4, which)| {
            let icmp = if v4 { protocol::ICMP } else { protocol::ICMPV6 };
            let protocol = [protocol::TCP, protocol::UDP, icmp][usize::from(which % 3)];
            (Just(v4), Just(protocol), ends(v4), ends(v4))
        })
    }

    /// As the frame has them: an echo request has its identifier and nothing else.
    fn as_framed(protocol: u8, (src, dst, src_port, dst_port): Ends) -> Ends {
        let echo = matches!(protocol, protocol::ICMP | protocol::ICMPV6);
        (src, dst, src_port, if echo { Be16::new(0) } else { dst_port })
    }

    proptest! {
        #[test]
        fn a_rewritten_packet_is_correct_and_changed_nowhere_else(
            (v4, protocol, from, to) in case(),
            partial: bool,
            payload in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let partial = partial && protocol != protocol::ICMP;
            let (from, to) = (as_framed(protocol, from), as_framed(protocol, to));
            let before = frame(v4, protocol, partial, &from, &payload);
            prop_assert!(is_correct(&before), "{before:?}");
            let mut after = before.clone();
            prop_assert_eq!(rewrite(&mut after, v4, &to), Ok(()));
            prop_assert!(is_correct(&after), "{after:?}");

            let mut expected = frame(v4, protocol, partial, &to, &payload).bytes;
            // Checksums were judged above: zero has two representations.
            let mut fields = std::vec![l4(v4) + checksum_offset(protocol)];
            if v4 {
                fields.push(24);
            }
            for at in fields {
                expected[at..at + 2].copy_from_slice(&after.bytes[at..at + 2]);
            }
            prop_assert_eq!(&after.bytes, &expected);

            // And back again.
            prop_assert_eq!(rewrite(&mut after, v4, &from), Ok(()));
            prop_assert!(is_correct(&after));
        }

        #[test]
        fn a_datagram_without_a_checksum_stays_without(from in ends(true), to in ends(true)) {
            let mut frame = frame(true, protocol::UDP, false, &from, b"x");
            frame.bytes[40..42].fill(0);
            prop_assert_eq!(rewrite(&mut frame, true, &to), Ok(()));
            prop_assert_eq!(&frame.bytes[40..42], &[0, 0]);
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut frame = Frame { bytes: bytes.clone(), partial: false };
            let mut arrived = Arrived::default();
            if V4::parse(&mut frame, &mut arrived) {
                prop_assert!(bytes.len() >= V4::L4 && bytes[14] == 0x45);
                if read_ports::<V4>(&mut frame, &mut arrived) {
                    let needed = if arrived.key.protocol == protocol::TCP { 54 } else { 38 };
                    prop_assert!(bytes.len() >= needed);
                }
            }
            if V6::parse(&mut frame, &mut arrived) {
                prop_assert!(bytes.len() >= V6::L4);
                let _ = read_ports::<V6>(&mut frame, &mut arrived);
            }
        }
    }

    #[test]
    fn sctp_keeps_its_port_or_is_dropped() {
        let addr = |last| Addr::v4([10, 0, 0, last]);
        let (from, to) = (Be16::new(1000), Be16::new(2000));
        let mut frame =
            frame(true, protocol::UDP, false, &(addr(1), addr(2), from, from), &[0; 12]);
        frame.bytes[23] = protocol::SCTP;
        assert_eq!(rewrite(&mut frame, true, &(addr(1), addr(3), from, from)), Ok(()));
        let other = rewrite(&mut frame, true, &(addr(1), addr(3), from, to));
        assert_eq!(other, Err(Unwritten::SctpPort));
    }
}
