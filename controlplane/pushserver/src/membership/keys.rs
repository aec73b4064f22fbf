//! The keys that a Node object names. Pure.
//!
//! There are several while a node changes from one to the next: it may have got a new certificate or not. The
//! first connection with a key ends those that are older.

use serde_json::{Value, json};

/// Annotation of a Node: hashes of the keys whose certificates count, the newest first.
const ANNOTATION: &str = "sheave.io/certificate-keys";

/// The keys, newest first.
pub(super) fn of(node: &Value) -> Vec<&str> {
    let text = node["metadata"]["annotations"][ANNOTATION].as_str().unwrap_or_default();
    text.split(',').map(str::trim).filter(|key| !key.is_empty()).collect()
}

/// Annotations that name these keys.
pub(super) fn annotation(keys: &[&str]) -> Value {
    json!({ (ANNOTATION): keys.join(",") })
}

/// True when a certificate for this key is one of the node. A node that names no keys was made by hand and is
/// nobody's: whoever had the name once has a certificate for it still. (The server's own node need not ask.)
pub(super) fn counts(node: &Value, key: &str) -> bool {
    of(node).contains(&key)
}

/// Keys that a node may have asked certificates for, and not used yet.
const PENDING_MAX: usize = 3;

/// The keys once a certificate is signed for `next`, for a node that has `present` now.
pub(super) fn with_next<'a>(
    node: &'a Value,
    present: Option<&'a str>,
    next: &'a str,
) -> Vec<&'a str> {
    let known = of(node);
    let age = known.iter().position(|key| Some(*key) == present).unwrap_or(known.len());
    let pending = known[..age].iter().copied().filter(|key| *key != next);
    let mut keys: Vec<&str> = std::iter::once(next).chain(pending).take(PENDING_MAX).collect();
    keys.extend(present.filter(|present| *present != next));
    keys
}

/// Annotations to write when the holder of this key has connected; `None` when they are right.
pub(crate) fn recorded(node: &Value, key: Option<&str>) -> Option<Value> {
    let (key, keys) = (key?, of(node));
    match keys.iter().position(|known| *known == key) {
        // Newer ones may yet arrive at the node.
        Some(age) if age + 1 == keys.len() => None,
        Some(age) => Some(annotation(&keys[..=age])),
        None => Some(annotation(&[key])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(keys: &str) -> Value {
        json!({ "metadata": { "annotations": { (ANNOTATION): keys } } })
    }

    #[test]
    fn a_renewal_has_two_keys_until_the_new_one_is_seen() {
        let renewing = node("new,old");
        assert!(
            counts(&renewing, "new") && counts(&renewing, "old") && !counts(&renewing, "other")
        );
        assert_eq!(recorded(&renewing, Some("old")), None, "the new one may yet arrive");
        assert_eq!(recorded(&renewing, Some("new")), Some(annotation(&["new"])));
        assert_eq!(recorded(&node("new"), Some("new")), None);
    }

    #[test]
    fn an_answer_that_was_lost_locks_nobody_out() {
        let first = node("now");
        assert_eq!(with_next(&first, Some("now"), "a"), ["a", "now"]);
        assert_eq!(with_next(&node("a,now"), Some("now"), "a"), ["a", "now"], "asked again");
        assert_eq!(with_next(&node("a,now"), Some("now"), "b"), ["b", "a", "now"]);
        assert_eq!(recorded(&node("b,a,now"), Some("a")), Some(annotation(&["b", "a"])));
        let many = node("c,b,a,now");
        assert_eq!(with_next(&many, Some("now"), "d"), ["d", "c", "b", "now"], "bounded");
        assert_eq!(
            with_next(&node(""), Some("now"), "a"),
            ["a", "now"],
            "the server's own, before it has connected"
        );
    }

    #[test]
    fn a_node_without_keys_is_nobodys_until_one_is_recorded() {
        for fresh in [json!({}), node("")] {
            assert!(!counts(&fresh, "a"));
            assert_eq!(recorded(&fresh, Some("a")), Some(annotation(&["a"])));
            assert_eq!(recorded(&fresh, None), None, "known by other means");
        }
    }
}
