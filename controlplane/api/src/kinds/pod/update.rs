//! What may change in a pod: nearly nothing.

use serde_json::Value;

use super::super::rules::{remove, text};
use crate::field::Path;
use crate::{FieldErrors, meta};

const MAY_CHANGE: &str = "pod updates may not change fields other than \
    `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
    `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` \
    (allow it to be set to 1 if it was previously negative)";

/// Rules of a change from `old` to `new`.
pub(super) fn validate(new: &Value, old: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::root("spec");
    let (spec, before) = (&new["spec"], &old["spec"]);
    let count = |spec: &Value, list: &str| meta::list(&spec[list]).len();
    let mut same_containers = true;
    for list in ["containers", "initContainers"] {
        if count(spec, list) != count(before, list) {
            let why = match list {
                "containers" => "pod updates may not add or remove containers",
                _ => "pod updates may not add or remove init containers",
            };
            errors.forbidden(&path.child(list), why);
            same_containers = false;
        }
    }
    if !same_containers {
        return errors;
    }
    validate_deadline(spec, before, &path, &mut errors);
    validate_tolerations(spec, before, &path, &mut errors);
    validate_gates(spec, before, &path, &mut errors);
    let changed = frozen_changes(spec, before);
    if !changed.is_empty() {
        errors.forbidden(&path, format!("{MAY_CHANGE}; changed: {}", changed.join(", ")));
    }
    errors
}

/// A deadline may come, and come closer.
fn validate_deadline(spec: &Value, before: &Value, path: &Path, errors: &mut FieldErrors) {
    let field = "activeDeadlineSeconds";
    let path = path.child(field);
    match (spec[field].as_i64(), before[field].as_i64()) {
        (Some(new), Some(old)) if new > old => {
            errors.invalid(&path, new, "must be less than or equal to previous value");
        }
        (None, Some(_)) => {
            errors.invalid(
                &path,
                Value::Null,
                "must not update from a positive integer to nil value",
            );
        }
        _ => {}
    }
}

/// Tolerations may be added; of those there only `tolerationSeconds` may change.
fn validate_tolerations(spec: &Value, before: &Value, path: &Path, errors: &mut FieldErrors) {
    let without_seconds = |toleration: &Value| {
        let mut toleration = toleration.clone();
        remove(&mut toleration, "tolerationSeconds");
        toleration
    };
    let now: Vec<_> = meta::list(&spec["tolerations"]).iter().map(without_seconds).collect();
    let kept = |old: &Value| now.contains(&without_seconds(old));
    if !meta::list(&before["tolerations"]).iter().all(kept) {
        errors.forbidden(
            &path.child("tolerations"),
            "existing toleration can not be modified except its tolerationSeconds",
        );
    }
}

/// Scheduling gates may only go.
fn validate_gates(spec: &Value, before: &Value, path: &Path, errors: &mut FieldErrors) {
    let old = meta::list(&before["schedulingGates"]);
    for gate in meta::list(&spec["schedulingGates"]) {
        if !old.contains(gate) {
            errors.forbidden(
                &path.child("schedulingGates"),
                format!(
                    "only deletion is allowed, but found new scheduling gate '{}'",
                    text(&gate["name"])
                ),
            );
        }
    }
}

/// The fields that changed though they may not.
fn frozen_changes(spec: &Value, before: &Value) -> Vec<String> {
    let grace = "terminationGracePeriodSeconds";
    let mut mended = spec.clone();
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        keep(&mut mended, before, field);
    }
    if before[grace].as_i64().is_some_and(|old| old < 0) && spec[grace] == 1 {
        keep(&mut mended, before, grace);
    }
    for list in ["containers", "initContainers"] {
        let Some(containers) = mended.get_mut(list).and_then(Value::as_array_mut) else { continue };
        for (container, old) in containers.iter_mut().zip(meta::list(&before[list])) {
            keep(container, old, "image");
        }
    }
    let mut changed = Vec::new();
    differences(&mended, before, "spec".to_owned(), &mut changed);
    changed
}

fn keep(new: &mut Value, old: &Value, field: &str) {
    match old.get(field) {
        Some(value) => new[field] = value.clone(),
        None => remove(new, field),
    }
}

/// The deepest paths at which two values differ.
fn differences(new: &Value, old: &Value, path: String, changed: &mut Vec<String>) {
    match (new, old) {
        (Value::Object(a), Value::Object(b)) => {
            let mut fields: Vec<_> = a.keys().chain(b.keys()).collect();
            fields.sort_unstable();
            fields.dedup();
            for field in fields {
                differences(&new[field], &old[field], format!("{path}.{field}"), changed);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(a, b, format!("{path}[{index}]"), changed);
            }
        }
        _ if new != old => changed.push(format!("`{path}`")),
        _ => {}
    }
}
