//! Bytes and revisions: get, list, compare-and-write, watch, compact. Knows no kind.
//!
//! [`Store`] is the contract, with etcd's meaning of a revision: one global order; every
//! transaction that writes takes the next one; numbers may be skipped and are never used twice, not
//! even after a crash. [`EmbeddedStore`] keeps it in one file. Nothing here caches objects for
//! readers: the registry does.

mod embedded;
mod history;
mod transaction;
mod watch;

use async_trait::async_trait;
use bytes::Bytes;

pub use embedded::{EmbeddedStore, OpenError};
pub use transaction::{CommitError, Durability, Expectation, Transaction, Write};
pub use watch::{Batch, Change, WatchError, Watcher};

/// A point in the one order of all writes. 0 is before everything.
pub type Revision = u64;

/// The longest key.
pub const KEY_BYTES_MAX: usize = 1024;
/// The largest value: etcd's default limit of a request.
pub const VALUE_BYTES_MAX: usize = 1_572_864;

/// A key's newest value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: Bytes,
    /// The revision of the last write to this key.
    pub revision: Revision,
    /// The value.
    pub value: Bytes,
}

/// All entries below a prefix at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In key order.
    pub entries: Vec<Entry>,
    /// The store's revision at that moment: watch from here to miss nothing.
    pub revision: Revision,
}

/// Why the store could not answer. Nothing was changed unless [`CommitError`] says otherwise.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed; the text is the engine's. It is tried again with the next request.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// A durable map of bytes to bytes with revisions.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The newest value of a key.
    async fn get(&self, key: &[u8]) -> Result<Option<Entry>, StoreError>;

    /// Everything below a prefix.
    async fn list(&self, prefix: &[u8]) -> Result<Listing, StoreError>;

    /// Writes all of a transaction if all that it expects is so, or nothing. Returns its revision
    /// once the write is as durable as was asked.
    async fn commit(
        &self,
        transaction: Transaction,
        durability: Durability,
    ) -> Result<Revision, CommitError>;

    /// Every change after `after` below a prefix, in order, none skipped and none repeated.
    fn watch(&self, prefix: &[u8], after: Revision) -> Box<dyn Watcher>;

    /// Forgets the changes up to a revision; a watch from before gets [`WatchError::Compacted`].
    async fn compact(&self, revision: Revision) -> Result<(), StoreError>;

    /// Makes every acknowledged write durable, the relaxed ones too, and refuses what comes later.
    async fn close(&self) -> Result<(), StoreError>;
}
