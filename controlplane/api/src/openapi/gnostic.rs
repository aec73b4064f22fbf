//! An OpenAPI v2 document in the protobuf form of gnostic's `openapi.v2.Document`.
//!
//! kubectl before 1.24 reads nothing else. Written from the JSON document; of the form as much as
//! that document has. The numbers are those of gnostic's OpenAPIv2.proto.

use serde_json::{Map, Value};

use crate::codec::protobuf::wire::{put_bytes, put_varint};

/// Writes the whole document.
pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, 1, &document["swagger"]);
    let mut info = Vec::new();
    put_text(&mut info, 1, &document["info"]["title"]);
    put_text(&mut info, 2, &document["info"]["version"]);
    put_bytes(&mut out, 2, &info);
    let mut paths = Vec::new();
    for (path, item) in entries(&document["paths"]) {
        put_bytes(&mut paths, 2, &named(path, &path_item(item)));
    }
    put_bytes(&mut out, 8, &paths);
    put_bytes(&mut out, 9, &schemas(&document["definitions"]));
    out
}

fn path_item(item: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(found) = item.get(method) {
            put_bytes(&mut out, number, &operation(found));
        }
    }
    put_parameters(&mut out, 9, &item["parameters"]);
    out
}

fn operation(operation: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for media_type in operation["consumes"].as_array().into_iter().flatten() {
        put_text(&mut out, 7, media_type);
    }
    put_parameters(&mut out, 8, &operation["parameters"]);
    let mut responses = Vec::new();
    for (code, found) in entries(&operation["responses"]) {
        let mut response = Vec::new();
        put_text(&mut response, 1, &found["description"]);
        if let Some(answer) = found.get("schema") {
            put_bytes(&mut response, 2, &wrapped(1, &schema(answer)));
        }
        put_bytes(&mut responses, 1, &named(code, &wrapped(1, &response)));
    }
    put_bytes(&mut out, 9, &responses);
    put_extensions(&mut out, 13, operation);
    out
}

fn put_parameters(out: &mut Vec<u8>, number: u32, parameters: &Value) {
    for found in parameters.as_array().into_iter().flatten() {
        // Wrapped in a choice of parameter or reference, itself a choice of body or not.
        put_bytes(out, number, &wrapped(1, &parameter(found)));
    }
}

fn parameter(parameter: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    if parameter["in"] == "body" {
        put_text(&mut out, 2, &parameter["name"]);
        put_text(&mut out, 3, &parameter["in"]);
        put_bytes(&mut out, 5, &schema(&parameter["schema"]));
        return wrapped(1, &out);
    }
    // Parameters in the query may be empty, which takes a number that those in the path lack.
    let (choice, type_number, unique_number) =
        if parameter["in"] == "path" { (4, 5, 19) } else { (3, 6, 20) };
    put_varint(&mut out, 1, u64::from(parameter["required"] == true));
    put_text(&mut out, 2, &parameter["in"]);
    put_text(&mut out, 4, &parameter["name"]);
    put_text(&mut out, type_number, &parameter["type"]);
    put_varint(&mut out, unique_number, u64::from(parameter["uniqueItems"] == true));
    wrapped(2, &wrapped(choice, &out))
}

/// `Definitions` and `Properties` have one form.
fn schemas(schemas: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, found) in entries(schemas) {
        put_bytes(&mut out, 1, &named(name, &schema(found)));
    }
    out
}

fn schema(found: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, name) in [(1, "$ref"), (2, "format"), (4, "description")] {
        put_text(&mut out, number, &found[name]);
    }
    for name in found["required"].as_array().into_iter().flatten() {
        put_text(&mut out, 19, name);
    }
    if let Some(element) = found.get("additionalProperties") {
        put_bytes(&mut out, 21, &wrapped(1, &schema(element)));
    }
    if let Some(ty) = found["type"].as_str() {
        put_bytes(&mut out, 22, &wrapped(1, ty.as_bytes()));
    }
    if let Some(element) = found.get("items") {
        put_bytes(&mut out, 23, &wrapped(1, &schema(element)));
    }
    if let Some(properties) = found.get("properties") {
        put_bytes(&mut out, 25, &schemas(properties));
    }
    put_extensions(&mut out, 31, found);
    out
}

/// `x-...`: the value as YAML, of which JSON is a part.
fn put_extensions(out: &mut Vec<u8>, number: u32, owner: &Value) {
    for (name, value) in entries(owner).filter(|(name, _)| name.starts_with("x-")) {
        let yaml = wrapped(2, format!("{value}\n").as_bytes());
        put_bytes(out, number, &named(name, &yaml));
    }
}

fn named(name: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, 1, name.as_bytes());
    put_bytes(&mut out, 2, value);
    out
}

fn wrapped(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(&mut out, number, value);
    out
}

fn put_text(out: &mut Vec<u8>, number: u32, text: &Value) {
    if let Some(text) = text.as_str() {
        put_bytes(out, number, text.as_bytes());
    }
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flat_map(Map::iter)
}
