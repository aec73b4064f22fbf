//! The latest batches, shared by all watchers of an engine that has no history of its own.
//!
//! A watcher is a cursor: it holds no queue, and a slow one falls off the end instead of slowing writers.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Batch, Change, Revision, StoreError, WatchError, Watcher};

/// Batches held for watchers that are a little behind.
const BATCHES_MAX: usize = 4096;
/// Bytes of keys and values held.
const BYTES_MAX: usize = 4 << 20;
/// Batches that a watcher takes at a time.
const TAKE_MAX: usize = 256;

/// Written by the committing thread, read by watchers.
pub(crate) struct History {
    ring: Mutex<Ring>,
    /// The newest revision in `ring`; changed after it, so that who sees it finds the batch.
    newest: watch::Sender<Revision>,
}

struct Ring {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Everything after this revision is held.
    oldest: Revision,
    closed: bool,
}

impl History {
    /// Begins after a revision: what was before is not held.
    pub(crate) fn after(revision: Revision) -> Arc<Self> {
        let ring = Ring { batches: VecDeque::new(), bytes: 0, oldest: revision, closed: false };
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
            while ring.batches.len() > BATCHES_MAX || ring.bytes > BYTES_MAX {
                ring.drop_oldest();
            }
            ring.batches.back().map_or(ring.oldest, |batch| batch.revision)
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
        Cursor { newest: self.newest.subscribe(), history: Arc::clone(self), prefix, after }
    }
}

impl Ring {
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
    newest: watch::Receiver<Revision>,
    prefix: Bytes,
    /// Everything up to this revision has been returned.
    after: Revision,
}

#[async_trait]
impl Watcher for Cursor {
    async fn next(&mut self) -> Result<Vec<Batch>, WatchError> {
        loop {
            self.newest.borrow_and_update();
            let (batches, reached) = self.history.ring.lock().take(&self.prefix, self.after)?;
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
        history.publish((6..6 + BATCHES_MAX as u64 + 1).map(|revision| batch(revision, "k")));
        assert!(matches!(slow.next().await, Err(WatchError::Compacted { after: 5, oldest: 6 })));
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
