//! What is wrong with an object, field by field, worded as Kubernetes words it.
//!
//! Clients and people match on these sentences: `spec.replicas: Invalid value: -1: must be greater than or
//! equal to 0`. A list of them becomes one `Status` (422 Invalid) with a cause for each field.

use std::fmt;

use serde_json::{Value, json};

use crate::Status;

/// Where in an object: `spec.containers[0].image`, `data[key]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The first step: `spec`.
    pub fn root(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A named field below this one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() {
            return Self::root(name);
        }
        Self(format!("{}.{name}", self.0))
    }

    /// An element of a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// An entry of a map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Path {
    fn from(path: &str) -> Self {
        Self(path.to_owned())
    }
}

/// One fault of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// What sort of fault.
    pub fault: Fault,
    /// The field, as in [`Path`].
    pub field: String,
    /// The rule that was broken, or empty.
    pub detail: String,
}

/// The sorts of fault Kubernetes tells apart, with the value where the sentence shows it.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Missing or empty.
    Required,
    /// Breaks a rule.
    Invalid(Value),
    /// Not one of a fixed set.
    NotSupported(Value),
    /// Twice where it must be unique.
    Duplicate(Value),
    /// Refers to something that does not exist.
    NotFound(Value),
    /// May not be set, or not changed.
    Forbidden,
    /// More bytes than allowed.
    TooLong,
    /// More items than allowed; how many there are.
    TooMany(usize),
}

impl Fault {
    /// The machine-readable cause, `metav1.CauseType`.
    fn reason(&self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid(_) => "FieldValueInvalid",
            Self::NotSupported(_) => "FieldValueNotSupported",
            Self::Duplicate(_) => "FieldValueDuplicate",
            Self::NotFound(_) => "FieldValueNotFound",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany(_) => "FieldValueTooMany",
        }
    }
}

impl FieldError {
    /// The sentence without the field: the `message` of a cause.
    pub fn body(&self) -> String {
        let head = match &self.fault {
            Fault::Required => "Required value".to_owned(),
            Fault::Invalid(value) => format!("Invalid value: {value}"),
            Fault::NotSupported(value) => format!("Unsupported value: {value}"),
            Fault::Duplicate(value) => format!("Duplicate value: {value}"),
            Fault::NotFound(value) => format!("Not found: {value}"),
            Fault::Forbidden => "Forbidden".to_owned(),
            Fault::TooLong => "Too long".to_owned(),
            Fault::TooMany(count) => format!("Too many: {count}"),
        };
        if self.detail.is_empty() { head } else { format!("{head}: {}", self.detail) }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// Everything wrong with one object, in the order it was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// No fault so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many faults.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The faults in order.
    pub fn iter(&self) -> impl Iterator<Item = &FieldError> {
        self.0.iter()
    }

    /// Adds any fault.
    pub fn add(&mut self, fault: Fault, path: &Path, detail: impl Into<String>) {
        self.0.push(FieldError { fault, field: path.0.clone(), detail: detail.into() });
    }

    /// A value is missing.
    pub fn required(&mut self, path: &Path, detail: impl Into<String>) {
        self.add(Fault::Required, path, detail);
    }

    /// A value breaks a rule.
    pub fn invalid(&mut self, path: &Path, value: impl Into<Value>, detail: impl Into<String>) {
        self.add(Fault::Invalid(value.into()), path, detail);
    }

    /// A value is not among those that exist; they are listed in the order given.
    pub fn not_supported(&mut self, path: &Path, value: impl Into<Value>, supported: &[&str]) {
        let quoted: Vec<_> = supported.iter().map(|name| format!("\"{name}\"")).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        self.add(Fault::NotSupported(value.into()), path, detail);
    }

    /// A value occurs twice.
    pub fn duplicate(&mut self, path: &Path, value: impl Into<Value>) {
        self.add(Fault::Duplicate(value.into()), path, "");
    }

    /// A value refers to nothing.
    pub fn not_found(&mut self, path: &Path, value: impl Into<Value>) {
        self.add(Fault::NotFound(value.into()), path, "");
    }

    /// A field may not be set, or not changed.
    pub fn forbidden(&mut self, path: &Path, detail: impl Into<String>) {
        self.add(Fault::Forbidden, path, detail);
    }

    /// A value has too many bytes.
    pub fn too_long(&mut self, path: &Path, limit_bytes: usize) {
        self.add(Fault::TooLong, path, format!("may not be more than {limit_bytes} bytes"));
    }

    /// A list has too many items.
    pub fn too_many(&mut self, path: &Path, count: usize, limit: usize) {
        let items = if limit == 1 { "item" } else { "items" };
        self.add(Fault::TooMany(count), path, format!("must have at most {limit} {items}"));
    }

    /// Adds another list's faults.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// 422 Invalid naming the object; `group_kind` is `Deployment.apps`, or `Pod` for the core group.
    pub fn into_status(self, group: &str, kind: &str, name: &str) -> Status {
        let group_kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut message = format!("{group_kind} \"{name}\" is invalid");
        if !self.is_empty() {
            message = format!("{message}: {self}");
        }
        let causes: Vec<_> = self
            .iter()
            .map(|error| {
                json!({
                    "reason": error.fault.reason(),
                    "message": error.body(),
                    "field": error.field,
                })
            })
            .collect();
        let mut details = json!({ "name": name, "kind": kind, "causes": causes });
        if !group.is_empty() {
            details["group"] = Value::from(group);
        }
        Status { details, ..Status::new(422, "Invalid", message) }
    }
}

/// One sentence alone, several as `[a, b]`; the same sentence only once.
impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sentences: Vec<String> = Vec::with_capacity(self.len());
        for error in &self.0 {
            let sentence = error.to_string();
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        match sentences.as_slice() {
            [one] => f.write_str(one),
            many => write!(f, "[{}]", many.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_those_of_kubernetes() {
        let spec = Path::root("spec");
        let mut errors = FieldErrors::new();
        errors.invalid(&spec.child("replicas"), -1, "must be greater than or equal to 0");
        errors.required(&spec.child("selector"), "");
        errors.not_supported(&spec.child("type"), "x", &["a", "b"]);
        errors.duplicate(&spec.child("ports").index(1).child("name"), "http");
        errors
            .forbidden(&Path::root("data").key("k"), "field is immutable when `immutable` is set");
        errors.too_long(&Path::root("metadata").child("name"), 253);
        errors.too_many(&spec.child("x"), 5, 1);
        let sentences: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            sentences,
            [
                "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
                "spec.selector: Required value",
                r#"spec.type: Unsupported value: "x": supported values: "a", "b""#,
                r#"spec.ports[1].name: Duplicate value: "http""#,
                "data[k]: Forbidden: field is immutable when `immutable` is set",
                "metadata.name: Too long: may not be more than 253 bytes",
                "spec.x: Too many: 5: must have at most 1 item",
            ]
        );
    }

    #[test]
    fn one_status_tells_all() {
        let mut errors = FieldErrors::new();
        errors.required(&"spec.a".into(), "");
        let status = errors.clone().into_status("apps", "Deployment", "x");
        assert_eq!(status.code, 422);
        assert_eq!(status.message, r#"Deployment.apps "x" is invalid: spec.a: Required value"#);
        assert_eq!(status.details["causes"][0]["field"], "spec.a");
        assert_eq!(status.details["causes"][0]["reason"], "FieldValueRequired");
        errors.required(&"spec.b".into(), "must be set");
        errors.required(&"spec.b".into(), "must be set");
        assert_eq!(
            errors.into_status("", "Pod", "x").message,
            r#"Pod "x" is invalid: [spec.a: Required value, spec.b: Required value: must be set]"#
        );
    }
}
