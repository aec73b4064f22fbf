//! StatefulSets.

use serde_json::Value;

use super::rules::{
    empty, fill, fill_zero, legal, non_negative, one_of, optional_legal, remove, required, text,
};
use super::{Scale, Strategy, template};
use crate::field::Path;
use crate::{FieldErrors, meta, name};

/// What an update may change in `spec`, in the order Kubernetes names it.
const MUTABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Rules of StatefulSets.
pub(super) struct StatefulSet;

impl Strategy for StatefulSet {
    fn default(&self, set: &mut Value) {
        template::default(set);
        let spec = &mut set["spec"];
        fill_zero(spec, "podManagementPolicy", "OrderedReady");
        fill(spec, "revisionHistoryLimit", 10);
        fill(spec, "updateStrategy", empty());
        let strategy = &mut spec["updateStrategy"];
        fill_zero(strategy, "type", "RollingUpdate");
        if strategy["type"] == "RollingUpdate" {
            fill(strategy, "rollingUpdate", empty());
            fill(&mut strategy["rollingUpdate"], "partition", 0);
        }
        fill(spec, "persistentVolumeClaimRetentionPolicy", empty());
        for field in ["whenDeleted", "whenScaled"] {
            fill_zero(&mut spec["persistentVolumeClaimRetentionPolicy"], field, "Retain");
        }
        // Kubernetes cannot tell these from what is absent, and neither may change.
        if text(&spec["serviceName"]).is_empty() {
            remove(spec, "serviceName");
        }
        if meta::list(&spec["volumeClaimTemplates"]).is_empty() {
            remove(spec, "volumeClaimTemplates");
        }
    }

    /// Its pods' names and host names are made of it.
    fn validate_name(&self, name: &str) -> Result<(), Vec<String>> {
        name::dns1123_label(name)
    }

    fn validate(&self, set: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (spec, path) = (&set["spec"], Path::root("spec"));
        validate_policy(spec, &path, &mut errors);
        validate_strategy(&spec["updateStrategy"], &path.child("updateStrategy"), &mut errors);
        validate_claims(spec, &path, &mut errors);
        let (start, ordinals) = (&spec["ordinals"]["start"], path.child("ordinals"));
        non_negative(start, &ordinals.child("start"), &mut errors);
        let last = start.as_i64().unwrap_or(0) + spec["replicas"].as_i64().unwrap_or(0);
        if last > i64::from(i32::MAX) {
            let why = "the last ordinal, start + replicas - 1, must be less than 2147483647";
            errors.invalid(&ordinals.child("start"), start.clone(), why);
        }
        let limit = "revisionHistoryLimit";
        non_negative(&spec[limit], &path.child(limit), &mut errors);
        let service = &spec["serviceName"];
        optional_legal(name::dns1123_label, service, &path.child("serviceName"), &mut errors);
        template::validate(set, "StatefulSet", &path, &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let fixed = |set: &Value| {
            let mut spec = set["spec"].clone();
            MUTABLE.iter().for_each(|field| remove(&mut spec, field));
            spec
        };
        if fixed(new) != fixed(old) {
            let quoted: Vec<String> = MUTABLE.iter().map(|field| format!("'{field}'")).collect();
            let (last, others) = quoted.split_last().expect("the list above is not empty");
            let others = others.join(", ");
            let why = format!(
                "updates to statefulset spec for fields other than {others} and {last} are forbidden"
            );
            errors.forbidden(&Path::root("spec"), why);
        }
        errors
    }

    fn validate_status_update(&self, new: &Value, _: &Value) -> FieldErrors {
        const COUNTERS: [&str; 7] = [
            "replicas",
            "readyReplicas",
            "currentReplicas",
            "updatedReplicas",
            "availableReplicas",
            "observedGeneration",
            "collisionCount",
        ];
        let mut errors = template::validate_counters(new, &COUNTERS);
        let status = &new["status"];
        for (part, whole) in [
            ("readyReplicas", "replicas"),
            ("currentReplicas", "replicas"),
            ("updatedReplicas", "replicas"),
            ("availableReplicas", "replicas"),
            ("availableReplicas", "readyReplicas"),
        ] {
            let whole_count = status[whole].as_i64().unwrap_or(0);
            if status[part].as_i64().is_some_and(|count| count > whole_count) {
                let why = format!("cannot be greater than status.{whole}");
                errors.invalid(&Path::root("status").child(part), status[part].clone(), why);
            }
        }
        errors
    }

    fn scale(&self, set: &Value) -> Option<Scale> {
        Some(template::scale(set))
    }
}

fn validate_policy(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    let path = path.child("podManagementPolicy");
    match text(&spec["podManagementPolicy"]) {
        "" => errors.required(&path, ""),
        "OrderedReady" | "Parallel" => {}
        other => errors.invalid(&path, other, "must be 'OrderedReady' or 'Parallel'"),
    }
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut FieldErrors) {
    let (rolling, rolling_path) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
    match text(&strategy["type"]) {
        "" => errors.required(path, ""),
        "OnDelete" if !rolling.is_null() => {
            let why = "only allowed for updateStrategy 'RollingUpdate'";
            errors.invalid(&rolling_path, rolling.clone(), why);
        }
        "OnDelete" => {}
        "RollingUpdate" => {
            non_negative(&rolling["partition"], &rolling_path.child("partition"), errors);
            let max = &rolling["maxUnavailable"];
            if !max.is_null() && *max != 1 {
                let why = "is not supported by this version: leave it out, and one pod at a time is \
                           replaced";
                errors.invalid(&rolling_path.child("maxUnavailable"), max.clone(), why);
            }
        }
        _ => {
            let why = "must be 'RollingUpdate' or 'OnDelete'";
            errors.invalid(path, strategy.clone(), why);
        }
    }
}

/// There are no PersistentVolumeClaims: a set that asks for them would never run.
fn validate_claims(spec: &Value, path: &Path, errors: &mut FieldErrors) {
    for (index, template) in meta::list(&spec["volumeClaimTemplates"]).iter().enumerate() {
        let path = path.child("volumeClaimTemplates").index(index);
        let name = &template["metadata"]["name"];
        let name_path = path.child("metadata").child("name");
        required(name, &name_path, errors);
        if !text(name).is_empty() {
            legal(name::dns1123_subdomain, text(name), &name_path, errors);
        }
        let why = "this version has no PersistentVolumeClaims: remove it, and declare a volume of this \
                   name in spec.template.spec.volumes (emptyDir, which lives as long as the pod, or \
                   hostPath)";
        errors.forbidden(&path, why);
    }
    let (policy, path) = (
        &spec["persistentVolumeClaimRetentionPolicy"],
        path.child("persistentVolumeClaimRetentionPolicy"),
    );
    for field in ["whenDeleted", "whenScaled"] {
        one_of(&policy[field], &["Retain", "Delete"], &path.child(field), errors);
    }
}
