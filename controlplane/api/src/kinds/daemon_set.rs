//! DaemonSets.

use serde_json::{Value, json};

use super::rules::{
    count_or_percent, empty, fill, fill_zero, non_negative, percent, required_one_of, text,
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
        const COUNTERS: [&str; 8] = [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
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
    let (max, surge) = (&rolling["maxUnavailable"], &rolling["maxSurge"]);
    count_or_percent(max, &path.child("maxUnavailable"), errors);
    if *max == json!(0) || percent(max) == Some(0) {
        let why = "cannot be 0 when maxSurge is 0";
        errors.invalid(&path.child("maxUnavailable"), max.clone(), why);
    }
    if *surge != json!(0) && percent(surge) != Some(0) {
        let why = "is not supported by this version: use maxUnavailable";
        errors.invalid(&path.child("maxSurge"), surge.clone(), why);
    }
}
