//! Strategic merge patch: objects merge by field, lists by the merge keys of the table.
//!
//! Directives of the patch: `$patch: replace|delete|merge` in an object or a list element,
//! `$retainKeys` in an object, `$deleteFromPrimitiveList/x` and `$setElementOrder/x` beside the
//! list `x`. A null deletes; a null for something that is not there does nothing.

mod list;
mod order;

use serde_json::{Map, Value};

use self::list::{Identity, Places, merge_list};
use super::unprocessable;
use crate::Status;
use crate::schema::{Field, Message, PatchStrategy, Shape, Type};

type Object = Map<String, Value>;

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM_LIST: &str = "$deleteFromPrimitiveList/";
const SET_ELEMENT_ORDER: &str = "$setElementOrder/";

/// Applies a strategic merge patch to an object of `message`.
///
/// # Errors
/// 400 for a malformed directive, 422 for a patch that cannot be applied, e.g. a list element
/// without its merge key.
pub fn strategic(
    current: &Value,
    patch: &Value,
    message: &'static Message,
) -> Result<Value, Status> {
    let Value::Object(patch) = patch else {
        return Err(Status::bad_request(
            "error decoding patch: a strategic merge patch must be a JSON object",
        ));
    };
    let current = current.as_object().cloned().unwrap_or_default();
    let merged = merge_object(current, patch.clone(), Scope::Message(message))?;
    Ok(Value::Object(merged))
}

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
enum Unmergeable {
    #[error("unknown patch type: {0} in map")]
    Directive(String),
    #[error("invalid patch format of {0}: a list is required")]
    NotAList(String),
    #[error("invalid patch format of $retainKeys: field {0} is set, but is not among the retained")]
    NotRetained(String),
    #[error("the order in patch list doesn't match {SET_ELEMENT_ORDER}{0} list")]
    Order(String),
    #[error("map: {element} does not contain declared merge key: {key}")]
    NoMergeKey { element: Value, key: &'static str },
    #[error("delete patch type with no merge key defined")]
    DeleteWithoutKey,
    #[error("merging lists cannot yet be specified in the patch")]
    MergeInList,
    #[error("lists of lists are not supported")]
    ListOfLists,
    #[error("list elements in the patch and in the object differ in type")]
    MixedTypes,
}

impl From<Unmergeable> for Status {
    fn from(why: Unmergeable) -> Self {
        use Unmergeable::*;
        match why {
            Directive(_) | NotAList(_) | NotRetained(_) | Order(_) | DeleteWithoutKey
            | MergeInList => Self::bad_request(why.to_string()),
            NoMergeKey { .. } | ListOfLists | MixedTypes => unprocessable(why),
        }
    }
}

/// What is known of the value at hand.
#[derive(Clone, Copy)]
enum Scope {
    /// An object of the table.
    Message(&'static Message),
    /// A map whose values are of this type.
    MapOf(Type),
    /// Nothing: fields merge, lists are replaced.
    Free,
}

/// What is known of a field in a scope.
#[derive(Clone, Copy)]
struct Rules {
    /// Of the value, or of each element of a list.
    scope: Scope,
    patch: Option<PatchStrategy>,
    /// Empty for lists of scalars.
    merge_key: &'static str,
}

impl Scope {
    fn rules(self, name: &str) -> Rules {
        let of_type = |ty| match ty {
            Type::Message(message) => Self::Message(message),
            _ => Self::Free,
        };
        match self {
            Self::Message(message) => match message.field(name) {
                None => Rules { scope: Self::Free, patch: None, merge_key: "" },
                Some(Field { shape, ty, merge, .. }) => Rules {
                    scope: match shape {
                        Shape::Map => Self::MapOf(*ty),
                        Shape::Single | Shape::List => of_type(*ty),
                    },
                    patch: merge.and_then(|merge| merge.patch),
                    merge_key: merge.map_or("", |merge| merge.merge_key),
                },
            },
            Self::MapOf(ty) => Rules { scope: of_type(ty), patch: None, merge_key: "" },
            Self::Free => Rules { scope: Self::Free, patch: None, merge_key: "" },
        }
    }
}

fn merge_object(
    mut current: Object,
    mut patch: Object,
    scope: Scope,
) -> Result<Object, Unmergeable> {
    if let Some(directive) = patch.remove(PATCH) {
        match directive.as_str() {
            Some("replace") => return Ok(without_directives(patch).unwrap_or_default()),
            Some("delete") => return Ok(Object::new()),
            Some("merge") => {}
            _ => return Err(Unmergeable::Directive(directive.to_string())),
        }
    }
    retain_keys(&mut current, &mut patch)?;
    order::set_element_order(&mut current, &mut patch, scope)?;
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM_LIST) {
            delete_from_list(&mut current, list, &value)?;
            continue;
        }
        if value.is_null() {
            current.remove(&name);
            continue;
        }
        let rules = scope.rules(&name);
        let merged = match (current.remove(&name), value) {
            (Some(Value::Object(current)), Value::Object(patch))
                if rules.patch != Some(PatchStrategy::Replace) =>
            {
                Some(Value::Object(merge_object(current, patch, rules.scope)?))
            }
            (Some(Value::Array(current)), Value::Array(patch))
                if rules.patch == Some(PatchStrategy::Merge) =>
            {
                Some(Value::Array(merge_list(current, patch, rules)?))
            }
            (_, value) => cleaned(value),
        };
        if let Some(merged) = merged {
            current.insert(name, merged);
        }
    }
    Ok(current)
}

/// `$retainKeys`: what is not named goes; what the patch sets must be named.
fn retain_keys(current: &mut Object, patch: &mut Object) -> Result<(), Unmergeable> {
    let Some(retained) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let Value::Array(retained) = retained else {
        return Err(Unmergeable::NotAList(RETAIN_KEYS.to_owned()));
    };
    let is_retained = |name: &String| retained.iter().any(|retained| retained == name.as_str());
    let stray = patch
        .iter()
        .find(|(name, value)| !value.is_null() && !name.starts_with('$') && !is_retained(name));
    if let Some((name, _)) = stray {
        return Err(Unmergeable::NotRetained(name.clone()));
    }
    current.retain(|name, _| is_retained(name));
    Ok(())
}

fn delete_from_list(current: &mut Object, list: &str, gone: &Value) -> Result<(), Unmergeable> {
    let Value::Array(gone) = gone else {
        return Err(Unmergeable::NotAList(format!("{DELETE_FROM_LIST}{list}")));
    };
    if let Some(Value::Array(list)) = current.get_mut(list) {
        let gone = Places::of(gone, Identity::Value);
        list.retain(|element| gone.find(element).is_none());
    }
    Ok(())
}

/// A value that is new as it stands: without directives and nulls. `None` if it says that it is
/// deleted.
fn cleaned(value: Value) -> Option<Value> {
    match value {
        Value::Object(object) => without_directives(object).map(Value::Object),
        Value::Array(list) => {
            // Nothing was there to be replaced.
            let is_element = |value: &Value| value.get(PATCH).is_none_or(|word| word != "replace");
            let elements = list.into_iter().filter(is_element);
            Some(Value::Array(elements.filter_map(cleaned).collect()))
        }
        scalar => Some(scalar),
    }
}

fn without_directives(object: Object) -> Option<Object> {
    if object.get(PATCH).is_some_and(|directive| directive == "delete") {
        return None;
    }
    let kept = object.into_iter().filter(|(name, value)| !is_directive(name) && !value.is_null());
    Some(kept.filter_map(|(name, value)| Some((name, cleaned(value)?))).collect())
}

/// Other names may begin with a dollar sign too: keys of a ConfigMap cannot, but annotations'
/// values are free.
fn is_directive(name: &str) -> bool {
    name == PATCH
        || name == RETAIN_KEYS
        || name.starts_with(DELETE_FROM_LIST)
        || name.starts_with(SET_ELEMENT_ORDER)
}
