//! Free room in `SLOTS`: the smallest free range that fits is taken, so that large ones stay whole.

use std::collections::{BTreeMap, BTreeSet};

use sheave_abi::service::SlotRange;

/// The ranges that nobody leads to. Neighbours are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FreeSlots {
    /// Length by start.
    by_start: BTreeMap<u32, u32>,
    /// (length, start): the first that is long enough is the smallest.
    by_len: BTreeSet<(u32, u32)>,
    /// How many slots are free.
    total: u32,
}

impl FreeSlots {
    /// What is left of `slots` beside the ranges in use. Ranges may overlap or repeat.
    pub(crate) fn beside(in_use: &BTreeSet<SlotRange>, slots: u32) -> Self {
        let mut free = Self { by_start: BTreeMap::new(), by_len: BTreeSet::new(), total: 0 };
        let mut next = 0;
        for range in in_use {
            if range.start > next {
                free.insert(next, range.start - next);
            }
            next = next.max(range.start.saturating_add(range.len));
        }
        if next < slots {
            free.insert(next, slots - next);
        }
        free
    }

    /// How many slots are free.
    pub(crate) fn total(&self) -> u32 {
        self.total
    }

    /// Takes a range of `len` slots, or `None` when no free one is long enough.
    pub(crate) fn take(&mut self, len: u32) -> Option<SlotRange> {
        let (free_len, start) = *self.by_len.range((len, 0)..).next()?;
        self.remove(start, free_len);
        if free_len > len {
            self.insert(start + len, free_len - len);
        }
        Some(SlotRange { start, len })
    }

    /// Takes the largest free range, but no more than `max` slots; `None` when nothing is free.
    pub(crate) fn take_most(&mut self, max: u32) -> Option<SlotRange> {
        let (largest, _) = *self.by_len.last()?;
        self.take(largest.min(max))
    }

    /// Takes up to `max` free slots that begin exactly at `start`; says how many.
    pub(crate) fn take_at(&mut self, start: u32, max: u32) -> u32 {
        let Some(free_len) = self.by_start.get(&start).copied() else { return 0 };
        let taken = free_len.min(max);
        if taken > 0 {
            self.remove(start, free_len);
        }
        if free_len > taken {
            self.insert(start + taken, free_len - taken);
        }
        taken
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, range: SlotRange) {
        let SlotRange { mut start, mut len } = range;
        if len == 0 {
            return;
        }
        if let Some((before, before_len)) = self.by_start.range(..start).next_back()
            && before + before_len == start
        {
            let (before, before_len) = (*before, *before_len);
            self.remove(before, before_len);
            (start, len) = (before, before_len + len);
        }
        if let Some(after_len) = self.by_start.get(&(start + len)).copied() {
            self.remove(start + len, after_len);
            len += after_len;
        }
        self.insert(start, len);
    }

    fn insert(&mut self, start: u32, len: u32) {
        self.by_start.insert(start, len);
        self.by_len.insert((len, start));
        self.total += len;
    }

    fn remove(&mut self, start: u32, len: u32) {
        self.by_start.remove(&start);
        self.by_len.remove(&(len, start));
        self.total -= len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Take(u32),
        Extend(prop::sample::Index, u32),
        Give(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        let index = any::<prop::sample::Index>;
        prop_oneof![
            (1u32..30).prop_map(Step::Take),
            (index(), 1u32..8).prop_map(|(of, max)| Step::Extend(of, max)),
            index().prop_map(Step::Give),
        ]
    }

    proptest! {
        #[test]
        fn what_is_taken_is_free_and_taken_once(
            in_use in prop::collection::btree_set((0u32..200, 1u32..20), 0..10),
            steps in prop::collection::vec(step(), 0..40),
        ) {
            let in_use: BTreeSet<SlotRange> =
                in_use.into_iter().map(|(start, len)| SlotRange { start, len }).collect();
            let mut free = FreeSlots::beside(&in_use, 256);
            let mut used = [false; 256];
            for range in &in_use {
                used[range.start as usize..(range.start + range.len) as usize].fill(true);
            }
            let mut taken: Vec<SlotRange> = Vec::new();
            for step in steps {
                match step {
                    Step::Take(len) => match free.take(len) {
                        None => {
                            let gap = used.split(|used| *used).any(|gap| gap.len() >= len as usize);
                            prop_assert!(!gap, "a gap of {len} is there");
                        }
                        Some(range) => {
                            prop_assert_eq!(range.len, len);
                            taken.push(range);
                        }
                    },
                    Step::Extend(of, max) if !taken.is_empty() => {
                        let of = of.index(taken.len());
                        let start = taken[of].start + taken[of].len;
                        let len = free.take_at(start, max);
                        prop_assert!(len <= max);
                        let next = used.get(start as usize + len as usize);
                        prop_assert!(len == max || next.is_none_or(|used| *used));
                        if len > 0 {
                            taken.push(SlotRange { start, len });
                        }
                    }
                    Step::Give(of) if !taken.is_empty() => {
                        let range = taken.swap_remove(of.index(taken.len()));
                        free.give(range);
                        let gone = range.start as usize..(range.start + range.len) as usize;
                        used[gone].fill(false);
                        continue;
                    }
                    _ => continue,
                }
                if let Some(range) = taken.last() {
                    for slot in range.start..range.start + range.len {
                        // A failed take leaves the last as it was.
                        used[slot as usize] = true;
                    }
                }
                let count = used.iter().filter(|used| !**used).count();
                prop_assert_eq!(free.total() as usize, count);
            }
        }
    }
}
