//! Messages of `k8s.io/api/node/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.node.v1", group: "node.k8s.io", version: "v1" };

pub(crate) static Overhead: Message = Message {
    name: "Overhead", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("podFixed", 1, Map, Type::Quantity, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static RuntimeClass: Message = Message {
    name: "RuntimeClass", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("handler", 2, Single, Type::String, R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("overhead", 3, Single, Type::Message(&Overhead), PO, None),
        f!("scheduling", 4, Single, Type::Message(&Scheduling), PO, None),
    ],
    by_number: &[1, 0, 2, 3],
    inlines: &[],
};

pub(crate) static RuntimeClassList: Message = Message {
    name: "RuntimeClassList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&RuntimeClass), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Scheduling: Message = Message {
    name: "Scheduling", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("nodeSelector", 1, Map, Type::String, O, Some(&Merge { list: None, atomic: true, patch: None, retain_keys: false, merge_key: "" })),
        f!("tolerations", 2, List, Type::Message(&super::core_v1::Toleration), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};
