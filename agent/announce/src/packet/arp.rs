//! ARP for IPv4 on Ethernet (RFC 826), and its announcements (RFC 5227).

use std::net::Ipv4Addr;

use super::{ETHERNET_LEN, MacAddr, Malformed, bytes, ethernet};

pub(crate) const ETHER_TYPE: u16 = 0x0806;
const REQUEST: u16 = 1;
const REPLY: u16 = 2;
/// Hardware type Ethernet, protocol type IPv4, and the lengths of their addresses.
const ETHERNET_AND_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What an ARP packet asks or says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) is_request: bool,
    pub(crate) sender_mac: MacAddr,
    /// 0.0.0.0 in a probe (RFC 5227, 1.1).
    pub(crate) sender_ip: Ipv4Addr,
    pub(crate) target_ip: Ipv4Addr,
}

/// Reads a frame whose EtherType is ARP's.
pub(crate) fn decode(frame: &[u8]) -> Result<Arp, Malformed> {
    let at = ETHERNET_LEN;
    if bytes::<6>(frame, at)? != ETHERNET_AND_IPV4 {
        return Err(Malformed::Field);
    }
    let is_request = match u16::from_be_bytes(bytes(frame, at + 6)?) {
        REQUEST => true,
        REPLY => false,
        _ => return Err(Malformed::Field),
    };
    let sender_mac = MacAddr(bytes(frame, at + 8)?);
    let sender_ip = Ipv4Addr::from(bytes::<4>(frame, at + 14)?);
    let target_ip = Ipv4Addr::from(bytes::<4>(frame, at + 24)?);
    if !sender_mac.is_unicast() {
        return Err(Malformed::LinkLayerAddress);
    }
    Ok(Arp { is_request, sender_mac, sender_ip, target_ip })
}

/// `address` is at `mac`, said to whoever asked.
pub(crate) fn reply(address: Ipv4Addr, mac: MacAddr, request: &Arp) -> Vec<u8> {
    let to = (request.sender_mac, request.sender_ip);
    encode(request.sender_mac, REPLY, (mac, address), to)
}

/// Says to all that `address` is at `mac` now: an ARP announcement (RFC 5227, 2.3), and the same as a
/// reply, for those who only believe replies. Both, because no RFC settled it and hosts differ.
pub(crate) fn announcements(address: Ipv4Addr, mac: MacAddr) -> [Vec<u8>; 2] {
    let sender = (mac, address);
    [
        encode(MacAddr::BROADCAST, REQUEST, sender, (MacAddr([0; 6]), address)),
        encode(MacAddr::BROADCAST, REPLY, sender, (MacAddr::BROADCAST, address)),
    ]
}

fn encode(
    destination: MacAddr,
    operation: u16,
    sender: (MacAddr, Ipv4Addr),
    target: (MacAddr, Ipv4Addr),
) -> Vec<u8> {
    let mut frame = ethernet(destination, sender.0, ETHER_TYPE);
    frame.extend_from_slice(&ETHERNET_AND_IPV4);
    frame.extend_from_slice(&operation.to_be_bytes());
    for (mac, ip) in [sender, target] {
        frame.extend_from_slice(&mac.0);
        frame.extend_from_slice(&ip.octets());
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Linux sent to find 192.0.2.50 from 02:00:00:00:00:09 at 192.0.2.9.
    const REQUEST_FRAME: [u8; 42] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x09, 0x08, 0x06, //
        0, 1, 8, 0, 6, 4, 0, 1, //
        0x02, 0, 0, 0, 0, 0x09, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 192, 0, 2, 50,
    ];
    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn a_request_is_answered_to_its_sender() {
        let request = decode(&REQUEST_FRAME).unwrap();
        assert!(request.is_request);
        assert_eq!(request.target_ip, Ipv4Addr::new(192, 0, 2, 50));
        let reply = reply(request.target_ip, MAC, &request);
        let expected = [
            0x02, 0, 0, 0, 0, 0x09, 0x02, 0, 0, 0, 0, 0x01, 0x08, 0x06, //
            0, 1, 8, 0, 6, 4, 0, 2, //
            0x02, 0, 0, 0, 0, 0x01, 192, 0, 2, 50, 0x02, 0, 0, 0, 0, 0x09, 192, 0, 2, 9,
        ];
        assert_eq!(reply, expected);
    }

    #[test]
    fn an_announcement_names_the_address_as_sender_and_target() {
        let address = Ipv4Addr::new(192, 0, 2, 50);
        let [request, reply] = announcements(address, MAC).map(|frame| decode(&frame).unwrap());
        assert!(request.is_request && !reply.is_request);
        for said in [request, reply] {
            assert_eq!((said.sender_ip, said.target_ip), (address, address));
            assert_eq!(said.sender_mac, MAC);
        }
    }

    #[test]
    fn what_is_no_arp_for_ipv4_on_ethernet_is_refused() {
        for (at, value) in [(15, 6), (17, 1), (18, 8), (19, 16), (21, 9)] {
            let mut frame = REQUEST_FRAME;
            frame[at] = value;
            assert_eq!(decode(&frame), Err(Malformed::Field), "byte {at}");
        }
        let mut frame = REQUEST_FRAME;
        frame[22] = 0xff;
        assert_eq!(decode(&frame), Err(Malformed::LinkLayerAddress));
        for len in 0..REQUEST_FRAME.len() {
            assert_eq!(decode(&REQUEST_FRAME[..len]), Err(Malformed::Truncated), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_decoder(frame in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&frame);
        }
    }
}
