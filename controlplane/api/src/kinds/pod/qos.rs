//! The quality of service class of a pod, from the requests and limits of its containers.

use serde_json::Value;

use super::containers;
use crate::quantity::Quantity;

/// `Guaranteed`, `Burstable` or `BestEffort`. Only CPU and memory count; zero counts as absent.
pub fn class(spec: &Value) -> &'static str {
    let pod_level = &spec["resources"];
    let has_pod_level = pod_level["requests"].is_object() || pod_level["limits"].is_object();
    let all: Vec<&Value> = if has_pod_level {
        vec![pod_level]
    } else {
        containers(spec).map(|(_, _, container)| &container["resources"]).collect()
    };
    let amount = |resources: &Value, list: &str, name: &str| {
        Quantity::of(&resources[list][name]).filter(|amount| *amount > Quantity::ZERO)
    };
    let (mut any, mut guaranteed) = (false, true);
    for resources in all {
        for name in ["cpu", "memory"] {
            let request = amount(resources, "requests", name);
            let limit = amount(resources, "limits", name);
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
