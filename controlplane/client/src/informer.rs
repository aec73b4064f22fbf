//! A typed, always current picture of one resource, and the events that changed it.
//!
//! It decodes each object once. It does not write, and it does not retry: a stored object that cannot be
//! decoded is logged and skipped, because refusing to see the others would be worse.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use sheave_api::{GroupResource, ObjectKey};

use crate::{Client, Stored, WatchEvent, WatchStream};

/// A decoded object with the revision it was decoded from.
#[derive(Debug)]
pub struct Typed<T> {
    /// Namespace and name.
    pub key: ObjectKey,
    /// The revision of the last write.
    pub revision: u64,
    /// The object.
    pub object: Arc<T>,
    /// The bytes it was decoded from, shared with the watch cache.
    pub json: Bytes,
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone(),
            revision: self.revision,
            object: Arc::clone(&self.object),
            json: self.json.clone(),
        }
    }
}

/// One change of the picture.
#[derive(Debug)]
pub enum TypedEvent<T> {
    /// The first complete picture is there; sent once.
    Synced,
    /// Created or changed; `old` is the state before, if there was one.
    Apply {
        /// The state before.
        old: Option<Typed<T>>,
        /// The state now.
        new: Typed<T>,
    },
    /// Gone; carries the last state.
    Delete(Typed<T>),
}

/// The picture of one resource.
pub struct Informer<T> {
    resource: GroupResource,
    /// Only ever reached through `&mut self`; the lock makes the informer shareable between threads.
    stream: Mutex<WatchStream>,
    objects: BTreeMap<ObjectKey, Typed<T>>,
    /// Keys seen in the list under way; what it does not name at its end is gone.
    listed: Option<BTreeSet<ObjectKey>>,
    synced: bool,
    revision: u64,
    pending: VecDeque<TypedEvent<T>>,
}

impl<T: DeserializeOwned> Informer<T> {
    /// Starts to watch a resource.
    pub fn new(client: &dyn Client, resource: &GroupResource) -> Self {
        Self {
            resource: resource.clone(),
            stream: Mutex::new(client.watch(resource)),
            objects: BTreeMap::new(),
            listed: None,
            synced: false,
            revision: 0,
            pending: VecDeque::new(),
        }
    }

    /// The picture as of the last event that [`Informer::next`] returned.
    pub fn objects(&self) -> &BTreeMap<ObjectKey, Typed<T>> {
        &self.objects
    }

    /// One object of the picture.
    pub fn get(&self, key: &ObjectKey) -> Option<&Typed<T>> {
        self.objects.get(key)
    }

    /// True once the first complete list has been seen.
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// The newest revision this picture is known to include. A writer that was told the revision of its
    /// own write can tell from this whether the picture shows it yet.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Waits for the next change. `None` when the control plane shuts down. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<TypedEvent<T>> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            let event = self.stream.get_mut().next().await?;
            self.take(event);
        }
    }

    fn take(&mut self, event: WatchEvent) {
        match event {
            WatchEvent::Init => self.listed = Some(BTreeSet::new()),
            WatchEvent::InitApply(stored) => {
                if let Some(listed) = &mut self.listed {
                    listed.insert(stored.key.clone());
                }
                self.apply(stored);
            }
            WatchEvent::InitDone(revision) => {
                self.revision = self.revision.max(revision);
                self.init_done();
            }
            WatchEvent::Apply(stored) => {
                self.revision = self.revision.max(stored.revision);
                self.apply(stored);
            }
            WatchEvent::Delete(stored) => {
                if let Some(old) = self.objects.remove(&stored.key) {
                    self.pending.push_back(TypedEvent::Delete(old));
                }
            }
        }
    }

    fn init_done(&mut self) {
        let listed = self.listed.take().unwrap_or_default();
        let gone: Vec<_> = self.objects.keys().filter(|k| !listed.contains(k)).cloned().collect();
        for key in gone {
            if let Some(old) = self.objects.remove(&key) {
                self.pending.push_back(TypedEvent::Delete(old));
            }
        }
        if !self.synced {
            self.synced = true;
            self.pending.push_back(TypedEvent::Synced);
        }
    }

    fn apply(&mut self, stored: Stored) {
        if self.objects.get(&stored.key).is_some_and(|o| o.revision == stored.revision) {
            return;
        }
        match serde_json::from_slice::<T>(&stored.json) {
            Ok(object) => {
                let new = Typed {
                    key: stored.key.clone(),
                    revision: stored.revision,
                    object: Arc::new(object),
                    json: stored.json,
                };
                let old = self.objects.insert(stored.key, new.clone());
                self.pending.push_back(TypedEvent::Apply { old, new });
            }
            Err(error) => tracing::error!(
                resource = %self.resource, key = %stored.key, revision = stored.revision, %error,
                "stored object cannot be decoded; it is ignored"
            ),
        }
    }
}
