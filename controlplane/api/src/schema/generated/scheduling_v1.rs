//! Messages of `k8s.io/api/scheduling/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.scheduling.v1", group: "scheduling.k8s.io", version: "v1" };

pub(crate) static PriorityClass: Message = Message {
    name: "PriorityClass", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("description", 4, Single, Type::String, O, None),
        f!("globalDefault", 3, Single, Type::Bool, O, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("preemptionPolicy", 5, Single, Type::String, PO, None),
        f!("value", 2, Single, Type::Int32, N, None),
    ],
    by_number: &[2, 4, 1, 0, 3],
    inlines: &[],
};

pub(crate) static PriorityClassList: Message = Message {
    name: "PriorityClassList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&PriorityClass), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};
