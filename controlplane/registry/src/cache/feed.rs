//! From the store into the cache, in the store's order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sheave_store::{Batch, Listing, Revision, Store, StoreError, WatchError};

use super::{Cache, Entry};
use crate::admission::Claims;
use crate::keys;

/// How long to wait before the store is asked again after it failed.
const RETRY_DELAY: Duration = Duration::from_millis(200);

/// What the feed fills.
pub(crate) struct Sink {
    pub(crate) cache: Cache,
    pub(crate) claims: Claims,
}

/// Fills the sink from the store's present state; returns the revision to watch from.
pub(crate) async fn load(sink: &Sink, store: &dyn Store) -> Result<Revision, StoreError> {
    let listing = store.list(b"").await?;
    let revision = listing.revision;
    reset(sink, listing);
    Ok(revision)
}

/// Applies every change after `revision` until the store closes.
pub(crate) async fn run(sink: Arc<Sink>, store: Arc<dyn Store>, revision: Revision) {
    let mut after = revision;
    loop {
        let mut watch = store.watch(b"", after);
        let ended = loop {
            match watch.next().await {
                Ok(batches) => {
                    for batch in &batches {
                        apply(&sink, batch);
                    }
                    after = batches.last().map_or(after, |batch| batch.revision);
                }
                Err(error) => break error,
            }
        };
        match ended {
            WatchError::Store(StoreError::Closed) => return,
            error => tracing::warn!(%error, "the watch cache begins anew"),
        }
        loop {
            match load(&sink, store.as_ref()).await {
                Ok(revision) => {
                    after = revision;
                    break;
                }
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "the watch cache waits for the store"),
            }
            tokio::time::sleep(RETRY_DELAY).await;
        }
    }
}

fn reset(sink: &Sink, listing: Listing) {
    let revision = listing.revision;
    sink.claims.clear();
    let mut by_resource: std::collections::HashMap<String, Vec<Arc<Entry>>> = Default::default();
    for stored in listing.entries {
        if let Some((resource, entry)) = decode(sink, &stored.key, &stored.value, stored.revision) {
            by_resource.entry(resource).or_default().push(Arc::new(entry));
        } else {
            sink.claims.apply(&stored.key, Some(&stored.value));
        }
    }
    for collection in sink.cache.collections() {
        let resource = collection.kind.group_resource().to_string();
        collection.reset(by_resource.remove(&resource).unwrap_or_default(), revision);
    }
    sink.cache.advance(revision);
}

fn apply(sink: &Sink, batch: &Batch) {
    for change in &batch.changes {
        match (keys::parse_object(&change.key), &change.value) {
            (None, value) => sink.claims.apply(&change.key, value.as_ref()),
            (Some((resource, key)), None) => {
                if let Some(collection) = sink.cache.by_resource(resource) {
                    collection.apply(&key, None, batch.revision);
                }
            }
            (Some((resource, key)), Some(value)) => {
                if let Some((_, entry)) = decode(sink, &change.key, value, batch.revision)
                    && let Some(collection) = sink.cache.by_resource(resource)
                {
                    collection.apply(&key, Some(Arc::new(entry)), batch.revision);
                }
            }
        }
    }
    sink.cache.advance(batch.revision);
}

/// The object under a key. What this release does not know, or cannot read, is left alone in the
/// store.
fn decode(sink: &Sink, key: &Bytes, value: &[u8], revision: Revision) -> Option<(String, Entry)> {
    let (resource, object) = keys::parse_object(key)?;
    let Some(collection) = sink.cache.by_resource(resource) else {
        tracing::warn!(resource, key = %object, "stored object of an unknown resource is ignored");
        return None;
    };
    match Entry::decode(collection.kind, object.clone(), revision, value) {
        Ok(entry) => Some((resource.to_owned(), entry)),
        Err(error) => {
            tracing::error!(resource, key = %object, %error, "a stored object is unreadable");
            None
        }
    }
}
