//! Which taints a pod puts up with: one rule for the scheduler and for eviction.

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// True when the toleration covers the taint. An empty effect or key covers all; an empty key only means
/// anything with operator `Exists`.
pub fn covers(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    if (!effect.is_empty() && effect != taint.effect) || (!key.is_empty() && key != taint.key) {
        return false;
    }
    match toleration.operator.as_deref() {
        Some("Exists") => true,
        _ => {
            let value = |value: &Option<String>| value.clone().unwrap_or_default();
            !key.is_empty() && value(&toleration.value) == value(&taint.value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn covered(toleration: Value) -> bool {
        let taint = json!({ "key": "k", "value": "v", "effect": "NoExecute" });
        let taint = serde_json::from_value(taint).unwrap();
        covers(&serde_json::from_value(toleration).unwrap(), &taint)
    }

    #[test]
    fn operators_keys_and_effects() {
        assert!(covered(json!({ "key": "k", "operator": "Equal", "value": "v" })));
        assert!(covered(json!({ "key": "k", "value": "v", "effect": "NoExecute" })));
        assert!(covered(json!({ "key": "k", "operator": "Exists" })));
        assert!(covered(json!({ "operator": "Exists" })));
        assert!(!covered(json!({ "key": "k", "value": "other" })));
        assert!(!covered(json!({ "key": "other", "operator": "Exists" })));
        assert!(!covered(json!({ "key": "k", "operator": "Exists", "effect": "NoSchedule" })));
        assert!(!covered(json!({ "operator": "Equal" })));
    }
}
