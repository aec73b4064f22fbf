//! Which nodes a pod may be on, by node affinity: one rule for the scheduler and for DaemonSets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm};

/// True when a node with this name and these labels matches the term. An empty term matches nothing.
pub fn matches(term: &NodeSelectorTerm, name: &str, labels: &BTreeMap<String, String>) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    if expressions.is_empty() && fields.is_empty() {
        return false;
    }
    let by_field = |requirement: &NodeSelectorRequirement| {
        requirement.key == "metadata.name" && meets(requirement, Some(name))
    };
    expressions.iter().all(|r| meets(r, labels.get(&r.key).map(String::as_str)))
        && fields.iter().all(by_field)
}

fn meets(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = || value.is_some_and(|value| values.iter().any(|v| v == value));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compare(value, values).is_some_and(|(node, bound)| node > bound),
        "Lt" => compare(value, values).is_some_and(|(node, bound)| node < bound),
        _ => false,
    }
}

fn compare(value: Option<&str>, values: &[String]) -> Option<(i64, i64)> {
    Some((value?.parse().ok()?, values.first()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn matching(term: serde_json::Value) -> bool {
        let labels = [("zone", "a"), ("cores", "8")];
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        matches(&serde_json::from_value(term).unwrap(), "n1", &labels)
    }

    #[test]
    fn operators() {
        let one = |key: &str, operator: &str, values: &[&str]| {
            matching(
                json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }),
            )
        };
        assert!(one("zone", "In", &["a", "b"]));
        assert!(!one("zone", "In", &["b"]));
        assert!(one("zone", "NotIn", &["b"]));
        assert!(one("absent", "NotIn", &["b"]));
        assert!(one("zone", "Exists", &[]));
        assert!(one("absent", "DoesNotExist", &[]));
        assert!(one("cores", "Gt", &["4"]));
        assert!(!one("cores", "Lt", &["4"]));
        assert!(!one("zone", "Gt", &["4"]));
    }

    #[test]
    fn an_empty_term_matches_nothing_and_fields_match_the_name() {
        assert!(!matching(json!({})));
        assert!(matching(json!({ "matchFields": [
            { "key": "metadata.name", "operator": "In", "values": ["n1"] }] })));
        assert!(!matching(json!({ "matchFields": [
            { "key": "metadata.name", "operator": "In", "values": ["n2"] }] })));
    }
}
