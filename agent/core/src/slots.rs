//! Free room in `SLOTS`: the smallest free range that fits is taken, so that large ones stay whole.

use std::collections::BTreeSet;

use sheave_abi::service::SlotRange;

/// The ranges that nobody leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FreeSlots {
    /// (length, start): the first that is long enough is the smallest.
    by_len: BTreeSet<(u32, u32)>,
}

impl FreeSlots {
    /// What is left of `slots` beside the ranges in use. Ranges may overlap or repeat.
    pub(crate) fn beside(in_use: &BTreeSet<SlotRange>, slots: u32) -> Self {
        let mut by_len = BTreeSet::new();
        let mut next = 0;
        for range in in_use {
            if range.start > next {
                by_len.insert((range.start - next, next));
            }
            next = next.max(range.start.saturating_add(range.len));
        }
        if next < slots {
            by_len.insert((slots - next, next));
        }
        Self { by_len }
    }

    /// Takes a range of `len` slots, or `None` when no free one is long enough.
    pub(crate) fn take(&mut self, len: u32) -> Option<SlotRange> {
        let (free_len, start) = *self.by_len.range((len, 0)..).next()?;
        self.by_len.remove(&(free_len, start));
        if free_len > len {
            self.by_len.insert((free_len - len, start + len));
        }
        Some(SlotRange { start, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_taken_is_free_and_taken_once(
            in_use in prop::collection::btree_set((0u32..200, 1u32..20), 0..10),
            wanted in prop::collection::vec(1u32..30, 0..20),
        ) {
            let in_use: BTreeSet<SlotRange> =
                in_use.into_iter().map(|(start, len)| SlotRange { start, len }).collect();
            let mut free = FreeSlots::beside(&in_use, 256);
            let mut used = [false; 256];
            for range in &in_use {
                used[range.start as usize..(range.start + range.len) as usize].fill(true);
            }
            for len in wanted {
                let Some(range) = free.take(len) else {
                    let fits = used.split(|used| *used).any(|gap| gap.len() >= len as usize);
                    prop_assert!(!fits, "a gap of {len} is there");
                    continue;
                };
                prop_assert_eq!(range.len, len);
                for slot in range.start..range.start + len {
                    prop_assert!(!used[slot as usize], "slot {slot} given twice");
                    used[slot as usize] = true;
                }
            }
        }
    }
}
