//! Deployments.

use serde_json::Value;

use super::rules::{
    count_or_percent, empty, fill, fill_zero, is_zero, non_negative, not_more_than_all,
    required_one_of, text,
};
use super::{Scale, Strategy, template};
use crate::FieldErrors;
use crate::field::Path;

/// Rules of Deployments.
pub(super) struct Deployment;

impl Strategy for Deployment {
    fn default(&self, deployment: &mut Value) {
        template::default(deployment);
        let spec = &mut deployment["spec"];
        fill(spec, "strategy", empty());
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "progressDeadlineSeconds", 600);
        let strategy = &mut spec["strategy"];
        fill_zero(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            fill(strategy, "rollingUpdate", empty());
            fill(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
            fill(&mut strategy["rollingUpdate"], "maxSurge", "25%");
        }
    }

    fn validate(&self, deployment: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, path) = (&deployment["spec"], Path::root("spec"));
        template::validate(deployment, "ReplicaSet", &path, &mut errors);
        validate_strategy(&spec["strategy"], &path.child("strategy"), &mut errors);
        for field in ["revisionHistoryLimit", "progressDeadlineSeconds"] {
            non_negative(&spec[field], &path.child(field), &mut errors);
        }
        let deadline = spec["progressDeadlineSeconds"].as_i64();
        if deadline.is_some_and(|it| it <= spec["minReadySeconds"].as_i64().unwrap_or(0)) {
            errors.invalid(
                &path.child("progressDeadlineSeconds"),
                deadline,
                "must be greater than minReadySeconds",
            );
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        template::validate_update(new, old)
    }

    fn validate_status_update(&self, new: &Value, _: &Value) -> FieldErrors {
        const COUNTERS: [&str; 6] = [
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
        ];
        template::validate_counters(new, &COUNTERS)
    }

    fn scale(&self, deployment: &Value) -> Option<Scale> {
        Some(template::scale(deployment))
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut FieldErrors) {
    required_one_of(&strategy["type"], &["Recreate", "RollingUpdate"], &path.child("type"), errors);
    let rolling = &strategy["rollingUpdate"];
    let path = path.child("rollingUpdate");
    match text(&strategy["type"]) {
        "Recreate" if !rolling.is_null() => {
            errors.forbidden(&path, "may not be specified when strategy `type` is 'Recreate'");
        }
        "RollingUpdate" => {
            for field in ["maxUnavailable", "maxSurge"] {
                count_or_percent(&rolling[field], &path.child(field), errors);
            }
            if is_zero(&rolling["maxUnavailable"]) && is_zero(&rolling["maxSurge"]) {
                let why = "may not be 0 when `maxSurge` is 0";
                errors.invalid(
                    &path.child("maxUnavailable"),
                    rolling["maxUnavailable"].clone(),
                    why,
                );
            }
            let max = &rolling["maxUnavailable"];
            not_more_than_all(max, &path.child("maxUnavailable"), errors);
        }
        _ => {}
    }
}
