//! Nodes.

use serde_json::Value;

use super::pod::validate_amount;
use super::rules::{legal, required_legal, required_one_of, text};
use super::{Context, Strategy};
use crate::field::Path;
use crate::{FieldErrors, meta, name, quantity};

/// Rules of Nodes.
pub(super) struct Node;

impl Strategy for Node {
    /// A node that registers itself brings its first status with it.
    fn status_at_create(&self) -> bool {
        true
    }

    fn default(&self, node: &mut Value) {
        for field in ["capacity", "allocatable"] {
            if let Some(resources) = node["status"].get_mut(field) {
                quantity::canonicalize(resources);
            }
        }
    }

    fn prepare_status_update(&self, new: &mut Value, _: &Value, _: &Context) {
        self.default(new);
    }

    fn validate(&self, node: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        validate_taints(&node["spec"], &Path::root("spec").child("taints"), &mut errors);
        validate_resources(node, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        for field in ["podCIDR", "podCIDRs", "providerID"] {
            let (now, before) = (&new["spec"][field], &old["spec"][field]);
            let was_set = !before.is_null() && *before != "";
            if was_set && now != before {
                errors.forbidden(
                    &Path::root("spec").child(field),
                    "node updates may not change this field except from \"\" to valid",
                );
            }
        }
        errors
    }

    fn validate_status_update(&self, new: &Value, _: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        validate_resources(new, &mut errors);
        errors
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &["spec.unschedulable"]
    }

    fn field_value<'a>(&self, node: &'a Value, _: &str) -> std::borrow::Cow<'a, str> {
        (node["spec"]["unschedulable"] == true).to_string().into()
    }
}

fn validate_taints(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let mut seen = Vec::new();
    for (index, taint) in meta::list(&spec["taints"]).iter().enumerate() {
        let path = path.index(index);
        required_legal(name::qualified, &taint["key"], &path.child("key"), errors);
        legal(name::label_value, text(&taint["value"]), &path.child("value"), errors);
        required_one_of(
            &taint["effect"],
            &["NoSchedule", "PreferNoSchedule", "NoExecute"],
            &path.child("effect"),
            errors,
        );
        let identity = (text(&taint["key"]), text(&taint["effect"]));
        if seen.contains(&identity) {
            errors.duplicate(&path, taint.clone());
        }
        seen.push(identity);
    }
}

fn validate_resources(node: &Value, errors: &mut FieldErrors) {
    for field in ["capacity", "allocatable"] {
        for (resource, amount) in node["status"][field].as_object().into_iter().flatten() {
            let path = Path::root("status").child(field).key(resource);
            validate_amount(resource, amount, &path, errors);
        }
    }
}
