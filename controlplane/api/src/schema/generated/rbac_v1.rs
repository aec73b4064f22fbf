//! Messages of `k8s.io/api/rbac/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.rbac.v1", group: "rbac.authorization.k8s.io", version: "v1" };

pub(crate) static AggregationRule: Message = Message {
    name: "AggregationRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("clusterRoleSelectors", 1, List, Type::Message(&super::meta_v1::LabelSelector), O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ClusterRole: Message = Message {
    name: "ClusterRole", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("aggregationRule", 3, Single, Type::Message(&AggregationRule), PO, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("rules", 2, List, Type::Message(&PolicyRule), N, Some(&ATOMIC)),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static ClusterRoleBinding: Message = Message {
    name: "ClusterRoleBinding", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("roleRef", 3, Single, Type::Message(&RoleRef), R, None),
        f!("subjects", 2, List, Type::Message(&Subject), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static ClusterRoleBindingList: Message = Message {
    name: "ClusterRoleBindingList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ClusterRoleBinding), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ClusterRoleList: Message = Message {
    name: "ClusterRoleList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ClusterRole), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PolicyRule: Message = Message {
    name: "PolicyRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiGroups", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("nonResourceURLs", 5, List, Type::String, O, Some(&ATOMIC)),
        f!("resourceNames", 4, List, Type::String, O, Some(&ATOMIC)),
        f!("resources", 3, List, Type::String, O, Some(&ATOMIC)),
        f!("verbs", 1, List, Type::String, R, Some(&ATOMIC)),
    ],
    by_number: &[4, 0, 3, 2, 1],
    inlines: &[],
};

pub(crate) static Role: Message = Message {
    name: "Role", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("rules", 2, List, Type::Message(&PolicyRule), N, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static RoleBinding: Message = Message {
    name: "RoleBinding", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("roleRef", 3, Single, Type::Message(&RoleRef), R, None),
        f!("subjects", 2, List, Type::Message(&Subject), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static RoleBindingList: Message = Message {
    name: "RoleBindingList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&RoleBinding), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static RoleList: Message = Message {
    name: "RoleList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Role), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static RoleRef: Message = Message {
    name: "RoleRef", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiGroup", 1, Single, Type::String, N, None),
        f!("kind", 2, Single, Type::String, R, None),
        f!("name", 3, Single, Type::String, R, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static Subject: Message = Message {
    name: "Subject", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiGroup", 2, Single, Type::String, O, None),
        f!("kind", 1, Single, Type::String, R, None),
        f!("name", 3, Single, Type::String, R, None),
        f!("namespace", 4, Single, Type::String, O, None),
    ],
    by_number: &[1, 0, 2, 3],
    inlines: &[],
};
