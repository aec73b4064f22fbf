//! Messages of `k8s.io/api/policy/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.policy.v1", group: "policy", version: "v1" };

pub(crate) static Eviction: Message = Message {
    name: "Eviction", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("deleteOptions", 2, Single, Type::Message(&super::meta_v1::DeleteOptions), PO, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PodDisruptionBudget: Message = Message {
    name: "PodDisruptionBudget", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&PodDisruptionBudgetSpec), O, None),
        f!("status", 3, Single, Type::Message(&PodDisruptionBudgetStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static PodDisruptionBudgetList: Message = Message {
    name: "PodDisruptionBudgetList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&PodDisruptionBudget), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PodDisruptionBudgetSpec: Message = Message {
    name: "PodDisruptionBudgetSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("maxUnavailable", 3, Single, Type::IntOrString, PO, None),
        f!("minAvailable", 1, Single, Type::IntOrString, PO, None),
        f!("selector", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PO, Some(&Merge { list: None, atomic: false, patch: Some(PatchStrategy::Replace), retain_keys: false, merge_key: "" })),
        f!("unhealthyPodEvictionPolicy", 4, Single, Type::String, PO, None),
    ],
    by_number: &[1, 2, 0, 3],
    inlines: &[],
};

pub(crate) static PodDisruptionBudgetStatus: Message = Message {
    name: "PodDisruptionBudgetStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("conditions", 7, List, Type::Message(&super::meta_v1::Condition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("currentHealthy", 4, Single, Type::Int32, N, None),
        f!("desiredHealthy", 5, Single, Type::Int32, N, None),
        f!("disruptedPods", 2, Map, Type::Time, O, None),
        f!("disruptionsAllowed", 3, Single, Type::Int32, N, None),
        f!("expectedPods", 6, Single, Type::Int32, N, None),
        f!("observedGeneration", 1, Single, Type::Int64, O, None),
    ],
    by_number: &[6, 3, 4, 1, 2, 5, 0],
    inlines: &[],
};
