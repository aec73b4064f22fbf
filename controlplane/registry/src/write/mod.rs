//! Every change, from wherever it comes: one path.
//!
//! ```text
//! authorize -> read the newest state -> prepare (defaults, kept fields) -> admit -> validate
//!           -> one transaction, on the condition that nothing it relied on has changed
//!           -> the cache shows it
//! ```
//!
//! A transaction that finds something changed is tried again from the newest state; only a client
//! that named the revision it started from is told.

mod create;
mod delete;
mod eviction;
mod subresource;
mod update;

use std::time::Duration;

use serde_json::Value;
use sheave_api::kinds::Durability as Wanted;
use sheave_api::{Kind, ObjectKey, Status, meta};
use sheave_client::Stored;
use sheave_store::{CommitError, Durability, Revision, Transaction};

use crate::Registry;
use crate::cache::splice;

/// How often a write is tried while others change what it depends on.
const ATTEMPTS_MAX: usize = 64;
/// The cache follows a commit within microseconds; this is when to give up.
const SEEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for a change of which only its existence is known.
const CHANGE_TIMEOUT: Duration = Duration::from_millis(20);

/// Said to a client whose write is based on an older state.
const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

impl Registry {
    /// Makes a transaction durable and waits until reads show it.
    async fn commit(&self, kind: &Kind, transaction: Transaction) -> Result<Revision, CommitError> {
        let durability = match kind.durability {
            Wanted::Durable => Durability::Synced,
            Wanted::Relaxed => Durability::Relaxed,
        };
        let revision = self.store.commit(transaction, durability).await?;
        if !self.cache().reach(revision, SEEN_TIMEOUT).await {
            tracing::error!(revision, "a committed write is not in the watch cache");
        }
        Ok(revision)
    }

    /// After a condition failed: waits until the cache shows why.
    async fn catch_up(&self, current: Option<Revision>) {
        match current {
            Some(revision) => drop(self.cache().reach(revision, SEEN_TIMEOUT).await),
            None => {
                let mut applied = self.cache().subscribe();
                // Either it shows by then, or the next attempt waits again.
                drop(tokio::time::timeout(CHANGE_TIMEOUT, applied.changed()).await);
            }
        }
    }
}

/// An object as the store keeps it: without `resourceVersion`, which is the revision of its write.
fn encode(mut object: Value) -> Vec<u8> {
    meta::set(&mut object, "resourceVersion", Value::Null);
    serde_json::to_vec(&object).expect("a JSON value has only string keys")
}

/// An object as written at a revision.
fn stored(key: ObjectKey, revision: Revision, json: &[u8]) -> Stored {
    let spliced = splice(json, revision).expect("every object has metadata");
    Stored { key, revision, json: spliced.json }
}

/// An object as a dry run answers it: as it would be written, at the revision it has now (0: none).
fn not_written(key: ObjectKey, revision: Revision, object: Value) -> Stored {
    let json = encode(object);
    match revision {
        0 => Stored { key, revision, json: json.into() },
        _ => stored(key, revision, &json),
    }
}

/// What the client hears of a failed commit.
fn refused(error: &CommitError) -> Status {
    match error {
        CommitError::Unexpected { .. } => Status::new(409, "Conflict", MODIFIED),
        CommitError::TooLarge { limit_bytes, .. } => Status::new(
            413,
            "RequestEntityTooLarge",
            format!("Request entity too large: {error}: limit is {limit_bytes}"),
        ),
        CommitError::Store(error) => Status::new(503, "ServiceUnavailable", error.to_string()),
    }
}
