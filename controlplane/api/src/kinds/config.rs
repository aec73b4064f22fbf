//! ConfigMaps and Secrets: keys that become file names, a bounded size, and immutability on request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::rules::{empty, fill, fill_zero, legal, remove, required, text};
use super::{Context, Strategy};
use crate::field::Path;
use crate::{FieldErrors, name};

/// All values of one object together.
const DATA_BYTES_MAX: usize = 1024 * 1024;

/// Rules of ConfigMaps.
pub(super) struct ConfigMap;

impl Strategy for ConfigMap {
    fn validate(&self, map: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let mut bytes = 0;
        for (field, is_binary) in [("data", false), ("binaryData", true)] {
            for (key, value) in map[field].as_object().into_iter().flatten() {
                let path = Path::root(field).key(key);
                legal(name::config_key, key, &path, &mut errors);
                if is_binary && map["data"].get(key).is_some() {
                    let why = format!("duplicate of key present in data: {key}");
                    errors.invalid(&path, key.as_str(), why);
                }
                bytes += if is_binary {
                    decoded_len(value, &path, &mut errors)
                } else {
                    text(value).len()
                };
            }
        }
        if bytes > DATA_BYTES_MAX {
            errors.too_long(&Path::root("data"), DATA_BYTES_MAX);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        immutable(new, old, &["data", "binaryData"])
    }
}

/// Rules of Secrets.
pub(super) struct Secret;

impl Strategy for Secret {
    fn default(&self, secret: &mut Value) {
        fill_zero(secret, "type", "Opaque");
        merge_string_data(secret);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value, _: &Context) {
        fill_zero(new, "type", old["type"].clone());
    }

    fn validate(&self, secret: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let mut bytes = 0;
        for (key, value) in secret["data"].as_object().into_iter().flatten() {
            let path = Path::root("data").key(key);
            legal(name::config_key, key, &path, &mut errors);
            bytes += decoded_len(value, &path, &mut errors);
        }
        if bytes > DATA_BYTES_MAX {
            errors.too_long(&Path::root("data"), DATA_BYTES_MAX);
        }
        for key in required_keys(text(&secret["type"])) {
            if secret["data"].get(key).is_none() {
                errors.required(&Path::root("data").key(key), "");
            }
        }
        validate_docker_config(secret, &mut errors);
        if secret["type"] == "kubernetes.io/service-account-token" {
            let annotation = "kubernetes.io/service-account.name";
            let path = Path::root("metadata").child("annotations").key(annotation);
            required(&secret["metadata"]["annotations"][annotation], &path, &mut errors);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if new["type"] != old["type"] {
            errors.invalid(&Path::root("type"), new["type"].clone(), "field is immutable");
        }
        errors.extend(immutable(new, old, &["data"]));
        errors
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["type"]
    }
}

/// `stringData` is for writing only: plain text that overrides `data`.
fn merge_string_data(secret: &mut Value) {
    let Some(plain) = secret["stringData"].as_object().cloned() else {
        remove(secret, "stringData");
        return;
    };
    remove(secret, "stringData");
    if plain.is_empty() {
        return;
    }
    fill(secret, "data", empty());
    for (key, value) in plain {
        secret["data"][key] = Value::from(STANDARD.encode(text(&value)));
    }
}

/// What a Secret of a known type must hold.
fn required_keys(secret_type: &str) -> &'static [&'static str] {
    match secret_type {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    }
}

/// Credentials of a registry must be JSON; the value itself stays out of the message.
fn validate_docker_config(secret: &Value, errors: &mut FieldErrors) {
    let key = match text(&secret["type"]) {
        "kubernetes.io/dockerconfigjson" => ".dockerconfigjson",
        "kubernetes.io/dockercfg" => ".dockercfg",
        _ => return,
    };
    let Ok(bytes) = STANDARD.decode(text(&secret["data"][key])) else { return };
    if let Err(why) = serde_json::from_slice::<Value>(&bytes) {
        let path = Path::root("data").key(key);
        errors.invalid(&path, "<secret contents redacted>", why.to_string());
    }
}

fn decoded_len(value: &Value, path: &Path, errors: &mut FieldErrors) -> usize {
    match STANDARD.decode(text(value)) {
        Ok(bytes) => bytes.len(),
        Err(why) => {
            errors.invalid(path, "<contents redacted>", format!("illegal base64 data: {why}"));
            0
        }
    }
}

/// Once `immutable` is true, neither it nor the content changes.
fn immutable(new: &Value, old: &Value, fields: &[&str]) -> FieldErrors {
    const WHY: &str = "field is immutable when `immutable` is set";
    let mut errors = FieldErrors::new();
    if old["immutable"] == true {
        if new["immutable"] != true {
            errors.forbidden(&Path::root("immutable"), WHY);
        }
        for field in fields {
            if new[*field] != old[*field] {
                errors.forbidden(&Path::root(field), WHY);
            }
        }
    }
    errors
}
