//! Events end by themselves: an hour after their last change, as in Kubernetes, or sooner if there are too
//! many.
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

const LIFETIME: Duration = Duration::from_secs(60 * 60);
/// Changes of Events that are remembered; with more of them the oldest Events go early.
const CHANGES_MAX: usize = 20_000;

/// An Event as of one change, and when it ends if that was its last.
struct Due {
    at: Instant,
    key: ObjectKey,
    revision: Revision,
}

/// Removes Events until the registry is gone.
pub(crate) async fn run(registry: Weak<Registry>) {
    let Some(mut cursor) = registry.upgrade().map(|registry| {
        let kind = registry.kind_of(&resource::EVENTS);
        registry.cursor(Filter::everything(kind, None), false)
    }) else {
        return;
    };
    let mut due = VecDeque::new();
    list(&registry, &mut cursor, &mut due);
    loop {
        let first = due.front().map_or_else(|| Instant::now() + LIFETIME, |due: &Due| due.at);
        tokio::select! {
            event = cursor.next() => match event {
                Some(Event::Added(object) | Event::Modified(object)) => remember(&mut due, object),
                Some(Event::Error(_)) => list(&registry, &mut cursor, &mut due),
                Some(Event::Deleted(_) | Event::Bookmark { .. }) => {}
                None => return,
            },
            () = tokio::time::sleep_until(first) => {}
        }
        while due.len() > CHANGES_MAX || due.front().is_some_and(|due| due.at <= Instant::now()) {
            let (Some(ended), Some(registry)) = (due.pop_front(), registry.upgrade()) else {
                return;
            };
            registry.expire(&ended).await;
        }
    }
}

fn list(registry: &Weak<Registry>, cursor: &mut Cursor, due: &mut VecDeque<Due>) {
    let Some(registry) = registry.upgrade() else { return };
    due.clear();
    for object in cursor.begin(registry.revision()).0 {
        remember(due, object);
    }
}

fn remember(due: &mut VecDeque<Due>, Stored { key, revision, .. }: Stored) {
    due.push_back(Due { at: Instant::now() + LIFETIME, key, revision });
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
