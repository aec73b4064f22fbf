//! Pod templates: which ReplicaSet runs which, and what a new ReplicaSet looks like. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Value, json};

use crate::controller_reference;

pub(super) const HASH_LABEL: &str = "pod-template-hash";
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a Deployment that are no business of its ReplicaSets.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "deprecated.deployment.rollback.to",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
];

/// True when both run the same pods: the hash label is ours and does not count.
pub(super) fn same(one: &PodTemplateSpec, other: &PodTemplateSpec) -> bool {
    without_hash(one) == without_hash(other)
}

fn without_hash(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(labels) = template.metadata.as_mut().and_then(|m| m.labels.as_mut()) {
        labels.remove(HASH_LABEL);
    }
    template
}

/// Ten characters that differ between templates, and between retries after a collision of two.
pub(super) fn hash(template: &PodTemplateSpec, collisions: i32) -> String {
    let canonical = serde_json::to_vec(&without_hash(template)).unwrap_or_default();
    crate::template_hash::hash(canonical.into_iter().chain(collisions.to_le_bytes()))
}

/// The ReplicaSet for the Deployment's current template.
pub(super) fn new_set(
    deployment: &Deployment,
    replicas: i32,
    annotations: &BTreeMap<String, String>,
) -> Value {
    let spec = deployment.spec.clone().unwrap_or_default();
    let metadata = &deployment.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let collisions = deployment.status.as_ref().and_then(|s| s.collision_count).unwrap_or_default();
    let hash = hash(&spec.template, collisions);

    let mut template = serde_json::to_value(&spec.template).unwrap_or_default();
    template["metadata"]["labels"][HASH_LABEL] = json!(hash);
    let mut selector = serde_json::to_value(&spec.selector).unwrap_or_default();
    selector["matchLabels"][HASH_LABEL] = json!(hash);
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{name}-{hash}"),
            "namespace": metadata.namespace,
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [controller_reference("apps/v1", "Deployment", name, uid)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": spec.min_ready_seconds.unwrap_or_default(),
            "selector": selector,
            "template": template,
        },
    })
}

/// The annotations that the ReplicaSet of the current template should have, as far as they differ.
pub(super) fn annotation_changes(
    deployment: &Deployment,
    set: Option<&ReplicaSet>,
    revision: i64,
) -> BTreeMap<String, String> {
    let none = BTreeMap::new();
    let current = set.and_then(|s| s.metadata.annotations.as_ref()).unwrap_or(&none);
    let own = deployment.metadata.annotations.iter().flatten();
    let mut wanted: BTreeMap<String, String> = own
        .filter(|(name, _)| !NOT_COPIED.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if set.is_none_or(|set| revision_of(set) < revision) {
        wanted.insert(REVISION.to_owned(), revision.to_string());
        if let Some(old) = current.get(REVISION) {
            let history = match current.get(REVISION_HISTORY).filter(|h| !h.is_empty()) {
                Some(history) => format!("{history},{old}"),
                None => old.clone(),
            };
            wanted.insert(REVISION_HISTORY.to_owned(), history);
        }
    }
    wanted.retain(|name, value| current.get(name) != Some(value));
    wanted
}

/// The revision of the rollout that this set belongs to; 0 before it has one.
pub(super) fn revision_of(set: &ReplicaSet) -> i64 {
    number(set, REVISION).unwrap_or_default()
}

/// A number that an annotation holds.
pub(super) fn number(set: &ReplicaSet, annotation: &str) -> Option<i64> {
    set.metadata.annotations.as_ref()?.get(annotation)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment() -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "name": "web", "namespace": "default", "uid": "d", "annotations": {
                "kubernetes.io/change-cause": "first",
                "kubectl.kubernetes.io/last-applied-configuration": "{}" } },
            "spec": {
                "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": [{ "name": "c", "image": "i:1" }] },
                },
            },
        }))
        .unwrap()
    }

    #[test]
    fn the_set_of_a_template_is_recognised() {
        let deployment = deployment();
        let set = new_set(&deployment, 2, &annotation_changes(&deployment, None, 1));
        let set: ReplicaSet = serde_json::from_value(set).unwrap();
        let spec = deployment.spec.as_ref().unwrap();
        let template = set.spec.as_ref().unwrap().template.as_ref().unwrap();
        assert!(same(template, &spec.template));
        let hash = &template.metadata.as_ref().unwrap().labels.as_ref().unwrap()[HASH_LABEL];
        assert_eq!(set.metadata.name.as_deref(), Some(format!("web-{hash}").as_str()));
        assert_eq!(revision_of(&set), 1);
        let annotations = set.metadata.annotations.unwrap();
        assert_eq!(annotations["kubernetes.io/change-cause"], "first");
        assert!(!annotations.contains_key(NOT_COPIED[0]));
    }

    #[test]
    fn hashes_differ_by_template_and_by_collision() {
        let template = deployment().spec.unwrap().template;
        let mut other = template.clone();
        other.spec.as_mut().unwrap().containers[0].image = Some("i:2".into());
        assert_ne!(hash(&template, 0), hash(&other, 0));
        assert_ne!(hash(&template, 0), hash(&template, 1));
        assert_eq!(hash(&template, 0), hash(&template, 0));
    }

    #[test]
    fn an_old_set_that_is_current_again_gets_a_new_revision_and_remembers_the_old() {
        let deployment = deployment();
        let set = new_set(&deployment, 2, &annotation_changes(&deployment, None, 1));
        let set: ReplicaSet = serde_json::from_value(set).unwrap();
        assert!(annotation_changes(&deployment, Some(&set), 1).is_empty());
        let changes = annotation_changes(&deployment, Some(&set), 3);
        assert_eq!((changes[REVISION].as_str(), changes[REVISION_HISTORY].as_str()), ("3", "1"));
    }
}
