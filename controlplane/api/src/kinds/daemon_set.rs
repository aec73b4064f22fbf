//! DaemonSets.

use serde_json::Value;

use super::rules::{
    count_or_percent, empty, fill, fill_zero, is_zero, non_negative, not_more_than_all,
    required_one_of, text,
};
use super::{Strategy, template};
use crate::FieldErrors;
use crate::field::Path;

/// Rules of DaemonSets.
pub(super) struct DaemonSet;

impl Strategy for DaemonSet {
    fn default(&self, set: &mut Value) {
        template::default_template(set);
        let spec = &mut set["spec"];
        fill(spec, "updateStrategy", empty());
        fill(spec, "revisionHistoryLimit", 10);
        let strategy = &mut spec["updateStrategy"];
        fill_zero(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            fill(strategy, "rollingUpdate", empty());
            fill(&mut strategy["rollingUpdate"], "maxUnavailable", 1);
            fill(&mut strategy["rollingUpdate"], "maxSurge", 0);
        }
    }

    fn validate(&self, set: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, path) = (&set["spec"], Path::root("spec"));
        template::validate(set, "DaemonSet", &path, &mut errors);
        non_negative(
            &spec["revisionHistoryLimit"],
            &path.child("revisionHistoryLimit"),
            &mut errors,
        );
        validate_strategy(&spec["updateStrategy"], &path.child("updateStrategy"), &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        template::validate_update(new, old)
    }

    fn validate_status_update(&self, new: &Value, _: &Value) -> FieldErrors {
        const COUNTERS: [&str; 9] = [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ];
        template::validate_counters(new, &COUNTERS)
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut FieldErrors) {
    required_one_of(&strategy["type"], &["RollingUpdate", "OnDelete"], &path.child("type"), errors);
    if text(&strategy["type"]) != "RollingUpdate" {
        return;
    }
    let (rolling, path) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
    for field in ["maxUnavailable", "maxSurge"] {
        count_or_percent(&rolling[field], &path.child(field), errors);
        not_more_than_all(&rolling[field], &path.child(field), errors);
    }
    let surge = &rolling["maxSurge"];
    match (is_zero(&rolling["maxUnavailable"]), is_zero(surge)) {
        (true, true) => {
            errors.required(&path.child("maxUnavailable"), "cannot be 0 when maxSurge is 0");
        }
        (false, false) => {
            let why = "may not be set when maxUnavailable is non-zero";
            errors.invalid(&path.child("maxSurge"), surge.clone(), why);
        }
        _ => {}
    }
}
