//! Pod addresses: which of a range may be given away, and which is next. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// A range that pods get addresses from. Its network and broadcast address and the first host address
/// (the node's own, for what it must send in the pods' network) are never given to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodRange(IpNet);

/// Why a network is no range for pods.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RangeError {
    /// Almost always a slip.
    #[error("has bits set after the prefix; {0} was meant?")]
    HostBits(IpNet),
    /// Network, broadcast and node address leave too little.
    #[error("too small for pods; the prefix may be at most /{max}")]
    TooSmall {
        /// Longest prefix length that is accepted.
        max: u8,
    },
    /// Would take addresses that mean something else.
    #[error("{0} addresses cannot be given to pods")]
    Special(&'static str),
}

const PREFIX_MAX_V4: u8 = 29;
const PREFIX_MAX_V6: u8 = 120;

impl PodRange {
    /// Accepts a network that pods can live in.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(net: IpNet) -> Result<Self, RangeError> {
        let trunc = net.trunc();
        if trunc != net {
            return Err(RangeError::HostBits(trunc));
        }
        let max = if net.addr().is_ipv4() { PREFIX_MAX_V4 } else { PREFIX_MAX_V6 };
        if net.prefix_len() > max {
            return Err(RangeError::TooSmall { max });
        }
        let overlaps = |text: &str| {
            let other: IpNet = text.parse().expect("a literal of this function");
            net.contains(&other.addr()) || other.contains(&net.addr())
        };
        let special = [
            ("127.0.0.0/8", "loopback"),
            ("169.254.0.0/16", "link-local"),
            ("224.0.0.0/4", "multicast"),
            ("240.0.0.0/4", "reserved"),
            ("0.0.0.0/8", "unspecified"),
            ("::/96", "unspecified, loopback and IPv4-compatible"),
            ("::ffff:0:0/96", "IPv4-mapped"),
            ("fe80::/10", "link-local"),
            ("ff00::/8", "multicast"),
        ];
        match special.into_iter().find(|(text, _)| overlaps(text)) {
            Some((_, what)) => Err(RangeError::Special(what)),
            None => Ok(Self(net)),
        }
    }

    /// The whole network.
    pub fn net(&self) -> IpNet {
        self.0
    }

    /// How many pods fit.
    pub fn capacity(&self) -> u128 {
        last(&self.0) - first(&self.0) + 1
    }

    /// The first free address after `previous`, around the end of the range and on from its start: an
    /// address that was freed is used again as late as possible. `None` when all are taken.
    pub fn next_free(
        &self,
        previous: Option<IpAddr>,
        is_taken: impl Fn(IpAddr) -> bool,
    ) -> Option<IpAddr> {
        let (first, last) = (first(&self.0), last(&self.0));
        let previous = previous.filter(|address| self.0.contains(address)).map(number);
        let start = match previous {
            Some(previous) if previous >= first && previous < last => previous + 1,
            _ => first,
        };
        let address = |number: u128| of_number(number, self.0.addr().is_ipv4());
        (start..=last).chain(first..start).map(address).find(|address| !is_taken(*address))
    }
}

fn first(net: &IpNet) -> u128 {
    number(net.network()) + 2
}

fn last(net: &IpNet) -> u128 {
    // IPv6 has no broadcast; its last address is left out all the same, for one rule.
    number(net.broadcast()) - 1
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn of_number(number: u128, is_v4: bool) -> IpAddr {
    match is_v4 {
        true => {
            let bits = u32::try_from(number).expect("computed from addresses of 32 bits");
            IpAddr::V4(Ipv4Addr::from_bits(bits))
        }
        false => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> PodRange {
        PodRange::new(text.parse().unwrap()).unwrap()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn gives_all_but_network_node_and_broadcast() {
        let range = range("10.0.0.0/29");
        let mut taken = BTreeSet::new();
        let mut previous = None;
        while let Some(next) = range.next_free(previous, |address| taken.contains(&address)) {
            assert!(taken.insert(next));
            previous = Some(next);
        }
        let all: Vec<_> = taken.iter().map(ToString::to_string).collect();
        assert_eq!(all, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        assert_eq!(range.capacity(), 5);
    }

    #[test]
    fn a_freed_address_comes_back_last() {
        let range = range("10.0.0.0/29");
        let previous = Some(address("10.0.0.6"));
        assert_eq!(range.next_free(previous, |_| false), Some(address("10.0.0.2")));
        let previous = Some(address("10.0.0.3"));
        assert_eq!(range.next_free(previous, |_| false), Some(address("10.0.0.4")));
    }

    #[test]
    fn a_previous_address_of_another_range_is_ignored() {
        let previous = Some(address("10.9.9.9"));
        assert_eq!(range("10.0.0.0/29").next_free(previous, |_| false), Some(address("10.0.0.2")));
        assert_eq!(range("fd00::/120").next_free(previous, |_| false), Some(address("fd00::2")));
    }

    #[test]
    fn a_whole_v6_subnet_is_walked_lazily() {
        let previous = Some(address("fd00::ffff:ffff:ffff:fffe"));
        assert_eq!(range("fd00::/64").next_free(previous, |_| false), Some(address("fd00::2")));
    }

    proptest! {
        #[test]
        fn next_is_free_and_inside(
            prefix in 22_u8..=29,
            previous in any::<u32>(),
            taken in prop::collection::btree_set(any::<u16>(), 0..600),
        ) {
            let range = PodRange::new(IpNet::new(address("10.7.0.0"), prefix).unwrap()).unwrap();
            let previous = Some(IpAddr::V4(Ipv4Addr::from_bits(previous)));
            let is_taken = |address: IpAddr| taken.contains(&(number(address) as u16));
            match range.next_free(previous, is_taken) {
                Some(next) => {
                    prop_assert!(range.net().contains(&next) && !is_taken(next));
                    prop_assert!(number(next) >= first(&range.0) && number(next) <= last(&range.0));
                }
                None => {
                    let full = (first(&range.0)..=last(&range.0)).all(|n| taken.contains(&(n as u16)));
                    prop_assert!(full);
                }
            }
        }
    }
}
