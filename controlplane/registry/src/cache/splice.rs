//! `metadata.resourceVersion` inside serialized objects.
//!
//! The revision of a write is known only once it is committed, so objects are stored without it.
//! The cache puts it in by copying bytes: no object is decoded and encoded again for that.

use bytes::Bytes;
use sheave_store::Revision;

const FIELD: &[u8] = b"\"resourceVersion\":\"";

/// An object's bytes with its revision in it.
#[derive(Clone, Debug)]
pub(crate) struct Spliced {
    /// Canonical JSON.
    pub(crate) json: Bytes,
    /// Where the field begins.
    at: usize,
    /// Bytes of the field, with its comma.
    len: usize,
}

/// Puts the revision into an object that has none. `None` if the bytes are no object with metadata.
pub(crate) fn splice(json: &[u8], revision: Revision) -> Option<Spliced> {
    let at = metadata_start(json)?;
    let empty = json.get(at) == Some(&b'}');
    Some(with_field(&json[..at], &json[at..], revision, empty))
}

impl Spliced {
    /// The same object at another revision.
    pub(crate) fn at_revision(&self, revision: Revision) -> Bytes {
        let after = &self.json[self.at + self.len..];
        with_field(&self.json[..self.at], after, revision, after.first() == Some(&b'}')).json
    }
}

fn with_field(before: &[u8], after: &[u8], revision: Revision, last: bool) -> Spliced {
    let digits = revision.to_string();
    let end: &[u8] = if last { b"\"" } else { b"\"," };
    let len = FIELD.len() + digits.len() + end.len();
    let mut json = Vec::with_capacity(before.len() + len + after.len());
    for part in [before, FIELD, digits.as_bytes(), end, after] {
        json.extend_from_slice(part);
    }
    Spliced { json: json.into(), at: before.len(), len }
}

/// The offset just behind `"metadata":{` of the outermost object, in JSON without white space.
fn metadata_start(json: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\"metadata\":{";
    let (mut depth, mut at) = (0usize, 0usize);
    let mut key_may_follow = false;
    while at < json.len() {
        match json[at] {
            b'"' if depth == 1 && key_may_follow && json[at..].starts_with(NAME) => {
                return Some(at + NAME.len());
            }
            b'"' => {
                at = string_end(json, at)?;
                key_may_follow = false;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        key_may_follow = matches!(json[at], b'{' | b',');
        at += 1;
    }
    None
}

/// The offset just behind the string that begins at `start`.
fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_revision_lands_in_the_outermost_metadata() {
        let object = json!({
            "data": {"a": "\"metadata\":{", "b": "\\", "metadata": "{"},
            "items": [{"metadata": {}}],
            "metadata": {"name": "x", "labels": {"resourceVersion": "no"}},
            "spec": {"template": {"metadata": {"name": "y"}}},
        });
        let spliced = splice(&serde_json::to_vec(&object).unwrap(), 42).unwrap();
        let mut expected = object;
        expected["metadata"]["resourceVersion"] = json!("42");
        assert_eq!(serde_json::from_slice::<Value>(&spliced.json).unwrap(), expected);
        expected["metadata"]["resourceVersion"] = json!("12345");
        let later = spliced.at_revision(12345);
        assert_eq!(serde_json::from_slice::<Value>(&later).unwrap(), expected);
    }

    #[test]
    fn empty_metadata_and_none_at_all() {
        let spliced = splice(br#"{"metadata":{}}"#, 7).unwrap();
        assert_eq!(spliced.json, r#"{"metadata":{"resourceVersion":"7"}}"#);
        assert_eq!(spliced.at_revision(10), r#"{"metadata":{"resourceVersion":"10"}}"#);
        assert!(splice(br#"{"a":"metadata"}"#, 7).is_none());
        assert!(splice(br#"{"a":"unterminated"#, 7).is_none());
    }
}
