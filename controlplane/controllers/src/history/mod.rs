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
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Client, DeleteOptions, Informer, Patch, Typed, TypedEvent};

pub(crate) use self::plan::State;
use self::plan::Step;
use crate::own_pods::Owner;
use crate::ownership::Ownership;
use crate::{Context, selector};

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

/// What became of a state that is to be the newest.
pub(crate) enum Settled {
    /// It is, in this revision.
    Newest(Typed<Revision>),
    /// It will be once the picture shows what was written.
    Written,
    /// Its name is somebody else's: another collision is to be counted.
    Taken,
}

/// All revisions, and whose they are.
pub(crate) struct History {
    revisions: Informer<Revision>,
    ownership: Ownership,
}

impl History {
    pub(crate) fn new(client: &dyn Client) -> Self {
        Self {
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

    /// Takes revisions that match and have no owner. True when one was taken: its event comes next.
    pub(crate) async fn adopt(
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
        let mut adopted = false;
        for Typed { key, object, .. } in matching {
            owner.adopt(context, &resource::CONTROLLER_REVISIONS, key, &object.uid).await?;
            adopted = true;
        }
        Ok(adopted)
    }

    /// Makes the newest revision the one that holds this state.
    pub(crate) async fn settle(
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
                let revision = plan::revision(owner, state, number);
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

    /// Deletes the oldest revisions beyond the limit that no pod is of. `live` are names.
    pub(crate) async fn prune(
        &self,
        context: &Context,
        owner: &Owner<'_>,
        live: &BTreeSet<&str>,
        limit: i32,
    ) -> Result<(), Status> {
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
