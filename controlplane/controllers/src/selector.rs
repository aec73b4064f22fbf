//! Label selectors in their object form, decoded once. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

type Labels = BTreeMap<String, String>;

/// True when the labels match. An empty selector matches everything, an absent one nothing.
pub(crate) fn matches(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let Some(selector) = selector else { return false };
    let equal = selector.match_labels.iter().flatten().all(|(k, v)| labels.get(k) == Some(v));
    let meet = selector.match_expressions.iter().flatten().all(|requirement| {
        let value = labels.get(&requirement.key);
        let listed =
            || value.is_some_and(|value| requirement.values.iter().flatten().any(|v| v == value));
        match requirement.operator.as_str() {
            "In" => listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    equal && meet
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels_and_expressions_must_all_hold() {
        let labels: Labels = [("app".to_owned(), "web".to_owned())].into();
        let holds = |value| matches(Some(&serde_json::from_value(value).unwrap()), &labels);
        assert!(holds(json!({})));
        assert!(holds(json!({ "matchLabels": { "app": "web" } })));
        assert!(!holds(json!({ "matchLabels": { "app": "web", "tier": "x" } })));
        assert!(holds(json!({ "matchExpressions": [
            { "key": "app", "operator": "In", "values": ["web", "api"] },
            { "key": "tier", "operator": "DoesNotExist" } ] })));
        assert!(!holds(json!({ "matchExpressions": [
            { "key": "app", "operator": "NotIn", "values": ["web"] } ] })));
        assert!(!matches(None, &labels));
    }
}
