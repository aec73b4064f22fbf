//! A compare-and-write over several keys: all of it happens, at one revision, or nothing.

use bytes::Bytes;

use crate::{Revision, StoreError};

/// What must hold, and what is then written. A key is written at most once.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// All must hold.
    pub expect: Vec<(Bytes, Expectation)>,
    /// All are made.
    pub writes: Vec<(Bytes, Write)>,
}

/// What must be true of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// It does not exist.
    Absent,
    /// It was last written at this revision.
    Revision(Revision),
}

impl Expectation {
    /// True if a key last written at `current`, or absent, is as expected.
    pub fn holds(self, current: Option<Revision>) -> bool {
        match self {
            Self::Absent => current.is_none(),
            Self::Revision(revision) => current == Some(revision),
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the value.
    Put(Bytes),
    /// Removes the key; removing an absent one changes nothing.
    Delete,
}

/// What an acknowledged write means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives kill -9 and power loss.
    Synced,
    /// It is visible and ordered, and becomes durable with the next synced write or a few seconds
    /// later.
    Relaxed,
}

impl Transaction {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition.
    #[must_use]
    pub fn expect(mut self, key: impl Into<Bytes>, expectation: Expectation) -> Self {
        self.expect.push((key.into(), expectation));
        self
    }

    /// Sets a key.
    #[must_use]
    pub fn put(mut self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.writes.push((key.into(), Write::Put(value.into())));
        self
    }

    /// Removes a key.
    #[must_use]
    pub fn delete(mut self, key: impl Into<Bytes>) -> Self {
        self.writes.push((key.into(), Write::Delete));
        self
    }

    /// Bytes of keys and values, for the engine's limits.
    pub(crate) fn size_bytes(&self) -> usize {
        let value = |write: &Write| match write {
            Write::Put(value) => value.len(),
            Write::Delete => 0,
        };
        self.writes.iter().map(|(key, write)| key.len() + value(write)).sum()
    }
}

/// Why a transaction was not acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// The first expectation that does not hold. Nothing was written.
    #[error("key {} is not as expected", String::from_utf8_lossy(.key))]
    Unexpected {
        /// The key.
        key: Bytes,
        /// The revision of its last write; `None` if it does not exist.
        current: Option<Revision>,
    },
    /// A key or value is larger than the store takes. Nothing was written.
    #[error("{what} of {size_bytes} bytes is larger than {limit_bytes}")]
    TooLarge {
        /// `key` or `value`.
        what: &'static str,
        /// Its size.
        size_bytes: usize,
        /// What is allowed.
        limit_bytes: usize,
    },
    /// The write failed, on a full disk for example. It is not acknowledged; a later watch event
    /// tells if it became durable all the same.
    #[error(transparent)]
    Store(#[from] StoreError),
}
