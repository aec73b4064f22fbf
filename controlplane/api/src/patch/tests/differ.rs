//! Writes the strategic merge patch that turns one object into another, as a client would.
//!
//! For tests alone: an implementation of the other direction, to hold the patch code against.

use serde_json::{Map, Value, json};

use crate::schema::{Message, PatchStrategy, Shape, Type};

/// The patch from `current` to `target`.
pub(super) fn diff(
    current: &Map<String, Value>,
    target: &Map<String, Value>,
    message: &'static Message,
) -> Map<String, Value> {
    let mut patch = Map::new();
    for name in current.keys().filter(|name| !target.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, wanted) in target {
        let Some(have) = current.get(name).filter(|have| *have != wanted) else {
            if !current.contains_key(name) {
                patch.insert(name.clone(), wanted.clone());
            }
            continue;
        };
        let field = message.field(name).unwrap();
        let merge_list = field.merge.is_some_and(|m| m.patch == Some(PatchStrategy::Merge));
        match (have, wanted, field.shape, field.ty) {
            (Value::Object(have), Value::Object(wanted), Shape::Single, Type::Message(message)) => {
                patch.insert(name.clone(), Value::Object(diff(have, wanted, message)));
            }
            (Value::Object(have), Value::Object(wanted), Shape::Map, _) => {
                let mut entries = wanted.clone();
                entries.retain(|key, value| have.get(key) != Some(value));
                for key in have.keys().filter(|key| !wanted.contains_key(*key)) {
                    entries.insert(key.clone(), Value::Null);
                }
                patch.insert(name.clone(), Value::Object(entries));
            }
            (Value::Array(have), Value::Array(wanted), _, Type::Message(message)) if merge_list => {
                let key = field.merge.unwrap().merge_key;
                objects(&mut patch, name, (have, wanted), key, message);
            }
            (Value::Array(have), Value::Array(wanted), ..) if merge_list => {
                scalars(&mut patch, name, have, wanted);
            }
            _ => {
                patch.insert(name.clone(), wanted.clone());
            }
        }
    }
    patch
}

fn objects(
    patch: &mut Map<String, Value>,
    name: &str,
    (have, wanted): (&[Value], &[Value]),
    key: &'static str,
    message: &'static Message,
) {
    let find = |list: &[Value], element: &Value| {
        list.iter().find(|other| other[key] == element[key]).cloned()
    };
    let mut elements = Vec::new();
    for element in wanted {
        let new = match find(have, element) {
            None => element.clone(),
            Some(old) if old == *element => continue,
            Some(old) => {
                let (old, new) = (old.as_object().unwrap(), element.as_object().unwrap());
                let mut change = diff(old, new, message);
                change.insert(key.to_owned(), element[key].clone());
                Value::Object(change)
            }
        };
        elements.push(new);
    }
    for gone in have.iter().filter(|element| find(wanted, element).is_none()) {
        elements.push(json!({ "$patch": "delete", key: gone[key] }));
    }
    if !elements.is_empty() {
        patch.insert(name.to_owned(), Value::Array(elements));
    }
    let order = wanted.iter().map(|element| json!({ key: element[key] }));
    patch.insert(format!("$setElementOrder/{name}"), order.collect());
}

fn scalars(patch: &mut Map<String, Value>, name: &str, have: &[Value], wanted: &[Value]) {
    let without = |list: &[Value], other: &[Value]| {
        list.iter().filter(|element| !other.contains(element)).cloned().collect::<Vec<_>>()
    };
    let (added, gone) = (without(wanted, have), without(have, wanted));
    if !added.is_empty() {
        patch.insert(name.to_owned(), Value::Array(added));
    }
    if !gone.is_empty() {
        patch.insert(format!("$deleteFromPrimitiveList/{name}"), Value::Array(gone));
    }
    patch.insert(format!("$setElementOrder/{name}"), Value::Array(wanted.to_vec()));
}
