//! Lists: elements found by their merge key, scalars by themselves.

use std::collections::HashMap;

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
    /// What is equal for two versions of one element, as text; `None` for an object without the
    /// key.
    fn name(self, element: &Value) -> Option<String> {
        match self {
            Self::Key(key) => element.get(key).map(Value::to_string),
            Self::Value => Some(element.to_string()),
        }
    }

    /// Whether both are versions of one element.
    pub(super) fn same(self, a: &Value, b: &Value) -> bool {
        self.name(a).is_some_and(|name| self.name(b) == Some(name))
    }
}

/// Where each element of a list is, so that merging long lists takes no square of their length.
#[derive(Debug)]
pub(super) struct Places {
    identity: Identity,
    by_name: HashMap<String, usize>,
}

impl Places {
    /// Of elements that are there twice, the first counts.
    pub(super) fn of(list: &[Value], identity: Identity) -> Self {
        let mut places = Self { identity, by_name: HashMap::with_capacity(list.len()) };
        for (place, element) in list.iter().enumerate() {
            places.add(element, place);
        }
        places
    }

    /// Where `element`, or another version of it, is.
    pub(super) fn find(&self, element: &Value) -> Option<usize> {
        self.by_name.get(&self.identity.name(element)?).copied()
    }

    fn add(&mut self, element: &Value, place: usize) {
        if let Some(name) = self.identity.name(element) {
            self.by_name.entry(name).or_insert(place);
        }
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
/// The patch's elements keep the patch's order, the others theirs, and the two are interleaved as
/// they were.
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
    let mut places = Places::of(&merged, identity);
    for element in &patch {
        match places.find(element) {
            Some(place) => {
                if let (Value::Object(old), Value::Object(new)) = (&merged[place], element) {
                    let object = merge_object(old.clone(), new.clone(), rules.scope)?;
                    merged[place] = Value::Object(object);
                }
            }
            None => {
                places.add(element, merged.len());
                merged.extend(cleaned(element.clone()));
            }
        }
    }
    Ok(interleave(merged, &patch, &current, identity))
}

/// Elements that are directives: `$patch: delete` takes its element away, `$patch: replace` takes
/// all. Returns what is left of the list and what is left of the patch.
fn directives(
    mut current: Vec<Value>,
    patch: Vec<Value>,
    key: &'static str,
) -> Result<(Vec<Value>, Vec<Value>), Unmergeable> {
    let mut replace = false;
    let (mut rest, mut gone) = (Vec::new(), Vec::new());
    for element in patch {
        match element.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
            None if element.get(key).is_none() => {
                return Err(Unmergeable::NoMergeKey { element, key });
            }
            None => rest.push(element),
            Some("delete") if element.get(key).is_none() => {
                return Err(Unmergeable::DeleteWithoutKey);
            }
            Some("delete") => gone.push(element),
            Some("replace") => replace = true,
            Some("merge") => return Err(Unmergeable::MergeInList),
            Some(other) => return Err(Unmergeable::Directive(other.to_owned())),
        }
    }
    let gone = Places::of(&gone, Identity::Key(key));
    current.retain(|element| gone.find(element).is_none());
    if replace {
        current = rest.into_iter().filter_map(cleaned).collect();
        rest = Vec::new();
    }
    Ok((current, rest))
}
