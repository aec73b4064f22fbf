//! The order of a merged list: `$setElementOrder`, and where elements go that the patch does not
//! mention.

use serde_json::Value;

use super::list::{Identity, Places, identity, merge_list};
use super::{Object, PATCH, SET_ELEMENT_ORDER, Scope, Unmergeable, cleaned};
use crate::schema::PatchStrategy;

/// Applies every `$setElementOrder/x` of a patch, together with the patch's own `x`; both leave the
/// patch.
pub(super) fn set_element_order(
    current: &mut Object,
    patch: &mut Object,
    scope: Scope,
) -> Result<(), Unmergeable> {
    let is_order = |name: &&String| name.starts_with(SET_ELEMENT_ORDER);
    let directives = patch.keys().filter(is_order).cloned().collect::<Vec<_>>();
    for directive in directives {
        let order = patch.remove(&directive).unwrap_or_default();
        let name = &directive[SET_ELEMENT_ORDER.len()..];
        let Value::Array(order) = order else { return Err(Unmergeable::NotAList(directive)) };
        let rules = scope.rules(name);
        let as_list = |value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(Unmergeable::NotAList(name.to_owned())),
        };
        if patch.get(name).is_some_and(Value::is_null) {
            // The list is deleted: there is nothing to order.
            continue;
        }
        let patch_list = as_list(patch.remove(name))?;
        if let Some(patch_list) = &patch_list {
            check_order(name, patch_list, &order, rules.merge_key)?;
        }
        let current_list = as_list(current.get(name).filter(|list| !list.is_null()).cloned())?;
        let merged = match (&current_list, patch_list) {
            (None, None) => continue,
            (Some(list), None) => list.clone(),
            (None, Some(list)) => list.into_iter().filter_map(cleaned).collect(),
            (Some(list), Some(patch)) if rules.patch == Some(PatchStrategy::Merge) => {
                merge_list(list.clone(), patch, rules)?
            }
            (Some(_), Some(patch)) => patch,
        };
        let identity = identity([&merged, &[]], rules.merge_key)?;
        let before = current_list.unwrap_or_default();
        let ordered = interleave(merged, &order, &before, identity);
        current.insert(name.to_owned(), Value::Array(ordered));
    }
    Ok(())
}

/// What the patch sets must be in the order list, and in that order.
fn check_order(
    name: &str,
    patch: &[Value],
    order: &[Value],
    merge_key: &'static str,
) -> Result<(), Unmergeable> {
    let mut rest = order.iter();
    for element in patch.iter().filter(|element| element.get(PATCH).is_none()) {
        let identity = if element.is_object() { Identity::Key(merge_key) } else { Identity::Value };
        if !rest.any(|ordered| identity.same(ordered, element)) {
            return Err(Unmergeable::Order(name.to_owned()));
        }
    }
    Ok(())
}

/// Puts elements that `order` names into its order, and the others between them where they were
/// `before`.
///
/// The others keep the order they have. Each goes in front of the first ordered element that it
/// preceded before; where that cannot be said, the ordered elements go first.
pub(super) fn interleave(
    merged: Vec<Value>,
    order: &[Value],
    before: &[Value],
    identity: Identity,
) -> Vec<Value> {
    let (order, before) = (Places::of(order, identity), Places::of(before, identity));
    let (mut ordered, mut others): (Vec<_>, Vec<_>) =
        merged.into_iter().partition(|element| order.find(element).is_some());
    ordered.sort_by_cached_key(|element| order.find(element));
    others.sort_by_cached_key(|element| before.find(element).unwrap_or(usize::MAX));
    let mut result = Vec::with_capacity(ordered.len() + others.len());
    let mut others = others.into_iter().peekable();
    for element in ordered {
        let here = before.find(&element);
        let precedes = |other: &Value| match (before.find(other), here) {
            (Some(other), Some(here)) => other < here,
            _ => false,
        };
        while let Some(other) = others.next_if(precedes) {
            result.push(other);
        }
        result.push(element);
    }
    result.extend(others);
    result
}
