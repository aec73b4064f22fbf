//! Who is first for an address: rendezvous hashing (highest random weight) over the nodes that could
//! announce it.
//!
//! A pure function of names and the address, the same on every node, in every version and on every
//! machine: nodes that know the same candidates agree without talking, a node that goes moves nothing but
//! what it had, and addresses spread evenly.

use std::cmp::Ordering;
use std::net::IpAddr;

/// Compares two nodes for an address: greater is the one that should announce it.
pub(crate) fn compare(address: IpAddr, a: &str, b: &str) -> Ordering {
    // Equal weights of different names are one in 2^64; the names decide then.
    (weight(address, a), a).cmp(&(weight(address, b), b))
}

/// The weight of a node for an address: FNV-1a over name and address, then a finalizer that spreads the
/// difference of a last byte over all bits.
fn weight(address: IpAddr, node: &str) -> u64 {
    let hash = match address {
        IpAddr::V4(v4) => fnv1a(fnv1a(FNV_OFFSET, node.as_bytes()), &v4.octets()),
        IpAddr::V6(v6) => fnv1a(fnv1a(FNV_OFFSET, node.as_bytes()), &v6.octets()),
    };
    mix(hash)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn fnv1a(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// The finalizer of SplitMix64.
pub(crate) fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    fn owner<'a>(address: IpAddr, nodes: &[&'a str]) -> Option<&'a str> {
        nodes.iter().copied().max_by(|a, b| compare(address, a, b))
    }

    fn addresses() -> impl Iterator<Item = IpAddr> {
        (0..1000_u32).map(|n| Ipv4Addr::from(0xc000_0200 + n).into())
    }

    proptest! {
        #[test]
        fn the_order_in_which_nodes_are_heard_of_does_not_matter(
            address in any::<IpAddr>(),
            mut nodes in prop::collection::btree_set("[a-z]{1,8}", 1..12)
                .prop_map(|nodes| nodes.into_iter().collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let shuffled: Vec<&str> = nodes.iter().map(String::as_str).collect();
            let first = owner(address, &shuffled).map(str::to_owned);
            nodes.sort();
            let sorted: Vec<&str> = nodes.iter().map(String::as_str).collect();
            prop_assert_eq!(first.as_deref(), owner(address, &sorted));
        }

        #[test]
        fn a_death_moves_nothing_but_what_the_dead_had(
            address in any::<IpAddr>(),
            nodes in prop::collection::btree_set("[a-z]{1,8}", 2..12),
        ) {
            let all: Vec<&str> = nodes.iter().map(String::as_str).collect();
            let before = owner(address, &all).unwrap();
            for dead in &all {
                let live: Vec<&str> = all.iter().copied().filter(|node| node != dead).collect();
                if *dead != before {
                    prop_assert_eq!(owner(address, &live), Some(before));
                }
            }
        }
    }

    #[test]
    fn addresses_in_a_row_spread_evenly_over_nodes_with_similar_names() {
        let nodes = ["node-1", "node-2", "node-3", "node-4", "node-5"];
        let mut counts = BTreeMap::new();
        for address in addresses() {
            *counts.entry(owner(address, &nodes).unwrap()).or_insert(0) += 1;
        }
        // 200 each on average, with a standard deviation of 13.
        assert!(counts.values().all(|count| (140..=260).contains(count)), "{counts:?}");
    }

    #[test]
    fn what_the_dead_had_spreads_over_all_that_live() {
        let nodes = ["node-1", "node-2", "node-3", "node-4", "node-5"];
        let mut heirs = BTreeMap::new();
        for address in addresses().filter(|a| owner(*a, &nodes) == Some("node-3")) {
            let live: Vec<&str> = nodes.into_iter().filter(|node| *node != "node-3").collect();
            *heirs.entry(owner(address, &live).unwrap()).or_insert(0) += 1;
        }
        assert!(heirs.len() == 4 && heirs.values().all(|count| *count > 20), "{heirs:?}");
    }

    /// Nodes of different versions must agree: the weights are part of the protocol.
    #[test]
    fn the_weights_never_change() {
        let v4 = "192.0.2.50".parse().unwrap();
        let v6 = "2001:db8::50".parse().unwrap();
        assert_eq!(weight(v4, "node-1"), 0x9d12_d953_f955_bf78);
        assert_eq!(weight(v6, "node-1"), 0x3b69_09c7_f66c_c8f9);
    }
}
