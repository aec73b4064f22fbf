//! Messages of `k8s.io/api/authorization/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.authorization.v1", group: "authorization.k8s.io", version: "v1" };

pub(crate) static FieldSelectorAttributes: Message = Message {
    name: "FieldSelectorAttributes", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("rawSelector", 1, Single, Type::String, O, None),
        f!("requirements", 2, List, Type::Message(&super::meta_v1::FieldSelectorRequirement), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static LabelSelectorAttributes: Message = Message {
    name: "LabelSelectorAttributes", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("rawSelector", 1, Single, Type::String, O, None),
        f!("requirements", 2, List, Type::Message(&super::meta_v1::LabelSelectorRequirement), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static LocalSubjectAccessReview: Message = Message {
    name: "LocalSubjectAccessReview", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&SubjectAccessReviewSpec), R, None),
        f!("status", 3, Single, Type::Message(&SubjectAccessReviewStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static NonResourceAttributes: Message = Message {
    name: "NonResourceAttributes", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("path", 1, Single, Type::String, O, None),
        f!("verb", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static NonResourceRule: Message = Message {
    name: "NonResourceRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("nonResourceURLs", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("verbs", 1, List, Type::String, R, Some(&ATOMIC)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ResourceAttributes: Message = Message {
    name: "ResourceAttributes", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fieldSelector", 8, Single, Type::Message(&FieldSelectorAttributes), PO, None),
        f!("group", 3, Single, Type::String, O, None),
        f!("labelSelector", 9, Single, Type::Message(&LabelSelectorAttributes), PO, None),
        f!("name", 7, Single, Type::String, O, None),
        f!("namespace", 1, Single, Type::String, O, None),
        f!("resource", 5, Single, Type::String, O, None),
        f!("subresource", 6, Single, Type::String, O, None),
        f!("verb", 2, Single, Type::String, O, None),
        f!("version", 4, Single, Type::String, O, None),
    ],
    by_number: &[4, 7, 1, 8, 5, 6, 3, 0, 2],
    inlines: &[],
};

pub(crate) static ResourceRule: Message = Message {
    name: "ResourceRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiGroups", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("resourceNames", 4, List, Type::String, O, Some(&ATOMIC)),
        f!("resources", 3, List, Type::String, O, Some(&ATOMIC)),
        f!("verbs", 1, List, Type::String, R, Some(&ATOMIC)),
    ],
    by_number: &[3, 0, 2, 1],
    inlines: &[],
};

pub(crate) static SelfSubjectAccessReview: Message = Message {
    name: "SelfSubjectAccessReview", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&SelfSubjectAccessReviewSpec), R, None),
        f!("status", 3, Single, Type::Message(&SubjectAccessReviewStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static SelfSubjectAccessReviewSpec: Message = Message {
    name: "SelfSubjectAccessReviewSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("nonResourceAttributes", 2, Single, Type::Message(&NonResourceAttributes), PO, None),
        f!("resourceAttributes", 1, Single, Type::Message(&ResourceAttributes), PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static SelfSubjectRulesReview: Message = Message {
    name: "SelfSubjectRulesReview", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&SelfSubjectRulesReviewSpec), R, None),
        f!("status", 3, Single, Type::Message(&SubjectRulesReviewStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static SelfSubjectRulesReviewSpec: Message = Message {
    name: "SelfSubjectRulesReviewSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("namespace", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static SubjectAccessReview: Message = Message {
    name: "SubjectAccessReview", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&SubjectAccessReviewSpec), R, None),
        f!("status", 3, Single, Type::Message(&SubjectAccessReviewStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static SubjectAccessReviewSpec: Message = Message {
    name: "SubjectAccessReviewSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("extra", 5, Map, Type::StringList, O, None),
        f!("groups", 4, List, Type::String, O, Some(&ATOMIC)),
        f!("nonResourceAttributes", 2, Single, Type::Message(&NonResourceAttributes), PO, None),
        f!("resourceAttributes", 1, Single, Type::Message(&ResourceAttributes), PO, None),
        f!("uid", 6, Single, Type::String, O, None),
        f!("user", 3, Single, Type::String, O, None),
    ],
    by_number: &[3, 2, 5, 1, 0, 4],
    inlines: &[],
};

pub(crate) static SubjectAccessReviewStatus: Message = Message {
    name: "SubjectAccessReviewStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("allowed", 1, Single, Type::Bool, R, None),
        f!("denied", 4, Single, Type::Bool, O, None),
        f!("evaluationError", 3, Single, Type::String, O, None),
        f!("reason", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 3, 2, 1],
    inlines: &[],
};

pub(crate) static SubjectRulesReviewStatus: Message = Message {
    name: "SubjectRulesReviewStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("evaluationError", 4, Single, Type::String, O, None),
        f!("incomplete", 3, Single, Type::Bool, R, None),
        f!("nonResourceRules", 2, List, Type::Message(&NonResourceRule), R, Some(&ATOMIC)),
        f!("resourceRules", 1, List, Type::Message(&ResourceRule), R, Some(&ATOMIC)),
    ],
    by_number: &[3, 2, 1, 0],
    inlines: &[],
};
