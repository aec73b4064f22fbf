//! Which part of the pod range a node gets. Pure.

use std::collections::BTreeSet;

use ipnet::IpNet;

/// The lowest part of `range` with `prefix_len` that is not in `used`.
///
/// `None` when all are taken, or when `range` is no network that holds a part of that size.
pub(crate) fn lowest_free(range: &str, prefix_len: u8, used: &BTreeSet<String>) -> Option<String> {
    let range: IpNet = range.parse().ok()?;
    let mut parts = range.subnets(prefix_len).ok()?.map(|part| part.to_string());
    parts.find(|part| !used.contains(part))
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
    fn ipv6_parts_are_written_as_others_write_them() {
        let used = BTreeSet::from(["fd00:244::/64".to_owned()]);
        assert_eq!(lowest_free("fd00:244::/56", 64, &used).unwrap(), "fd00:244:0:1::/64");
    }

    #[test]
    fn a_range_smaller_than_a_part_has_none() {
        assert_eq!(lowest_free("10.244.0.0/26", 24, &BTreeSet::new()), None);
        assert_eq!(lowest_free("nonsense", 24, &BTreeSet::new()), None);
    }
}
