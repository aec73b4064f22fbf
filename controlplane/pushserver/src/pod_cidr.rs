//! Which part of the pod range a node gets. Pure.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The lowest part of `range` with `prefix_len` that is not in `used`.
///
/// `None` when all are taken, or when `range` is no IPv4 network that holds a part of that size.
pub(crate) fn lowest_free(range: &str, prefix_len: u8, used: &BTreeSet<String>) -> Option<String> {
    let (base, range_len) = range.split_once('/')?;
    let base: Ipv4Addr = base.parse().ok()?;
    let range_len: u8 = range_len.parse().ok()?;
    if prefix_len < range_len || prefix_len > 30 {
        return None;
    }
    let parts = 1u32.checked_shl(u32::from(prefix_len - range_len))?;
    let size = 1u32 << (32 - prefix_len);
    (0..parts)
        .map(|i| format!("{}/{prefix_len}", Ipv4Addr::from(u32::from(base) + i * size)))
        .find(|candidate| !used.contains(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_given_from_the_bottom_and_run_out() {
        let mut used = BTreeSet::new();
        for expected in ["10.244.0.0/25", "10.244.0.128/25"] {
            let part = lowest_free("10.244.0.0/24", 25, &used).unwrap();
            assert_eq!(part, expected);
            used.insert(part);
        }
        assert_eq!(lowest_free("10.244.0.0/24", 25, &used), None);
        used.remove("10.244.0.0/25");
        assert_eq!(lowest_free("10.244.0.0/24", 25, &used).unwrap(), "10.244.0.0/25");
    }

    #[test]
    fn a_range_smaller_than_a_part_has_none() {
        assert_eq!(lowest_free("10.244.0.0/26", 24, &BTreeSet::new()), None);
        assert_eq!(lowest_free("nonsense", 24, &BTreeSet::new()), None);
    }
}
