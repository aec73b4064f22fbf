//! Messages of `k8s.io/api/authentication/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.authentication.v1", group: "authentication.k8s.io", version: "v1" };

pub(crate) static BoundObjectReference: Message = Message {
    name: "BoundObjectReference", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiVersion", 2, Single, Type::String, O, None),
        f!("kind", 1, Single, Type::String, O, None),
        f!("name", 3, Single, Type::String, O, None),
        f!("uid", 4, Single, Type::String, O, None),
    ],
    by_number: &[1, 0, 2, 3],
    inlines: &[],
};

pub(crate) static SelfSubjectReview: Message = Message {
    name: "SelfSubjectReview", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("status", 2, Single, Type::Message(&SelfSubjectReviewStatus), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static SelfSubjectReviewStatus: Message = Message {
    name: "SelfSubjectReviewStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("userInfo", 1, Single, Type::Message(&UserInfo), O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static TokenRequest: Message = Message {
    name: "TokenRequest", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&TokenRequestSpec), N, None),
        f!("status", 3, Single, Type::Message(&TokenRequestStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static TokenRequestSpec: Message = Message {
    name: "TokenRequestSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("audiences", 1, List, Type::String, N, Some(&ATOMIC)),
        f!("boundObjectRef", 3, Single, Type::Message(&BoundObjectReference), P, None),
        f!("expirationSeconds", 4, Single, Type::Int64, P, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static TokenRequestStatus: Message = Message {
    name: "TokenRequestStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("expirationTimestamp", 2, Single, Type::Time, N, None),
        f!("token", 1, Single, Type::String, N, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static TokenReview: Message = Message {
    name: "TokenReview", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&TokenReviewSpec), R, None),
        f!("status", 3, Single, Type::Message(&TokenReviewStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static TokenReviewSpec: Message = Message {
    name: "TokenReviewSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("audiences", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("token", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static TokenReviewStatus: Message = Message {
    name: "TokenReviewStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("audiences", 4, List, Type::String, O, Some(&ATOMIC)),
        f!("authenticated", 1, Single, Type::Bool, O, None),
        f!("error", 3, Single, Type::String, O, None),
        f!("user", 2, Single, Type::Message(&UserInfo), O, None),
    ],
    by_number: &[1, 3, 2, 0],
    inlines: &[],
};

pub(crate) static UserInfo: Message = Message {
    name: "UserInfo", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("extra", 4, Map, Type::StringList, O, None),
        f!("groups", 3, List, Type::String, O, Some(&ATOMIC)),
        f!("uid", 2, Single, Type::String, O, None),
        f!("username", 1, Single, Type::String, O, None),
    ],
    by_number: &[3, 2, 1, 0],
    inlines: &[],
};
