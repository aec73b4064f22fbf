//! Neighbour solicitations and advertisements (RFC 4861, 4.3 and 4.4).

use std::net::Ipv6Addr;

use super::{ETHERNET_LEN, MacAddr, Malformed, bytes, ethernet};

pub(crate) const ETHER_TYPE: u16 = 0x86dd;
pub(crate) const NEXT_HEADER_ICMPV6: u8 = 58;
pub(crate) const NEIGHBOR_SOLICITATION: u8 = 135;
pub(crate) const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Where the ICMPv6 header begins: nothing stands between it and the IPv6 header.
pub(crate) const ICMPV6_AT: usize = ETHERNET_LEN + IPV6_LEN;

const IPV6_LEN: usize = 40;
/// Type, code, checksum, flags or reserved, target.
const MESSAGE_LEN: usize = 24;
/// RFC 4861, 7.1: a packet that was forwarded has a lower one.
const HOP_LIMIT: u8 = 255;
const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
const TARGET_LINK_LAYER_ADDRESS: u8 = 2;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// What a message of neighbour discovery asks or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ndp {
    /// Who has `target`?
    Solicitation {
        /// Unspecified in a probe for duplicates (RFC 4862, 5.4.2).
        source: Ipv6Addr,
        source_mac: MacAddr,
        target: Ipv6Addr,
    },
    /// `target` is at this address, where it says so.
    Advertisement { target: Ipv6Addr, target_mac: Option<MacAddr> },
}

/// The group whose members are asked for an address (RFC 4291, 2.7.1).
pub(crate) fn solicited_node_group(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    let mut group = [0; 16];
    group[..13].copy_from_slice(&[0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff]);
    group[13..].copy_from_slice(&[a, b, c]);
    Ipv6Addr::from(group)
}

/// Reads a frame whose EtherType is IPv6's, with the checks of RFC 4861, 7.1.1 and 7.1.2.
pub(crate) fn decode(frame: &[u8]) -> Result<Ndp, Malformed> {
    let frame_source = MacAddr(bytes(frame, 6)?);
    let [version, ..] = bytes::<4>(frame, ETHERNET_LEN)?;
    let [next_header, hop_limit] = bytes(frame, ETHERNET_LEN + 6)?;
    if version >> 4 != 6 || next_header != NEXT_HEADER_ICMPV6 || hop_limit != HOP_LIMIT {
        return Err(Malformed::Field);
    }
    let len = usize::from(u16::from_be_bytes(bytes(frame, ETHERNET_LEN + 4)?));
    let source = Ipv6Addr::from(bytes::<16>(frame, ETHERNET_LEN + 8)?);
    let destination = Ipv6Addr::from(bytes::<16>(frame, ETHERNET_LEN + 24)?);
    let message = frame.get(ICMPV6_AT..ICMPV6_AT + len).ok_or(Malformed::Truncated)?;
    let [kind, code] = bytes(message, 0)?;
    let target = Ipv6Addr::from(bytes::<16>(message, 8)?);
    if checksum(source, destination, message) != 0 {
        return Err(Malformed::Checksum);
    }
    if code != 0 || target.is_multicast() {
        return Err(Malformed::Field);
    }
    let options = &message[MESSAGE_LEN..];
    match kind {
        NEIGHBOR_SOLICITATION => {
            let option = link_layer_address(options, SOURCE_LINK_LAYER_ADDRESS)?;
            let is_probe = source.is_unspecified();
            if is_probe && (option.is_some() || destination != solicited_node_group(target)) {
                return Err(Malformed::Field);
            }
            let source_mac = option.unwrap_or(frame_source);
            if !source_mac.is_unicast() {
                return Err(Malformed::LinkLayerAddress);
            }
            Ok(Ndp::Solicitation { source, source_mac, target })
        }
        NEIGHBOR_ADVERTISEMENT => {
            let target_mac = link_layer_address(options, TARGET_LINK_LAYER_ADDRESS)?;
            Ok(Ndp::Advertisement { target, target_mac })
        }
        _ => Err(Malformed::Field),
    }
}

/// The option that is wanted, when all options are sound.
fn link_layer_address(mut options: &[u8], wanted: u8) -> Result<Option<MacAddr>, Malformed> {
    let mut found = None;
    while !options.is_empty() {
        let [kind, eighths] = bytes(options, 0)?;
        let len = usize::from(eighths) * 8;
        if len == 0 {
            return Err(Malformed::Field);
        }
        let option = options.get(..len).ok_or(Malformed::Truncated)?;
        if kind == wanted && len == 8 {
            found = Some(MacAddr(bytes(option, 2)?));
        }
        options = &options[len..];
    }
    Ok(found)
}

/// `target` is at `mac`, said to who asked; to all when that was a probe (RFC 4861, 7.2.4).
pub(crate) fn reply(
    target: Ipv6Addr,
    mac: MacAddr,
    source: Ipv6Addr,
    source_mac: MacAddr,
) -> Vec<u8> {
    if source.is_unspecified() {
        return announcement(target, mac);
    }
    encode(source_mac, source, FLAG_SOLICITED | FLAG_OVERRIDE, target, mac)
}

/// Says to all that `target` is at `mac` now (RFC 4861, 7.2.6).
pub(crate) fn announcement(target: Ipv6Addr, mac: MacAddr) -> Vec<u8> {
    // RFC 2464, 7: the group's last 32 bits.
    encode(MacAddr([0x33, 0x33, 0, 0, 0, 1]), ALL_NODES, FLAG_OVERRIDE, target, mac)
}

/// The advertisement's own source is the address itself, as if this node had it on an interface.
fn encode(
    destination_mac: MacAddr,
    destination: Ipv6Addr,
    flags: u8,
    target: Ipv6Addr,
    mac: MacAddr,
) -> Vec<u8> {
    let mut message = [0; MESSAGE_LEN + 8];
    message[0] = NEIGHBOR_ADVERTISEMENT;
    message[4] = flags;
    message[8..24].copy_from_slice(&target.octets());
    message[24..26].copy_from_slice(&[TARGET_LINK_LAYER_ADDRESS, 1]);
    message[26..32].copy_from_slice(&mac.0);
    let sum = checksum(target, destination, &message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());

    let mut frame = ethernet(destination_mac, mac, ETHER_TYPE);
    frame.extend_from_slice(&[
        0x60,
        0,
        0,
        0,
        0,
        message.len() as u8,
        NEXT_HEADER_ICMPV6,
        HOP_LIMIT,
    ]);
    frame.extend_from_slice(&target.octets());
    frame.extend_from_slice(&destination.octets());
    frame.extend_from_slice(&message);
    frame
}

/// RFC 4443, 2.3: over the pseudo-header and the message. 0 when the message's own is right.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let tail = [0, 0, 0, NEXT_HEADER_ICMPV6];
    let len = (message.len() as u32).to_be_bytes();
    let parts: [&[u8]; 5] = [&source.octets(), &destination.octets(), &len, &tail, message];
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 =
        words.map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |b| u32::from(*b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Linux sent to find 2001:db8::50 from 02:00:00:00:00:09 at 2001:db8::9.
    const SOLICITATION: [u8; 86] = [
        0x33, 0x33, 0xff, 0, 0, 0x50, 0x02, 0, 0, 0, 0, 0x09, 0x86, 0xdd, //
        0x60, 0, 0, 0, 0, 0x20, 0x3a, 0xff, //
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x09, //
        0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0x50, //
        0x87, 0, 0x1b, 0x7b, 0, 0, 0, 0, //
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, //
        0x01, 0x01, 0x02, 0, 0, 0, 0, 0x09,
    ];
    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const CLIENT_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_solicitation_is_answered_to_its_source() {
        let (client, target) = (address("2001:db8::9"), address("2001:db8::50"));
        let expected = Ndp::Solicitation { source: client, source_mac: CLIENT_MAC, target };
        assert_eq!(decode(&SOLICITATION), Ok(expected));
        let reply = reply(target, MAC, client, CLIENT_MAC);
        assert_eq!(reply[..6], CLIENT_MAC.0);
        assert_eq!(reply[ICMPV6_AT + 4], FLAG_SOLICITED | FLAG_OVERRIDE);
        assert_eq!(decode(&reply), Ok(Ndp::Advertisement { target, target_mac: Some(MAC) }));
    }

    #[test]
    fn a_probe_for_duplicates_is_answered_to_all() {
        let target = address("2001:db8::50");
        let reply = reply(target, MAC, Ipv6Addr::UNSPECIFIED, CLIENT_MAC);
        assert_eq!(reply[..6], [0x33, 0x33, 0, 0, 0, 1]);
        assert_eq!(reply[ICMPV6_AT + 4], FLAG_OVERRIDE, "not solicited");
        assert_eq!(decode(&reply), Ok(Ndp::Advertisement { target, target_mac: Some(MAC) }));
    }

    #[test]
    fn the_group_ends_in_the_addresses_last_bits() {
        let group = solicited_node_group(address("2001:db8::12:3456:789a"));
        assert_eq!(group, address("ff02::1:ff56:789a"));
    }

    #[test]
    fn what_rfc_4861_discards_is_refused() {
        let with = |at: usize, value: u8| {
            let mut frame = SOLICITATION;
            frame[at] = value;
            decode(&frame)
        };
        assert_eq!(with(ETHERNET_LEN + 7, 254), Err(Malformed::Field), "forwarded");
        assert_eq!(with(ICMPV6_AT + 3, 0), Err(Malformed::Checksum));
        assert_eq!(with(ICMPV6_AT + 1, 1), Err(Malformed::Checksum));
        for len in 0..SOLICITATION.len() {
            assert_eq!(decode(&SOLICITATION[..len]), Err(Malformed::Truncated), "{len} bytes");
        }
        // An option of no length would never end.
        let mut frame = SOLICITATION;
        frame[ICMPV6_AT + 25] = 0;
        frame[ICMPV6_AT + 3] += 1;
        assert_eq!(decode(&frame), Err(Malformed::Field));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_decoder(
            mut frame in prop::collection::vec(any::<u8>(), 0..120),
            len in 0..80_u8,
        ) {
            let _ = decode(&frame);
            if frame.len() > ICMPV6_AT {
                frame[14] = 0x60;
                frame[18..22].copy_from_slice(&[0, len, NEXT_HEADER_ICMPV6, HOP_LIMIT]);
                let _ = decode(&frame);
            }
        }
    }
}
