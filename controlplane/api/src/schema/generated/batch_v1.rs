//! Messages of `k8s.io/api/batch/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.batch.v1", group: "batch", version: "v1" };

pub(crate) static CronJob: Message = Message {
    name: "CronJob", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&CronJobSpec), O, None),
        f!("status", 3, Single, Type::Message(&CronJobStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static CronJobList: Message = Message {
    name: "CronJobList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&CronJob), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static CronJobSpec: Message = Message {
    name: "CronJobSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("concurrencyPolicy", 3, Single, Type::String, O, None),
        f!("failedJobsHistoryLimit", 7, Single, Type::Int32, PO, None),
        f!("jobTemplate", 5, Single, Type::Message(&JobTemplateSpec), R, None),
        f!("schedule", 1, Single, Type::String, R, None),
        f!("startingDeadlineSeconds", 2, Single, Type::Int64, PO, None),
        f!("successfulJobsHistoryLimit", 6, Single, Type::Int32, PO, None),
        f!("suspend", 4, Single, Type::Bool, PO, None),
        f!("timeZone", 8, Single, Type::String, PO, None),
    ],
    by_number: &[3, 4, 0, 6, 2, 5, 1, 7],
    inlines: &[],
};

pub(crate) static CronJobStatus: Message = Message {
    name: "CronJobStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("active", 1, List, Type::Message(&super::core_v1::ObjectReference), O, Some(&ATOMIC)),
        f!("lastScheduleTime", 4, Single, Type::Time, PO, None),
        f!("lastSuccessfulTime", 5, Single, Type::Time, PO, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static Job: Message = Message {
    name: "Job", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&JobSpec), O, None),
        f!("status", 3, Single, Type::Message(&JobStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static JobCondition: Message = Message {
    name: "JobCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastProbeTime", 3, Single, Type::Time, O, None),
        f!("lastTransitionTime", 4, Single, Type::Time, O, None),
        f!("message", 6, Single, Type::String, O, None),
        f!("reason", 5, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 4, 0, 1, 3, 2],
    inlines: &[],
};

pub(crate) static JobList: Message = Message {
    name: "JobList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Job), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static JobSpec: Message = Message {
    name: "JobSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("activeDeadlineSeconds", 3, Single, Type::Int64, PO, None),
        f!("backoffLimit", 7, Single, Type::Int32, PO, None),
        f!("backoffLimitPerIndex", 12, Single, Type::Int32, PO, None),
        f!("completionMode", 9, Single, Type::String, PO, None),
        f!("completions", 2, Single, Type::Int32, PO, None),
        f!("managedBy", 15, Single, Type::String, PO, None),
        f!("manualSelector", 5, Single, Type::Bool, PO, None),
        f!("maxFailedIndexes", 13, Single, Type::Int32, PO, None),
        f!("parallelism", 1, Single, Type::Int32, PO, None),
        f!("podFailurePolicy", 11, Single, Type::Message(&PodFailurePolicy), PO, None),
        f!("podReplacementPolicy", 14, Single, Type::String, PO, None),
        f!("selector", 4, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("successPolicy", 16, Single, Type::Message(&SuccessPolicy), PO, None),
        f!("suspend", 10, Single, Type::Bool, PO, None),
        f!("template", 6, Single, Type::Message(&super::core_v1::PodTemplateSpec), R, None),
        f!("ttlSecondsAfterFinished", 8, Single, Type::Int32, PO, None),
    ],
    by_number: &[8, 4, 0, 11, 6, 14, 1, 15, 3, 13, 9, 2, 7, 10, 5, 12],
    inlines: &[],
};

pub(crate) static JobStatus: Message = Message {
    name: "JobStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("active", 4, Single, Type::Int32, O, None),
        f!("completedIndexes", 7, Single, Type::String, O, None),
        f!("completionTime", 3, Single, Type::Time, PO, None),
        f!("conditions", 1, List, Type::Message(&JobCondition), O, Some(&Merge { list: Some(ListType::Atomic), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("failed", 6, Single, Type::Int32, O, None),
        f!("failedIndexes", 10, Single, Type::String, PO, None),
        f!("ready", 9, Single, Type::Int32, PO, None),
        f!("startTime", 2, Single, Type::Time, PO, None),
        f!("succeeded", 5, Single, Type::Int32, O, None),
        f!("terminating", 11, Single, Type::Int32, PO, None),
        f!("uncountedTerminatedPods", 8, Single, Type::Message(&UncountedTerminatedPods), PO, None),
    ],
    by_number: &[3, 7, 2, 0, 8, 4, 1, 10, 6, 5, 9],
    inlines: &[],
};

pub(crate) static JobTemplateSpec: Message = Message {
    name: "JobTemplateSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&JobSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PodFailurePolicy: Message = Message {
    name: "PodFailurePolicy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("rules", 1, List, Type::Message(&PodFailurePolicyRule), R, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodFailurePolicyOnExitCodesRequirement: Message = Message {
    name: "PodFailurePolicyOnExitCodesRequirement", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("containerName", 1, Single, Type::String, PO, None),
        f!("operator", 2, Single, Type::String, R, None),
        f!("values", 3, List, Type::Int32, R, Some(&SET)),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static PodFailurePolicyOnPodConditionsPattern: Message = Message {
    name: "PodFailurePolicyOnPodConditionsPattern", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("status", 2, Single, Type::String, N, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PodFailurePolicyRule: Message = Message {
    name: "PodFailurePolicyRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("action", 1, Single, Type::String, R, None),
        f!("onExitCodes", 2, Single, Type::Message(&PodFailurePolicyOnExitCodesRequirement), PO, None),
        f!("onPodConditions", 3, List, Type::Message(&PodFailurePolicyOnPodConditionsPattern), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static SuccessPolicy: Message = Message {
    name: "SuccessPolicy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("rules", 1, List, Type::Message(&SuccessPolicyRule), R, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static SuccessPolicyRule: Message = Message {
    name: "SuccessPolicyRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("succeededCount", 2, Single, Type::Int32, PO, None),
        f!("succeededIndexes", 1, Single, Type::String, PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static UncountedTerminatedPods: Message = Message {
    name: "UncountedTerminatedPods", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("failed", 2, List, Type::String, O, Some(&SET)),
        f!("succeeded", 1, List, Type::String, O, Some(&SET)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};
