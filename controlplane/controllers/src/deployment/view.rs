//! What one reconciliation works with: one picture of one Deployment and its ReplicaSets. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, ReplicaSet};
use sheave_client::Typed;

use super::rollout::{Bounds, Set};
use super::template::{self, DESIRED_REPLICAS, MAX_REPLICAS};

/// What one reconciliation works with: one picture of one Deployment.
pub(super) struct View {
    pub(super) deployment: Typed<Deployment>,
    pub(super) spec: DeploymentSpec,
    /// Oldest first.
    pub(super) sets: Vec<Typed<ReplicaSet>>,
    pub(super) current: Option<usize>,
    pub(super) bounds: Bounds,
}

impl View {
    /// `None` for a Deployment without a spec, which validation does not let in.
    pub(super) fn of<'a>(
        deployment: Typed<Deployment>,
        sets: impl Iterator<Item = &'a Typed<ReplicaSet>>,
    ) -> Option<Self> {
        let spec = deployment.object.spec.clone()?;
        let uid = deployment.object.metadata.uid.as_deref().unwrap_or_default();
        let owned = sets.filter(|set| owner_uid(&set.object) == uid);
        let mut sets: Vec<Typed<ReplicaSet>> = owned.cloned().collect();
        sets.sort_by_cached_key(|set| {
            let created = set.object.metadata.creation_timestamp.as_ref().map(|t| t.0);
            (created, template::revision_of(&set.object), set.key.name.clone())
        });
        let runs_template = |set: &Typed<ReplicaSet>| {
            let template = set.object.spec.as_ref().and_then(|s| s.template.as_ref());
            template.is_some_and(|template| template::same(template, &spec.template))
        };
        let current = sets.iter().position(runs_template);
        let replicas = spec.replicas.unwrap_or(1);
        let bounds = if is_recreate(&spec) {
            Bounds::recreate(replicas)
        } else {
            let rolling = spec.strategy.as_ref().and_then(|s| s.rolling_update.as_ref());
            Bounds::new(
                replicas,
                rolling.and_then(|r| r.max_surge.as_ref()),
                rolling.and_then(|r| r.max_unavailable.as_ref()),
            )
        };
        Some(Self { deployment, spec, sets, current, bounds })
    }

    pub(super) fn numbers(&self) -> Vec<Set> {
        let numbers = self.sets.iter().enumerate().map(|(i, set)| Set {
            current: Some(i) == self.current,
            replicas: replicas_of(&set.object),
            available: set.object.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0),
            max_replicas_then: narrow(template::number(&set.object, MAX_REPLICAS)),
            desired_then: narrow(template::number(&set.object, DESIRED_REPLICAS)),
        });
        numbers.collect()
    }

    pub(super) fn size_annotations(&self) -> BTreeMap<String, String> {
        [
            (DESIRED_REPLICAS.to_owned(), self.bounds.replicas.to_string()),
            (MAX_REPLICAS.to_owned(), self.bounds.max_total().to_string()),
        ]
        .into()
    }

    /// One more than the newest revision among the old sets.
    pub(super) fn next_revision(&self) -> i64 {
        let old = self.sets.iter().enumerate().filter(|(i, _)| Some(*i) != self.current);
        old.map(|(_, set)| template::revision_of(&set.object)).max().unwrap_or_default() + 1
    }
}

fn narrow(number: Option<i64>) -> Option<i32> {
    number.and_then(|n| i32::try_from(n).ok())
}

pub(super) fn is_recreate(spec: &DeploymentSpec) -> bool {
    spec.strategy.as_ref().and_then(|s| s.type_.as_deref()) == Some("Recreate")
}

pub(super) fn replicas_of(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

pub(super) fn is_empty(set: &ReplicaSet) -> bool {
    replicas_of(set) == 0
        && set.status.as_ref().is_none_or(|status| status.replicas == 0)
        && set.metadata.deletion_timestamp.is_none()
}

pub(super) fn owner_uid(set: &ReplicaSet) -> &str {
    let owners = set.metadata.owner_references.iter().flatten();
    owners.into_iter().find(|o| o.controller == Some(true)).map_or("", |o| o.uid.as_str())
}
