//! ControllerRevisions: former states of what a controller keeps, which `kubectl rollout undo` goes back to.

use serde_json::Value;

use super::Strategy;
use super::rules::{immutable, non_negative};
use crate::FieldErrors;
use crate::field::Path;

/// Rules of ControllerRevisions.
pub(super) struct ControllerRevision;

impl Strategy for ControllerRevision {
    fn validate(&self, revision: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        if revision["data"].is_null() {
            errors.required(&Path::root("data"), "data is mandatory");
        }
        non_negative(&revision["revision"], &Path::root("revision"), &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        immutable(&new["data"], &old["data"], &Path::root("data"), &mut errors);
        errors
    }
}
