//! What a PodDisruptionBudget allows. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};
use sheave_api::time;

use crate::scaled;

/// Seconds for which an eviction counts though the pod does not show it: by then it has happened or failed.
const EVICTION_MAX_S: i64 = 120;

/// A pod that the budget's selector matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Covered {
    pub(super) name: String,
    pub(super) ready: bool,
    pub(super) terminating: bool,
}

/// The replicas that the owners of the covered pods ask for; `None` when one of them is not known.
pub(super) type Scale = Option<i32>;

/// The status as it should be, and after how many seconds an eviction counts no more.
pub(super) fn status(
    budget: &PodDisruptionBudget,
    pods: &[Covered],
    scale: Scale,
    now: Timestamp,
) -> (Value, Option<u64>) {
    let (evicted, next_s) = evicted(budget, pods, now);
    let count = i32::try_from(pods.len()).unwrap_or(i32::MAX);
    let wanted = wanted(budget, count, scale);
    let (expected, desired) = wanted.unwrap_or_default();
    let is_healthy =
        |pod: &&Covered| pod.ready && !pod.terminating && !evicted.contains_key(&pod.name);
    let healthy = i32::try_from(pods.iter().filter(is_healthy).count()).unwrap_or(i32::MAX);
    let allowed = match wanted {
        Some((expected, desired)) if expected > 0 => (healthy - desired).max(0),
        _ => 0,
    };
    let reason = match (wanted, allowed) {
        (None, _) => "SyncFailed",
        (_, 0) => "InsufficientPods",
        _ => "SufficientPods",
    };
    let message = match wanted {
        None => {
            "an owner of a pod is of a kind whose scale is not known: use minAvailable with a number"
        }
        Some(_) => "",
    };
    let evicted: BTreeMap<&str, String> =
        evicted.iter().map(|(name, at)| (name.as_str(), time::seconds(*at))).collect();
    let status = json!({
        "currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected,
        "disruptionsAllowed": allowed, "disruptedPods": evicted,
        "observedGeneration": budget.metadata.generation.unwrap_or_default(),
        "conditions": [condition(budget, allowed > 0, reason, message, now)],
    });
    (status, next_s)
}

/// Expected pods and how many of them must be healthy.
fn wanted(budget: &PodDisruptionBudget, count: i32, scale: Scale) -> Option<(i32, i32)> {
    let spec = budget.spec.as_ref();
    let min_available = spec.and_then(|spec| spec.min_available.as_ref());
    let max_unavailable = spec.and_then(|spec| spec.max_unavailable.as_ref());
    match (max_unavailable, min_available) {
        (Some(max), _) => {
            let expected = scale?;
            Some((expected, (expected - scaled::up(max, expected)).max(0)))
        }
        (None, Some(IntOrString::Int(min))) => Some((count, *min)),
        (None, Some(percent)) => {
            let expected = scale?;
            Some((expected, scaled::up(percent, expected)))
        }
        // Kubernetes takes it for a budget that asks for one pod of each.
        (None, None) => Some((count, 1)),
    }
}

/// Evictions that were permitted and that the pods do not show yet.
fn evicted(
    budget: &PodDisruptionBudget,
    pods: &[Covered],
    now: Timestamp,
) -> (BTreeMap<String, Timestamp>, Option<u64>) {
    let known = budget.status.iter().flat_map(|status| status.disrupted_pods.iter().flatten());
    let mut next_s = None;
    let mut evicted = BTreeMap::new();
    for (name, at) in known {
        let left_s = EVICTION_MAX_S - (now.as_second() - at.0.as_second());
        let pending = pods.iter().any(|pod| pod.name == *name && !pod.terminating);
        if let Ok(left_s @ 1..) = u64::try_from(left_s)
            && pending
        {
            next_s = Some(next_s.map_or(left_s, |next: u64| next.min(left_s)));
            evicted.insert(name.clone(), at.0);
        }
    }
    (evicted, next_s)
}

fn condition(
    budget: &PodDisruptionBudget,
    allowed: bool,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Value {
    let status = if allowed { "True" } else { "False" };
    let former = budget.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut former = former.filter(|c| c.type_ == "DisruptionAllowed" && c.status == status);
    let since = former.next().map_or(now, |condition| condition.last_transition_time.0);
    json!({
        "type": "DisruptionAllowed", "status": status, "reason": reason, "message": message,
        "observedGeneration": budget.metadata.generation.unwrap_or_default(),
        "lastTransitionTime": time::seconds(since),
    })
}

/// True when writing would change nothing. Absent counts are zero.
pub(super) fn same_status(current: &Value, wanted: &Value) -> bool {
    let is_same = |(name, value): (&String, &Value)| match &current[name.as_str()] {
        Value::Null => value.as_i64() == Some(0) || value.as_object().is_some_and(|o| o.is_empty()),
        current => current == value,
    };
    wanted.as_object().is_some_and(|fields| fields.iter().all(is_same))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(spec: Value, status: Value) -> PodDisruptionBudget {
        let metadata = json!({ "name": "web", "generation": 3 });
        let object = json!({ "metadata": metadata, "spec": spec, "status": status });
        serde_json::from_value(object).unwrap()
    }

    fn pods(ready: usize, others: usize) -> Vec<Covered> {
        let pod = |(index, ready)| Covered { name: format!("p{index}"), ready, terminating: false };
        let states = std::iter::repeat_n(true, ready).chain(std::iter::repeat_n(false, others));
        states.enumerate().map(pod).collect()
    }

    const NOW: &str = "2026-01-01T00:10:00Z";

    fn computed(spec: Value, pods: &[Covered], scale: Scale) -> [i64; 4] {
        let (status, _) = status(&budget(spec, json!({})), pods, scale, NOW.parse().unwrap());
        ["expectedPods", "desiredHealthy", "currentHealthy", "disruptionsAllowed"]
            .map(|field| status[field].as_i64().unwrap())
    }

    #[test]
    fn numbers_and_percentages() {
        assert_eq!(computed(json!({ "minAvailable": 2 }), &pods(3, 1), Some(9)), [4, 2, 3, 1]);
        assert_eq!(computed(json!({ "minAvailable": "50%" }), &pods(3, 0), Some(5)), [5, 3, 3, 0]);
        assert_eq!(computed(json!({ "maxUnavailable": 1 }), &pods(3, 0), Some(3)), [3, 2, 3, 1]);
        assert_eq!(
            computed(json!({ "maxUnavailable": "30%" }), &pods(4, 0), Some(4)),
            [4, 2, 4, 2]
        );
        assert_eq!(computed(json!({ "maxUnavailable": 9 }), &pods(1, 1), Some(2)), [2, 0, 1, 1]);
        assert_eq!(computed(json!({ "minAvailable": 2 }), &[], Some(2)), [0, 2, 0, 0]);
    }

    #[test]
    fn an_unknown_scale_allows_nothing() {
        let spec = json!({ "maxUnavailable": 1 });
        assert_eq!(computed(spec.clone(), &pods(3, 0), None)[3], 0);
        let (status, _) = status(&budget(spec, json!({})), &pods(3, 0), None, NOW.parse().unwrap());
        assert_eq!(status["conditions"][0]["reason"], "SyncFailed");
        assert_eq!(computed(json!({ "minAvailable": 1 }), &pods(3, 0), None), [3, 1, 3, 2]);
    }

    #[test]
    fn evictions_count_until_the_pod_shows_them_or_they_are_old() {
        let at = "2026-01-01T00:09:00Z";
        let old = "2026-01-01T00:07:00Z";
        let evicted = json!({ "disruptedPods": { "p0": at, "p1": at, "p2": old, "gone": at } });
        let mut pods = pods(4, 0);
        pods[1].terminating = true;
        let budget = budget(json!({ "minAvailable": 1 }), evicted);
        let (status, next_s) = status(&budget, &pods, None, NOW.parse().unwrap());
        assert_eq!(status["disruptedPods"], json!({ "p0": at }));
        assert_eq!((&status["currentHealthy"], next_s), (&json!(2), Some(60)));
    }

    #[test]
    fn a_status_that_is_right_is_not_written_again() {
        let now: Timestamp = NOW.parse().unwrap();
        let spec = json!({ "minAvailable": 1 });
        let (first, _) = status(&budget(spec.clone(), json!({})), &pods(2, 0), None, now);
        assert!(!same_status(&json!({}), &first));
        let later: Timestamp = "2026-01-01T00:20:00Z".parse().unwrap();
        let typed = budget(spec, first.clone());
        let (second, _) = status(&typed, &pods(2, 0), None, later);
        let current = serde_json::to_value(&typed.status).unwrap();
        assert!(same_status(&current, &second), "{current} {second}");
    }
}
