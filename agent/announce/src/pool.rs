//! The addresses that may be announced, as an administrator or the server writes them: `192.0.2.0/28`,
//! `192.0.2.10-192.0.2.20`, `192.0.2.10`.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Addresses of one family from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

/// A text that is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a CIDR or a range of addresses, like 192.0.2.0/28 or 192.0.2.10-192.0.2.20")]
pub struct NoRange;

impl AddressRange {
    /// True if the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && (self.first..=self.last).contains(&address)
    }
}

impl FromStr for AddressRange {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self { first: network.network(), last: network.broadcast() });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let parse = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| NoRange);
        let (first, last) = (parse(first)?, parse(last)?);
        let is_range = first.is_ipv4() == last.is_ipv4() && first <= last;
        is_range.then_some(Self { first, last }).ok_or(NoRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, address: &str) -> bool {
        range.parse::<AddressRange>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn each_form_means_all_its_addresses() {
        assert!(contains("192.0.2.0/28", "192.0.2.15") && !contains("192.0.2.0/28", "192.0.2.16"));
        assert!(contains("192.0.2.5-192.0.2.7", "192.0.2.7"));
        assert!(!contains("192.0.2.5-192.0.2.7", "192.0.2.8"));
        assert!(contains("192.0.2.5", "192.0.2.5") && !contains("192.0.2.5", "192.0.2.6"));
        assert!(contains("2001:db8::/112", "2001:db8::ffff"));
        assert!(!contains("::/0", "192.0.2.1"), "another family");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "192.0.2.9-192.0.2.1", "192.0.2.1-2001:db8::1", "192.0.2.0/33", "pool"] {
            assert_eq!(text.parse::<AddressRange>(), Err(NoRange), "{text}");
        }
    }
}
