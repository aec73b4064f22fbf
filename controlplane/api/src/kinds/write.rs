//! What every write does, whatever the kind: identity, defaults, generation, status kept apart, rules.
//!
//! The registry calls, in this order: [`prepare_create`], its admission, [`validate_create`]; or
//! [`prepare_update`], admission, [`validate_update`]; or [`prepare_status_update`],
//! [`validate_status_update`]. All pure; a refused object is left for the caller to drop.

use serde_json::{Map, Value};

use super::{Context, Kind};
use crate::{GroupResource, Status, meta, time};

/// Fields of `metadata` that only the server sets.
const SERVER_FIELDS: &[&str] =
    &["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"];

/// Gives a new object its identity, defaults and first status. `namespace` is the request's, empty for
/// cluster-scoped kinds; an object that names another one is refused with 400.
pub fn prepare_create(
    kind: &Kind,
    namespace: &str,
    object: &mut Value,
    context: &Context,
) -> Result<(), Status> {
    check_identity(kind, object)?;
    ensure_namespace(kind, namespace, object)?;
    let prefix = meta::generate_name(object);
    if meta::name(object).is_empty() && !prefix.is_empty() {
        let name = meta::generated_name(prefix, context.name_random);
        meta::set(object, "name", name);
    }
    for field in SERVER_FIELDS.iter().chain(&["managedFields", "resourceVersion", "selfLink"]) {
        meta::set(object, field, Value::Null);
    }
    meta::set(object, "uid", meta::uid_from_random(context.uid_random));
    meta::set(object, "creationTimestamp", time::seconds(context.now));
    if !kind.generation_of.is_empty() {
        meta::set(object, "generation", 1);
    }
    if kind.has_status() && !kind.strategy.status_at_create() {
        remove(object, "status");
    }
    kind.strategy.default(object);
    kind.strategy.prepare_create(object, context);
    if kind.has_status() && object.get("status").is_none() {
        object["status"] = Value::Object(Map::new());
    }
    Ok(())
}

/// All rules of a new object.
pub fn validate_create(kind: &Kind, object: &Value) -> Result<(), Status> {
    let mut errors = super::metadata::validate(kind, object);
    errors.extend(kind.strategy.validate(object));
    kind.check(meta::name(object), errors)
}

/// Makes a replacement of `old` out of what a client sent: identity and status are the old ones, defaults
/// are set, generation counts changes of the kind's spec. A different uid is a 409.
pub fn prepare_update(
    kind: &Kind,
    new: &mut Value,
    old: &Value,
    context: &Context,
) -> Result<(), Status> {
    check_identity(kind, new)?;
    keep_identity(kind, new, old)?;
    if kind.has_status() {
        keep_field(new, old, "status");
    }
    kind.strategy.default(new);
    kind.strategy.prepare_update(new, old, context);
    if !kind.generation_of.is_empty() {
        let changed = kind.generation_of.iter().any(|field| new.get(field) != old.get(field));
        meta::set(new, "generation", meta::generation(old) + i64::from(changed));
    }
    Ok(())
}

/// All rules of a replacement.
pub fn validate_update(kind: &Kind, new: &Value, old: &Value) -> Result<(), Status> {
    let mut errors = super::metadata::validate(kind, new);
    errors.extend(super::metadata::validate_update(new, old));
    errors.extend(kind.strategy.validate(new));
    errors.extend(kind.strategy.validate_update(new, old));
    kind.check(meta::name(new), errors)
}

/// Makes a replacement of `old` of which only the status, labels and annotations are new.
pub fn prepare_status_update(
    kind: &Kind,
    new: &mut Value,
    old: &Value,
    context: &Context,
) -> Result<(), Status> {
    check_identity(kind, new)?;
    keep_identity(kind, new, old)?;
    for field in ["generation", "ownerReferences", "finalizers"] {
        meta::set(new, field, old["metadata"][field].clone());
    }
    for field in top_level_fields(new, old) {
        if field != "metadata" && field != "status" {
            keep_field(new, old, &field);
        }
    }
    kind.strategy.prepare_status_update(new, old, context);
    Ok(())
}

/// All rules of a status write.
pub fn validate_status_update(kind: &Kind, new: &Value, old: &Value) -> Result<(), Status> {
    let mut errors = super::metadata::validate(kind, new);
    errors.extend(super::metadata::validate_update(new, old));
    errors.extend(kind.strategy.validate_status_update(new, old));
    kind.check(meta::name(new), errors)
}

/// True if two states differ in nothing a client would see: such a write keeps its resourceVersion.
pub fn is_unchanged(new: &Value, old: &Value) -> bool {
    let (Value::Object(new), Value::Object(old)) = (new, old) else { return new == old };
    new.len() == old.len()
        && new.iter().all(|(field, value)| match (field.as_str(), old.get(field)) {
            ("metadata", Some(before)) => same_metadata(value, before),
            (_, before) => before == Some(value),
        })
}

/// `resourceVersion` is what the write is about to decide; it does not count.
fn same_metadata(new: &Value, old: &Value) -> bool {
    let relevant = |metadata: &Value| {
        let fields = metadata.as_object().map_or(0, Map::len);
        fields - usize::from(metadata.get("resourceVersion").is_some())
    };
    let kept = |(field, value): (&String, &Value)| {
        field == "resourceVersion" || old.get(field) == Some(value)
    };
    relevant(new) == relevant(old) && new.as_object().into_iter().flatten().all(kept)
}

/// `apiVersion` and `kind` of the body must be those of the URL; absent ones are filled in.
fn check_identity(kind: &Kind, object: &mut Value) -> Result<(), Status> {
    if !object.is_object() {
        return Err(Status::bad_request("the object provided is not a JSON object"));
    }
    let (api_version, name) = (kind.api_version(), kind.kind);
    let given = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let (given_version, given_kind) = (given("apiVersion"), given("kind"));
    if (!given_version.is_empty() && given_version != api_version)
        || (!given_kind.is_empty() && given_kind != name)
    {
        return Err(Status::bad_request(format!(
            "the API version in the data ({given_version}, Kind={given_kind}) does not match the \
             expected API version ({api_version}, Kind={name})"
        )));
    }
    object["apiVersion"] = Value::from(api_version.as_ref());
    object["kind"] = Value::from(name);
    Ok(())
}

/// The object is in the request's namespace, or in none.
fn ensure_namespace(kind: &Kind, namespace: &str, object: &mut Value) -> Result<(), Status> {
    let given = meta::namespace(object);
    if !kind.namespaced {
        meta::set(object, "namespace", Value::Null);
        return Ok(());
    }
    if !given.is_empty() && given != namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    meta::set(object, "namespace", namespace);
    Ok(())
}

/// Name, namespace, uid and the server's own metadata are those of the old object.
fn keep_identity(kind: &Kind, new: &mut Value, old: &Value) -> Result<(), Status> {
    let name = meta::name(new);
    if !name.is_empty() && name != meta::name(old) {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            meta::name(old)
        )));
    }
    let name = meta::name(old).to_owned();
    meta::set(new, "name", name);
    let namespace = meta::namespace(old).to_owned();
    ensure_namespace(kind, &namespace, new)?;
    let uid = meta::uid(new);
    if !uid.is_empty() && uid != meta::uid(old) {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            meta::uid(old)
        );
        let resource = GroupResource::of(kind.group, kind.plural);
        return Err(Status::conflict(&resource, meta::name(old), &why));
    }
    for field in SERVER_FIELDS {
        meta::set(new, field, old["metadata"][field].clone());
    }
    for field in ["managedFields", "selfLink"] {
        meta::set(new, field, Value::Null);
    }
    if meta::generate_name(new).is_empty() {
        meta::set(new, "generateName", old["metadata"]["generateName"].clone());
    }
    Ok(())
}

/// Makes a top-level field what it was.
fn keep_field(new: &mut Value, old: &Value, field: &str) {
    match old.get(field) {
        Some(value) => new[field] = value.clone(),
        None => remove(new, field),
    }
}

fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

fn top_level_fields(new: &Value, old: &Value) -> Vec<String> {
    let fields = [new, old].into_iter().filter_map(Value::as_object).flat_map(Map::keys);
    fields.cloned().collect()
}
