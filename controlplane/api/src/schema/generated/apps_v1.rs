//! Messages of `k8s.io/api/apps/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.apps.v1", group: "apps", version: "v1" };

pub(crate) static ControllerRevision: Message = Message {
    name: "ControllerRevision", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("data", 2, Single, Type::RawExtension, O, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("revision", 3, Single, Type::Int64, R, None),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};

pub(crate) static ControllerRevisionList: Message = Message {
    name: "ControllerRevisionList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ControllerRevision), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static DaemonSet: Message = Message {
    name: "DaemonSet", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&DaemonSetSpec), O, None),
        f!("status", 3, Single, Type::Message(&DaemonSetStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static DaemonSetCondition: Message = Message {
    name: "DaemonSetCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 3, Single, Type::Time, O, None),
        f!("message", 5, Single, Type::String, O, None),
        f!("reason", 4, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[4, 3, 0, 2, 1],
    inlines: &[],
};

pub(crate) static DaemonSetList: Message = Message {
    name: "DaemonSetList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&DaemonSet), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static DaemonSetSpec: Message = Message {
    name: "DaemonSetSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("minReadySeconds", 4, Single, Type::Int32, O, None),
        f!("revisionHistoryLimit", 6, Single, Type::Int32, PO, None),
        f!("selector", 1, Single, Type::Message(&super::meta_v1::LabelSelector), PR, None),
        f!("template", 2, Single, Type::Message(&super::core_v1::PodTemplateSpec), R, None),
        f!("updateStrategy", 3, Single, Type::Message(&DaemonSetUpdateStrategy), O, None),
    ],
    by_number: &[2, 3, 4, 0, 1],
    inlines: &[],
};

pub(crate) static DaemonSetStatus: Message = Message {
    name: "DaemonSetStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("collisionCount", 9, Single, Type::Int32, PO, None),
        f!("conditions", 10, List, Type::Message(&DaemonSetCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("currentNumberScheduled", 1, Single, Type::Int32, R, None),
        f!("desiredNumberScheduled", 3, Single, Type::Int32, R, None),
        f!("numberAvailable", 7, Single, Type::Int32, O, None),
        f!("numberMisscheduled", 2, Single, Type::Int32, R, None),
        f!("numberReady", 4, Single, Type::Int32, R, None),
        f!("numberUnavailable", 8, Single, Type::Int32, O, None),
        f!("observedGeneration", 5, Single, Type::Int64, O, None),
        f!("updatedNumberScheduled", 6, Single, Type::Int32, O, None),
    ],
    by_number: &[2, 5, 3, 6, 8, 9, 4, 7, 0, 1],
    inlines: &[],
};

pub(crate) static DaemonSetUpdateStrategy: Message = Message {
    name: "DaemonSetUpdateStrategy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("rollingUpdate", 2, Single, Type::Message(&RollingUpdateDaemonSet), PO, None),
        f!("type", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Deployment: Message = Message {
    name: "Deployment", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&DeploymentSpec), O, None),
        f!("status", 3, Single, Type::Message(&DeploymentStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static DeploymentCondition: Message = Message {
    name: "DeploymentCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 7, Single, Type::Time, O, None),
        f!("lastUpdateTime", 6, Single, Type::Time, O, None),
        f!("message", 5, Single, Type::String, O, None),
        f!("reason", 4, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 4, 3, 2, 1, 0],
    inlines: &[],
};

pub(crate) static DeploymentList: Message = Message {
    name: "DeploymentList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Deployment), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static DeploymentSpec: Message = Message {
    name: "DeploymentSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("minReadySeconds", 5, Single, Type::Int32, O, None),
        f!("paused", 7, Single, Type::Bool, O, None),
        f!("progressDeadlineSeconds", 9, Single, Type::Int32, PO, None),
        f!("replicas", 1, Single, Type::Int32, PO, None),
        f!("revisionHistoryLimit", 6, Single, Type::Int32, PO, None),
        f!("selector", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PR, None),
        f!("strategy", 4, Single, Type::Message(&DeploymentStrategy), O, Some(&Merge { list: None, atomic: false, patch: None, retain_keys: true, merge_key: "" })),
        f!("template", 3, Single, Type::Message(&super::core_v1::PodTemplateSpec), R, None),
    ],
    by_number: &[3, 5, 7, 6, 0, 4, 1, 2],
    inlines: &[],
};

pub(crate) static DeploymentStatus: Message = Message {
    name: "DeploymentStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("availableReplicas", 4, Single, Type::Int32, O, None),
        f!("collisionCount", 8, Single, Type::Int32, PO, None),
        f!("conditions", 6, List, Type::Message(&DeploymentCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("observedGeneration", 1, Single, Type::Int64, O, None),
        f!("readyReplicas", 7, Single, Type::Int32, O, None),
        f!("replicas", 2, Single, Type::Int32, O, None),
        f!("terminatingReplicas", 9, Single, Type::Int32, PO, None),
        f!("unavailableReplicas", 5, Single, Type::Int32, O, None),
        f!("updatedReplicas", 3, Single, Type::Int32, O, None),
    ],
    by_number: &[3, 5, 8, 0, 7, 2, 4, 1, 6],
    inlines: &[],
};

pub(crate) static DeploymentStrategy: Message = Message {
    name: "DeploymentStrategy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("rollingUpdate", 2, Single, Type::Message(&RollingUpdateDeployment), PO, None),
        f!("type", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ReplicaSet: Message = Message {
    name: "ReplicaSet", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ReplicaSetSpec), O, None),
        f!("status", 3, Single, Type::Message(&ReplicaSetStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ReplicaSetCondition: Message = Message {
    name: "ReplicaSetCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 3, Single, Type::Time, O, None),
        f!("message", 5, Single, Type::String, O, None),
        f!("reason", 4, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[4, 3, 0, 2, 1],
    inlines: &[],
};

pub(crate) static ReplicaSetList: Message = Message {
    name: "ReplicaSetList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ReplicaSet), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ReplicaSetSpec: Message = Message {
    name: "ReplicaSetSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("minReadySeconds", 4, Single, Type::Int32, O, None),
        f!("replicas", 1, Single, Type::Int32, PO, None),
        f!("selector", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PR, None),
        f!("template", 3, Single, Type::Message(&super::core_v1::PodTemplateSpec), O, None),
    ],
    by_number: &[1, 2, 3, 0],
    inlines: &[],
};

pub(crate) static ReplicaSetStatus: Message = Message {
    name: "ReplicaSetStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("availableReplicas", 5, Single, Type::Int32, O, None),
        f!("conditions", 6, List, Type::Message(&ReplicaSetCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("fullyLabeledReplicas", 2, Single, Type::Int32, O, None),
        f!("observedGeneration", 3, Single, Type::Int64, O, None),
        f!("readyReplicas", 4, Single, Type::Int32, O, None),
        f!("replicas", 1, Single, Type::Int32, R, None),
        f!("terminatingReplicas", 7, Single, Type::Int32, PO, None),
    ],
    by_number: &[5, 2, 3, 4, 0, 1, 6],
    inlines: &[],
};

pub(crate) static RollingUpdateDaemonSet: Message = Message {
    name: "RollingUpdateDaemonSet", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("maxSurge", 2, Single, Type::IntOrString, PO, None),
        f!("maxUnavailable", 1, Single, Type::IntOrString, PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static RollingUpdateDeployment: Message = Message {
    name: "RollingUpdateDeployment", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("maxSurge", 2, Single, Type::IntOrString, PO, None),
        f!("maxUnavailable", 1, Single, Type::IntOrString, PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static RollingUpdateStatefulSetStrategy: Message = Message {
    name: "RollingUpdateStatefulSetStrategy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("maxUnavailable", 2, Single, Type::IntOrString, PO, None),
        f!("partition", 1, Single, Type::Int32, PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static StatefulSet: Message = Message {
    name: "StatefulSet", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&StatefulSetSpec), O, None),
        f!("status", 3, Single, Type::Message(&StatefulSetStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static StatefulSetCondition: Message = Message {
    name: "StatefulSetCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 3, Single, Type::Time, O, None),
        f!("message", 5, Single, Type::String, O, None),
        f!("reason", 4, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[4, 3, 0, 2, 1],
    inlines: &[],
};

pub(crate) static StatefulSetList: Message = Message {
    name: "StatefulSetList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&StatefulSet), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static StatefulSetOrdinals: Message = Message {
    name: "StatefulSetOrdinals", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("start", 1, Single, Type::Int32, N, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static StatefulSetPersistentVolumeClaimRetentionPolicy: Message = Message {
    name: "StatefulSetPersistentVolumeClaimRetentionPolicy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("whenDeleted", 1, Single, Type::String, O, None),
        f!("whenScaled", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static StatefulSetSpec: Message = Message {
    name: "StatefulSetSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("minReadySeconds", 9, Single, Type::Int32, O, None),
        f!("ordinals", 11, Single, Type::Message(&StatefulSetOrdinals), PO, None),
        f!("persistentVolumeClaimRetentionPolicy", 10, Single, Type::Message(&StatefulSetPersistentVolumeClaimRetentionPolicy), PO, None),
        f!("podManagementPolicy", 6, Single, Type::String, O, None),
        f!("replicas", 1, Single, Type::Int32, PO, None),
        f!("revisionHistoryLimit", 8, Single, Type::Int32, PO, None),
        f!("selector", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PR, None),
        f!("serviceName", 5, Single, Type::String, N, None),
        f!("template", 3, Single, Type::Message(&super::core_v1::PodTemplateSpec), R, None),
        f!("updateStrategy", 7, Single, Type::Message(&StatefulSetUpdateStrategy), O, None),
        f!("volumeClaimTemplates", 4, List, Type::Message(&super::core_v1::PersistentVolumeClaim), O, Some(&ATOMIC)),
    ],
    by_number: &[4, 6, 8, 10, 7, 3, 9, 5, 0, 2, 1],
    inlines: &[],
};

pub(crate) static StatefulSetStatus: Message = Message {
    name: "StatefulSetStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("availableReplicas", 11, Single, Type::Int32, N, None),
        f!("collisionCount", 9, Single, Type::Int32, PO, None),
        f!("conditions", 10, List, Type::Message(&StatefulSetCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("currentReplicas", 4, Single, Type::Int32, O, None),
        f!("currentRevision", 6, Single, Type::String, O, None),
        f!("observedGeneration", 1, Single, Type::Int64, O, None),
        f!("readyReplicas", 3, Single, Type::Int32, O, None),
        f!("replicas", 2, Single, Type::Int32, R, None),
        f!("updateRevision", 7, Single, Type::String, O, None),
        f!("updatedReplicas", 5, Single, Type::Int32, O, None),
    ],
    by_number: &[5, 7, 6, 3, 9, 4, 8, 1, 2, 0],
    inlines: &[],
};

pub(crate) static StatefulSetUpdateStrategy: Message = Message {
    name: "StatefulSetUpdateStrategy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("rollingUpdate", 2, Single, Type::Message(&RollingUpdateStatefulSetStrategy), PO, None),
        f!("type", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};
