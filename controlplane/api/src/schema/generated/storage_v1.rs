//! Messages of `k8s.io/api/storage/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.storage.v1", group: "storage.k8s.io", version: "v1" };

pub(crate) static CSIDriver: Message = Message {
    name: "CSIDriver", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&CSIDriverSpec), R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static CSIDriverList: Message = Message {
    name: "CSIDriverList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&CSIDriver), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static CSIDriverSpec: Message = Message {
    name: "CSIDriverSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("attachRequired", 1, Single, Type::Bool, PO, None),
        f!("fsGroupPolicy", 5, Single, Type::String, PO, None),
        f!("nodeAllocatableUpdatePeriodSeconds", 9, Single, Type::Int64, PO, None),
        f!("podInfoOnMount", 2, Single, Type::Bool, PO, None),
        f!("preventPodSchedulingIfMissing", 11, Single, Type::Bool, PO, None),
        f!("requiresRepublish", 7, Single, Type::Bool, PO, None),
        f!("seLinuxMount", 8, Single, Type::Bool, PO, None),
        f!("serviceAccountTokenInSecrets", 10, Single, Type::Bool, PO, None),
        f!("storageCapacity", 4, Single, Type::Bool, PO, None),
        f!("tokenRequests", 6, List, Type::Message(&TokenRequest), O, Some(&ATOMIC)),
        f!("volumeLifecycleModes", 3, List, Type::String, O, Some(&SET)),
    ],
    by_number: &[0, 3, 10, 8, 1, 9, 5, 6, 2, 7, 4],
    inlines: &[],
};

pub(crate) static CSINode: Message = Message {
    name: "CSINode", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&CSINodeSpec), R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static CSINodeDriver: Message = Message {
    name: "CSINodeDriver", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("allocatable", 4, Single, Type::Message(&VolumeNodeResources), PO, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("nodeID", 2, Single, Type::String, R, None),
        f!("topologyKeys", 3, List, Type::String, N, Some(&ATOMIC)),
    ],
    by_number: &[1, 2, 3, 0],
    inlines: &[],
};

pub(crate) static CSINodeList: Message = Message {
    name: "CSINodeList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&CSINode), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static CSINodeSpec: Message = Message {
    name: "CSINodeSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("drivers", 1, List, Type::Message(&CSINodeDriver), R, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static CSIStorageCapacity: Message = Message {
    name: "CSIStorageCapacity", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("capacity", 4, Single, Type::Quantity, PO, None),
        f!("maximumVolumeSize", 5, Single, Type::Quantity, PO, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("nodeTopology", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("storageClassName", 3, Single, Type::String, R, None),
    ],
    by_number: &[2, 3, 4, 0, 1],
    inlines: &[],
};

pub(crate) static CSIStorageCapacityList: Message = Message {
    name: "CSIStorageCapacityList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&CSIStorageCapacity), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static StorageClass: Message = Message {
    name: "StorageClass", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("allowVolumeExpansion", 6, Single, Type::Bool, PO, None),
        f!("allowedTopologies", 8, List, Type::Message(&super::core_v1::TopologySelectorTerm), O, Some(&ATOMIC)),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("mountOptions", 5, List, Type::String, O, Some(&ATOMIC)),
        f!("parameters", 3, Map, Type::String, O, None),
        f!("provisioner", 2, Single, Type::String, R, None),
        f!("reclaimPolicy", 4, Single, Type::String, PO, None),
        f!("volumeBindingMode", 7, Single, Type::String, PO, None),
    ],
    by_number: &[2, 5, 4, 6, 3, 0, 7, 1],
    inlines: &[],
};

pub(crate) static StorageClassList: Message = Message {
    name: "StorageClassList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&StorageClass), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static TokenRequest: Message = Message {
    name: "TokenRequest", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("audience", 1, Single, Type::String, R, None),
        f!("expirationSeconds", 2, Single, Type::Int64, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static VolumeAttachment: Message = Message {
    name: "VolumeAttachment", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&VolumeAttachmentSpec), R, None),
        f!("status", 3, Single, Type::Message(&VolumeAttachmentStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static VolumeAttachmentList: Message = Message {
    name: "VolumeAttachmentList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&VolumeAttachment), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static VolumeAttachmentSource: Message = Message {
    name: "VolumeAttachmentSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("inlineVolumeSpec", 2, Single, Type::Message(&super::core_v1::PersistentVolumeSpec), PO, None),
        f!("persistentVolumeName", 1, Single, Type::String, PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static VolumeAttachmentSpec: Message = Message {
    name: "VolumeAttachmentSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("attacher", 1, Single, Type::String, R, None),
        f!("nodeName", 3, Single, Type::String, R, None),
        f!("source", 2, Single, Type::Message(&VolumeAttachmentSource), R, None),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static VolumeAttachmentStatus: Message = Message {
    name: "VolumeAttachmentStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("attachError", 3, Single, Type::Message(&VolumeError), PO, None),
        f!("attached", 1, Single, Type::Bool, R, None),
        f!("attachmentMetadata", 2, Map, Type::String, O, None),
        f!("detachError", 4, Single, Type::Message(&VolumeError), PO, None),
    ],
    by_number: &[1, 2, 0, 3],
    inlines: &[],
};

pub(crate) static VolumeAttributesClass: Message = Message {
    name: "VolumeAttributesClass", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("driverName", 2, Single, Type::String, R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("parameters", 3, Map, Type::String, O, None),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};

pub(crate) static VolumeAttributesClassList: Message = Message {
    name: "VolumeAttributesClassList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&VolumeAttributesClass), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static VolumeError: Message = Message {
    name: "VolumeError", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("errorCode", 3, Single, Type::Int32, PO, None),
        f!("message", 2, Single, Type::String, O, None),
        f!("time", 1, Single, Type::Time, O, None),
    ],
    by_number: &[2, 1, 0],
    inlines: &[],
};

pub(crate) static VolumeNodeResources: Message = Message {
    name: "VolumeNodeResources", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("count", 1, Single, Type::Int32, PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};
