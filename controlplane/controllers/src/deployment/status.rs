//! What a Deployment's status says. Pure.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};
use serde_json::{Value, json};

use super::rollout::Bounds;

/// The status as it should be, and seconds until the progress deadline must be looked at again.
pub(super) fn status(
    deployment: &Deployment,
    current_set: Option<&ReplicaSet>,
    sets: &[&ReplicaSet],
    bounds: Bounds,
    now: Timestamp,
) -> (Value, Option<u64>) {
    let sum = |field: fn(&ReplicaSet) -> i32| sets.iter().map(|set| field(set)).sum::<i32>();
    let counts = Counts {
        replicas: sum(|set| set.status.as_ref().map_or(0, |s| s.replicas)),
        updated: current_set.and_then(|s| s.status.as_ref()).map_or(0, |s| s.replicas),
        ready: sum(|set| set.status.as_ref().and_then(|s| s.ready_replicas).unwrap_or(0)),
        available: sum(|set| set.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0)),
    };
    let old = deployment.status.clone().unwrap_or_default();
    let name = current_set.and_then(|set| set.metadata.name.as_deref()).unwrap_or_default();
    let mut conditions = vec![available_condition(&old.conditions, &counts, bounds, now)];
    let (progressing, wait_s) = progress(deployment, name, &counts, bounds, now);
    conditions.extend(progressing);
    let mut status = json!({
        "observedGeneration": deployment.metadata.generation.unwrap_or_default(),
        "conditions": conditions,
    });
    let unavailable = (counts.replicas - counts.available).max(0);
    let numbers = [
        ("replicas", counts.replicas),
        ("updatedReplicas", counts.updated),
        ("readyReplicas", counts.ready),
        ("availableReplicas", counts.available),
        ("unavailableReplicas", unavailable),
        ("collisionCount", old.collision_count.unwrap_or_default()),
    ];
    for (field, number) in numbers.into_iter().filter(|(_, number)| *number != 0) {
        status[field] = json!(number);
    }
    (status, wait_s)
}

struct Counts {
    replicas: i32,
    updated: i32,
    ready: i32,
    available: i32,
}

impl Counts {
    fn complete(&self, wanted: i32) -> bool {
        self.updated == wanted && self.replicas == wanted && self.available == wanted
    }

    /// True when the rollout came nearer to its end.
    fn advanced(&self, deployment: &Deployment) -> bool {
        let old = deployment.status.clone().unwrap_or_default();
        let old_count = |count: Option<i32>| count.unwrap_or_default();
        let old_of_old = old_count(old.replicas) - old_count(old.updated_replicas);
        self.updated > old_count(old.updated_replicas)
            || self.replicas - self.updated < old_of_old
            || self.ready > old_count(old.ready_replicas)
            || self.available > old_count(old.available_replicas)
    }
}

type Conditions = Option<Vec<DeploymentCondition>>;

fn existing<'a>(conditions: &'a Conditions, kind: &str) -> Option<&'a DeploymentCondition> {
    conditions.iter().flatten().find(|c| c.type_ == kind)
}

fn available_condition(old: &Conditions, counts: &Counts, bounds: Bounds, now: Timestamp) -> Value {
    let (status, reason, message) = if counts.available >= bounds.min_available() {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    condition(existing(old, "Available"), "Available", status, reason, message, false, now)
}

fn progress(
    deployment: &Deployment,
    set_name: &str,
    counts: &Counts,
    bounds: Bounds,
    now: Timestamp,
) -> (Option<Value>, Option<u64>) {
    let spec = deployment.spec.as_ref();
    // The largest number stands for "no deadline".
    let deadline = spec.and_then(|s| s.progress_deadline_seconds).unwrap_or(600);
    if deadline == i32::MAX {
        return (None, None);
    }
    let conditions = deployment.status.as_ref().and_then(|s| s.conditions.clone());
    let old = existing(&conditions, "Progressing");
    let write = |status, reason, message: &str, touched| {
        Some(condition(old, "Progressing", status, reason, message, touched, now))
    };
    let paused = spec.and_then(|s| s.paused).unwrap_or_default();
    let was = old.and_then(|c| c.reason.as_deref()).unwrap_or_default();
    if paused {
        return (write("Unknown", "DeploymentPaused", "Deployment is paused", false), None);
    }
    if was == "DeploymentPaused" {
        let condition = write("Unknown", "DeploymentResumed", "Deployment is resumed", true);
        return (condition, u64::try_from(deadline).ok());
    }
    if counts.complete(bounds.replicas) {
        let message = format!("ReplicaSet \"{set_name}\" has successfully progressed.");
        let touched = was != "NewReplicaSetAvailable";
        return (write("True", "NewReplicaSetAvailable", &message, touched), None);
    }
    let of_this_set = old
        .and_then(|c| c.message.as_deref())
        .is_some_and(|m| m.contains(&format!("\"{set_name}\"")));
    if counts.advanced(deployment) || old.is_none() || !of_this_set {
        let message = format!("ReplicaSet \"{set_name}\" is progressing.");
        return (write("True", "ReplicaSetUpdated", &message, true), u64::try_from(deadline).ok());
    }
    // Complete before and merely short of pods now: no rollout, no deadline.
    if was == "NewReplicaSetAvailable" {
        return (old.and_then(|c| serde_json::to_value(c).ok()), None);
    }
    let since = old.and_then(|c| c.last_update_time.as_ref()).map_or(now, |time| time.0);
    let left = i64::from(deadline) - (now.as_second() - since.as_second());
    if left <= 0 {
        let message = format!("ReplicaSet \"{set_name}\" has timed out progressing.");
        let touched = was != "ProgressDeadlineExceeded";
        return (write("False", "ProgressDeadlineExceeded", &message, touched), None);
    }
    (old.and_then(|c| serde_json::to_value(c).ok()), u64::try_from(left).ok())
}

/// A condition whose transition time moves only with its status, its update time only when touched.
fn condition(
    old: Option<&DeploymentCondition>,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    touched: bool,
    now: Timestamp,
) -> Value {
    let same_status = old.filter(|c| c.status == status);
    let unchanged = same_status.filter(|c| c.reason.as_deref() == Some(reason) && !touched);
    // Second precision, as the API writes times.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let transition = same_status.and_then(|c| c.last_transition_time.as_ref()).map_or(now, |t| t.0);
    let update = unchanged.and_then(|c| c.last_update_time.as_ref()).map_or(now, |t| t.0);
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": transition.to_string(), "lastUpdateTime": update.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(status: Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "name": "web", "generation": 2 },
            "spec": {
                "replicas": 2, "progressDeadlineSeconds": 60,
                "selector": {}, "template": {},
            },
            "status": status,
        }))
        .unwrap()
    }

    fn set(replicas: i32, available: i32) -> ReplicaSet {
        serde_json::from_value(json!({
            "metadata": { "name": "web-abc" },
            "status": { "replicas": replicas, "readyReplicas": available, "availableReplicas": available },
        }))
        .unwrap()
    }

    fn reasons(status: &Value) -> Vec<&str> {
        let conditions = status["conditions"].as_array().unwrap();
        conditions.iter().map(|c| c["reason"].as_str().unwrap()).collect()
    }

    const BOUNDS: Bounds = Bounds { replicas: 2, max_surge: 1, max_unavailable: 0 };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_rollout_progresses_completes_and_stays_complete() {
        let set_now = set(2, 1);
        let (status_1, wait) =
            status(&deployment(json!({})), Some(&set_now), &[&set_now], BOUNDS, at(100));
        assert_eq!(reasons(&status_1), ["MinimumReplicasUnavailable", "ReplicaSetUpdated"]);
        assert_eq!(wait, Some(60));
        let set_now = set(2, 2);
        let (status_2, wait) =
            status(&deployment(status_1), Some(&set_now), &[&set_now], BOUNDS, at(110));
        assert_eq!(reasons(&status_2), ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]);
        assert_eq!((wait, &status_2["unavailableReplicas"]), (None, &Value::Null));
        let (status_3, _) =
            status(&deployment(status_2.clone()), Some(&set_now), &[&set_now], BOUNDS, at(120));
        assert_eq!(status_2, status_3);
        // A pod lost after completion is no rollout.
        let set_now = set(2, 1);
        let (status_4, wait) =
            status(&deployment(status_3), Some(&set_now), &[&set_now], BOUNDS, at(130));
        assert_eq!(reasons(&status_4), ["MinimumReplicasUnavailable", "NewReplicaSetAvailable"]);
        assert_eq!(wait, None);
    }

    #[test]
    fn a_rollout_that_does_not_move_times_out() {
        let set_now = set(2, 0);
        let (status_1, _) =
            status(&deployment(json!({})), Some(&set_now), &[&set_now], BOUNDS, at(100));
        let (status_2, wait) =
            status(&deployment(status_1.clone()), Some(&set_now), &[&set_now], BOUNDS, at(130));
        assert_eq!((reasons(&status_2)[1], wait), ("ReplicaSetUpdated", Some(30)));
        let (status_3, _) =
            status(&deployment(status_2), Some(&set_now), &[&set_now], BOUNDS, at(160));
        assert_eq!(reasons(&status_3)[1], "ProgressDeadlineExceeded");
        assert_eq!(status_3["conditions"][1]["status"], "False");
    }
}
