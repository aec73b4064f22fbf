//! `metadata` of any object, read and written in place.
//!
//! Objects in the generic machinery are JSON values with sorted keys; an absent field and `null` are the
//! same. Nothing here checks rules: see `kinds::metadata` for those.

use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{ObjectKey, time};

/// The alphabet Kubernetes draws generated name suffixes from: no vowels, so that no words appear, and no
/// characters that look alike.
const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Characters of a generated suffix.
const SUFFIX_LEN: usize = 5;
/// The longest `generateName` that is kept whole: 63 less the suffix.
const GENERATED_PREFIX_LEN_MAX: usize = 58;

/// `metadata.name`, or empty.
pub fn name(object: &Value) -> &str {
    text(object, "name")
}

/// `metadata.namespace`, or empty.
pub fn namespace(object: &Value) -> &str {
    text(object, "namespace")
}

/// Namespace and name.
pub fn key(object: &Value) -> ObjectKey {
    ObjectKey::new(namespace(object), name(object))
}

/// `metadata.uid`, or empty.
pub fn uid(object: &Value) -> &str {
    text(object, "uid")
}

/// `metadata.resourceVersion`, or empty.
pub fn resource_version(object: &Value) -> &str {
    text(object, "resourceVersion")
}

/// `metadata.generateName`, or empty.
pub fn generate_name(object: &Value) -> &str {
    text(object, "generateName")
}

/// `metadata.generation`; 0 if absent.
pub fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(0)
}

/// `metadata.creationTimestamp`.
pub fn creation_timestamp(object: &Value) -> Option<Timestamp> {
    time::of(&object["metadata"]["creationTimestamp"])
}

/// `metadata.deletionTimestamp`: when the object is to be gone, once its deletion began.
pub fn deletion_timestamp(object: &Value) -> Option<Timestamp> {
    time::of(&object["metadata"]["deletionTimestamp"])
}

/// True once the object's deletion began.
pub fn is_terminating(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// `metadata.deletionGracePeriodSeconds`.
pub fn deletion_grace_period_seconds(object: &Value) -> Option<i64> {
    object["metadata"]["deletionGracePeriodSeconds"].as_i64()
}

/// `metadata.labels`, if there are any.
pub fn labels(object: &Value) -> Option<&Map<String, Value>> {
    object["metadata"]["labels"].as_object()
}

/// One label's value.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(key)?.as_str()
}

/// One annotation's value.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key)?.as_str()
}

/// `metadata.ownerReferences`, in order.
pub fn owner_references(object: &Value) -> &[Value] {
    list(&object["metadata"]["ownerReferences"])
}

/// The one owner that manages the object, `controller: true`.
pub fn controller(object: &Value) -> Option<&Value> {
    owner_references(object).iter().find(|owner| owner["controller"] == true)
}

/// `metadata.finalizers`, in order.
pub fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    list(&object["metadata"]["finalizers"]).iter().filter_map(Value::as_str)
}

/// The elements of a list field; empty if it is absent.
pub fn list(field: &Value) -> &[Value] {
    field.as_array().map_or(&[], Vec::as_slice)
}

/// The metadata map to write into; made if absent, so that the object must be a JSON object.
pub fn metadata_mut(object: &mut Value) -> &mut Map<String, Value> {
    let metadata = &mut object["metadata"];
    if !metadata.is_object() {
        *metadata = Value::Object(Map::new());
    }
    metadata.as_object_mut().expect("made an object just above")
}

/// Sets one field of `metadata`; `null` removes it.
pub fn set(object: &mut Value, field: &str, value: impl Into<Value>) {
    let value = value.into();
    let metadata = metadata_mut(object);
    if value.is_null() {
        metadata.remove(field);
    } else {
        metadata.insert(field.to_owned(), value);
    }
}

/// Sets `metadata.resourceVersion` to a revision.
pub fn set_resource_version(object: &mut Value, revision: u64) {
    set(object, "resourceVersion", revision.to_string());
}

/// Sets one label.
pub fn set_label(object: &mut Value, key: &str, value: &str) {
    set_entry(object, "labels", key, value);
}

/// Sets one annotation.
pub fn set_annotation(object: &mut Value, key: &str, value: &str) {
    set_entry(object, "annotations", key, value);
}

/// Removes one finalizer; true if it was there.
pub fn remove_finalizer(object: &mut Value, finalizer: &str) -> bool {
    let metadata = metadata_mut(object);
    let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else {
        return false;
    };
    let before = finalizers.len();
    finalizers.retain(|name| name != finalizer);
    let removed = finalizers.len() != before;
    if finalizers.is_empty() {
        metadata.remove("finalizers");
    }
    removed
}

/// Marks the deletion as begun: gone `grace_period_seconds` from `now`. The generation counts it, where
/// there is one, because controllers have to see it.
pub fn begin_deletion(object: &mut Value, now: Timestamp, grace_period_seconds: i64) {
    let at = now.checked_add(jiff::SignedDuration::from_secs(grace_period_seconds)).unwrap_or(now);
    set(object, "deletionTimestamp", time::seconds(at));
    set(object, "deletionGracePeriodSeconds", grace_period_seconds);
    let generation = generation(object);
    if generation > 0 {
        set(object, "generation", generation + 1);
    }
}

/// A name from a prefix and randomness, as `metadata.generateName` asks: the prefix, shortened if need be,
/// and five characters. The caller tries again with other randomness when the name is taken.
pub fn generated_name(prefix: &str, random: u64) -> String {
    let prefix = prefix.get(..GENERATED_PREFIX_LEN_MAX).unwrap_or(prefix);
    format!("{prefix}{}", name_suffix(random))
}

/// Five characters of Kubernetes' alphabet for generated names.
pub fn name_suffix(mut random: u64) -> String {
    let base = SUFFIX_ALPHABET.len() as u64;
    (0..SUFFIX_LEN)
        .map(|_| {
            let index = (random % base) as usize;
            random /= base;
            char::from(SUFFIX_ALPHABET[index])
        })
        .collect()
}

/// A version 4 UUID from 16 random bytes, as `metadata.uid` holds it.
pub fn uid_from_random(random: [u8; 16]) -> String {
    uuid::Builder::from_random_bytes(random).into_uuid().to_string()
}

/// True if the text can be a `metadata.uid` precondition.
pub fn is_uid(text: &str) -> bool {
    Uuid::try_parse(text).is_ok()
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

fn set_entry(object: &mut Value, map: &str, key: &str, value: &str) {
    let entries = metadata_mut(object).entry(map).or_insert_with(|| Value::Object(Map::new()));
    if !entries.is_object() {
        *entries = Value::Object(Map::new());
    }
    entries[key] = Value::from(value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn absent_metadata_reads_as_empty() {
        let object = json!({});
        assert_eq!(name(&object), "");
        assert_eq!(generation(&object), 0);
        assert!(labels(&object).is_none());
        assert_eq!(finalizers(&object).count(), 0);
        assert!(!is_terminating(&object));
    }

    #[test]
    fn finalizers_vanish_with_the_last() {
        let mut object = json!({"metadata": {"finalizers": ["a", "b"]}});
        assert!(remove_finalizer(&mut object, "a"));
        assert!(!remove_finalizer(&mut object, "a"));
        assert!(remove_finalizer(&mut object, "b"));
        assert_eq!(object, json!({"metadata": {}}));
    }

    #[test]
    fn deletion_is_due_after_the_grace_period() {
        let mut object = json!({"metadata": {}});
        begin_deletion(&mut object, "2026-01-01T00:00:00Z".parse().unwrap(), 30);
        assert_eq!(object["metadata"]["deletionTimestamp"], "2026-01-01T00:00:30Z");
        assert_eq!(deletion_grace_period_seconds(&object), Some(30));
    }

    proptest! {
        #[test]
        fn generated_names_fit_a_label(prefix in "[a-z]{1,80}-", random: u64) {
            let name = generated_name(&prefix, random);
            prop_assert!(name.len() <= 63);
            prop_assert!(name[name.len() - 5..].bytes().all(|b| SUFFIX_ALPHABET.contains(&b)));
        }
    }
}
