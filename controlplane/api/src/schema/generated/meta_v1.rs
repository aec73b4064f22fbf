//! Messages of `k8s.io/apimachinery/pkg/apis/meta/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.apimachinery.pkg.apis.meta.v1", group: "meta.k8s.io", version: "v1" };

pub(crate) static Condition: Message = Message {
    name: "Condition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 4, Single, Type::Time, R, None),
        f!("message", 6, Single, Type::String, R, None),
        f!("observedGeneration", 3, Single, Type::Int64, O, None),
        f!("reason", 5, Single, Type::String, R, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 4, 2, 0, 3, 1],
    inlines: &[],
};

pub(crate) static CreateOptions: Message = Message {
    name: "CreateOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("dryRun", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("fieldManager", 3, Single, Type::String, O, None),
        f!("fieldValidation", 4, Single, Type::String, O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static DeleteOptions: Message = Message {
    name: "DeleteOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("dryRun", 5, List, Type::String, O, Some(&ATOMIC)),
        f!("gracePeriodSeconds", 1, Single, Type::Int64, PO, None),
        f!("ignoreStoreReadErrorWithClusterBreakingPotential", 6, Single, Type::Bool, PO, None),
        f!("orphanDependents", 3, Single, Type::Bool, PO, None),
        f!("preconditions", 2, Single, Type::Message(&Preconditions), PO, None),
        f!("propagationPolicy", 4, Single, Type::String, PO, None),
    ],
    by_number: &[1, 4, 3, 5, 0, 2],
    inlines: &[],
};

pub(crate) static FieldSelectorRequirement: Message = Message {
    name: "FieldSelectorRequirement", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("key", 1, Single, Type::String, R, None),
        f!("operator", 2, Single, Type::String, R, None),
        f!("values", 3, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static GetOptions: Message = Message {
    name: "GetOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("resourceVersion", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static LabelSelector: Message = Message {
    name: "LabelSelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("matchExpressions", 2, List, Type::Message(&LabelSelectorRequirement), O, Some(&ATOMIC)),
        f!("matchLabels", 1, Map, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static LabelSelectorRequirement: Message = Message {
    name: "LabelSelectorRequirement", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("key", 1, Single, Type::String, R, None),
        f!("operator", 2, Single, Type::String, R, None),
        f!("values", 3, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static List: Message = Message {
    name: "List", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::RawExtension, R, None),
        f!("metadata", 1, Single, Type::Message(&ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ListMeta: Message = Message {
    name: "ListMeta", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("continue", 3, Single, Type::String, O, None),
        f!("remainingItemCount", 4, Single, Type::Int64, PO, None),
        f!("resourceVersion", 2, Single, Type::String, O, None),
        f!("selfLink", 1, Single, Type::String, O, None),
        f!("shardInfo", 5, Single, Type::Message(&ShardInfo), PO, None),
    ],
    by_number: &[3, 2, 0, 1, 4],
    inlines: &[],
};

pub(crate) static ListOptions: Message = Message {
    name: "ListOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("allowWatchBookmarks", 9, Single, Type::Bool, O, None),
        f!("continue", 8, Single, Type::String, O, None),
        f!("fieldSelector", 2, Single, Type::String, O, None),
        f!("labelSelector", 1, Single, Type::String, O, None),
        f!("limit", 7, Single, Type::Int64, O, None),
        f!("resourceVersion", 4, Single, Type::String, O, None),
        f!("resourceVersionMatch", 10, Single, Type::String, O, None),
        f!("sendInitialEvents", 11, Single, Type::Bool, PO, None),
        f!("shardSelector", 15, Single, Type::String, O, None),
        f!("timeoutSeconds", 5, Single, Type::Int64, PO, None),
        f!("watch", 3, Single, Type::Bool, O, None),
    ],
    by_number: &[3, 2, 10, 5, 9, 4, 1, 0, 6, 7, 8],
    inlines: &[],
};

pub(crate) static ManagedFieldsEntry: Message = Message {
    name: "ManagedFieldsEntry", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiVersion", 3, Single, Type::String, O, None),
        f!("fieldsType", 6, Single, Type::String, O, None),
        f!("fieldsV1", 7, Single, Type::FieldsV1, PO, None),
        f!("manager", 1, Single, Type::String, O, None),
        f!("operation", 2, Single, Type::String, O, None),
        f!("subresource", 8, Single, Type::String, O, None),
        f!("time", 4, Single, Type::Time, PO, None),
    ],
    by_number: &[3, 4, 0, 6, 1, 2, 5],
    inlines: &[],
};

pub(crate) static ObjectMeta: Message = Message {
    name: "ObjectMeta", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("annotations", 12, Map, Type::String, O, None),
        f!("creationTimestamp", 8, Single, Type::Time, O, None),
        f!("deletionGracePeriodSeconds", 10, Single, Type::Int64, PO, None),
        f!("deletionTimestamp", 9, Single, Type::Time, PO, None),
        f!("finalizers", 14, List, Type::String, O, Some(&Merge { list: Some(ListType::Set), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "" })),
        f!("generateName", 2, Single, Type::String, O, None),
        f!("generation", 7, Single, Type::Int64, O, None),
        f!("labels", 11, Map, Type::String, O, None),
        f!("managedFields", 17, List, Type::Message(&ManagedFieldsEntry), O, Some(&ATOMIC)),
        f!("name", 1, Single, Type::String, O, None),
        f!("namespace", 3, Single, Type::String, O, None),
        f!("ownerReferences", 13, List, Type::Message(&OwnerReference), O, Some(&Merge { list: Some(ListType::Map(&["uid"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "uid" })),
        f!("resourceVersion", 6, Single, Type::String, O, None),
        f!("selfLink", 4, Single, Type::String, O, None),
        f!("uid", 5, Single, Type::String, O, None),
    ],
    by_number: &[9, 5, 10, 13, 14, 12, 6, 1, 3, 2, 7, 0, 11, 4, 8],
    inlines: &[],
};

pub(crate) static OwnerReference: Message = Message {
    name: "OwnerReference", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiVersion", 5, Single, Type::String, R, None),
        f!("blockOwnerDeletion", 7, Single, Type::Bool, PO, None),
        f!("controller", 6, Single, Type::Bool, PO, None),
        f!("kind", 1, Single, Type::String, R, None),
        f!("name", 3, Single, Type::String, R, None),
        f!("uid", 4, Single, Type::String, R, None),
    ],
    by_number: &[3, 4, 5, 0, 2, 1],
    inlines: &[],
};

pub(crate) static PatchOptions: Message = Message {
    name: "PatchOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("dryRun", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("fieldManager", 3, Single, Type::String, O, None),
        f!("fieldValidation", 4, Single, Type::String, O, None),
        f!("force", 2, Single, Type::Bool, PO, None),
    ],
    by_number: &[0, 3, 1, 2],
    inlines: &[],
};

pub(crate) static Preconditions: Message = Message {
    name: "Preconditions", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("resourceVersion", 2, Single, Type::String, PO, None),
        f!("uid", 1, Single, Type::String, PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ShardInfo: Message = Message {
    name: "ShardInfo", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("selector", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static Status: Message = Message {
    name: "Status", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("code", 6, Single, Type::Int32, O, None),
        f!("details", 5, Single, Type::Message(&StatusDetails), PO, None),
        f!("message", 3, Single, Type::String, O, None),
        f!("metadata", 1, Single, Type::Message(&ListMeta), O, None),
        f!("reason", 4, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, O, None),
    ],
    by_number: &[3, 5, 2, 4, 1, 0],
    inlines: &[],
};

pub(crate) static StatusCause: Message = Message {
    name: "StatusCause", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("field", 3, Single, Type::String, O, None),
        f!("message", 2, Single, Type::String, O, None),
        f!("reason", 1, Single, Type::String, O, None),
    ],
    by_number: &[2, 1, 0],
    inlines: &[],
};

pub(crate) static StatusDetails: Message = Message {
    name: "StatusDetails", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("causes", 4, List, Type::Message(&StatusCause), O, Some(&ATOMIC)),
        f!("group", 2, Single, Type::String, O, None),
        f!("kind", 3, Single, Type::String, O, None),
        f!("name", 1, Single, Type::String, O, None),
        f!("retryAfterSeconds", 5, Single, Type::Int32, O, None),
        f!("uid", 6, Single, Type::String, O, None),
    ],
    by_number: &[3, 1, 2, 0, 4, 5],
    inlines: &[],
};

pub(crate) static UpdateOptions: Message = Message {
    name: "UpdateOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("dryRun", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("fieldManager", 2, Single, Type::String, O, None),
        f!("fieldValidation", 3, Single, Type::String, O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};
