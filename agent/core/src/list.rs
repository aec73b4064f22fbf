//! One list of backends in `SLOTS`, edited in place: a change costs as many writes as entries differ.
//!
//! A list has some room behind its end. Entries that go are replaced by such as come, or by the last ones;
//! others are appended. Only when the room is used up does a list move, to a range with a quarter more than
//! it needs, so that moving is rare however it grows. Why readers may watch: see [`crate::diff`].

use std::collections::HashSet;

use sheave_abi::service::SlotRange;

use crate::held::BackendId;
use crate::retirement::Retirement;
use crate::slots::FreeSlots;

/// A list, and the slots it has.
#[derive(Debug, Default)]
pub(crate) struct List {
    start: u32,
    room: u32,
    ids: Vec<BackendId>,
}

/// Where lists are written.
pub(crate) struct Paper<'a> {
    pub(crate) free: &'a mut FreeSlots,
    pub(crate) retirement: &'a mut Retirement,
    pub(crate) writes: &'a mut Vec<(u32, BackendId)>,
}

/// A list with more room than this that uses less than an eighth of it moves to a smaller place.
const ROOM_NEVER_LEFT: usize = 64;

fn room_for(len: usize) -> u32 {
    u32::try_from((len + len / 4).next_multiple_of(4)).unwrap_or(u32::MAX)
}

impl List {
    /// A list that the maps hold at `start`, and as much of the room behind it as is free.
    pub(crate) fn adopted(start: u32, ids: Vec<BackendId>, free: &mut FreeSlots) -> Self {
        let len = ids.len() as u32;
        let slack = free.take_at(start + len, room_for(ids.len()).saturating_sub(len));
        Self { start, room: len + slack, ids }
    }

    /// A table that the maps hold at `start`: it has no room to grow.
    pub(crate) fn adopted_table(start: u32, ids: Vec<BackendId>) -> Self {
        Self { start, room: ids.len() as u32, ids }
    }

    /// What frontends are to lead to.
    pub(crate) fn range(&self) -> SlotRange {
        if self.ids.is_empty() {
            return SlotRange::default();
        }
        SlotRange { start: self.start, len: self.ids.len() as u32 }
    }

    /// True when it has no entries.
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Makes it a list of `wanted`, each once, in any order. Says how many found no room.
    pub(crate) fn set(&mut self, wanted: &[BackendId], paper: &mut Paper<'_>) -> usize {
        if wanted.is_empty() {
            self.leave(paper);
            return 0;
        }
        let room = self.room as usize;
        let is_wasteful = room > ROOM_NEVER_LEFT && wanted.len() * 8 < room;
        if wanted.len() > room || is_wasteful {
            let len = wanted.len() as u32;
            let mut range = paper.free.take(room_for(wanted.len()));
            if range.is_none() && room == 0 {
                range = paper.free.take_most(len);
            }
            if let Some(range) = range.or_else(|| paper.free.take(len)) {
                let fits = wanted.len().min(range.len as usize);
                self.move_to(range, &wanted[..fits], paper);
                return wanted.len() - fits;
            }
        }
        self.edit(wanted, paper);
        wanted.len() - self.ids.len()
    }

    /// Makes it a table of exactly `wanted`, in this order. False when there is no room; it is as before
    /// then. A table leaves half of all slots to lists.
    pub(crate) fn set_table(
        &mut self,
        wanted: &[BackendId],
        slots: u32,
        paper: &mut Paper<'_>,
    ) -> bool {
        let size = wanted.len() as u32;
        if self.ids.len() == wanted.len() {
            for (at, id) in wanted.iter().enumerate() {
                self.put(at, *id, paper);
            }
            return true;
        }
        if paper.free.total().saturating_sub(size) < slots / 2 {
            return false;
        }
        let Some(range) = paper.free.take(size) else { return false };
        self.move_to(range, wanted, paper);
        true
    }

    /// Gives all slots back, once readers have ended.
    pub(crate) fn leave(&mut self, paper: &mut Paper<'_>) {
        paper.retirement.slots(SlotRange { start: self.start, len: self.room });
        *self = Self::default();
    }

    fn move_to(&mut self, range: SlotRange, wanted: &[BackendId], paper: &mut Paper<'_>) {
        self.leave(paper);
        paper.writes.extend((range.start..).zip(wanted.iter().copied()));
        *self = Self { start: range.start, room: range.len, ids: wanted.to_vec() };
    }

    fn put(&mut self, at: usize, id: BackendId, paper: &mut Paper<'_>) {
        if self.ids[at] != id {
            self.ids[at] = id;
            paper.writes.push((self.start + at as u32, id));
        }
    }

    /// In place, as far as there is room. What is there twice (a crash while the list shrank) or is not
    /// wanted is a gap.
    fn edit(&mut self, wanted: &[BackendId], paper: &mut Paper<'_>) {
        let (gaps, new) = self.compare(wanted);
        let kept = self.ids.len() - gaps.len();
        let fits = (self.room as usize).saturating_sub(kept);
        let mut new = new.into_iter().take(fits);
        let mut open = Vec::new();
        for gap in gaps {
            match new.next() {
                Some(id) => self.put(gap, id, paper),
                None => open.push(gap),
            }
        }
        for id in new {
            paper.writes.push((self.start + self.ids.len() as u32, id));
            self.ids.push(id);
        }
        self.close(&open, paper);
    }

    /// Where an entry is not wanted or there twice, and the wanted ones that are not there.
    fn compare(&self, wanted: &[BackendId]) -> (Vec<usize>, Vec<BackendId>) {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        let mut held: Vec<(BackendId, usize)> =
            self.ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        held.sort_unstable();
        let (mut gaps, mut new) = (Vec::new(), Vec::new());
        let mut wanted = wanted.into_iter().peekable();
        for (id, at) in held {
            new.extend(std::iter::from_fn(|| wanted.next_if(|wanted| *wanted < id)));
            if wanted.next_if_eq(&id).is_none() {
                gaps.push(at);
            }
        }
        new.extend(wanted);
        gaps.sort_unstable();
        (gaps, new)
    }

    /// Fills gaps with the last entries, and ends before those.
    fn close(&mut self, gaps: &[usize], paper: &mut Paper<'_>) {
        let len = self.ids.len() - gaps.len();
        let behind: HashSet<usize> = gaps.iter().copied().filter(|at| *at >= len).collect();
        let last: Vec<BackendId> = (len..self.ids.len())
            .filter(|at| !behind.contains(at))
            .map(|at| self.ids[at])
            .collect();
        for (gap, id) in gaps.iter().zip(last) {
            self.put(*gap, id, paper);
        }
        self.ids.truncate(len);
    }
}
