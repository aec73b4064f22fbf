//! What a kind decides for itself.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use crate::FieldErrors;

/// What pure rules cannot know by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The time of the request.
    pub now: Timestamp,
    /// Randomness for `metadata.uid`.
    pub uid_random: [u8; 16],
    /// Randomness for a generated name.
    pub name_random: u64,
}

/// What happens to dependents if the request does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents are deleted afterwards.
    Background,
    /// Dependents first.
    Foreground,
    /// Dependents stay, without their owner.
    Orphan,
}

/// What `autoscaling/v1 Scale` shows of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// `spec.replicas`.
    pub replicas: i64,
    /// `status.replicas`.
    pub observed_replicas: i64,
    /// `status.selector`: the label selector as a string.
    pub selector: String,
}

/// The rules of one kind. Pure: the time and randomness come in through [`Context`].
///
/// Callers use [`super::write`], which adds what is the same for every kind. Objects are JSON values with
/// the right types in the right places (the codec saw to it); an absent field and `null` are the same.
pub trait Strategy: Send + Sync {
    /// Sets what the client left out, and what Kubernetes always sets. Runs on create and on every update;
    /// running it twice changes nothing.
    fn default(&self, _object: &mut Value) {}

    /// After defaults and before admission: clears what a client may not set, sets the first status.
    fn prepare_create(&self, _object: &mut Value, _context: &Context) {}

    /// True if a client may bring a status with a new object.
    fn status_at_create(&self) -> bool {
        false
    }

    /// After the generic rules (status kept, generation counted).
    fn prepare_update(&self, _new: &mut Value, _old: &Value, _context: &Context) {}

    /// After the generic rules (all but status and a little metadata kept).
    fn prepare_status_update(&self, _new: &mut Value, _old: &Value, _context: &Context) {}

    /// What Kubernetes calls a legal name of this kind.
    fn validate_name(&self, name: &str) -> Result<(), Vec<String>> {
        crate::name::dns1123_subdomain(name)
    }

    /// Rules of the whole object without `metadata`.
    fn validate(&self, _object: &Value) -> FieldErrors {
        FieldErrors::new()
    }

    /// Rules of the change; [`Self::validate`] of the new object runs apart.
    fn validate_update(&self, _new: &Value, _old: &Value) -> FieldErrors {
        FieldErrors::new()
    }

    /// Rules of a status write.
    fn validate_status_update(&self, _new: &Value, _old: &Value) -> FieldErrors {
        FieldErrors::new()
    }

    /// Seconds between a delete request and the object's removal; 0 removes at once.
    fn grace_period_seconds(&self, _object: &Value, _requested: Option<i64>) -> i64 {
        0
    }

    /// Fields that selectors may name beside `metadata.name` and `metadata.namespace`.
    fn field_labels(&self) -> &'static [&'static str] {
        &[]
    }

    /// The value of one of [`Self::field_labels`]; empty if absent.
    fn field_value<'a>(&self, object: &'a Value, field: &str) -> Cow<'a, str> {
        plain_field(object, field)
    }

    /// What happens to dependents if the request does not say.
    fn default_propagation(&self) -> Propagation {
        Propagation::Background
    }

    /// The scale of an object, if the kind has that subresource.
    fn scale(&self, _object: &Value) -> Option<Scale> {
        None
    }
}

/// The value at a dotted path, as a field selector compares it; empty if absent.
pub(super) fn plain_field<'a>(object: &'a Value, path: &str) -> Cow<'a, str> {
    let field = path.split('.').try_fold(object, |value, step| value.get(step));
    match field {
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Bool(flag)) => Cow::Owned(flag.to_string()),
        Some(Value::Number(number)) => Cow::Owned(number.to_string()),
        _ => Cow::Borrowed(""),
    }
}

/// A kind without rules of its own.
pub(super) struct Plain;

impl Strategy for Plain {}
