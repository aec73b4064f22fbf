//! What changed, in order.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Revision, StoreError};

/// One key's change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: Bytes,
    /// The new value; `None` if the key was deleted.
    pub value: Option<Bytes>,
}

/// All changes of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The transaction's revision.
    pub revision: Revision,
    /// Its changes below the watched prefix, never empty.
    pub changes: Vec<Change>,
}

/// Why a watch ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WatchError {
    /// The next change is no longer held: list again and watch from there.
    #[error("revision {after} is older than {oldest}, the oldest that a watch can begin after")]
    Compacted {
        /// The revision that the watch was at.
        after: Revision,
        /// The oldest one still possible.
        oldest: Revision,
    },
    /// The store failed or was closed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A running watch.
#[async_trait]
pub trait Watcher: Send {
    /// Waits for the next batches, oldest first; never returns an empty list. Safe to drop and call
    /// again. After an error the watch is over.
    async fn next(&mut self) -> Result<Vec<Batch>, WatchError>;
}
