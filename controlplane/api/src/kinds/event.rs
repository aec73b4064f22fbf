//! Events: lenient, so that whoever has something to say is heard.

use std::borrow::Cow;

use serde_json::Value;

use super::Strategy;
use super::rules::text;
use super::strategy::plain_field;
use crate::field::Path;
use crate::{FieldErrors, meta};

/// Rules of Events.
pub(super) struct Event;

impl Strategy for Event {
    /// An event lies where its object does; events about cluster-scoped objects lie in `default`, or with
    /// an `eventTime` also in `kube-system`.
    fn validate(&self, event: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let involved = text(&event["involvedObject"]["namespace"]);
        let namespace = meta::namespace(event);
        let has_event_time = !event["eventTime"].is_null();
        let fits = match involved {
            "" => namespace == "default" || (has_event_time && namespace == "kube-system"),
            _ => has_event_time || involved == namespace,
        };
        if !fits {
            errors.invalid(
                &Path::root("involvedObject").child("namespace"),
                involved,
                "does not match event.namespace",
            );
        }
        errors
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]
    }

    fn field_value<'a>(&self, event: &'a Value, field: &str) -> Cow<'a, str> {
        match field {
            "source" => match text(&event["source"]["component"]) {
                "" => text(&event["reportingComponent"]).into(),
                component => component.into(),
            },
            _ => plain_field(event, field),
        }
    }
}
