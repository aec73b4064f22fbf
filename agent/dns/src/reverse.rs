//! Names of addresses: `in-addr.arpa` (RFC 1035, 3.5) and `ip6.arpa` (RFC 3596, 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::Name;

/// The address that a name is of; nothing when it is of none, or of a part of one.
pub(crate) fn address(name: &Name) -> Option<IpAddr> {
    let mut labels = name.iter().rev();
    if !labels.next()?.eq_ignore_ascii_case(b"arpa") {
        return None;
    }
    let family = labels.next()?;
    if family.eq_ignore_ascii_case(b"in-addr") && labels.len() == 4 {
        let mut octets = [0; 4];
        for (octet, label) in octets.iter_mut().zip(labels) {
            *octet = decimal(label)?;
        }
        return Some(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    if family.eq_ignore_ascii_case(b"ip6") && labels.len() == 32 {
        let mut bits = 0;
        for label in labels {
            let [digit] = label else { return None };
            bits = bits << 4 | u128::from(char::from(*digit).to_digit(16)?);
        }
        return Some(IpAddr::V6(Ipv6Addr::from_bits(bits)));
    }
    None
}

/// As addresses are written: without a sign, and without zeros before.
fn decimal(label: &[u8]) -> Option<u8> {
    let is_number = label.iter().all(u8::is_ascii_digit) && (label.len() == 1 || label[0] != b'0');
    std::str::from_utf8(label).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_of_addresses_lead_back(v4: u32, v6: u128) {
            for ip in [IpAddr::from(v4.to_be_bytes()), IpAddr::from(v6.to_be_bytes())] {
                prop_assert_eq!(address(&Name::from(ip)), Some(ip));
            }
        }
    }

    #[test]
    fn what_is_no_whole_address_is_none() {
        for text in [
            "arpa.",
            "10.in-addr.arpa.",
            "1.1.1.1.1.in-addr.arpa.",
            "256.0.0.10.in-addr.arpa.",
            "01.0.0.10.in-addr.arpa.",
            "+1.0.0.10.in-addr.arpa.",
            "1.0.0.10.in-addr.example.",
        ] {
            let labels = text.trim_end_matches('.').split('.').map(str::as_bytes);
            assert_eq!(address(&Name::from_labels(labels).unwrap()), None, "{text}");
        }
    }
}
