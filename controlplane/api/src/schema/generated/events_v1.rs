//! Messages of `k8s.io/api/events/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.events.v1", group: "events.k8s.io", version: "v1" };

pub(crate) static Event: Message = Message {
    name: "Event", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("action", 6, Single, Type::String, O, None),
        f!("deprecatedCount", 15, Single, Type::Int32, O, None),
        f!("deprecatedFirstTimestamp", 13, Single, Type::Time, O, None),
        f!("deprecatedLastTimestamp", 14, Single, Type::Time, O, None),
        f!("deprecatedSource", 12, Single, Type::Message(&super::core_v1::EventSource), O, None),
        f!("eventTime", 2, Single, Type::MicroTime, R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), N, None),
        f!("note", 10, Single, Type::String, O, None),
        f!("reason", 7, Single, Type::String, O, None),
        f!("regarding", 8, Single, Type::Message(&super::core_v1::ObjectReference), O, None),
        f!("related", 9, Single, Type::Message(&super::core_v1::ObjectReference), PO, None),
        f!("reportingController", 4, Single, Type::String, O, None),
        f!("reportingInstance", 5, Single, Type::String, O, None),
        f!("series", 3, Single, Type::Message(&EventSeries), PO, None),
        f!("type", 11, Single, Type::String, O, None),
    ],
    by_number: &[6, 5, 13, 11, 12, 0, 8, 9, 10, 7, 14, 4, 2, 3, 1],
    inlines: &[],
};

pub(crate) static EventList: Message = Message {
    name: "EventList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Event), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static EventSeries: Message = Message {
    name: "EventSeries", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("count", 1, Single, Type::Int32, R, None),
        f!("lastObservedTime", 2, Single, Type::MicroTime, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};
