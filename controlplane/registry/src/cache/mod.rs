//! Every object in memory, as the bytes that lists and watches hand out.
//!
//! Only [`feed`] changes it, from the store's own watch: whoever wrote, and wherever, is seen here
//! in the store's order. Reads never touch the store.

mod collection;
mod entry;
pub(crate) mod feed;
mod splice;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sheave_api::kinds::KINDS;
use sheave_api::{Kind, ObjectKey};
use sheave_store::Revision;
use tokio::sync::watch;

pub(crate) use collection::{Change, Collection, Page, TooOld};
pub(crate) use entry::{Entry, Filter};
pub(crate) use splice::splice;

/// The collections of all kinds, and how far they are.
pub(crate) struct Cache {
    /// In the order of the table of kinds.
    collections: Vec<Arc<Collection>>,
    /// Places in `collections`, by `deployments.apps`.
    places: HashMap<String, usize>,
    /// Everything up to this revision is in the collections.
    applied: watch::Sender<Revision>,
}

impl Cache {
    pub(crate) fn new() -> Self {
        let place = |(place, kind): (usize, &Kind)| (kind.group_resource().to_string(), place);
        Self {
            collections: KINDS.iter().map(Collection::new).collect(),
            places: KINDS.iter().enumerate().map(place).collect(),
            applied: watch::Sender::new(0),
        }
    }

    /// One kind's objects.
    pub(crate) fn of(&self, kind: &Kind) -> &Arc<Collection> {
        let place = KINDS.iter().position(|known| std::ptr::eq(known, kind));
        &self.collections[place.expect("every kind is in the table")]
    }

    pub(crate) fn by_resource(&self, resource: &str) -> Option<&Arc<Collection>> {
        self.places.get(resource).map(|place| &self.collections[*place])
    }

    pub(crate) fn collections(&self) -> &[Arc<Collection>] {
        &self.collections
    }

    pub(crate) fn get(&self, kind: &Kind, key: &ObjectKey) -> Option<Arc<Entry>> {
        self.of(kind).get(key)
    }

    /// How far the cache is.
    pub(crate) fn revision(&self) -> Revision {
        *self.applied.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Revision> {
        self.applied.subscribe()
    }

    pub(crate) fn advance(&self, revision: Revision) {
        self.applied.send_replace(revision);
    }

    /// Waits until the cache holds a revision; false if it does not in time.
    pub(crate) async fn reach(&self, revision: Revision, timeout: Duration) -> bool {
        if self.revision() >= revision {
            return true;
        }
        let mut applied = self.subscribe();
        let reached = applied.wait_for(|applied| *applied >= revision);
        tokio::time::timeout(timeout, reached).await.is_ok_and(|reached| reached.is_ok())
    }
}
