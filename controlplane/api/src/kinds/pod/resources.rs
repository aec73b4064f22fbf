//! Rules of requests and limits.

use serde_json::Value;

use super::super::rules::text;
use crate::field::Path;
use crate::quantity::{Quantity, QuantityError};
use crate::{FieldErrors, name};

/// Resources Kubernetes itself knows; others carry a domain.
const STANDARD: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

/// `resources` of a container: legal names and amounts, no request above its limit.
pub(super) fn validate(resources: &Value, path: &Path, errors: &mut FieldErrors) {
    for list in ["limits", "requests"] {
        for (resource, amount) in resources[list].as_object().into_iter().flatten() {
            let path = path.child(list).key(resource);
            validate_name(resource, &path, errors);
            validate_amount(resource, amount, &path, errors);
        }
    }
    for (resource, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = &resources["limits"][resource.as_str()];
        let (Some(amount), path) = (Quantity::of(request), path.child("requests")) else {
            continue;
        };
        match Quantity::of(limit) {
            Some(limit) if is_extended(resource) && amount != limit => errors.invalid(
                &path,
                text(request),
                format!("must be equal to {resource} limit of {limit}"),
            ),
            Some(limit) if amount > limit => errors.invalid(
                &path,
                text(request),
                format!("must be less than or equal to {resource} limit of {limit}"),
            ),
            _ => {}
        }
    }
}

/// An amount of a resource: a quantity, not negative, whole where the resource cannot be divided.
pub(crate) fn validate_amount(
    resource: &str,
    amount: &Value,
    path: &Path,
    errors: &mut FieldErrors,
) {
    let Some(quantity) = Quantity::of(amount) else {
        let why = match amount {
            Value::String(text) => text.parse::<Quantity>().err(),
            _ => Some(QuantityError::Format),
        };
        errors.invalid(path, amount.clone(), why.unwrap_or(QuantityError::Format).to_string());
        return;
    };
    if quantity.is_negative() {
        errors.invalid(path, quantity.to_string(), "must be greater than or equal to 0");
    }
    if is_extended(resource) && !quantity.is_whole() {
        errors.invalid(path, quantity.to_string(), "must be an integer");
    }
}

fn validate_name(resource: &str, path: &Path, errors: &mut FieldErrors) {
    if let Err(rules) = name::qualified(resource) {
        for rule in rules {
            errors.invalid(path, resource, rule);
        }
    } else if !is_extended(resource) && !STANDARD.contains(&resource) && !is_huge_pages(resource) {
        errors.invalid(path, resource, "must be a standard resource type or fully qualified");
        errors.invalid(path, resource, "must be a standard resource for containers");
    }
}

fn is_extended(resource: &str) -> bool {
    resource.contains('/') && !resource.starts_with("kubernetes.io/")
}

fn is_huge_pages(resource: &str) -> bool {
    resource.starts_with("hugepages-")
}
