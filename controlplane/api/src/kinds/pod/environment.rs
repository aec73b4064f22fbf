//! Rules of environment variables and where their values come from.

use serde_json::Value;

use super::super::rules::{legal, optional_legal, required, required_legal, text};
use crate::field::Path;
use crate::{FieldErrors, meta, name};

/// What `fieldRef` of a variable can name, besides one label or annotation.
const FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What `fieldRef` of a file can name, besides one label or annotation.
const FILE_FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// What `resourceFieldRef` can name.
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// `env` and `envFrom` of a container.
pub(super) fn validate(container: &Value, path: &Path, errors: &mut FieldErrors) {
    for (index, variable) in meta::list(&container["env"]).iter().enumerate() {
        let path = path.child("env").index(index);
        required_legal(name::env_var, &variable["name"], &path.child("name"), errors);
        if !variable["valueFrom"].is_null() {
            let path = path.child("valueFrom");
            if !text(&variable["value"]).is_empty() {
                errors.invalid(&path, "", "may not be specified when `value` is not empty");
            }
            validate_source(&variable["valueFrom"], &path, errors);
        }
    }
    for (index, source) in meta::list(&container["envFrom"]).iter().enumerate() {
        let path = path.child("envFrom").index(index);
        optional_legal(name::env_var, &source["prefix"], &path.child("prefix"), errors);
        let given: Vec<_> =
            ["configMapRef", "secretRef"].into_iter().filter(|r| !source[*r].is_null()).collect();
        for reference in &given {
            required(&source[*reference]["name"], &path.child(reference).child("name"), errors);
        }
        match given.len() {
            0 => {
                errors.invalid(&path, "", "must specify one of: `configMapRef` or `secretRef`");
            }
            1 => {}
            _ => errors.invalid(&path, "", "may not have more than one field specified at a time"),
        }
    }
}

fn validate_source(source: &Value, path: &Path, errors: &mut FieldErrors) {
    const SOURCES: [&str; 5] =
        ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];
    let given: Vec<_> = SOURCES.into_iter().filter(|name| !source[*name].is_null()).collect();
    match given.len() {
        0 => errors.invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or \
             `fileKeyRef`",
        ),
        1 => {}
        _ => errors.invalid(path, "", "may not have more than one field specified at a time"),
    }
    for name in given {
        let (reference, path) = (&source[name], path.child(name));
        match name {
            "fieldRef" => validate_field(reference, &FIELDS, &path, errors),
            "resourceFieldRef" => validate_resource(reference, &path, errors),
            "configMapKeyRef" | "secretKeyRef" => {
                required(&reference["name"], &path.child("name"), errors);
                required_legal(name::config_key, &reference["key"], &path.child("key"), errors);
            }
            _ => {}
        }
    }
}

fn validate_field(reference: &Value, known: &[&str], path: &Path, errors: &mut FieldErrors) {
    required(&reference["apiVersion"], &path.child("apiVersion"), errors);
    let (field, path) = (text(&reference["fieldPath"]), path.child("fieldPath"));
    if field.is_empty() {
        errors.required(&path, "");
        return;
    }
    let subscript = ["metadata.annotations", "metadata.labels"]
        .iter()
        .find_map(|map| field.strip_prefix(map)?.strip_prefix("['")?.strip_suffix("']"));
    match subscript {
        Some(key) => legal(name::qualified, &key.to_lowercase(), &path, errors),
        None if known.contains(&field) => {}
        None => errors.not_supported(&path, field, known),
    }
}

fn validate_resource(reference: &Value, path: &Path, errors: &mut FieldErrors) {
    let (resource, path) = (text(&reference["resource"]), path.child("resource"));
    if resource.is_empty() {
        errors.required(&path, "");
    } else if !RESOURCES.contains(&resource) && !resource.contains(".hugepages-") {
        errors.not_supported(&path, resource, &RESOURCES);
    }
}

/// The `fieldRef` or `resourceFieldRef` of a file in a downward API volume.
pub(super) fn validate_file(item: &Value, path: &Path, errors: &mut FieldErrors) {
    let (field, resource) = (&item["fieldRef"], &item["resourceFieldRef"]);
    match (field.is_null(), resource.is_null()) {
        (true, true) => {
            errors.required(path, "one of fieldRef and resourceFieldRef is required");
        }
        (false, false) => errors.invalid(
            path,
            "resource",
            "fieldRef and resourceFieldRef can not be specified simultaneously",
        ),
        (false, true) => validate_field(field, &FILE_FIELDS, &path.child("fieldRef"), errors),
        (true, false) => {
            required(
                &resource["containerName"],
                &path.child("resourceFieldRef").child("containerName"),
                errors,
            );
            validate_resource(resource, &path.child("resourceFieldRef"), errors);
        }
    }
}
