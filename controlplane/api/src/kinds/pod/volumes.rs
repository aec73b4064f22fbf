//! Rules of volumes: unique names, exactly one source each, paths that stay inside.
//!
//! A source that the node agent cannot mount is legal here, as in Kubernetes: the agent says so in an event.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::rules::{one_of, required, required_legal, text};
use super::environment;
use crate::field::Path;
use crate::quantity::Quantity;
use crate::{FieldErrors, meta, name};

const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];

/// Checks `volumes`; returns the names that mounts may use.
pub(super) fn validate<'a>(
    spec: &'a Value,
    path: &Path,
    errors: &mut FieldErrors,
) -> BTreeSet<&'a str> {
    let mut names = BTreeSet::new();
    for (index, volume) in meta::list(&spec["volumes"]).iter().enumerate() {
        let path = path.child("volumes").index(index);
        let name = text(&volume["name"]);
        required_legal(name::dns1123_label, &volume["name"], &path.child("name"), errors);
        if !name.is_empty() && !names.insert(name) {
            errors.duplicate(&path.child("name"), name);
        }
        validate_source(volume, &path, errors);
    }
    names
}

fn validate_source(volume: &Value, path: &Path, errors: &mut FieldErrors) {
    let fields = volume.as_object().into_iter().flatten();
    let sources: Vec<_> =
        fields.filter(|(field, value)| *field != "name" && !value.is_null()).collect();
    let Some((first, others)) = sources.split_first() else {
        errors.required(path, "must specify a volume type");
        return;
    };
    for (other, _) in others {
        errors.forbidden(&path.child(other), "may not specify more than 1 volume type");
    }
    let (source, body) = *first;
    let path = path.child(source);
    match source.as_str() {
        "hostPath" => {
            required(&body["path"], &path.child("path"), errors);
            no_back_steps(text(&body["path"]), &path.child("path"), errors);
            one_of(&body["type"], &HOST_PATH_TYPES, &path.child("type"), errors);
        }
        "emptyDir" => {
            let limit = &body["sizeLimit"];
            if !limit.is_null() && Quantity::of(limit).is_none_or(Quantity::is_negative) {
                let why = "SizeLimit field must be a valid resource quantity";
                errors.forbidden(&path.child("sizeLimit"), why);
            }
        }
        "configMap" => {
            required(&body["name"], &path.child("name"), errors);
            validate_files(body, &path, errors);
        }
        "secret" => {
            required(&body["secretName"], &path.child("secretName"), errors);
            validate_files(body, &path, errors);
        }
        "downwardAPI" => validate_downward(body, &path, errors),
        "projected" => validate_projected(body, &path, errors),
        "persistentVolumeClaim" => {
            required(&body["claimName"], &path.child("claimName"), errors);
        }
        _ => {}
    }
}

/// `defaultMode` and `items` of a ConfigMap or Secret.
fn validate_files(body: &Value, path: &Path, errors: &mut FieldErrors) {
    validate_mode(&body["defaultMode"], &path.child("defaultMode"), errors);
    for (index, item) in meta::list(&body["items"]).iter().enumerate() {
        let path = path.child("items").index(index);
        required(&item["key"], &path.child("key"), errors);
        validate_file_path(&item["path"], &path.child("path"), errors);
        validate_mode(&item["mode"], &path.child("mode"), errors);
    }
}

fn validate_downward(body: &Value, path: &Path, errors: &mut FieldErrors) {
    validate_mode(&body["defaultMode"], &path.child("defaultMode"), errors);
    for (index, item) in meta::list(&body["items"]).iter().enumerate() {
        let path = path.child("items").index(index);
        validate_file_path(&item["path"], &path.child("path"), errors);
        validate_mode(&item["mode"], &path.child("mode"), errors);
        environment::validate_file(item, &path, errors);
    }
}

fn validate_projected(body: &Value, path: &Path, errors: &mut FieldErrors) {
    validate_mode(&body["defaultMode"], &path.child("defaultMode"), errors);
    for (index, source) in meta::list(&body["sources"]).iter().enumerate() {
        let path = path.child("sources").index(index);
        let fields = source.as_object().into_iter().flatten();
        let given: Vec<_> = fields.filter(|(_, value)| !value.is_null()).collect();
        let Some(((name, body), others)) = given.split_first() else {
            errors.required(&path, "must specify a volume type");
            continue;
        };
        for (other, _) in others {
            errors.forbidden(
                &path.child(other),
                "may not specify more than 1 volume type per source",
            );
        }
        let path = path.child(name);
        match name.as_str() {
            "configMap" | "secret" => {
                required(&body["name"], &path.child("name"), errors);
                validate_files(body, &path, errors);
            }
            "downwardAPI" => validate_downward(body, &path, errors),
            "serviceAccountToken" => {
                validate_file_path(&body["path"], &path.child("path"), errors);
                if body["expirationSeconds"].as_i64().is_some_and(|seconds| seconds < 600) {
                    let path = path.child("expirationSeconds");
                    let why = "may not specify a duration less than 10 minutes";
                    errors.invalid(&path, body["expirationSeconds"].clone(), why);
                }
            }
            _ => {}
        }
    }
}

/// `volumeMounts` of a container against the pod's volumes.
pub(super) fn validate_mounts(
    container: &Value,
    volumes: &BTreeSet<&str>,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let mut mount_paths = BTreeSet::new();
    for (index, mount) in meta::list(&container["volumeMounts"]).iter().enumerate() {
        let path = path.child("volumeMounts").index(index);
        let (name, mount_path) = (text(&mount["name"]), text(&mount["mountPath"]));
        if name.is_empty() {
            errors.required(&path.child("name"), "");
        } else if !volumes.contains(name) {
            errors.not_found(&path.child("name"), name);
        }
        if mount_path.is_empty() {
            errors.required(&path.child("mountPath"), "");
        } else if !mount_paths.insert(mount_path) {
            errors.invalid(&path.child("mountPath"), mount_path, "must be unique");
        }
        for field in ["subPath", "subPathExpr"] {
            validate_relative(text(&mount[field]), &path.child(field), errors);
        }
        if !text(&mount["subPath"]).is_empty() && !text(&mount["subPathExpr"]).is_empty() {
            errors.invalid(
                &path.child("subPathExpr"),
                mount["subPathExpr"].clone(),
                "subPathExpr and subPath are mutually exclusive",
            );
        }
        let propagations = ["Bidirectional", "HostToContainer", "None"];
        one_of(&mount["mountPropagation"], &propagations, &path.child("mountPropagation"), errors);
    }
}

fn validate_mode(mode: &Value, path: &Path, errors: &mut FieldErrors) {
    if mode.as_i64().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        let why = "must be a number between 0 and 0777 (octal), both inclusive";
        errors.invalid(path, mode.clone(), why);
    }
}

/// A file inside a volume.
fn validate_file_path(field: &Value, path: &Path, errors: &mut FieldErrors) {
    let file = text(field);
    if file.is_empty() {
        errors.required(path, "");
    }
    validate_relative(file, path, errors);
    if file.starts_with("..") && !file.starts_with("../") && file != ".." {
        errors.invalid(path, file, "must not start with '..'");
    }
}

fn validate_relative(file: &str, path: &Path, errors: &mut FieldErrors) {
    if file.starts_with('/') {
        errors.invalid(path, file, "must be a relative path");
    }
    no_back_steps(file, path, errors);
}

fn no_back_steps(file: &str, path: &Path, errors: &mut FieldErrors) {
    if file.split('/').any(|step| step == "..") {
        errors.invalid(path, file, "must not contain '..'");
    }
}
