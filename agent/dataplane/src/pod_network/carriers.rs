//! The numbers by which flows keep the nodes that packets come from. A node keeps its number as long as it is
//! there: flows outlive an agent.

use std::collections::{BTreeMap, BTreeSet};

use sheave_abi::order::Addr;

/// Numbers for all of `wanted`, from 1 up: those they have, `held`, where `named` has the same node for the number,
/// and the lowest free ones for others. As many as there is room for.
pub(super) fn numbered(
    wanted: &BTreeSet<Addr>,
    held: &BTreeMap<Addr, u32>,
    named: impl Fn(u32) -> Option<Addr>,
    max: u32,
) -> BTreeMap<Addr, u32> {
    let kept = |addr: &Addr| {
        let number = *held.get(addr)?;
        (number != 0 && named(number) == Some(*addr)).then_some((*addr, number))
    };
    let mut numbers: BTreeMap<Addr, u32> = wanted.iter().filter_map(kept).collect();
    let taken: BTreeSet<u32> = numbers.values().copied().collect();
    let mut free = (1..max).filter(|number| !taken.contains(number));
    for addr in wanted {
        if !numbers.contains_key(addr)
            && let Some(number) = free.next()
        {
            numbers.insert(*addr, number);
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(last: u8) -> Addr {
        Addr::v4([192, 0, 2, last])
    }

    fn of(nodes: &[u8], held: &[(u8, u32)], named: &[(u32, u8)], max: u32) -> Vec<(u8, u32)> {
        let wanted = nodes.iter().map(|last| node(*last)).collect();
        let held = held.iter().map(|(last, number)| (node(*last), *number)).collect();
        let name = |number| named.iter().find(|(n, _)| *n == number).map(|(_, last)| node(*last));
        let numbers = numbered(&wanted, &held, name, max);
        numbers.into_iter().map(|(addr, number)| (addr.v4_octets()[3], number)).collect()
    }

    #[test]
    fn nodes_keep_their_numbers_and_new_ones_get_free_ones() {
        assert_eq!(of(&[1, 2], &[], &[], 10), [(1, 1), (2, 2)]);
        let held = [(1, 1), (2, 2), (3, 3)];
        let named = [(1, 1), (2, 2), (3, 3)];
        assert_eq!(of(&[2, 3, 4], &held, &named, 10), [(2, 2), (3, 3), (4, 1)]);
    }

    #[test]
    fn numbers_that_name_nobody_or_another_are_given_anew() {
        // As a version that knew no numbers has left them.
        assert_eq!(of(&[1, 2], &[(1, 1), (2, 1)], &[], 10), [(1, 1), (2, 2)]);
        assert_eq!(of(&[1, 2], &[(1, 1), (2, 1)], &[(1, 2)], 10), [(1, 2), (2, 1)]);
        assert_eq!(of(&[1], &[(1, 0)], &[(0, 1)], 10), [(1, 1)]);
    }

    #[test]
    fn there_are_no_more_than_fit() {
        assert_eq!(of(&[1, 2, 3], &[(3, 2)], &[(2, 3)], 3), [(1, 1), (3, 2)]);
    }
}
