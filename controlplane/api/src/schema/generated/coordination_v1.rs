//! Messages of `k8s.io/api/coordination/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.coordination.v1", group: "coordination.k8s.io", version: "v1" };

pub(crate) static Lease: Message = Message {
    name: "Lease", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&LeaseSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static LeaseList: Message = Message {
    name: "LeaseList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Lease), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static LeaseSpec: Message = Message {
    name: "LeaseSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("acquireTime", 3, Single, Type::MicroTime, PO, None),
        f!("holderIdentity", 1, Single, Type::String, PO, None),
        f!("leaseDurationSeconds", 2, Single, Type::Int32, PO, None),
        f!("leaseTransitions", 5, Single, Type::Int32, PO, None),
        f!("preferredHolder", 7, Single, Type::String, PO, None),
        f!("renewTime", 4, Single, Type::MicroTime, PO, None),
        f!("strategy", 6, Single, Type::String, PO, None),
    ],
    by_number: &[1, 2, 0, 5, 3, 6, 4],
    inlines: &[],
};
