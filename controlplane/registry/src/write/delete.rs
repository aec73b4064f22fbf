//! delete and deletecollection: at once, or in steps.
//!
//! An object goes in steps if it has finalizers, a grace period (pods), or content (namespaces).
//! The first step sets `metadata.deletionTimestamp`; whoever was waited for ends it, by an update
//! that removes the last finalizer or by a delete without grace.

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sheave_api::kinds::{Propagation, namespace};
use sheave_api::{Kind, ObjectKey, Status, meta, resource, time};
use sheave_client::Stored;
use sheave_store::{CommitError, Expectation, Transaction};

use super::{ATTEMPTS_MAX, MODIFIED, encode, not_written, refused, stored};
use crate::{Action, DeleteOptions, Deleted, Identity, ListOptions, ListResult, Registry, keys};

/// The finalizers that stand for what happens to dependents.
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
/// Deletes of a deletecollection under way at a time: they share fsyncs.
const CONCURRENT_DELETES: usize = 32;

/// What a delete request comes to.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// The object goes now.
    Remove,
    /// The object stays for now, in this state.
    Mark(Value),
    /// It is on its way out already.
    Nothing,
}

impl Registry {
    /// Deletes an object, or begins to.
    pub async fn delete(
        &self,
        who: &Identity,
        kind: &'static Kind,
        key: &ObjectKey,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        self.authorize(who, &Action::on("delete", kind, &key.namespace, &key.name))?;
        self.remove(kind, key, options).await
    }

    /// Deletes what a list shows, and returns it.
    pub async fn delete_collection(
        &self,
        who: &Identity,
        kind: &'static Kind,
        namespace: Option<&str>,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<ListResult, Status> {
        let action = Action::on("deletecollection", kind, namespace.unwrap_or_default(), "");
        self.authorize(who, &action)?;
        let listed = self.list(who, kind, namespace, list).await?;
        // Collected first: a borrowing closure held across an await makes the future not `Send`.
        let deletes: Vec<_> =
            listed.items.iter().map(|item| self.remove(kind, &item.key, options)).collect();
        let mut deletes = futures::stream::iter(deletes).buffer_unordered(CONCURRENT_DELETES);
        while let Some(deleted) = deletes.next().await {
            match deleted {
                Err(status) if !status.is_not_found() => return Err(status),
                _ => {}
            }
        }
        drop(deletes);
        Ok(listed)
    }

    pub(super) async fn remove(
        &self,
        kind: &'static Kind,
        key: &ObjectKey,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        let resource = kind.group_resource();
        for _ in 0..ATTEMPTS_MAX {
            let entry = self
                .cache()
                .get(kind, key)
                .ok_or_else(|| Status::not_found(&resource, &key.name))?;
            let old = entry.value();
            check_preconditions(kind, &old, options)?;
            let (transaction, json) = match step(kind, &old, options, Timestamp::now()) {
                Step::Nothing => return Ok(Deleted::Terminating(entry.stored())),
                Step::Mark(new) if options.dry_run => {
                    let marked = not_written(key.clone(), entry.revision, new);
                    return Ok(Deleted::Terminating(marked));
                }
                Step::Remove if options.dry_run => return Ok(Deleted::Gone(entry.stored())),
                Step::Mark(new) => {
                    let json = encode(new);
                    let key = keys::object(kind, key);
                    let transaction = Transaction::new()
                        .expect(key.clone(), Expectation::Revision(entry.revision))
                        .put(key, json.clone());
                    (transaction, Some(json))
                }
                Step::Remove => (self.removal(kind, &entry, &old), None),
            };
            match (self.commit(kind, transaction).await, json) {
                (Ok(revision), Some(json)) => {
                    return Ok(Deleted::Terminating(stored(key.clone(), revision, &json)));
                }
                (Ok(revision), None) => {
                    let last: Stored = entry.stored_at(revision);
                    return Ok(Deleted::Gone(last));
                }
                (Err(CommitError::Unexpected { current, .. }), _) => self.catch_up(current).await,
                (Err(error), _) => return Err(refused(&error)),
            }
        }
        Err(Status::conflict(&resource, &key.name, MODIFIED))
    }
}

fn check_preconditions(kind: &Kind, old: &Value, options: &DeleteOptions) -> Result<(), Status> {
    let refuse = |why: String| Status::conflict(&kind.group_resource(), meta::name(old), &why);
    if let Some(expected) = &options.uid
        && expected != meta::uid(old)
    {
        return Err(refuse(uid_mismatch(expected, meta::uid(old))));
    }
    if let Some(expected) = &options.resource_version
        && expected != meta::resource_version(old)
    {
        return Err(refuse(format!(
            "Precondition failed: ResourceVersion in precondition: {expected}, ResourceVersion in object \
             meta: {}",
            meta::resource_version(old)
        )));
    }
    Ok(())
}

pub(super) fn uid_mismatch(expected: &str, found: &str) -> String {
    format!("Precondition failed: UID in precondition: {expected}, UID in object meta: {found}")
}

/// Decides what a delete request comes to. Pure.
fn step(kind: &Kind, old: &Value, options: &DeleteOptions, now: Timestamp) -> Step {
    let mut new = old.clone();
    set_propagation(&mut new, kind, options.propagation);
    let grace = kind.strategy.grace_period_seconds(old, options.grace_period_seconds);
    if meta::is_terminating(old) {
        shorten(&mut new, options.grace_period_seconds.map(|_| grace));
    } else {
        meta::begin_deletion(&mut new, now, grace);
        if meta::generation(old) > 0 {
            meta::set(&mut new, "generation", meta::generation(old) + 1);
        }
    }
    let is_namespace = kind.group_resource() == resource::NAMESPACES;
    if is_namespace {
        namespace::set_terminating(&mut new);
    }
    let waits = meta::finalizers(&new).next().is_some()
        || (is_namespace && !namespace::is_finalized(&new))
        || meta::deletion_grace_period_seconds(&new).unwrap_or(0) > 0;
    match (waits, new == *old) {
        (false, _) => Step::Remove,
        (true, true) => Step::Nothing,
        (true, false) => Step::Mark(new),
    }
}

/// A second delete may only bring the end nearer.
fn shorten(object: &mut Value, requested_seconds: Option<i64>) {
    let pending = meta::deletion_grace_period_seconds(object).unwrap_or(0);
    let Some(requested) = requested_seconds.filter(|requested| *requested < pending) else {
        return;
    };
    if let Some(end) = meta::deletion_timestamp(object) {
        let sooner = SignedDuration::from_secs(pending - requested);
        let end = end.checked_sub(sooner).unwrap_or(end);
        meta::set(object, "deletionTimestamp", time::seconds(end));
    }
    meta::set(object, "deletionGracePeriodSeconds", requested);
}

/// What happens to dependents is a finalizer, which the garbage collector removes when it is done.
fn set_propagation(object: &mut Value, kind: &Kind, requested: Option<Propagation>) {
    let has = |name: &str| meta::finalizers(object).any(|finalizer| finalizer == name);
    let wanted = match requested {
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Orphan) => Some(ORPHAN),
        Some(Propagation::Background) => None,
        None if has(ORPHAN) => Some(ORPHAN),
        None if has(FOREGROUND) => Some(FOREGROUND),
        None => match kind.strategy.default_propagation() {
            Propagation::Background => None,
            Propagation::Foreground => Some(FOREGROUND),
            Propagation::Orphan => Some(ORPHAN),
        },
    };
    for finalizer in [FOREGROUND, ORPHAN] {
        if wanted != Some(finalizer) {
            meta::remove_finalizer(object, finalizer);
        }
    }
    if let Some(wanted) = wanted
        && !meta::finalizers(object).any(|finalizer| finalizer == wanted)
    {
        let mut finalizers = meta::list(&object["metadata"]["finalizers"]).to_vec();
        finalizers.push(Value::from(wanted));
        meta::set(object, "finalizers", finalizers);
    }
}
