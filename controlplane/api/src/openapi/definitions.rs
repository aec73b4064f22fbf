//! Messages as JSON schemas, with Kubernetes' extensions for lists and patches.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Dialect, descriptions};
use crate::schema::{Field, ListType, Merge, Message, PatchStrategy, Shape, Type};

const META: &str = "k8s.io.apimachinery.pkg.apis.meta.v1";

/// `io.k8s.api.core.v1.Pod`: the package's host part turned round.
pub(super) fn name(message: &Message) -> String {
    let package = message.package.name;
    let package = package.strip_prefix("k8s.io.").unwrap_or(package);
    format!("io.k8s.{package}.{}", message.name)
}

/// Every message reachable from `roots`, by name.
pub(super) fn all(roots: Vec<&'static Message>, dialect: Dialect) -> Value {
    let mut pending = roots;
    let mut schemas = BTreeMap::new();
    while let Some(message) = pending.pop() {
        let name = name(message);
        if schemas.contains_key(&name) {
            continue;
        }
        for field in message.json_fields() {
            if let Type::Message(next) = field.ty {
                pending.push(next);
            }
        }
        schemas.insert(name, object(message, dialect));
    }
    schemas.into_iter().collect::<Map<_, _>>().into()
}

fn object(message: &'static Message, dialect: Dialect) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    if message.has_type_meta {
        for (name, description) in descriptions::TYPE_META {
            let property = json!({ "type": "string", "description": description });
            properties.insert(name.to_owned(), property);
        }
    }
    for field in message.json_fields() {
        properties.insert(field.name.to_owned(), property(message, field, dialect));
        if field.presence.required {
            required.push(Value::from(field.name));
        }
    }
    let mut schema = json!({ "type": "object" });
    if let Some(description) = descriptions::of(message, None) {
        schema["description"] = description.into();
    }
    if !properties.is_empty() {
        schema["properties"] = properties.into();
    }
    if !required.is_empty() {
        schema["required"] = required.into();
    }
    if message.atomic {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    if message.has_type_meta {
        schema["x-kubernetes-group-version-kind"] = json!([gvk_of(message)]);
    }
    schema
}

/// Options and `Status` are of the core group to clients.
fn gvk_of(message: &Message) -> Value {
    let package = message.package;
    let group = if package.name == META { "" } else { package.group };
    gvk(group, package.version, message.name)
}

/// The value of `x-kubernetes-group-version-kind`.
pub(super) fn gvk(group: &str, version: &str, kind: &str) -> Value {
    json!({ "group": group, "version": version, "kind": kind })
}

fn property(message: &Message, field: &Field, dialect: Dialect) -> Value {
    let element = element(field.ty, dialect);
    let mut schema = match field.shape {
        Shape::Single => element,
        Shape::List => json!({ "type": "array", "items": element }),
        Shape::Map => json!({ "type": "object", "additionalProperties": element }),
    };
    if let Some(description) = descriptions::of(message, Some(field.name)) {
        schema["description"] = description.into();
    }
    if let Some(merge) = field.merge {
        extend(&mut schema, merge);
    }
    schema
}

fn element(ty: Type, dialect: Dialect) -> Value {
    match ty {
        Type::String | Type::Duration => json!({ "type": "string" }),
        Type::Enum(values) => json!({ "type": "string", "enum": values.values }),
        Type::Bool => json!({ "type": "boolean" }),
        Type::Int32 => json!({ "type": "integer", "format": "int32" }),
        Type::Int64 => json!({ "type": "integer", "format": "int64" }),
        Type::Double => json!({ "type": "number", "format": "double" }),
        Type::Bytes => json!({ "type": "string", "format": "byte" }),
        Type::Time | Type::MicroTime => json!({ "type": "string", "format": "date-time" }),
        Type::RawExtension | Type::FieldsV1 => json!({ "type": "object" }),
        Type::StringList => json!({ "type": "array", "items": { "type": "string" } }),
        Type::Message(message) => match dialect {
            Dialect::V2 => dialect.reference(message),
            // A reference may have no siblings in OpenAPI 3.0, and descriptions are siblings.
            Dialect::V3 => json!({ "allOf": [dialect.reference(message)] }),
        },
        Type::Quantity => match dialect {
            Dialect::V2 => json!({ "type": "string" }),
            Dialect::V3 => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        },
        Type::IntOrString => match dialect {
            Dialect::V2 => json!({ "type": "string", "format": "int-or-string" }),
            Dialect::V3 => json!({
                "format": "int-or-string",
                "oneOf": [{ "type": "integer" }, { "type": "string" }],
            }),
        },
    }
}

/// Adds what apply and server-side apply need to know.
fn extend(schema: &mut Value, merge: &Merge) {
    match merge.list {
        None => {}
        Some(ListType::Atomic) => schema["x-kubernetes-list-type"] = "atomic".into(),
        Some(ListType::Set) => schema["x-kubernetes-list-type"] = "set".into(),
        Some(ListType::Map(keys)) => {
            schema["x-kubernetes-list-type"] = "map".into();
            schema["x-kubernetes-list-map-keys"] = json!(keys);
        }
    }
    if merge.atomic {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    let strategy = match (merge.patch, merge.retain_keys) {
        (Some(PatchStrategy::Merge), false) => "merge",
        (Some(PatchStrategy::Merge), true) => "merge,retainKeys",
        (Some(PatchStrategy::Replace), _) => "replace",
        (None, true) => "retainKeys",
        (None, false) => return,
    };
    schema["x-kubernetes-patch-strategy"] = strategy.into();
    if !merge.merge_key.is_empty() {
        schema["x-kubernetes-patch-merge-key"] = merge.merge_key.into();
    }
}
