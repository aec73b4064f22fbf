//! All objects of one kind, and the changes that led to them.
//!
//! The changes are a bounded ring. A watch is a cursor into it, so that fan-out copies nothing and
//! a slow watch falls off the end. Undoing them gives the state at an earlier revision, for pages
//! of a list.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::RwLock;
use sheave_api::{Kind, ObjectKey};
use sheave_store::Revision;
use tokio::sync::watch;

use super::entry::{Entry, Filter};

/// Changes held of one kind.
const CHANGES_MAX: usize = 2048;
/// Bytes of objects held for these changes alone, roughly.
const CHANGES_BYTES_MAX: usize = 2 << 20;
/// What an entry takes beside its bytes, roughly.
const ENTRY_BYTES: usize = 400;
/// Changes that a watch takes at a time.
const TAKE_MAX: usize = 256;

/// A change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: Revision,
    pub(crate) before: Option<Arc<Entry>>,
    /// `None`: deleted.
    pub(crate) after: Option<Arc<Entry>>,
}

/// The revision asked for is older than what the ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooOld {
    pub(crate) oldest: Revision,
}

/// One kind's part of the cache.
pub(crate) struct Collection {
    pub(crate) kind: &'static Kind,
    state: RwLock<State>,
    /// The last change's revision; set after the change is in `state`.
    newest: watch::Sender<Revision>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<ObjectKey, Arc<Entry>>,
    changes: VecDeque<Change>,
    changes_bytes: usize,
    /// Every change after this revision is held.
    oldest: Revision,
    /// The last change.
    last: Revision,
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// Objects behind the page; counted only without selectors.
    pub(crate) remaining: usize,
    /// True if there is, or with selectors may be, something behind the page.
    pub(crate) more: bool,
}

impl Collection {
    pub(crate) fn new(kind: &'static Kind) -> Arc<Self> {
        Arc::new(Self { kind, state: RwLock::default(), newest: watch::Sender::new(0) })
    }

    /// Replaces everything; watches from before this revision are told to begin anew.
    pub(crate) fn reset(&self, entries: Vec<Arc<Entry>>, revision: Revision) {
        let objects = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        *self.state.write() = State {
            objects,
            changes: VecDeque::new(),
            changes_bytes: 0,
            oldest: revision,
            last: revision,
        };
        self.newest.send_replace(revision);
    }

    /// Applies one change; `entry` is `None` for a deletion.
    pub(crate) fn apply(&self, key: &ObjectKey, entry: Option<Arc<Entry>>, revision: Revision) {
        {
            let mut state = self.state.write();
            let before = match &entry {
                Some(entry) => state.objects.insert(key.clone(), Arc::clone(entry)),
                None => state.objects.remove(key),
            };
            if before.is_none() && entry.is_none() {
                return;
            }
            state.last = revision;
            state.push(Change { revision, before, after: entry });
        }
        self.newest.send_replace(revision);
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<Entry>> {
        self.state.read().objects.get(key).cloned()
    }

    /// Every object, in the order of keys.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        self.state.read().objects.values().cloned().collect()
    }

    /// Wakes a watch when there are changes.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Revision> {
        self.newest.subscribe()
    }

    /// The changes after a revision, at most a few hundred.
    pub(crate) fn changes_after(&self, after: Revision) -> Result<Vec<Change>, TooOld> {
        let state = self.state.read();
        if after < state.oldest {
            return Err(TooOld { oldest: state.oldest });
        }
        let start = state.changes.partition_point(|change| change.revision <= after);
        Ok(state.changes.range(start..).take(TAKE_MAX).cloned().collect())
    }

    /// A page of the state now, behind `start` in key order, and the revision of the last change in
    /// it.
    pub(crate) fn page(
        &self,
        filter: &Filter,
        start: Option<&ObjectKey>,
        limit: usize,
    ) -> (Page, Revision) {
        let state = self.state.read();
        (page_of(&state.objects, filter, start, limit), state.last)
    }

    /// A page of the state at an earlier revision.
    pub(crate) fn page_at(
        &self,
        revision: Revision,
        filter: &Filter,
        start: Option<&ObjectKey>,
        limit: usize,
    ) -> Result<Page, TooOld> {
        let state = self.state.read();
        if revision < state.oldest {
            return Err(TooOld { oldest: state.oldest });
        }
        if state.changes.back().is_none_or(|change| change.revision <= revision) {
            return Ok(page_of(&state.objects, filter, start, limit));
        }
        let mut objects = state.objects.clone();
        for change in state.changes.iter().rev().take_while(|change| change.revision > revision) {
            match (&change.before, &change.after) {
                (Some(before), _) => drop(objects.insert(before.key.clone(), Arc::clone(before))),
                (None, Some(after)) => drop(objects.remove(&after.key)),
                (None, None) => {}
            }
        }
        Ok(page_of(&objects, filter, start, limit))
    }
}

impl State {
    fn push(&mut self, change: Change) {
        self.changes_bytes += size_bytes(&change);
        self.changes.push_back(change);
        while self.changes.len() > CHANGES_MAX || self.changes_bytes > CHANGES_BYTES_MAX {
            let Some(dropped) = self.changes.pop_front() else { break };
            self.changes_bytes -= size_bytes(&dropped);
            self.oldest = dropped.revision;
        }
    }
}

/// What a change keeps in memory that would be free without it: the state before.
fn size_bytes(change: &Change) -> usize {
    ENTRY_BYTES + change.before.as_ref().map_or(0, |before| before.size_bytes())
}

fn page_of(
    objects: &BTreeMap<ObjectKey, Arc<Entry>>,
    filter: &Filter,
    start: Option<&ObjectKey>,
    limit: usize,
) -> Page {
    let limit = if limit == 0 { usize::MAX } else { limit };
    if let Some(name) = filter.fields.exact("metadata.name")
        && let Some(namespace) = namespace_of(filter)
    {
        let key = ObjectKey::new(namespace, name);
        let behind = start.is_none_or(|start| key > *start);
        let entry = objects.get(&key).filter(|entry| behind && filter.matches(entry));
        return Page { entries: entry.cloned().into_iter().collect(), remaining: 0, more: false };
    }
    let from = match (start, &filter.namespace) {
        (Some(start), _) => Bound::Excluded(start.clone()),
        (None, Some(namespace)) => Bound::Included(ObjectKey::new(namespace.as_str(), "")),
        (None, None) => Bound::Unbounded,
    };
    let in_namespace =
        |key: &ObjectKey| filter.namespace.as_ref().is_none_or(|n| *n == key.namespace);
    let mut rest =
        objects.range((from, Bound::Unbounded)).take_while(|(key, _)| in_namespace(key)).peekable();
    let mut entries = Vec::new();
    while entries.len() < limit
        && let Some((_, entry)) = rest.next()
    {
        if filter.matches(entry) {
            entries.push(Arc::clone(entry));
        }
    }
    let more = rest.peek().is_some();
    let remaining = if more && filter.is_unselective() { rest.count() } else { 0 };
    Page { entries, remaining, more }
}

/// The one namespace a filter is about, if it is: empty for cluster-scoped kinds.
fn namespace_of(filter: &Filter) -> Option<&str> {
    if !filter.kind.namespaced {
        return Some("");
    }
    filter.namespace.as_deref().or_else(|| filter.fields.exact("metadata.namespace"))
}
