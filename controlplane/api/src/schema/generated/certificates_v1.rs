//! Messages of `k8s.io/api/certificates/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.certificates.v1", group: "certificates.k8s.io", version: "v1" };

pub(crate) static CertificateSigningRequest: Message = Message {
    name: "CertificateSigningRequest", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&CertificateSigningRequestSpec), R, None),
        f!("status", 3, Single, Type::Message(&CertificateSigningRequestStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static CertificateSigningRequestCondition: Message = Message {
    name: "CertificateSigningRequestCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 5, Single, Type::Time, O, None),
        f!("lastUpdateTime", 4, Single, Type::Time, O, None),
        f!("message", 3, Single, Type::String, O, None),
        f!("reason", 2, Single, Type::String, O, None),
        f!("status", 6, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 3, 2, 1, 0, 4],
    inlines: &[],
};

pub(crate) static CertificateSigningRequestList: Message = Message {
    name: "CertificateSigningRequestList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&CertificateSigningRequest), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static CertificateSigningRequestSpec: Message = Message {
    name: "CertificateSigningRequestSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("expirationSeconds", 8, Single, Type::Int32, PO, None),
        f!("extra", 6, Map, Type::StringList, O, None),
        f!("groups", 4, List, Type::String, O, Some(&ATOMIC)),
        f!("request", 1, Single, Type::Bytes, R, None),
        f!("signerName", 7, Single, Type::String, R, None),
        f!("uid", 3, Single, Type::String, O, None),
        f!("usages", 5, List, Type::String, O, Some(&ATOMIC)),
        f!("username", 2, Single, Type::String, O, None),
    ],
    by_number: &[3, 7, 5, 2, 6, 1, 4, 0],
    inlines: &[],
};

pub(crate) static CertificateSigningRequestStatus: Message = Message {
    name: "CertificateSigningRequestStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("certificate", 2, Single, Type::Bytes, O, None),
        f!("conditions", 1, List, Type::Message(&CertificateSigningRequestCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: None, retain_keys: false, merge_key: "" })),
    ],
    by_number: &[1, 0],
    inlines: &[],
};
