//! Maglev hashing (Eisenbud et al., NSDI 2016, section 3.4): a table of backends that is the same on every
//! node and after every restart, and that changes little when a backend comes or goes.
//!
//! Each backend has a permutation of the table's entries, made from a hash of its address and port and of
//! nothing else: not of ids, nor of the order in which backends came. In turns, each takes the next entry
//! of its permutation that is free. All have equally many entries, but for one.
//!
//! The hash is FNV-1a over the 18 bytes of address and port in network order, then the finalizer of
//! SplitMix64. It is part of the contract between versions: changing it moves flows during an upgrade.

use crate::plan::BackendAddr;

/// Sizes of tables. Primes, for only then is every step a permutation.
pub const SIZES: [u32; 7] = [251, 509, 1021, 2039, 4093, 8191, 16381];

/// Entries a backend should have, for the shares to be even to a percent.
const ENTRIES_A_BACKEND: u32 = 100;

/// The sizes that suit a list of `backends`, the best first: the smallest that is even to a percent, or the
/// largest there is, then smaller ones. None for a list too short or too long for a table; a backend has at
/// least two entries.
pub fn sizes(backends: usize) -> impl Iterator<Item = u32> {
    let backends = u32::try_from(backends).unwrap_or(u32::MAX);
    let even = backends.saturating_mul(ENTRIES_A_BACKEND);
    let best = SIZES.iter().position(|size| *size >= even).unwrap_or(SIZES.len() - 1);
    let suits = move |size: &u32| backends > 1 && *size / 2 >= backends;
    SIZES[..=best].iter().rev().copied().filter(suits)
}

/// The table of `size` entries for a sorted list: indexes of the list. `size` is one of [`sizes`].
pub fn table(backends: &[BackendAddr], size: u32) -> Vec<u32> {
    const FREE: u32 = u32::MAX;
    let mut turns: Vec<Turn> = backends.iter().map(|backend| Turn::of(backend, size)).collect();
    let mut entries = vec![FREE; size as usize];
    let mut filled = 0;
    loop {
        for (index, turn) in (0u32..).zip(&mut turns) {
            while entries[turn.at as usize] != FREE {
                turn.step(size);
            }
            entries[turn.at as usize] = index;
            filled += 1;
            if filled == size {
                return entries;
            }
        }
    }
}

/// Where a backend is in its permutation.
struct Turn {
    at: u32,
    skip: u32,
}

impl Turn {
    fn of(backend: &BackendAddr, size: u32) -> Self {
        let first = hash(backend);
        let second = finalize(first);
        let at = (first % u64::from(size)) as u32;
        let skip = (second % u64::from(size - 1)) as u32 + 1;
        Self { at, skip }
    }

    fn step(&mut self, size: u32) {
        // Both are below `size`, which is far below 2^31.
        self.at += self.skip;
        if self.at >= size {
            self.at -= size;
        }
    }
}

fn hash(backend: &BackendAddr) -> u64 {
    let octets = backend.addr.octets();
    let bytes = octets.iter().chain(&backend.port.0);
    let fnv = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    finalize(fnv)
}

/// SplitMix64's next number after `state`.
fn finalize(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use sheave_abi::order::{Addr, Be16};

    use super::*;

    fn backends(count: usize) -> impl Strategy<Value = Vec<BackendAddr>> {
        let pod = (any::<u16>(), 1u16..3).prop_map(|(host, port)| {
            let [a, b] = host.to_be_bytes();
            BackendAddr { addr: Addr::v4([10, 244, a, b]), port: Be16::new(8080 + port) }
        });
        prop::collection::btree_set(pod, 2..count).prop_map(|set| set.into_iter().collect())
    }

    fn best(count: usize) -> u32 {
        sizes(count).next().unwrap()
    }

    fn shares(entries: &[u32], backends: usize) -> Vec<u32> {
        let mut shares = vec![0; backends];
        entries.iter().for_each(|index| shares[*index as usize] += 1);
        shares
    }

    proptest! {
        #[test]
        fn every_backend_has_its_share(list in backends(150)) {
            let size = best(list.len());
            let shares = shares(&table(&list, size), list.len());
            let (min, max) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
            prop_assert!(max - min <= 1, "{min}..{max}");
            prop_assert!(*max as f64 <= *min as f64 * 1.1);
        }

        #[test]
        fn a_backend_that_goes_moves_few_of_the_others(
            list in backends(150),
            gone in any::<prop::sample::Index>(),
        ) {
            let gone = gone.index(list.len());
            let size = best(list.len());
            let mut rest = list.clone();
            rest.remove(gone);
            prop_assume!(!rest.is_empty());
            let (before, after) = (table(&list, size), table(&rest, size));
            let moved = before.iter().zip(&after).filter(|(before, after)| {
                **before as usize != gone && list[**before as usize] != rest[**after as usize]
            });
            let moved = moved.count() as f64 / f64::from(size);
            let bound = 3.0 / list.len() as f64;
            prop_assert!(moved < bound, "{moved} of {} backends", list.len());
        }
    }

    #[test]
    fn a_backend_among_many_moves_hardly_any_other() {
        let list: Vec<BackendAddr> = (0..100u8)
            .map(|n| BackendAddr { addr: Addr::v4([10, 244, 0, n]), port: Be16::new(8080) })
            .collect();
        let size = best(list.len());
        let before = table(&list, size);
        let moved = |gone: usize| {
            let mut rest = list.clone();
            rest.remove(gone);
            let after = table(&rest, size);
            let moved = before.iter().zip(&after).filter(|(before, after)| {
                **before as usize != gone && list[**before as usize] != rest[**after as usize]
            });
            moved.count() as f64 / f64::from(size)
        };
        let mean = (0..100).map(moved).sum::<f64>() / 100.0;
        println!("moved beside those of the backend itself: {:.2} %", mean * 100.0);
        assert!(mean < 0.03, "{mean}");
    }

    #[test]
    fn the_table_is_the_one_that_other_versions_build() {
        let backend =
            |last: u8| BackendAddr { addr: Addr::v4([10, 244, 0, last]), port: Be16::new(80) };
        let entries = table(&[backend(5), backend(6), backend(7)], 251);
        assert_eq!(entries[..16], EXPECTED);
    }

    const EXPECTED: [u32; 16] = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 2, 2, 2, 2, 1];

    #[test]
    fn sizes_fit_the_list() {
        let all = |count| sizes(count).collect::<Vec<_>>();
        assert_eq!(all(0), []);
        assert_eq!(all(1), []);
        assert_eq!(all(2), [251]);
        assert_eq!(all(3), [509, 251]);
        assert_eq!(best(163), 16381);
        assert_eq!(all(1000), [16381, 8191, 4093, 2039]);
        assert_eq!(all(8190), [16381]);
        assert_eq!(all(8191), []);
    }

    #[test]
    fn sizes_are_prime() {
        let is_prime = |n: u32| (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
        assert!(SIZES.into_iter().all(is_prime));
        assert_eq!(BTreeSet::from(SIZES).into_iter().collect::<Vec<_>>(), SIZES);
    }
}
