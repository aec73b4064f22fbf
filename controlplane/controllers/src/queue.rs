//! Dirty keys: each is in the queue once however often it is marked, and comes back later when its
//! reconciliation failed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Keys to reconcile, now or later.
#[derive(Debug)]
pub(crate) struct Queue<K> {
    due: VecDeque<K>,
    marked: BTreeSet<K>,
    later: BTreeMap<K, Instant>,
    failures: BTreeMap<K, u32>,
}

impl<K: Ord + Clone> Queue<K> {
    pub(crate) fn new() -> Self {
        Self {
            due: VecDeque::new(),
            marked: BTreeSet::new(),
            later: BTreeMap::new(),
            failures: BTreeMap::new(),
        }
    }

    /// Marks a key as dirty.
    pub(crate) fn mark(&mut self, key: K) {
        if self.marked.insert(key.clone()) {
            self.due.push_back(key);
        }
    }

    /// Marks a key after a delay; the earlier of two delays counts.
    pub(crate) fn mark_after(&mut self, key: K, delay: Duration) {
        let at = Instant::now() + delay;
        let planned = self.later.entry(key).or_insert(at);
        *planned = at.min(*planned);
    }

    /// Waits until a key is due. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> K {
        loop {
            self.take_elapsed();
            if let Some(key) = self.due.pop_front() {
                self.marked.remove(&key);
                return key;
            }
            match self.later.values().min() {
                Some(at) => tokio::time::sleep_until(*at).await,
                None => std::future::pending().await,
            }
        }
    }

    fn take_elapsed(&mut self) {
        let now = Instant::now();
        let elapsed: Vec<K> =
            self.later.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        for key in elapsed {
            self.later.remove(&key);
            self.mark(key);
        }
    }

    /// The key was reconciled: its next failure is a first one again.
    pub(crate) fn succeeded(&mut self, key: &K) {
        self.failures.remove(key);
    }

    /// The key could not be reconciled: it comes back, later each time.
    pub(crate) fn failed(&mut self, key: K) {
        let failures = self.failures.entry(key.clone()).or_default();
        let delay = BACKOFF_FIRST * 2u32.saturating_pow((*failures).min(16));
        *failures += 1;
        self.mark_after(key, delay.min(BACKOFF_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_due_once_however_often_marked() {
        let mut queue = Queue::new();
        for key in ["a", "b", "a"] {
            queue.mark(key);
        }
        assert_eq!((queue.next().await, queue.next().await), ("a", "b"));
        let none = tokio::time::timeout(Duration::from_secs(1), queue.next()).await;
        assert!(none.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_come_back_later_each_time() {
        let mut queue = Queue::new();
        let mut waits = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            queue.failed("a");
            queue.next().await;
            waits.push(start.elapsed().as_millis());
        }
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
    }
}
