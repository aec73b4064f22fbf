//! Leases.

use serde_json::Value;

use super::Strategy;
use crate::FieldErrors;
use crate::field::Path;

/// Rules of Leases.
pub(super) struct Lease;

impl Strategy for Lease {
    fn validate(&self, lease: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, path) = (&lease["spec"], Path::root("spec"));
        for (field, min, why) in [
            ("leaseDurationSeconds", 1, "must be greater than 0"),
            ("leaseTransitions", 0, "must be greater than or equal to 0"),
        ] {
            if spec[field].as_i64().is_some_and(|number| number < min) {
                errors.invalid(&path.child(field), spec[field].clone(), why);
            }
        }
        errors
    }
}
