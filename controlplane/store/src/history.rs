//! The latest batches, shared by all watchers of an engine that has no history of its own.
//!
//! A watcher is a cursor: it holds no queue. What a live cursor still has to see is held within
//! wide bounds, so that a burst does not cut it off; what all have seen only within narrow ones, so
//! that nothing much is in memory at rest. A cursor that is too slow falls off the end instead of
//! slowing writers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Batch, Change, Revision, StoreError, WatchError, Watcher};

/// Batches, and bytes of keys and values, held at any rate.
const SEEN_MAX: Limit = Limit { batches: 256, bytes: 256 << 10 };
/// The same, held for live cursors that have not seen them.
const UNSEEN_MAX: Limit = Limit { batches: 65_536, bytes: 32 << 20 };
/// Batches that a watcher takes at a time.
const TAKE_MAX: usize = 256;

/// Written by the committing thread, read by watchers.
pub(crate) struct History {
    ring: Mutex<Ring>,
    /// The newest revision in `ring`; changed after it, so that who sees it finds the batch.
    newest: watch::Sender<Revision>,
}

struct Limit {
    batches: usize,
    bytes: usize,
}

struct Ring {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Everything after this revision is held.
    oldest: Revision,
    /// How far each live cursor is.
    cursors: BTreeMap<u64, Revision>,
    next_cursor: u64,
    closed: bool,
}

impl History {
    /// Begins after a revision: what was before is not held.
    pub(crate) fn after(revision: Revision) -> Arc<Self> {
        let ring = Ring {
            batches: VecDeque::new(),
            bytes: 0,
            oldest: revision,
            cursors: BTreeMap::new(),
            next_cursor: 0,
            closed: false,
        };
        Arc::new(Self { ring: Mutex::new(ring), newest: watch::Sender::new(revision) })
    }

    /// Adds batches in order and wakes the watchers.
    pub(crate) fn publish(&self, batches: impl IntoIterator<Item = Batch>) {
        let newest = {
            let mut ring = self.ring.lock();
            for batch in batches {
                ring.bytes += size_bytes(&batch);
                ring.batches.push_back(batch);
            }
            let newest = ring.batches.back().map_or(ring.oldest, |batch| batch.revision);
            ring.trim();
            newest
        };
        self.newest.send_if_modified(|current| std::mem::replace(current, newest) != newest);
    }

    /// Forgets everything up to a revision.
    pub(crate) fn compact(&self, revision: Revision) {
        let mut ring = self.ring.lock();
        while ring.batches.front().is_some_and(|batch| batch.revision <= revision) {
            ring.drop_oldest();
        }
        let newest = *self.newest.borrow();
        ring.oldest = ring.oldest.max(revision.min(newest));
    }

    /// Ends every watch.
    pub(crate) fn close(&self) {
        self.ring.lock().closed = true;
        self.newest.send_modify(|_| ());
    }

    /// A cursor after a revision.
    pub(crate) fn watch(self: &Arc<Self>, prefix: Bytes, after: Revision) -> Cursor {
        let mut ring = self.ring.lock();
        let id = ring.next_cursor;
        ring.next_cursor += 1;
        ring.cursors.insert(id, after);
        Cursor { newest: self.newest.subscribe(), history: Arc::clone(self), id, prefix, after }
    }
}

impl Limit {
    fn is_exceeded(&self, ring: &Ring) -> bool {
        ring.batches.len() > self.batches || ring.bytes > self.bytes
    }
}

impl Ring {
    fn trim(&mut self) {
        let seen = self.cursors.values().copied().min().unwrap_or(Revision::MAX);
        while SEEN_MAX.is_exceeded(self)
            && self.batches.front().is_some_and(|batch| batch.revision <= seen)
        {
            self.drop_oldest();
        }
        while UNSEEN_MAX.is_exceeded(self) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(batch) = self.batches.pop_front() {
            self.bytes -= size_bytes(&batch);
            self.oldest = batch.revision;
        }
    }

    /// Batches after a revision, at most [`TAKE_MAX`], and the revision reached.
    fn take(&self, prefix: &[u8], after: Revision) -> Result<(Vec<Batch>, Revision), WatchError> {
        if after < self.oldest {
            return Err(WatchError::Compacted { after, oldest: self.oldest });
        }
        if self.closed {
            return Err(StoreError::Closed.into());
        }
        let start = self.batches.partition_point(|batch| batch.revision <= after);
        let mut reached = after;
        let mut taken = Vec::new();
        for batch in self.batches.range(start..).take(TAKE_MAX) {
            reached = batch.revision;
            let below = |change: &&Change| change.key.starts_with(prefix);
            let changes: Vec<_> = batch.changes.iter().filter(below).cloned().collect();
            if !changes.is_empty() {
                taken.push(Batch { revision: batch.revision, changes });
            }
        }
        Ok((taken, reached))
    }
}

/// One watch.
pub(crate) struct Cursor {
    history: Arc<History>,
    id: u64,
    newest: watch::Receiver<Revision>,
    prefix: Bytes,
    /// Everything up to this revision has been returned.
    after: Revision,
}

impl Cursor {
    fn advance(&self) -> Result<(Vec<Batch>, Revision), WatchError> {
        let mut ring = self.history.ring.lock();
        let (batches, reached) = ring.take(&self.prefix, self.after)?;
        ring.cursors.insert(self.id, reached);
        ring.trim();
        Ok((batches, reached))
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let mut ring = self.history.ring.lock();
        ring.cursors.remove(&self.id);
        ring.trim();
    }
}

#[async_trait]
impl Watcher for Cursor {
    async fn next(&mut self) -> Result<Vec<Batch>, WatchError> {
        loop {
            self.newest.borrow_and_update();
            let (batches, reached) = self.advance()?;
            let progressed = reached > self.after;
            self.after = reached;
            if !batches.is_empty() {
                return Ok(batches);
            }
            if !progressed && self.newest.changed().await.is_err() {
                return Err(StoreError::Closed.into());
            }
        }
    }
}

fn size_bytes(batch: &Batch) -> usize {
    batch.changes.iter().map(|c| c.key.len() + c.value.as_ref().map_or(0, Bytes::len)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(revision: Revision, key: &'static str) -> Batch {
        let change = Change { key: Bytes::from(key), value: Some(Bytes::from("v")) };
        Batch { revision, changes: vec![change] }
    }

    #[tokio::test]
    async fn a_cursor_sees_its_prefix_in_order() {
        let history = History::after(5);
        let mut cursor = history.watch(Bytes::from("a/"), 5);
        history.publish([batch(6, "a/1"), batch(7, "b/1"), batch(9, "a/1")]);
        let revisions: Vec<_> =
            cursor.next().await.unwrap().iter().map(|batch| batch.revision).collect();
        assert_eq!(revisions, [6, 9]);
    }

    #[tokio::test]
    async fn what_is_no_longer_held_is_said() {
        let history = History::after(5);
        let before = history.watch(Bytes::new(), 4).next().await;
        assert!(matches!(before, Err(WatchError::Compacted { after: 4, oldest: 5 })));
        let mut slow = history.watch(Bytes::new(), 5);
        let count = UNSEEN_MAX.batches as u64 + 1;
        history.publish((6..6 + count).map(|revision| batch(revision, "k")));
        assert!(matches!(slow.next().await, Err(WatchError::Compacted { after: 5, oldest: 6 })));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_dropped() {
        let history = History::after(0);
        let mut cursor = history.watch(Bytes::new(), 0);
        let held = || history.ring.lock().batches.len();
        history.publish((1..=1000).map(|revision| batch(revision, "k")));
        assert_eq!(held(), 1000, "the cursor has not seen them");
        let mut seen = 0;
        while seen < 1000 {
            seen += cursor.next().await.unwrap().len();
        }
        assert_eq!(held(), SEEN_MAX.batches);
        history.publish((1001..=2000).map(|revision| batch(revision, "k")));
        drop(cursor);
        assert_eq!(held(), SEEN_MAX.batches);
    }

    #[tokio::test]
    async fn compaction_moves_the_beginning() {
        let history = History::after(5);
        history.publish((6..=200).map(|revision| batch(revision, "k")));
        history.compact(100);
        assert!(history.watch(Bytes::new(), 99).next().await.is_err());
        assert_eq!(history.watch(Bytes::new(), 100).next().await.unwrap()[0].revision, 101);
    }

    #[tokio::test]
    async fn closing_ends_a_waiting_watch() {
        let history = History::after(1);
        let mut cursor = history.watch(Bytes::new(), 1);
        let waiting = tokio::spawn(async move { cursor.next().await });
        tokio::task::yield_now().await;
        history.close();
        assert!(matches!(waiting.await.unwrap(), Err(WatchError::Store(StoreError::Closed))));
    }
}
