//! Rules of `metadata`, the same for every kind.

use serde_json::Value;

use super::Kind;
use crate::field::Path;
use crate::{FieldErrors, meta, name};

/// All annotations of one object together.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// Rules of `metadata` by itself.
pub fn validate(kind: &Kind, object: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = Path::root("metadata");
    let metadata = &object["metadata"];
    validate_names(kind, object, &path, &mut errors);
    validate_labels(&metadata["labels"], &path.child("labels"), &mut errors);
    validate_annotations(&metadata["annotations"], &path.child("annotations"), &mut errors);
    validate_owners(object, &path.child("ownerReferences"), &mut errors);
    validate_finalizers(object, &path.child("finalizers"), &mut errors);
    errors
}

/// Rules of a change of `metadata`.
pub fn validate_update(new: &Value, old: &Value) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if meta::is_terminating(old) {
        let before: Vec<_> = meta::finalizers(old).collect();
        let added: Vec<_> =
            meta::finalizers(new).filter(|finalizer| !before.contains(finalizer)).collect();
        if !added.is_empty() {
            let path = Path::root("metadata").child("finalizers");
            errors.forbidden(
                &path,
                format!(
                    "no new finalizers can be added if the object is being deleted, found new \
                     finalizers {added:?}"
                ),
            );
        }
    }
    errors
}

fn validate_names(kind: &Kind, object: &Value, path: &Path, errors: &mut FieldErrors) {
    let (name, prefix) = (meta::name(object), meta::generate_name(object));
    if !prefix.is_empty() {
        // A prefix may end where a name may not: `web-`.
        let whole = format!("{}x", prefix.trim_end_matches('-'));
        for rule in kind.strategy.validate_name(&whole).err().into_iter().flatten() {
            errors.invalid(&path.child("generateName"), prefix, rule);
        }
    }
    if name.is_empty() {
        errors.required(&path.child("name"), "name or generateName is required");
    } else {
        for rule in kind.strategy.validate_name(name).err().into_iter().flatten() {
            errors.invalid(&path.child("name"), name, rule);
        }
    }
    let namespace = meta::namespace(object);
    if kind.namespaced {
        if namespace.is_empty() {
            errors.required(&path.child("namespace"), "");
        } else {
            for rule in name::dns1123_label(namespace).err().into_iter().flatten() {
                errors.invalid(&path.child("namespace"), namespace, rule);
            }
        }
    }
}

/// A map of labels: of an object, a pod template or a node selector.
pub fn validate_labels(labels: &Value, path: &Path, errors: &mut FieldErrors) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        for rule in name::qualified(key).err().into_iter().flatten() {
            errors.invalid(path, key.as_str(), rule);
        }
        let value = value.as_str().unwrap_or_default();
        for rule in name::label_value(value).err().into_iter().flatten() {
            errors.invalid(&path.key(key), value, rule);
        }
    }
}

/// A map of annotations: legal keys, and not too much text.
pub fn validate_annotations(annotations: &Value, path: &Path, errors: &mut FieldErrors) {
    let mut bytes = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        for rule in name::qualified(&key.to_lowercase()).err().into_iter().flatten() {
            errors.invalid(path, key.as_str(), rule);
        }
        bytes += key.len() + value.as_str().map_or(0, str::len);
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.too_long(path, ANNOTATIONS_BYTES_MAX);
    }
}

fn validate_owners(object: &Value, path: &Path, errors: &mut FieldErrors) {
    let owners = meta::owner_references(object);
    for (index, owner) in owners.iter().enumerate() {
        let path = path.index(index);
        for (field, rule) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                errors.invalid(&path.child(field), "", rule);
            }
        }
    }
    let controllers: Vec<_> = owners.iter().filter(|owner| owner["controller"] == true).collect();
    if let [first, second, ..] = controllers.as_slice() {
        let shown = |owner: &Value| {
            let text = |field: &str| owner[field].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", text("kind"), text("name"))
        };
        errors.invalid(
            path,
            Value::from(owners.to_vec()),
            format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for \
                 {} and {}",
                shown(first),
                shown(second)
            ),
        );
    }
}

fn validate_finalizers(object: &Value, path: &Path, errors: &mut FieldErrors) {
    let mut deletion = Vec::new();
    for (index, finalizer) in meta::finalizers(object).enumerate() {
        for rule in name::qualified(finalizer).err().into_iter().flatten() {
            errors.invalid(&path.index(index), finalizer, rule);
        }
        if matches!(finalizer, "foregroundDeletion" | "orphan") {
            deletion.push(finalizer);
        }
    }
    if deletion.contains(&"foregroundDeletion") && deletion.contains(&"orphan") {
        let all: Vec<_> = meta::finalizers(object).collect();
        errors.invalid(path, all, "finalizer orphan and foregroundDeletion cannot be both set");
    }
}
