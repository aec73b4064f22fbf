//! What Deployments, ReplicaSets, DaemonSets and StatefulSets share: a pod template, a selector that must match
//! it, and replicas.

use serde_json::{Value, json};

use super::metadata::{validate_annotations, validate_labels};
use super::pod::{self, Owner};
use super::rules::{empty, fill, label_selector, non_negative};
use super::{Scale, rules};
use crate::FieldErrors;
use crate::field::Path;
use crate::selector::LabelSelector;

/// One replica, and the template's own defaults.
pub(super) fn default(object: &mut Value) {
    fill(&mut object["spec"], "replicas", 1);
    default_template(object);
}

/// The template's own defaults.
pub(super) fn default_template(object: &mut Value) {
    let spec = &mut object["spec"];
    if let Some(template) = spec.get_mut("template").filter(|template| template.is_object()) {
        fill(template, "metadata", empty());
        if template["spec"].is_object() {
            pod::default_template(&mut template["spec"]);
        }
    }
}

/// Rules of `replicas`, `minReadySeconds`, `selector` and `template`. `owner` is the kind that makes the pods.
pub(super) fn validate(object: &Value, owner: &'static str, path: &Path, errors: &mut FieldErrors) {
    let spec = &object["spec"];
    for field in ["replicas", "minReadySeconds"] {
        non_negative(&spec[field], &path.child(field), errors);
    }
    let selector = &spec["selector"];
    let selector_path = path.child("selector");
    if selector.is_null() {
        errors.required(&selector_path, "");
    } else {
        label_selector(selector, &selector_path, errors);
        if selector.as_object().is_some_and(serde_json::Map::is_empty) {
            // Kubernetes names a Deployment for a ReplicaSet too.
            let named = if owner == "ReplicaSet" { "Deployment" } else { owner };
            let why = format!("empty selector is invalid for {}", named.to_lowercase());
            errors.invalid(&selector_path, json!({}), why);
        }
    }
    let (template, path) = (&spec["template"], path.child("template"));
    if template.is_null() {
        errors.required(&path, "");
        return;
    }
    let labels = &template["metadata"]["labels"];
    if let Ok(selector) = LabelSelector::from_object(selector)
        && !selector.is_everything()
        && !selector.matches(&labels.as_object())
        && !spec["selector"].is_null()
    {
        errors.invalid(
            &path.child("metadata").child("labels"),
            labels.clone(),
            "`selector` does not match template `labels`",
        );
    }
    let metadata = path.child("metadata");
    validate_labels(labels, &metadata.child("labels"), errors);
    let annotations = &template["metadata"]["annotations"];
    validate_annotations(annotations, &metadata.child("annotations"), errors);
    pod::validate_annotations(template, &metadata, errors);
    pod::validate_spec(&template["spec"], Owner::Template(owner), &path.child("spec"), errors);
}

/// A selector says which pods are whose: it stays.
pub(super) fn validate_update(new: &Value, old: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec").child("selector");
    rules::immutable(&new["spec"]["selector"], &old["spec"]["selector"], &path, &mut errors);
    errors
}

/// What the `scale` subresource shows.
pub(super) fn scale(object: &Value) -> Scale {
    let selector = LabelSelector::from_object(&object["spec"]["selector"]).unwrap_or_default();
    Scale {
        replicas: object["spec"]["replicas"].as_i64().unwrap_or(0),
        observed_replicas: object["status"]["replicas"].as_i64().unwrap_or(0),
        selector: selector.to_string(),
    }
}

/// How many objects a controller has observed: `status` counters are never negative.
pub(super) fn validate_counters(object: &Value, counters: &[&str]) -> FieldErrors {
    let mut errors = FieldErrors::new();
    for counter in counters {
        let path = Path::root("status").child(counter);
        non_negative(&object["status"][*counter], &path, &mut errors);
    }
    errors
}
