//! watch: cursors into the cache's changes.
//!
//! Nothing is queued for a watch. It takes the changes when its client is ready for more; if they
//! are no longer held by then, it ends with 410 and the client lists again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use sheave_api::field::Path;
use sheave_api::{FieldErrors, Kind, Status};
use sheave_client::Stored;
use sheave_store::Revision;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::cache::{Change, Collection, Filter, TooOld};
use crate::read::{expired, invalid_options};
use crate::registry::FRESH_TIMEOUT;
use crate::{
    Action, Event, Identity, Registry, ResourceVersion, ResourceVersionMatch, WatchOptions,
};

/// How often a watch that asked for bookmarks gets one.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// The events of a watch; ends after [`Event::Error`], or with the registry.
pub type Watch = Pin<Box<dyn Stream<Item = Event> + Send>>;

impl Registry {
    /// Changes of a kind's objects, in one namespace or all.
    pub async fn watch(
        &self,
        who: &Identity,
        kind: &'static Kind,
        namespace: Option<&str>,
        options: WatchOptions,
    ) -> Result<Watch, Status> {
        let action = Action::on("watch", kind, namespace.unwrap_or_default(), "");
        self.authorize_selected(who, &action, &options.field_selector)?;
        kind.check_field_selector(&options.field_selector)?;
        check_options(&options)?;
        let filter = Filter {
            kind,
            namespace: namespace.map(str::to_owned),
            labels: options.label_selector,
            fields: options.field_selector,
        };
        let begins_with_state = options
            .send_initial_events
            .unwrap_or(!matches!(options.resource_version, ResourceVersion::At(_)));
        let mut cursor = self.cursor(filter, options.allow_bookmarks);
        match options.resource_version {
            ResourceVersion::At(revision) if begins_with_state => {
                if !self.cache().reach(revision, FRESH_TIMEOUT).await {
                    let why = format!("Too large resource version: {revision}");
                    return Err(Status::new(504, "Timeout", format!("Timeout: {why}")));
                }
            }
            ResourceVersion::At(revision) => cursor.after = revision,
            ResourceVersion::Unset | ResourceVersion::Any => cursor.after = self.revision(),
        }
        if begins_with_state {
            let (objects, revision) = cursor.begin(self.revision());
            cursor.pending.extend(objects.into_iter().map(Event::Added));
            if options.send_initial_events == Some(true) && options.allow_bookmarks {
                let initial_events_end = true;
                cursor.pending.push_back(Event::Bookmark { revision, initial_events_end });
            }
        }
        Ok(Box::pin(futures::stream::unfold(cursor, |mut cursor| async move {
            let event = cursor.next().await?;
            Some((event, cursor))
        })))
    }

    pub(crate) fn cursor(&self, filter: Filter, bookmarks: bool) -> Cursor {
        let collection = Arc::clone(self.cache().of(filter.kind));
        Cursor {
            newest: collection.subscribe(),
            applied: self.cache().subscribe(),
            collection,
            filter,
            after: 0,
            pending: VecDeque::new(),
            bookmark_at: bookmarks.then(|| Instant::now() + BOOKMARK_INTERVAL),
            ended: false,
        }
    }
}

/// One watch.
pub(crate) struct Cursor {
    collection: Arc<Collection>,
    filter: Filter,
    newest: Receiver<Revision>,
    /// How far the whole cache is: what a bookmark may promise.
    applied: Receiver<Revision>,
    /// Every change up to this revision is in `pending` or sent.
    after: Revision,
    pending: VecDeque<Event>,
    /// `None`: the client wants no bookmarks.
    bookmark_at: Option<Instant>,
    ended: bool,
}

impl Cursor {
    /// Goes to the state now, at least as new as `now`, and returns it.
    pub(crate) fn begin(&mut self, now: Revision) -> (Vec<Stored>, Revision) {
        let (page, last) = self.collection.page(&self.filter, None, 0);
        self.after = last.max(now);
        self.ended = false;
        (page.entries.iter().map(|entry| entry.stored()).collect(), self.after)
    }

    /// Waits for the next event; `None` once the watch is over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            self.newest.borrow_and_update();
            // Before the look at the changes: with none found, all up to here has been sent.
            let applied = *self.applied.borrow();
            if let Err(error) = self.take() {
                self.ended = true;
                return Some(Event::Error(error));
            }
            if !self.pending.is_empty() {
                continue;
            }
            self.after = self.after.max(applied);
            match self.bookmark_at {
                None => self.newest.changed().await.ok()?,
                Some(at) => {
                    tokio::select! {
                        changed = self.newest.changed() => changed.ok()?,
                        () = tokio::time::sleep_until(at) => {
                            self.bookmark_at = Some(Instant::now() + BOOKMARK_INTERVAL);
                            let revision = self.after.max(applied);
                            let initial_events_end = false;
                            return Some(Event::Bookmark { revision, initial_events_end });
                        }
                    }
                }
            }
        }
    }

    /// Moves the next changes into `pending`; continues while there are any that do not match.
    fn take(&mut self) -> Result<(), Status> {
        while self.pending.is_empty() {
            let changes = self
                .collection
                .changes_after(self.after)
                .map_err(|TooOld { oldest }| expired(self.after, oldest))?;
            let Some(last) = changes.last() else { return Ok(()) };
            self.after = last.revision;
            self.pending.extend(changes.iter().filter_map(|change| event(change, &self.filter)));
        }
        Ok(())
    }
}

/// What a change is to a watch: an object that begins to match is added, one that ceases to is
/// deleted.
fn event(change: &Change, filter: &Filter) -> Option<Event> {
    let before = change.before.as_ref().filter(|entry| filter.matches(entry));
    let after = change.after.as_ref().filter(|entry| filter.matches(entry));
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) => Some(Event::Added(after.stored())),
        (Some(_), Some(after)) => Some(Event::Modified(after.stored())),
        (Some(before), None) => Some(Event::Deleted(before.stored_at(change.revision))),
    }
}

fn check_options(options: &WatchOptions) -> Result<(), Status> {
    let path = Path::root("resourceVersionMatch");
    let mut errors = FieldErrors::new();
    let wanted = options.resource_version_match;
    if options.send_initial_events.is_some() && wanted != Some(ResourceVersionMatch::NotOlderThan) {
        errors.forbidden(
            &path,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        );
    }
    if options.send_initial_events.is_none() && wanted.is_some() {
        errors.forbidden(
            &path,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        );
    }
    invalid_options(errors)
}
