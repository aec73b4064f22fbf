//! Rules of where a pod may run: node selector, affinity, tolerations, topology spread.

use serde_json::Value;

use super::super::metadata::validate_labels;
use super::super::rules::{label_selector, legal, one_of, required_one_of, text};
use crate::field::Path;
use crate::{FieldErrors, meta, name};

/// All of a pod spec that decides placement.
pub(super) fn validate(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    validate_labels(&spec["nodeSelector"], &path.child("nodeSelector"), errors);
    let affinity = path.child("affinity");
    validate_node_affinity(
        &spec["affinity"]["nodeAffinity"],
        &affinity.child("nodeAffinity"),
        errors,
    );
    for field in ["podAffinity", "podAntiAffinity"] {
        validate_pod_affinity(&spec["affinity"][field], &affinity.child(field), errors);
    }
    for (index, toleration) in meta::list(&spec["tolerations"]).iter().enumerate() {
        validate_toleration(toleration, &path.child("tolerations").index(index), errors);
    }
    for (index, constraint) in meta::list(&spec["topologySpreadConstraints"]).iter().enumerate() {
        let path = path.child("topologySpreadConstraints").index(index);
        if constraint["maxSkew"].as_i64().unwrap_or(0) <= 0 {
            errors.invalid(
                &path.child("maxSkew"),
                constraint["maxSkew"].clone(),
                "must be greater than zero",
            );
        }
        if text(&constraint["topologyKey"]).is_empty() {
            errors.required(&path.child("topologyKey"), "can not be empty");
        }
        required_one_of(
            &constraint["whenUnsatisfiable"],
            &["DoNotSchedule", "ScheduleAnyway"],
            &path.child("whenUnsatisfiable"),
            errors,
        );
        label_selector(&constraint["labelSelector"], &path.child("labelSelector"), errors);
    }
}

fn validate_node_affinity(affinity: &Value, path: &Path, errors: &mut FieldErrors) {
    let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"];
    if !required.is_null() {
        let path =
            path.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
        let terms = meta::list(&required["nodeSelectorTerms"]);
        if terms.is_empty() {
            errors.required(&path, "must have at least one node selector term");
        }
        for (index, term) in terms.iter().enumerate() {
            validate_node_term(term, &path.index(index), errors);
        }
    }
    let field = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, preference) in meta::list(&affinity[field]).iter().enumerate() {
        let path = path.child(field).index(index);
        validate_weight(&preference["weight"], &path, errors);
        validate_node_term(&preference["preference"], &path.child("preference"), errors);
    }
}

/// A node selector term: expressions over labels, and over `metadata.name`.
fn validate_node_term(term: &Value, path: &Path, errors: &mut FieldErrors) {
    for (index, expression) in meta::list(&term["matchExpressions"]).iter().enumerate() {
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
            "Gt" | "Lt" if values.len() != 1 => errors.required(
                &path.child("values"),
                "must be specified single value when `operator` is 'Lt' or 'Gt'",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
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
    for (index, expression) in meta::list(&term["matchFields"]).iter().enumerate() {
        let path = path.child("matchFields").index(index);
        match text(&expression["operator"]) {
            "In" | "NotIn" if meta::list(&expression["values"]).len() != 1 => errors.required(
                &path.child("values"),
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            ),
            "In" | "NotIn" => {}
            other => {
                errors.invalid(&path.child("operator"), other, "not a valid selector operator")
            }
        }
        let key = text(&expression["key"]);
        if key != "metadata.name" {
            errors.invalid(&path.child("key"), key, "not a valid field selector key");
        }
    }
}

fn validate_pod_affinity(affinity: &Value, path: &Path, errors: &mut FieldErrors) {
    let field = "requiredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in meta::list(&affinity[field]).iter().enumerate() {
        validate_pod_term(term, &path.child(field).index(index), errors);
    }
    let field = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, preference) in meta::list(&affinity[field]).iter().enumerate() {
        let path = path.child(field).index(index);
        validate_weight(&preference["weight"], &path, errors);
        validate_pod_term(&preference["podAffinityTerm"], &path.child("podAffinityTerm"), errors);
    }
}

fn validate_pod_term(term: &Value, path: &Path, errors: &mut FieldErrors) {
    label_selector(&term["labelSelector"], &path.child("labelSelector"), errors);
    label_selector(&term["namespaceSelector"], &path.child("namespaceSelector"), errors);
    for (index, namespace) in meta::list(&term["namespaces"]).iter().enumerate() {
        let path = path.child("namespaces").index(index);
        legal(name::dns1123_label, text(namespace), &path, errors);
    }
    match text(&term["topologyKey"]) {
        "" => errors.required(&path.child("topologyKey"), "can not be empty"),
        key => legal(name::qualified, key, &path.child("topologyKey"), errors),
    }
}

fn validate_weight(weight: &Value, path: &Path, errors: &mut FieldErrors) {
    if !weight.as_i64().is_some_and(|weight| (1..=100).contains(&weight)) {
        errors.invalid(&path.child("weight"), weight.clone(), "must be in the range 1-100");
    }
}

fn validate_toleration(toleration: &Value, path: &Path, errors: &mut FieldErrors) {
    let key = text(&toleration["key"]);
    let operator = text(&toleration["operator"]);
    if !key.is_empty() {
        legal(name::qualified, key, &path.child("key"), errors);
    } else if operator != "Exists" {
        errors.invalid(
            &path.child("operator"),
            operator,
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        );
    }
    let effect = text(&toleration["effect"]);
    if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
        errors.invalid(
            &path.child("effect"),
            effect,
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        );
    }
    let value = text(&toleration["value"]);
    match operator {
        "" | "Equal" => legal(name::label_value, value, &path.child("operator"), errors),
        "Exists" if !value.is_empty() => errors.invalid(
            &path.child("operator"),
            toleration.clone(),
            "value must be empty when `operator` is 'Exists'",
        ),
        "Exists" => {}
        other => errors.not_supported(&path.child("operator"), other, &["Equal", "Exists"]),
    }
    if !effect.is_empty() {
        one_of(
            &toleration["effect"],
            &["NoSchedule", "PreferNoSchedule", "NoExecute"],
            &path.child("effect"),
            errors,
        );
    }
}
