//! ReplicaSets.

use serde_json::Value;

use super::{Scale, Strategy, template};
use crate::FieldErrors;
use crate::field::Path;

/// Rules of ReplicaSets.
pub(super) struct ReplicaSet;

impl Strategy for ReplicaSet {
    fn default(&self, set: &mut Value) {
        template::default(set);
    }

    fn validate(&self, set: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        template::validate(set, "ReplicaSet", &Path::root("spec"), &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        template::validate_update(new, old)
    }

    fn validate_status_update(&self, new: &Value, _: &Value) -> FieldErrors {
        const COUNTERS: [&str; 4] =
            ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
        template::validate_counters(new, &COUNTERS)
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["status.replicas"]
    }

    fn scale(&self, set: &Value) -> Option<Scale> {
        Some(template::scale(set))
    }
}
