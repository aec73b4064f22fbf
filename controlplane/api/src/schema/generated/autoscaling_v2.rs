//! Messages of `k8s.io/api/autoscaling/v2`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.autoscaling.v2", group: "autoscaling", version: "v2" };

pub(crate) static ContainerResourceMetricSource: Message = Message {
    name: "ContainerResourceMetricSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("container", 3, Single, Type::String, R, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("target", 2, Single, Type::Message(&MetricTarget), R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static ContainerResourceMetricStatus: Message = Message {
    name: "ContainerResourceMetricStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("container", 3, Single, Type::String, R, None),
        f!("current", 2, Single, Type::Message(&MetricValueStatus), R, None),
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[2, 1, 0],
    inlines: &[],
};

pub(crate) static CrossVersionObjectReference: Message = Message {
    name: "CrossVersionObjectReference", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiVersion", 3, Single, Type::String, O, None),
        f!("kind", 1, Single, Type::String, R, None),
        f!("name", 2, Single, Type::String, R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static ExternalMetricSource: Message = Message {
    name: "ExternalMetricSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("metric", 1, Single, Type::Message(&MetricIdentifier), R, None),
        f!("target", 2, Single, Type::Message(&MetricTarget), R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ExternalMetricStatus: Message = Message {
    name: "ExternalMetricStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("current", 2, Single, Type::Message(&MetricValueStatus), R, None),
        f!("metric", 1, Single, Type::Message(&MetricIdentifier), R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static HPAScalingPolicy: Message = Message {
    name: "HPAScalingPolicy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("periodSeconds", 3, Single, Type::Int32, R, None),
        f!("type", 1, Single, Type::String, R, None),
        f!("value", 2, Single, Type::Int32, R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static HPAScalingRules: Message = Message {
    name: "HPAScalingRules", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("policies", 2, List, Type::Message(&HPAScalingPolicy), O, Some(&ATOMIC)),
        f!("selectPolicy", 1, Single, Type::String, PO, None),
        f!("stabilizationWindowSeconds", 3, Single, Type::Int32, PO, None),
        f!("tolerance", 4, Single, Type::Quantity, PO, None),
    ],
    by_number: &[1, 0, 2, 3],
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

pub(crate) static HorizontalPodAutoscalerBehavior: Message = Message {
    name: "HorizontalPodAutoscalerBehavior", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("scaleDown", 2, Single, Type::Message(&HPAScalingRules), PO, None),
        f!("scaleUp", 1, Single, Type::Message(&HPAScalingRules), PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static HorizontalPodAutoscalerCondition: Message = Message {
    name: "HorizontalPodAutoscalerCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
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
        f!("behavior", 5, Single, Type::Message(&HorizontalPodAutoscalerBehavior), PO, None),
        f!("maxReplicas", 3, Single, Type::Int32, R, None),
        f!("metrics", 4, List, Type::Message(&MetricSpec), O, Some(&ATOMIC)),
        f!("minReplicas", 2, Single, Type::Int32, PO, None),
        f!("scaleTargetRef", 1, Single, Type::Message(&CrossVersionObjectReference), R, None),
    ],
    by_number: &[4, 3, 1, 2, 0],
    inlines: &[],
};

pub(crate) static HorizontalPodAutoscalerStatus: Message = Message {
    name: "HorizontalPodAutoscalerStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("conditions", 6, List, Type::Message(&HorizontalPodAutoscalerCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("currentMetrics", 5, List, Type::Message(&MetricStatus), N, Some(&ATOMIC)),
        f!("currentReplicas", 3, Single, Type::Int32, O, None),
        f!("desiredReplicas", 4, Single, Type::Int32, R, None),
        f!("lastScaleTime", 2, Single, Type::Time, PO, None),
        f!("observedGeneration", 1, Single, Type::Int64, PO, None),
    ],
    by_number: &[5, 4, 2, 3, 1, 0],
    inlines: &[],
};

pub(crate) static MetricIdentifier: Message = Message {
    name: "MetricIdentifier", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("selector", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static MetricSpec: Message = Message {
    name: "MetricSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("containerResource", 7, Single, Type::Message(&ContainerResourceMetricSource), PO, None),
        f!("external", 5, Single, Type::Message(&ExternalMetricSource), PO, None),
        f!("object", 2, Single, Type::Message(&ObjectMetricSource), PO, None),
        f!("pods", 3, Single, Type::Message(&PodsMetricSource), PO, None),
        f!("resource", 4, Single, Type::Message(&ResourceMetricSource), PO, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 2, 3, 4, 1, 0],
    inlines: &[],
};

pub(crate) static MetricStatus: Message = Message {
    name: "MetricStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("containerResource", 7, Single, Type::Message(&ContainerResourceMetricStatus), PO, None),
        f!("external", 5, Single, Type::Message(&ExternalMetricStatus), PO, None),
        f!("object", 2, Single, Type::Message(&ObjectMetricStatus), PO, None),
        f!("pods", 3, Single, Type::Message(&PodsMetricStatus), PO, None),
        f!("resource", 4, Single, Type::Message(&ResourceMetricStatus), PO, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 2, 3, 4, 1, 0],
    inlines: &[],
};

pub(crate) static MetricTarget: Message = Message {
    name: "MetricTarget", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("averageUtilization", 4, Single, Type::Int32, PO, None),
        f!("averageValue", 3, Single, Type::Quantity, PO, None),
        f!("type", 1, Single, Type::String, R, None),
        f!("value", 2, Single, Type::Quantity, PO, None),
    ],
    by_number: &[2, 3, 1, 0],
    inlines: &[],
};

pub(crate) static MetricValueStatus: Message = Message {
    name: "MetricValueStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("averageUtilization", 3, Single, Type::Int32, PO, None),
        f!("averageValue", 2, Single, Type::Quantity, PO, None),
        f!("value", 1, Single, Type::Quantity, PO, None),
    ],
    by_number: &[2, 1, 0],
    inlines: &[],
};

pub(crate) static ObjectMetricSource: Message = Message {
    name: "ObjectMetricSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("describedObject", 1, Single, Type::Message(&CrossVersionObjectReference), R, None),
        f!("metric", 3, Single, Type::Message(&MetricIdentifier), R, None),
        f!("target", 2, Single, Type::Message(&MetricTarget), R, None),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static ObjectMetricStatus: Message = Message {
    name: "ObjectMetricStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("current", 2, Single, Type::Message(&MetricValueStatus), R, None),
        f!("describedObject", 3, Single, Type::Message(&CrossVersionObjectReference), R, None),
        f!("metric", 1, Single, Type::Message(&MetricIdentifier), R, None),
    ],
    by_number: &[2, 0, 1],
    inlines: &[],
};

pub(crate) static PodsMetricSource: Message = Message {
    name: "PodsMetricSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("metric", 1, Single, Type::Message(&MetricIdentifier), R, None),
        f!("target", 2, Single, Type::Message(&MetricTarget), R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PodsMetricStatus: Message = Message {
    name: "PodsMetricStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("current", 2, Single, Type::Message(&MetricValueStatus), R, None),
        f!("metric", 1, Single, Type::Message(&MetricIdentifier), R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ResourceMetricSource: Message = Message {
    name: "ResourceMetricSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("target", 2, Single, Type::Message(&MetricTarget), R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ResourceMetricStatus: Message = Message {
    name: "ResourceMetricStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("current", 2, Single, Type::Message(&MetricValueStatus), R, None),
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};
