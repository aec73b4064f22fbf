//! Messages of `k8s.io/api/discovery/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.discovery.v1", group: "discovery.k8s.io", version: "v1" };

pub(crate) static Endpoint: Message = Message {
    name: "Endpoint", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("addresses", 1, List, Type::String, R, Some(&SET)),
        f!("conditions", 2, Single, Type::Message(&EndpointConditions), O, None),
        f!("deprecatedTopology", 5, Map, Type::String, O, None),
        f!("hints", 8, Single, Type::Message(&EndpointHints), PO, None),
        f!("hostname", 3, Single, Type::String, PO, None),
        f!("nodeName", 6, Single, Type::String, PO, None),
        f!("targetRef", 4, Single, Type::Message(&super::core_v1::ObjectReference), PO, None),
        f!("zone", 7, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1, 4, 6, 2, 5, 7, 3],
    inlines: &[],
};

pub(crate) static EndpointConditions: Message = Message {
    name: "EndpointConditions", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("ready", 1, Single, Type::Bool, PO, None),
        f!("serving", 2, Single, Type::Bool, PO, None),
        f!("terminating", 3, Single, Type::Bool, PO, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static EndpointHints: Message = Message {
    name: "EndpointHints", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("forNodes", 2, List, Type::Message(&ForNode), O, Some(&ATOMIC)),
        f!("forZones", 1, List, Type::Message(&ForZone), O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static EndpointPort: Message = Message {
    name: "EndpointPort", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("appProtocol", 4, Single, Type::String, PO, None),
        f!("name", 1, Single, Type::String, PO, None),
        f!("port", 3, Single, Type::Int32, PO, None),
        f!("protocol", 2, Single, Type::String, PO, None),
    ],
    by_number: &[1, 3, 2, 0],
    inlines: &[],
};

pub(crate) static EndpointSlice: Message = Message {
    name: "EndpointSlice", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("addressType", 4, Single, Type::String, R, None),
        f!("endpoints", 2, List, Type::Message(&Endpoint), N, Some(&ATOMIC)),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("ports", 3, List, Type::Message(&EndpointPort), N, Some(&ATOMIC)),
    ],
    by_number: &[2, 1, 3, 0],
    inlines: &[],
};

pub(crate) static EndpointSliceList: Message = Message {
    name: "EndpointSliceList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&EndpointSlice), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ForNode: Message = Message {
    name: "ForNode", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ForZone: Message = Message {
    name: "ForZone", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};
