//! Objects as clients send them, through the codec and all rules of a write.

mod config;
mod daemon_sets;
mod generic;
mod pods;
mod services;
mod stateful_sets;
mod table;
mod workloads;

use serde_json::{Value, json};

use super::{Context, Kind, by_kind, write};
use crate::codec::{self, FieldValidation};
use crate::{Status, meta, schema};

const NOW: &str = "2026-01-01T00:00:00Z";

fn context() -> Context {
    Context { now: NOW.parse().unwrap(), uid_random: [7; 16], name_random: 7 }
}

fn kind_of(object: &Value) -> &'static Kind {
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    by_kind(&text("apiVersion"), &text("kind")).expect("a kind of the table")
}

fn decoded(object: Value) -> Result<Value, Status> {
    let message = schema::message(kind_of(&object).schema).expect("a message of the schema");
    Ok(codec::conform(object, message, FieldValidation::Strict)?.value)
}

/// What a create makes of an object.
fn create(object: Value) -> Result<Value, Status> {
    let kind = kind_of(&object);
    let mut object = decoded(object)?;
    let namespace = if kind.namespaced { "default" } else { "" };
    write::prepare_create(kind, namespace, &mut object, &context())?;
    write::validate_create(kind, &object)?;
    Ok(object)
}

/// What an update makes of an object.
fn update(old: &Value, new: Value) -> Result<Value, Status> {
    let kind = kind_of(old);
    let mut new = decoded(new)?;
    write::prepare_update(kind, &mut new, old, &context())?;
    write::validate_update(kind, &new, old)?;
    Ok(new)
}

/// What a status update makes of an object.
fn update_status(old: &Value, new: Value) -> Result<Value, Status> {
    let kind = kind_of(old);
    let mut new = decoded(new)?;
    write::prepare_status_update(kind, &mut new, old, &context())?;
    write::validate_status_update(kind, &new, old)?;
    Ok(new)
}

/// An object with one value set at a JSON pointer, `null` removing it.
fn with(object: &Value, pointer: &str, value: Value) -> Value {
    let mut object = object.clone();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match parent {
        Value::Array(list) if field == "-" => list.push(value),
        Value::Array(list) => list[field.parse::<usize>().unwrap()] = value,
        _ if value.is_null() => {
            parent.as_object_mut().unwrap().remove(field);
        }
        _ => parent[field] = value,
    }
    object
}

/// The sentences about fields in a refusal, without the object's name.
fn sentences(result: Result<Value, Status>) -> String {
    match result {
        Ok(object) => panic!("accepted: {object}"),
        Err(status) => {
            let (_, sentences) =
                status.message.split_once(" is invalid: ").unwrap_or(("", &status.message));
            sentences.to_owned()
        }
    }
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "web", "labels": { "app": "web" } },
        "spec": { "containers": [{ "name": "a", "image": "web:1" }] },
    })
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "web" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "a", "image": "web" }] },
            },
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "web" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
    })
}

fn name_of(object: &Value) -> &str {
    meta::name(object)
}
