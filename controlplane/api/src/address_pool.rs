//! Ranges of addresses that a cluster may give out, as an administrator writes them: `192.0.2.0/28`,
//! `192.0.2.10-192.0.2.20`, `2001:db8::/112`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// Addresses of one family from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

/// Why a text is no [`AddressRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// Neither form.
    #[error("expected a CIDR or a range of addresses, like 192.0.2.0/28 or 192.0.2.10-192.0.2.20")]
    Syntax,
    /// One end is IPv4, the other IPv6.
    #[error("both ends of a range must be of one address family")]
    Families,
    /// Ends in the wrong order.
    #[error("the first address of a range must not be greater than the last")]
    Order,
}

impl AddressRange {
    /// True if the address is one of these.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.first.is_ipv4() == address.is_ipv4() && (self.first..=self.last).contains(&address)
    }

    /// True if some address is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

impl From<IpNet> for AddressRange {
    /// All addresses of a network, its own and broadcast included.
    fn from(network: IpNet) -> Self {
        Self { first: network.network(), last: network.broadcast() }
    }
}

impl FromStr for AddressRange {
    type Err = BadRange;

    /// Of a CIDR, the addresses that hosts may have: in IPv4 neither the network's own nor the broadcast
    /// address, in IPv6 not the routers' anycast address (RFC 4291, 2.6.1).
    fn from_str(text: &str) -> Result<Self, BadRange> {
        if let Some((first, last)) = text.split_once('-') {
            let address = |text: &str| text.trim().parse().map_err(|_| BadRange::Syntax);
            let (first, last): (IpAddr, IpAddr) = (address(first)?, address(last)?);
            return match first.is_ipv4() == last.is_ipv4() {
                false => Err(BadRange::Families),
                true if first > last => Err(BadRange::Order),
                true => Ok(Self { first, last }),
            };
        }
        let network: IpNet = text.trim().parse().map_err(|_| BadRange::Syntax)?;
        let (first, last) = (network.network(), network.broadcast());
        let has_hosts = network.max_prefix_len() - network.prefix_len() > 1;
        Ok(match (has_hosts, network) {
            (false, _) => Self { first, last },
            (true, IpNet::V4(_)) => Self { first: step(first, 1), last: step(last, -1) },
            (true, IpNet::V6(_)) => Self { first: step(first, 1), last },
        })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(f);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// An address some steps away; wraps, so only for use inside a range.
fn step(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4).wrapping_add_signed(by.into())).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6).wrapping_add_signed(by.into())).into(),
    }
}

/// Addresses to give out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPool {
    /// In the order in which they are used up.
    ranges: Vec<AddressRange>,
}

impl AddressPool {
    /// True if nothing can be given out, ever.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// True if an address of this family can ever be given out.
    pub fn has_family(&self, is_ipv4: bool) -> bool {
        self.ranges.iter().any(|range| range.first.is_ipv4() == is_ipv4)
    }

    /// True if the address may be given out.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(address))
    }

    /// The first range that shares an address with another one.
    pub fn overlapping(&self, other: &AddressRange) -> Option<&AddressRange> {
        self.ranges.iter().find(|range| range.overlaps(other))
    }

    /// Every range.
    pub fn ranges(&self) -> &[AddressRange] {
        &self.ranges
    }

    /// The first address of a family that is not taken, beginning behind `after` and ending there again: so
    /// an address that has just been given back is the last to be given out again.
    pub fn first_free(
        &self,
        is_ipv4: bool,
        after: Option<IpAddr>,
        is_taken: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let of_family = || self.ranges.iter().filter(|range| range.first.is_ipv4() == is_ipv4);
        let behind = after.and_then(|after| {
            let at = of_family().position(|range| range.contains(after))?;
            let range = of_family().nth(at)?;
            let rest = (after != range.last)
                .then(|| AddressRange { first: step(after, 1), last: range.last });
            let free = |range: AddressRange| free_in(range, &is_taken);
            rest.and_then(free).or_else(|| of_family().skip(at + 1).copied().find_map(free))
        });
        behind.or_else(|| of_family().find_map(|range| free_in(*range, &is_taken)))
    }
}

fn free_in(range: AddressRange, is_taken: &impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut address = range.first;
    while is_taken(address) {
        if address == range.last {
            return None;
        }
        address = step(address, 1);
    }
    Some(address)
}

impl FromIterator<AddressRange> for AddressPool {
    fn from_iter<I: IntoIterator<Item = AddressRange>>(ranges: I) -> Self {
        Self { ranges: ranges.into_iter().collect() }
    }
}

impl fmt::Display for AddressPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<_> = self.ranges.iter().map(ToString::to_string).collect();
        f.write_str(&ranges.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> AddressRange {
        text.parse().unwrap()
    }

    fn pool(texts: &[&str]) -> AddressPool {
        texts.iter().map(|text| range(text)).collect()
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn both_forms_are_read() {
        for (text, shown) in [
            ("192.0.2.0/28", "192.0.2.1-192.0.2.14"),
            ("192.0.2.10 - 192.0.2.12", "192.0.2.10-192.0.2.12"),
            ("192.0.2.9/32", "192.0.2.9"),
            ("192.0.2.8/31", "192.0.2.8-192.0.2.9"),
            ("2001:db8::/126", "2001:db8::1-2001:db8::3"),
            ("2001:db8::5/128", "2001:db8::5"),
        ] {
            assert_eq!(range(text).to_string(), shown, "{text}");
        }
        for (text, why) in [
            ("192.0.2.1", BadRange::Syntax),
            ("a-b", BadRange::Syntax),
            ("192.0.2.1-2001:db8::1", BadRange::Families),
            ("192.0.2.2-192.0.2.1", BadRange::Order),
        ] {
            assert_eq!(text.parse::<AddressRange>(), Err(why), "{text}");
        }
    }

    #[test]
    fn families_are_kept_apart() {
        let pool = pool(&["2001:db8::/126", "192.0.2.1-192.0.2.2"]);
        assert!(pool.contains(at("192.0.2.2")) && !pool.contains(at("192.0.2.3")));
        assert_eq!(pool.first_free(true, None, |_| false), Some(at("192.0.2.1")));
        assert_eq!(pool.first_free(false, None, |_| false), Some(at("2001:db8::1")));
        assert!(!range("0.0.0.0-255.255.255.255").contains(at("::1")));
    }

    #[test]
    fn ranges_overlap_wherever_they_meet() {
        let wide = range("192.0.2.0-192.0.2.255");
        for (other, expected) in
            [("192.0.2.255-192.0.3.1", true), ("192.0.2.7/32", true), ("192.0.3.0/24", false)]
        {
            assert_eq!(wide.overlaps(&range(other)), expected, "{other}");
            assert_eq!(range(other).overlaps(&wide), expected, "{other}");
        }
    }

    proptest! {
        /// Taking what is offered gives every address of the pool exactly once, then nothing.
        #[test]
        fn everything_is_given_out_once(starts in prop::collection::vec(0u8..250, 1..4), after: u8) {
            let pool: AddressPool = starts
                .iter()
                .enumerate()
                .map(|(i, start)| {
                    let block = u8::try_from(i).unwrap();
                    range(&format!("10.0.{block}.{start}-10.0.{block}.{}", start + 5))
                })
                .collect();
            let mut taken = BTreeSet::new();
            let mut last = Some(IpAddr::from([10, 0, 0, after]));
            while let Some(free) = pool.first_free(true, last, |a| taken.contains(&a)) {
                prop_assert!(pool.contains(free) && taken.insert(free));
                last = Some(free);
            }
            prop_assert_eq!(taken.len(), starts.len() * 6);
        }
    }
}
