//! What waits until readers have ended: see [`crate::diff`], 4.
//!
//! Whatever is left behind waits in `next`. When somebody begins to wait for the readers of that moment, it
//! moves to `now`; when they have ended, `now` is done. What is left meanwhile waits for the next time.

use std::collections::BTreeMap;

use sheave_abi::service::{SlotRange, SourceRange};

use crate::held::BackendId;

/// Proof that somebody has begun to wait for the readers of a moment.
#[derive(Debug)]
#[must_use = "what retires is written when readers have ended"]
pub struct Grace {
    pub(crate) engine: u64,
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(crate) struct Retirement {
    next: Waiting,
    now: Waiting,
}

/// What waits for the same readers.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// The state each will have.
    pub(crate) backends: BTreeMap<BackendId, u16>,
    /// Left by lists.
    pub(crate) slots: Vec<SlotRange>,
    /// To be removed.
    pub(crate) sources: Vec<SourceRange>,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.backends.is_empty() && self.slots.is_empty() && self.sources.is_empty()
    }
}

impl Retirement {
    /// `id` will have `state`.
    pub(crate) fn backend(&mut self, id: BackendId, state: u16) {
        if self.state_of(id) != Some(state) {
            self.keep(id);
            self.next.backends.insert(id, state);
        }
    }

    /// `id` stays what it is.
    pub(crate) fn keep(&mut self, id: BackendId) {
        self.now.backends.remove(&id);
        self.next.backends.remove(&id);
    }

    /// The state that `id` will have, if another than now.
    pub(crate) fn state_of(&self, id: BackendId) -> Option<u16> {
        self.next.backends.get(&id).or_else(|| self.now.backends.get(&id)).copied()
    }

    /// No frontend leads to these slots any more.
    pub(crate) fn slots(&mut self, range: SlotRange) {
        if range.len > 0 {
            self.next.slots.push(range);
        }
    }

    /// No frontend asks for this source any more.
    pub(crate) fn source(&mut self, source: SourceRange) {
        self.next.sources.push(source);
    }

    /// `source` is wanted again. True when it is still there.
    pub(crate) fn keep_source(&mut self, source: &SourceRange) -> bool {
        let before = self.next.sources.len() + self.now.sources.len();
        self.next.sources.retain(|s| s != source);
        self.now.sources.retain(|s| s != source);
        self.next.sources.len() + self.now.sources.len() < before
    }

    /// The wait for the readers of this moment begins; false when nothing waits for it, or when the wait
    /// before has not ended.
    pub(crate) fn begin(&mut self) -> bool {
        if !self.now.is_empty() || self.next.is_empty() {
            return false;
        }
        self.now = std::mem::take(&mut self.next);
        true
    }

    /// The readers have ended.
    pub(crate) fn end(&mut self) -> Waiting {
        std::mem::take(&mut self.now)
    }
}
