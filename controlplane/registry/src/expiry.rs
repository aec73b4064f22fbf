//! Events end by themselves: an hour after their last change, as in Kubernetes, or sooner if there
//! are too many.
//!
//! A restart begins the hour anew: an Event is kept a little longer, never lost early.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::Duration;

use sheave_api::{ObjectKey, resource};
use sheave_client::Stored;
use sheave_store::{CommitError, Durability, Expectation, Revision, Transaction};
use tokio::time::Instant;

use crate::cache::Filter;
use crate::watch::Cursor;
use crate::{Event, Registry, keys};

pub(crate) const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Changes of Events that are remembered; with more of them the oldest Events go early.
const CHANGES_MAX: usize = 20_000;

/// An Event as of one change, and when it ends if that was its last.
struct Due {
    at: Instant,
    key: ObjectKey,
    revision: Revision,
}

/// What ends when, soonest first.
struct Agenda {
    due: VecDeque<Due>,
    lifetime: Duration,
}

/// Removes Events a lifetime after their last change, until the registry is gone.
pub(crate) async fn run(registry: Weak<Registry>, lifetime: Duration) {
    let Some(mut cursor) = registry.upgrade().map(|registry| {
        let kind = registry.kind_of(&resource::EVENTS);
        registry.cursor(Filter::everything(kind, None), false)
    }) else {
        return;
    };
    let mut agenda = Agenda { due: VecDeque::new(), lifetime };
    agenda.list(&registry, &mut cursor);
    loop {
        let first = agenda.due.front().map_or_else(|| Instant::now() + lifetime, |due| due.at);
        tokio::select! {
            event = cursor.next() => match event {
                Some(Event::Added(object) | Event::Modified(object)) => agenda.remember(object),
                Some(Event::Error(_)) => agenda.list(&registry, &mut cursor),
                Some(Event::Deleted(_) | Event::Bookmark { .. }) => {}
                None => return,
            },
            () = tokio::time::sleep_until(first) => {}
        }
        while let Some(ended) = agenda.next_ended() {
            let Some(registry) = registry.upgrade() else { return };
            registry.expire(&ended).await;
        }
    }
}

impl Agenda {
    fn list(&mut self, registry: &Weak<Registry>, cursor: &mut Cursor) {
        let Some(registry) = registry.upgrade() else { return };
        self.due.clear();
        for object in cursor.begin(registry.revision()).0 {
            self.remember(object);
        }
    }

    fn remember(&mut self, Stored { key, revision, .. }: Stored) {
        self.due.push_back(Due { at: Instant::now() + self.lifetime, key, revision });
    }

    fn next_ended(&mut self) -> Option<Due> {
        let has_ended = self.due.front().is_some_and(|due| due.at <= Instant::now());
        if has_ended || self.due.len() > CHANGES_MAX { self.due.pop_front() } else { None }
    }
}

impl Registry {
    /// Removes an Event unless it has changed since.
    async fn expire(&self, Due { key, revision, .. }: &Due) {
        let kind = self.kind_of(&resource::EVENTS);
        if self.cache().get(kind, key).is_none_or(|event| event.revision != *revision) {
            return;
        }
        let stored_key = keys::object(kind, key);
        let removal = Transaction::new()
            .expect(stored_key.clone(), Expectation::Revision(*revision))
            .delete(stored_key);
        match self.store.commit(removal, Durability::Relaxed).await {
            Ok(_) | Err(CommitError::Unexpected { .. }) => {}
            Err(error) => tracing::warn!(event = %key, %error, "an old Event stays for now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;
    use sheave_store::{EmbeddedStore, Store};

    use super::*;
    use crate::{Identity, RegistryConfig, Target, WriteOptions};

    #[tokio::test]
    async fn events_end_a_lifetime_after_their_last_change() {
        let lifetime = Duration::from_millis(400);
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> =
            Arc::new(EmbeddedStore::open(&directory.path().join("store.redb")).unwrap());
        let registry = Registry::open(RegistryConfig::default(), store).await.unwrap();
        let task = tokio::spawn(run(Arc::downgrade(&registry), lifetime));
        let kind = registry.kind_of(&resource::EVENTS);
        let who = Identity::control_plane();
        let options = WriteOptions::default();
        for name in ["once", "again"] {
            let event = json!({
                "metadata": { "name": name },
                "involvedObject": { "kind": "Pod", "name": "a", "namespace": "default" },
                "reason": "Tested", "message": "for a while", "type": "Normal",
            });
            registry.create(&who, kind, "default", event, &options).await.unwrap();
        }
        let began = Instant::now();
        let key = ObjectKey::new("default", "again");
        let exists =
            |name: &str| registry.cache().get(kind, &ObjectKey::new("default", name)).is_some();
        let mut count = 1;
        while exists("once") {
            assert!(began.elapsed() < Duration::from_secs(10), "the Event never ends");
            count += 1;
            let target = Target { kind, key: &key, subresource: None };
            let touch = |event: &serde_json::Value| {
                let mut event = event.clone();
                event["count"] = json!(count);
                Ok(event)
            };
            registry.patch(&who, target, &touch, &options).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(began.elapsed() >= lifetime - Duration::from_millis(50), "ended early");
        assert!(exists("again"), "it changed all the time");
        task.abort();
    }
}
