//! PodDisruptionBudgets.

use serde_json::Value;

use super::Strategy;
use super::rules::{count_or_percent, label_selector, one_of, percent};
use crate::FieldErrors;
use crate::field::Path;

/// Rules of PodDisruptionBudgets.
pub(super) struct PodDisruptionBudget;

impl Strategy for PodDisruptionBudget {
    fn validate(&self, budget: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, path) = (&budget["spec"], Path::root("spec"));
        let amounts = ["minAvailable", "maxUnavailable"];
        if amounts.iter().all(|field| !spec[*field].is_null()) {
            let why = "minAvailable and maxUnavailable cannot be both set";
            errors.invalid(&path, spec.clone(), why);
        }
        for field in amounts.into_iter().filter(|field| !spec[*field].is_null()) {
            count_or_percent(&spec[field], &path.child(field), &mut errors);
            if percent(&spec[field]).is_some_and(|percent| percent > 100) {
                let why = "must not be greater than 100%";
                errors.invalid(&path.child(field), spec[field].clone(), why);
            }
        }
        label_selector(&spec["selector"], &path.child("selector"), &mut errors);
        let policy = &spec["unhealthyPodEvictionPolicy"];
        let supported = ["AlwaysAllow", "IfHealthyBudget"];
        one_of(policy, &supported, &path.child("unhealthyPodEvictionPolicy"), &mut errors);
        errors
    }
}
