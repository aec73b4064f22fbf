//! ControllerRevisions: the states that an owner's pods were made from, as `kubectl rollout history` shows them and
//! `kubectl rollout undo` goes back to them.
//!
//! The newest revision holds the state that is wanted. Whatever is written here comes back as an event, and the
//! owner is looked at again then: nothing is assumed that the picture does not show.

mod plan;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::{Value, json};
use sheave_api::{GroupResource, ObjectKey, Status, resource};
use sheave_client::{Client, DeleteOptions, Informer, Patch, Typed, TypedEvent};

use self::plan::{State, Step};
use crate::own_pods::Owner;
use crate::ownership::Ownership;
use crate::{Context, selector};

/// Former revisions that are kept, if the owner does not say.
const LIMIT_DEFAULT: i32 = 10;

/// A ControllerRevision, reduced.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "ControllerRevision")]
pub(crate) struct Revision {
    pub(crate) uid: String,
    /// uid of the controlling owner, or empty.
    pub(crate) owner_uid: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// Counts the states.
    pub(crate) number: i64,
    /// The state, as a patch of the owner.
    pub(crate) data: Value,
    pub(crate) terminating: bool,
}

impl From<ControllerRevision> for Revision {
    fn from(revision: ControllerRevision) -> Self {
        let metadata = revision.metadata;
        let owners = metadata.owner_references.into_iter().flatten();
        let mut controlling = owners.filter(|owner| owner.controller == Some(true));
        Self {
            uid: metadata.uid.unwrap_or_default(),
            owner_uid: controlling.next().map(|owner| owner.uid).unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            number: revision.revision,
            data: revision.data.map(|data| data.0).unwrap_or_default(),
            terminating: metadata.deletion_timestamp.is_some(),
        }
    }
}

impl Revision {
    /// The template that it holds.
    pub(crate) fn template(&self) -> Value {
        let mut template = self.data["spec"]["template"].clone();
        if let Some(fields) = template.as_object_mut() {
            fields.remove("$patch");
        }
        template
    }
}

/// What happened.
pub(crate) enum Seen {
    /// The first complete picture is there.
    Synced,
    /// A revision of this owner changed; of nobody's, if the uid is empty.
    Changed { namespace: String, owner_uid: String },
}

impl Seen {
    /// The owners to look at again, out of those there are, by uid.
    pub(crate) fn concerned(&self, owners: &BTreeMap<String, ObjectKey>) -> Vec<ObjectKey> {
        match self {
            Self::Synced => Vec::new(),
            // Who wants it may take it.
            Self::Changed { namespace, owner_uid } if owner_uid.is_empty() => {
                owners.values().filter(|key| key.namespace == *namespace).cloned().collect()
            }
            Self::Changed { owner_uid, .. } => owners.get(owner_uid).cloned().into_iter().collect(),
        }
    }
}

/// What became of a state that is to be the newest.
enum Settled {
    /// It is, in this revision.
    Newest(Typed<Revision>),
    /// It will be once the picture shows what was written.
    Written,
    /// Its name is somebody else's: another collision is to be counted.
    Taken,
}

/// All revisions, and whose they are.
pub(crate) struct History {
    /// The label in which a revision has its hash.
    hash_label: &'static str,
    revisions: Informer<Revision>,
    ownership: Ownership,
}

impl History {
    pub(crate) fn new(client: &dyn Client, hash_label: &'static str) -> Self {
        Self {
            hash_label,
            revisions: Informer::new(client, &resource::CONTROLLER_REVISIONS),
            ownership: Ownership::default(),
        }
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.revisions.is_synced()
    }

    /// Waits for the next change. `None` when the control plane shuts down. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        let (old, new) = match self.revisions.next().await? {
            TypedEvent::Synced => return Some(Seen::Synced),
            TypedEvent::Apply { old, new } => (old, Some(new)),
            TypedEvent::Delete(old) => (Some(old), None),
        };
        if let Some(old) = &old {
            self.ownership.remove(&old.object.owner_uid, &old.key);
        }
        if let Some(new) = &new {
            self.ownership.insert(&new.object.owner_uid, new.key.clone());
        }
        let changed = new.or(old)?;
        Some(Seen::Changed {
            namespace: changed.key.namespace,
            owner_uid: changed.object.owner_uid.clone(),
        })
    }

    /// Those of an owner, from the oldest to the newest.
    pub(crate) fn of(&self, owner_uid: &str) -> Vec<&Typed<Revision>> {
        let owned = self.ownership.of(owner_uid).filter_map(|key| self.revisions.get(key));
        let mut owned: Vec<_> = owned.filter(|revision| !revision.object.terminating).collect();
        owned.sort_by_key(|revision| (revision.object.number, &revision.key));
        owned
    }

    /// The revision that holds the template which an owner has now, as the newest; `None` while it is being
    /// written, which comes back as an event. `json` is the owner as the API shows it.
    pub(crate) async fn newest(
        &self,
        context: &Context,
        owner: &Owner<'_>,
        resource: &GroupResource,
        json: &[u8],
    ) -> Result<Option<Typed<Revision>>, Status> {
        let internal = |error: serde_json::Error| Status::internal(error.to_string());
        let object: Value = serde_json::from_slice(json).map_err(internal)?;
        let selector = Option::deserialize(&object["spec"]["selector"]).map_err(internal)?;
        if self.adopt(context, owner, selector.as_ref()).await? {
            return Ok(None);
        }
        let state = State::of(&object);
        match self.settle(context, owner, &state).await? {
            Settled::Newest(revision) => Ok(Some(revision)),
            Settled::Written => Ok(None),
            Settled::Taken => {
                let count = json!({ "collisionCount": state.collisions + 1 });
                let patch = Patch::Merge(json!({ "status": count }));
                context.client.patch(resource, owner.key, Some("status"), patch).await?;
                Ok(None)
            }
        }
    }

    /// Takes revisions that match and have no owner. True when one was taken: its event comes next.
    async fn adopt(
        &self,
        context: &Context,
        owner: &Owner<'_>,
        wanted: Option<&LabelSelector>,
    ) -> Result<bool, Status> {
        let orphans = self.ownership.orphans().filter_map(|key| self.revisions.get(key));
        let matching = orphans.filter(|revision| {
            revision.key.namespace == owner.key.namespace
                && !revision.object.terminating
                && selector::matches(wanted, &revision.object.labels)
        });
        let taken: Vec<_> = matching.map(|it| (&it.key, it.object.uid.as_str())).collect();
        owner.claim(context, &resource::CONTROLLER_REVISIONS, &taken, &[]).await
    }

    /// Makes the newest revision the one that holds this state.
    async fn settle(
        &self,
        context: &Context,
        owner: &Owner<'_>,
        state: &State,
    ) -> Result<Settled, Status> {
        let client = &context.client;
        match plan::step(&self.of(owner.uid), &state.data) {
            Step::Newest(revision) => Ok(Settled::Newest(revision.clone())),
            Step::Renumber(revision, number) => {
                let patch =
                    json!({ "metadata": { "uid": revision.object.uid }, "revision": number });
                let revisions = &resource::CONTROLLER_REVISIONS;
                client.patch(revisions, &revision.key, None, Patch::Merge(patch)).await?;
                Ok(Settled::Written)
            }
            Step::Create(number) => {
                let revision = plan::revision(owner, state, number, self.hash_label);
                let name = revision["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let namespace = &owner.key.namespace;
                match client.create(&resource::CONTROLLER_REVISIONS, namespace, revision).await {
                    Err(status) if status.is_already_exists() => {
                        self.taken(context, owner, state, &name).await
                    }
                    result => result.map(|_| Settled::Written),
                }
            }
        }
    }

    /// The name is taken: by our own revision that the picture does not show yet, or by somebody else's.
    async fn taken(
        &self,
        context: &Context,
        owner: &Owner<'_>,
        state: &State,
        name: &str,
    ) -> Result<Settled, Status> {
        let key = ObjectKey::new(&owner.key.namespace, name);
        let taken = context.client.get(&resource::CONTROLLER_REVISIONS, &key).await?;
        let taken: Revision = serde_json::from_slice(&taken.json)
            .map_err(|error| Status::internal(error.to_string()))?;
        let is_ours = taken.owner_uid == owner.uid && taken.data == state.data;
        Ok(if is_ours { Settled::Written } else { Settled::Taken })
    }

    /// Deletes the oldest revisions beyond the limit (10, if there is none) that no pod is of. `live` are names.
    pub(crate) async fn prune(
        &self,
        context: &Context,
        owner: &Owner<'_>,
        live: &BTreeSet<&str>,
        limit: Option<i32>,
    ) -> Result<(), Status> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        for Typed { key, object, .. } in plan::surplus(&self.of(owner.uid), live, limit) {
            let options =
                DeleteOptions { uid: Some(object.uid.clone()), ..DeleteOptions::default() };
            match context.client.delete(&resource::CONTROLLER_REVISIONS, key, options).await {
                Err(status) if !status.is_not_found() && !status.is_conflict() => {
                    return Err(status);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_concerns_its_owner_or_if_it_has_none_whoever_is_near() {
        let key = |namespace: &str, name: &str| ObjectKey::new(namespace, name);
        let all =
            [("a", key("default", "a")), ("b", key("default", "b")), ("c", key("other", "c"))];
        let owners: BTreeMap<_, _> = all.map(|(uid, key)| (uid.to_owned(), key)).into();
        let concerned = |owner_uid: &str| {
            let (namespace, owner_uid) = ("default".to_owned(), owner_uid.to_owned());
            Seen::Changed { namespace, owner_uid }.concerned(&owners)
        };
        assert_eq!(concerned("a"), [key("default", "a")]);
        assert_eq!(concerned(""), [key("default", "a"), key("default", "b")]);
        assert!(concerned("gone").is_empty());
    }
}
