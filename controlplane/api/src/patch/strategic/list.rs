//! Lists: elements found by their merge key, scalars by themselves.

use serde_json::Value;

use super::order::interleave;
use super::{PATCH, Rules, Unmergeable, cleaned, merge_object};

/// How elements of a list are told apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Identity {
    /// By the value of this field.
    Key(&'static str),
    /// By themselves.
    Value,
}

impl Identity {
    /// Whether both are versions of one element.
    pub(super) fn same(self, a: &Value, b: &Value) -> bool {
        match self {
            Self::Key(key) => a.get(key).is_some() && a.get(key) == b.get(key),
            Self::Value => a == b,
        }
    }

    /// Where `element` is in `list`.
    pub(super) fn position(self, list: &[Value], element: &Value) -> Option<usize> {
        list.iter().position(|other| self.same(other, element))
    }
}

/// The identity that suits what the lists hold.
pub(super) fn identity(
    lists: [&[Value]; 2],
    merge_key: &'static str,
) -> Result<Identity, Unmergeable> {
    let mut elements = lists.into_iter().flatten();
    let Some(first) = elements.next() else { return Ok(Identity::Value) };
    if first.is_array() || lists.into_iter().flatten().any(Value::is_array) {
        return Err(Unmergeable::ListOfLists);
    }
    if elements.any(|element| element.is_object() != first.is_object()) {
        return Err(Unmergeable::MixedTypes);
    }
    Ok(if first.is_object() { Identity::Key(merge_key) } else { Identity::Value })
}

/// Merges the patch's elements into the current ones.
///
/// The patch's elements keep the patch's order, the others theirs, and the two are interleaved as they were.
pub(super) fn merge_list(
    current: Vec<Value>,
    patch: Vec<Value>,
    rules: Rules,
) -> Result<Vec<Value>, Unmergeable> {
    let identity = identity([&current, &patch], rules.merge_key)?;
    let (mut merged, patch) = match identity {
        Identity::Value => (current.clone(), patch),
        Identity::Key(key) => directives(current.clone(), patch, key)?,
    };
    for element in &patch {
        match (identity, identity.position(&merged, element)) {
            (Identity::Key(_), Some(place)) => {
                if let (Value::Object(old), Value::Object(new)) = (&merged[place], element) {
                    let object = merge_object(old.clone(), new.clone(), rules.scope)?;
                    merged[place] = Value::Object(object);
                }
            }
            (Identity::Value, Some(_)) => {}
            (_, None) => merged.extend(cleaned(element.clone())),
        }
    }
    Ok(interleave(merged, &patch, &current, identity))
}

/// Elements that are directives: `$patch: delete` takes its element away, `$patch: replace` takes all.
/// Returns what is left of the list and what is left of the patch.
fn directives(
    mut current: Vec<Value>,
    patch: Vec<Value>,
    key: &'static str,
) -> Result<(Vec<Value>, Vec<Value>), Unmergeable> {
    let mut replace = false;
    let mut rest = Vec::new();
    for element in patch {
        match element.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
            None if element.get(key).is_none() => {
                return Err(Unmergeable::NoMergeKey { element, key });
            }
            None => rest.push(element),
            Some("delete") if element.get(key).is_none() => {
                return Err(Unmergeable::DeleteWithoutKey);
            }
            Some("delete") => current.retain(|other| other.get(key) != element.get(key)),
            Some("replace") => replace = true,
            Some("merge") => return Err(Unmergeable::MergeInList),
            Some(other) => return Err(Unmergeable::Directive(other.to_owned())),
        }
    }
    if replace {
        current = rest.into_iter().filter_map(cleaned).collect();
        rest = Vec::new();
    }
    Ok((current, rest))
}
