//! Defaults and rules that many fields share.

use serde_json::{Map, Value};

use crate::field::Path;
use crate::name::Broken;
use crate::{FieldErrors, meta, name};

/// A field's text; empty if it is absent.
pub(super) fn text(field: &Value) -> &str {
    field.as_str().unwrap_or_default()
}

/// Sets a field that is absent; `object` must be a JSON object, anything else stays.
pub(super) fn fill(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(fields) = object.as_object_mut()
        && fields.get(field).is_none_or(Value::is_null)
    {
        fields.insert(field.to_owned(), value.into());
    }
}

/// Sets a field that is absent, zero or empty, where Kubernetes cannot tell these apart.
pub(super) fn fill_zero(object: &mut Value, field: &str, value: impl Into<Value>) {
    let given = &object[field];
    if given.is_null() || given == 0 || given == "" {
        remove(object, field);
        fill(object, field, value);
    }
}

/// Removes a field.
pub(super) fn remove(object: &mut Value, field: &str) {
    if let Some(fields) = object.as_object_mut() {
        fields.remove(field);
    }
}

/// An empty JSON object.
pub(super) fn empty() -> Value {
    Value::Object(Map::new())
}

/// The elements of a list field, to change them.
pub(super) fn list_mut(field: Option<&mut Value>) -> &mut [Value] {
    field.and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

/// Adds what a rule of [`crate::name`] finds wrong with a text.
pub(super) fn legal(
    rule: fn(&str) -> Result<(), Broken>,
    value: &str,
    path: &Path,
    errors: &mut FieldErrors,
) {
    for sentence in rule(value).err().into_iter().flatten() {
        errors.invalid(path, value, sentence);
    }
}

/// As [`legal`], for a field that must be there.
pub(super) fn required_legal(
    rule: fn(&str) -> Result<(), Broken>,
    field: &Value,
    path: &Path,
    errors: &mut FieldErrors,
) {
    match text(field) {
        "" => errors.required(path, ""),
        value => legal(rule, value, path, errors),
    }
}

/// As [`legal`], for a field that may be absent.
pub(super) fn optional_legal(
    rule: fn(&str) -> Result<(), Broken>,
    field: &Value,
    path: &Path,
    errors: &mut FieldErrors,
) {
    match text(field) {
        "" => {}
        value => legal(rule, value, path, errors),
    }
}

/// A text that must be there.
pub(super) fn required(field: &Value, path: &Path, errors: &mut FieldErrors) {
    if text(field).is_empty() {
        errors.required(path, "");
    }
}

/// A text out of a fixed set, if it is there.
pub(super) fn one_of(field: &Value, supported: &[&str], path: &Path, errors: &mut FieldErrors) {
    if let Some(value) = field.as_str()
        && !supported.contains(&value)
    {
        errors.not_supported(path, value, supported);
    }
}

/// A text out of a fixed set that must be there.
pub(super) fn required_one_of(
    field: &Value,
    supported: &[&str],
    path: &Path,
    errors: &mut FieldErrors,
) {
    required(field, path, errors);
    if !text(field).is_empty() {
        one_of(field, supported, path, errors);
    }
}

/// A number that is not negative, if it is there.
pub(super) fn non_negative(field: &Value, path: &Path, errors: &mut FieldErrors) {
    if let Some(number) = field.as_i64()
        && number < 0
    {
        errors.invalid(path, number, "must be greater than or equal to 0");
    }
}

/// `3` or `25%`.
pub(super) fn count_or_percent(field: &Value, path: &Path, errors: &mut FieldErrors) {
    match field {
        Value::String(text) if percent(field).is_none() => errors.invalid(
            path,
            text.as_str(),
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
             '93%', regex used for validation is '[0-9]+%')",
        ),
        _ => non_negative(field, path, errors),
    }
}

/// The number in `25%`; `None` for anything else.
pub(super) fn percent(field: &Value) -> Option<u64> {
    let digits = field.as_str()?.strip_suffix('%')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// True for `0` and `0%`.
pub(super) fn is_zero(field: &Value) -> bool {
    field.as_i64() == Some(0) || percent(field) == Some(0)
}

/// At most `100%`, if it is a percentage.
pub(super) fn not_more_than_all(field: &Value, path: &Path, errors: &mut FieldErrors) {
    if percent(field).is_some_and(|percent| percent > 100) {
        errors.invalid(path, field.clone(), "must not be greater than 100%");
    }
}

/// A number within bounds, if it is there.
pub(super) fn within(field: &Value, min: i64, max: i64, path: &Path, errors: &mut FieldErrors) {
    if let Some(number) = field.as_i64()
        && !(min..=max).contains(&number)
    {
        errors.invalid(path, number, format!("must be between {min} and {max}, inclusive"));
    }
}

/// A port number that must be there; zero counts as absent only where Kubernetes says so.
pub(super) fn port_number(field: &Value, path: &Path, errors: &mut FieldErrors) {
    within(&Value::from(field.as_i64().unwrap_or(0)), 1, 65535, path, errors);
}

/// A port by number or by name.
pub(super) fn port_number_or_name(field: &Value, path: &Path, errors: &mut FieldErrors) {
    match field {
        Value::String(port) => legal(name::port, port, path, errors),
        _ => port_number(field, path, errors),
    }
}

/// A `metav1.LabelSelector`.
pub(super) fn label_selector(selector: &Value, path: &Path, errors: &mut FieldErrors) {
    super::metadata::validate_labels(&selector["matchLabels"], &path.child("matchLabels"), errors);
    for (index, expression) in meta::list(&selector["matchExpressions"]).iter().enumerate() {
        let path = path.child("matchExpressions").index(index);
        let values = meta::list(&expression["values"]);
        match text(&expression["operator"]) {
            "In" | "NotIn" if values.is_empty() => errors.required(
                &path.child("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            ),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.forbidden(
                &path.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                errors.invalid(&path.child("operator"), other, "not a valid selector operator")
            }
        }
        legal(name::qualified, text(&expression["key"]), &path.child("key"), errors);
        for (index, value) in values.iter().enumerate() {
            let path = path.child("values").index(index);
            legal(name::label_value, text(value), &path, errors);
        }
    }
}

/// A list that must stay as it is.
pub(super) fn immutable(new: &Value, old: &Value, path: &Path, errors: &mut FieldErrors) {
    if new != old {
        errors.invalid(path, new.clone(), "field is immutable");
    }
}
