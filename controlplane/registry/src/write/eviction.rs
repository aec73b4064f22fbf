//! `pods/eviction`: a delete that a PodDisruptionBudget may forbid.
//!
//! The budget's status says how many pods may go. One that goes is counted at once, in the same place, so that
//! two evictions never use up the same permission; the controller corrects the count later.

use jiff::Timestamp;
use serde_json::{Value, json};
use sheave_api::kinds::Propagation;
use sheave_api::selector::LabelSelector;
use sheave_api::{Kind, ObjectKey, Status, meta, resource, time};

use crate::cache::Filter;
use crate::{DeleteOptions, Registry, WriteOptions};

/// Evictions that the controller has not seen yet; more would mean that it does not work.
const UNCONFIRMED_MAX: usize = 2000;
/// Seconds after which a client may try again while the controller has yet to look at a budget.
const RETRY_AFTER_S: u64 = 10;
const VIOLATES: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

/// What a budget says to an eviction.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    /// The pod may go and is not counted.
    Free,
    /// The pod may go; the budget's new state.
    Counted(Value),
}

impl Registry {
    /// Deletes the pod as the eviction's `deleteOptions` say, if its budget allows that.
    pub(super) async fn evict(
        &self,
        kind: &'static Kind,
        key: &ObjectKey,
        eviction: &Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let options = delete_options(eviction, options);
        let missing = || Status::not_found(&kind.group_resource(), &key.name);
        let pod = self.cache().get(kind, key).ok_or_else(missing)?.value();
        if needs_permission(&pod) {
            self.take_permission(&pod, options.dry_run).await?;
        }
        self.remove(kind, key, &options).await.map(drop)
    }

    async fn take_permission(&self, pod: &Value, dry_run: bool) -> Result<(), Status> {
        let kind = self.kind_of(&resource::POD_DISRUPTION_BUDGETS);
        let filter = Filter::everything(kind, Some(meta::namespace(pod)));
        let budgets = self.cache().of(kind).page(&filter, None, 0).0.entries;
        let covers = |budget: &Value| {
            let selector = &budget["spec"]["selector"];
            !selector.is_null()
                && LabelSelector::from_object(selector).is_ok_and(|s| s.matches_object(pod))
        };
        let mut covering = budgets.iter().map(|entry| entry.value()).filter(covers);
        let Some(budget) = covering.next() else { return Ok(()) };
        if covering.next().is_some() {
            return Err(Status::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does \
                 not support.",
            ));
        }
        let change = |budget: &Value, context: &sheave_api::kinds::Context| {
            Ok(match ask(budget, pod, context.now)? {
                Answer::Free => budget.clone(),
                Answer::Counted(budget) => budget,
            })
        };
        let key = meta::key(&budget);
        match self.change(kind, &key, &change, &|_, _| Ok(()), dry_run).await {
            // Nothing protects the pod any more.
            Err(status) if status.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }
}

fn delete_options(eviction: &Value, options: &WriteOptions) -> DeleteOptions {
    let wanted = &eviction["deleteOptions"];
    let text = |field: &Value| field.as_str().map(str::to_owned);
    DeleteOptions {
        dry_run: options.dry_run || wanted["dryRun"] == json!(["All"]),
        grace_period_seconds: wanted["gracePeriodSeconds"].as_i64(),
        uid: text(&wanted["preconditions"]["uid"]),
        resource_version: text(&wanted["preconditions"]["resourceVersion"]),
        propagation: match wanted["propagationPolicy"].as_str() {
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Background") => Some(Propagation::Background),
            Some("Orphan") => Some(Propagation::Orphan),
            _ => None,
        },
    }
}

/// A pod that does not run, or is on its way out, disrupts nobody by going.
fn needs_permission(pod: &Value) -> bool {
    let phase = pod["status"]["phase"].as_str().unwrap_or_default();
    !meta::is_terminating(pod) && !matches!(phase, "Pending" | "Succeeded" | "Failed")
}

fn is_ready(pod: &Value) -> bool {
    let conditions = meta::list(&pod["status"]["conditions"]);
    conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
}

/// Asks a budget for permission to let a pod go. Pure.
fn ask(budget: &Value, pod: &Value, now: Timestamp) -> Result<Answer, Status> {
    let (name, status) = (meta::name(budget), &budget["status"]);
    let count = |field: &str| status[field].as_i64().unwrap_or_default();
    let (healthy, desired) = (count("currentHealthy"), count("desiredHealthy"));
    if !is_ready(pod) {
        let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
        if always || (desired > 0 && healthy >= desired) {
            return Ok(Answer::Free);
        }
    }
    if count("observedGeneration") < meta::generation(budget) {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(refuse(&why, RETRY_AFTER_S));
    }
    let allowed = count("disruptionsAllowed");
    let unconfirmed = status["disruptedPods"].as_object().map_or(0, serde_json::Map::len);
    if allowed < 0 || unconfirmed > UNCONFIRMED_MAX {
        let why = match allowed < 0 {
            true => "pdb disruptions allowed is negative",
            false => {
                "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
            }
        };
        let budgets = &resource::POD_DISRUPTION_BUDGETS;
        let message = format!("{budgets} \"{name}\" is forbidden: {why}");
        return Err(Status::forbidden(message).about(budgets, name));
    }
    if allowed == 0 {
        let why = format!(
            "The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
        );
        return Err(refuse(&why, 0));
    }
    let mut counted = budget.clone();
    counted["status"]["disruptionsAllowed"] = json!(allowed - 1);
    if !counted["status"]["disruptedPods"].is_object() {
        counted["status"]["disruptedPods"] = json!({});
    }
    counted["status"]["disruptedPods"][meta::name(pod)] = json!(time::seconds(now));
    Ok(Answer::Counted(counted))
}

/// 429, as `kubectl drain` expects it: it tries again.
fn refuse(why: &str, retry_after_s: u64) -> Status {
    let mut status = Status::new(429, "TooManyRequests", VIOLATES);
    status.details = json!({ "causes": [{ "reason": "DisruptionBudget", "message": why }] });
    if retry_after_s > 0 {
        status.details["retryAfterSeconds"] = json!(retry_after_s);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(allowed: i64, healthy: i64, policy: Option<&str>) -> Value {
        json!({
            "metadata": { "name": "web", "generation": 2 },
            "spec": { "unhealthyPodEvictionPolicy": policy },
            "status": {
                "observedGeneration": 2, "disruptionsAllowed": allowed,
                "currentHealthy": healthy, "desiredHealthy": 2,
            },
        })
    }

    fn pod(ready: &str) -> Value {
        json!({
            "metadata": { "name": "a" },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        })
    }

    fn asked(budget: &Value, ready: &str) -> Result<Answer, Status> {
        ask(budget, &pod(ready), Timestamp::from_second(0).unwrap())
    }

    #[test]
    fn a_permission_is_counted() {
        let Ok(Answer::Counted(counted)) = asked(&budget(2, 4, None), "True") else { panic!() };
        assert_eq!(counted["status"]["disruptionsAllowed"], 1);
        assert_eq!(counted["status"]["disruptedPods"]["a"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn who_may_not_go_is_told_why_and_to_try_again() {
        let status = asked(&budget(0, 2, None), "True").unwrap_err();
        assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests"));
        assert_eq!(
            status.details["causes"][0],
            json!({ "reason": "DisruptionBudget", "message":
                "The disruption budget web needs 2 healthy pods and has 2 currently" })
        );
        assert_eq!(status.details.get("retryAfterSeconds"), None);
        let mut unseen = budget(5, 5, None);
        unseen["metadata"]["generation"] = json!(3);
        assert_eq!(asked(&unseen, "True").unwrap_err().details["retryAfterSeconds"], 10);
        assert_eq!(asked(&budget(-1, 2, None), "True").unwrap_err().code, 403);
    }

    #[test]
    fn pods_that_are_not_ready_go_while_the_others_suffice_or_always() {
        assert_eq!(asked(&budget(0, 2, None), "False"), Ok(Answer::Free));
        assert_eq!(asked(&budget(0, 1, None), "False").unwrap_err().code, 429);
        assert_eq!(asked(&budget(0, 1, Some("AlwaysAllow")), "False"), Ok(Answer::Free));
        assert_eq!(asked(&budget(0, 1, Some("AlwaysAllow")), "True").unwrap_err().code, 429);
    }

    #[test]
    fn pods_that_do_not_run_need_no_permission() {
        let pod = |phase: &str| json!({ "metadata": {}, "status": { "phase": phase } });
        assert!(needs_permission(&pod("Running")));
        for phase in ["Pending", "Succeeded", "Failed"] {
            assert!(!needs_permission(&pod(phase)), "{phase}");
        }
        let ending = json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "status": { "phase": "Running" } });
        assert!(!needs_permission(&ending));
    }
}
