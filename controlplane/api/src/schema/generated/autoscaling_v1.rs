//! Messages of `k8s.io/api/autoscaling/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.autoscaling.v1", group: "autoscaling", version: "v1" };

pub(crate) static CrossVersionObjectReference: Message = Message {
    name: "CrossVersionObjectReference", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiVersion", 3, Single, Type::String, O, None),
        f!("kind", 1, Single, Type::String, R, None),
        f!("name", 2, Single, Type::String, R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static HorizontalPodAutoscaler: Message = Message {
    name: "HorizontalPodAutoscaler", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&HorizontalPodAutoscalerSpec), O, None),
        f!("status", 3, Single, Type::Message(&HorizontalPodAutoscalerStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static HorizontalPodAutoscalerList: Message = Message {
    name: "HorizontalPodAutoscalerList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&HorizontalPodAutoscaler), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static HorizontalPodAutoscalerSpec: Message = Message {
    name: "HorizontalPodAutoscalerSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("maxReplicas", 3, Single, Type::Int32, R, None),
        f!("minReplicas", 2, Single, Type::Int32, PO, None),
        f!("scaleTargetRef", 1, Single, Type::Message(&CrossVersionObjectReference), R, None),
        f!("targetCPUUtilizationPercentage", 4, Single, Type::Int32, PO, None),
    ],
    by_number: &[2, 1, 0, 3],
    inlines: &[],
};

pub(crate) static HorizontalPodAutoscalerStatus: Message = Message {
    name: "HorizontalPodAutoscalerStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("currentCPUUtilizationPercentage", 5, Single, Type::Int32, PO, None),
        f!("currentReplicas", 3, Single, Type::Int32, R, None),
        f!("desiredReplicas", 4, Single, Type::Int32, R, None),
        f!("lastScaleTime", 2, Single, Type::Time, PO, None),
        f!("observedGeneration", 1, Single, Type::Int64, PO, None),
    ],
    by_number: &[4, 3, 1, 2, 0],
    inlines: &[],
};

pub(crate) static Scale: Message = Message {
    name: "Scale", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ScaleSpec), O, None),
        f!("status", 3, Single, Type::Message(&ScaleStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ScaleSpec: Message = Message {
    name: "ScaleSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("replicas", 1, Single, Type::Int32, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ScaleStatus: Message = Message {
    name: "ScaleStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("replicas", 1, Single, Type::Int32, R, None),
        f!("selector", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};
