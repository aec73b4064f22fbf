//! Whether a pod has to wait until its endpoints are in effect on every node before it counts as available.
//! Pure.
//!
//! The push server says when they are, in a condition of the pod. A pod that no Service selects waits for
//! nothing, and none waits for ever: whatever becomes of the condition, after a while readiness alone counts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use serde::Deserialize;
use sheave_api::ObjectKey;
use sheave_client::Typed;

use crate::pod::PodFacts;

/// Seconds beyond the push server's own deadline after which a ready pod is not waited for any more.
const MARGIN_S: i64 = 20;

/// A Service, reduced to whom it selects and since when.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Service")]
pub(crate) struct Selecting {
    /// Empty: nobody.
    labels: BTreeMap<String, String>,
    created: Option<Timestamp>,
}

impl From<Service> for Selecting {
    fn from(service: Service) -> Self {
        let spec = service.spec.unwrap_or_default();
        let external = spec.type_.as_deref() == Some("ExternalName");
        Self {
            labels: spec.selector.filter(|_| !external).unwrap_or_default(),
            created: service.metadata.creation_timestamp.map(|time| time.0),
        }
    }
}

/// Seconds that a ready pod may still wait for its endpoints; `None` when it does not wait. `timeout` is for
/// how long the nodes are waited for; zero: they are not.
pub(crate) fn wait_left_s(
    timeout: Duration,
    services: &BTreeMap<ObjectKey, Typed<Selecting>>,
    namespace: &str,
    pod: &PodFacts,
    now: Timestamp,
) -> Option<i64> {
    if timeout.is_zero() || pod.endpoints_live || !pod.ready {
        return None;
    }
    let ready_since = pod.ready_since?;
    let wait_max_s = MARGIN_S + i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX - MARGIN_S);
    // A clock that was set back makes nobody wait longer.
    let left = wait_max_s - (now.as_second() - ready_since.as_second()).max(0);
    let first = ObjectKey::new(namespace, "");
    let here = services.range(first..).take_while(|(key, _)| key.namespace == namespace);
    let selects = |service: &Selecting| {
        !service.labels.is_empty()
            && service.labels.iter().all(|(name, value)| pod.labels.get(name) == Some(value))
            // What was available before there was a Service stays so.
            && service.created.is_none_or(|created| created.as_second() <= ready_since.as_second())
    };
    let mut services = here.map(|(_, service)| &*service.object);
    (left > 0 && services.any(selects)).then_some(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};
    use std::sync::Arc;

    const TIMEOUT: Duration = Duration::from_secs(10);
    const READY_AT: &str = "2026-01-01T00:01:00Z";

    fn services(specs: &[(&str, &str, Value)]) -> BTreeMap<ObjectKey, Typed<Selecting>> {
        let typed = specs.iter().map(|(name, created, spec)| {
            let key = ObjectKey::new("default", *name);
            let object = json!({ "metadata": { "creationTimestamp": created }, "spec": spec });
            let object: Selecting = serde_json::from_value(object).unwrap();
            let typed = Typed {
                key: key.clone(),
                revision: 1,
                object: Arc::new(object),
                json: Default::default(),
            };
            (key, typed)
        });
        typed.collect()
    }

    fn pod(live: &str) -> PodFacts {
        serde_json::from_value::<Pod>(json!({
            "metadata": { "labels": { "app": "web" } },
            "status": { "conditions": [
                { "type": "Ready", "status": "True", "lastTransitionTime": READY_AT },
                { "type": "sheave.io/EndpointsLive", "status": live } ] },
        }))
        .unwrap()
        .into()
    }

    fn left(
        services: &BTreeMap<ObjectKey, Typed<Selecting>>,
        live: &str,
        after_s: i64,
    ) -> Option<i64> {
        let ready_at: Timestamp = READY_AT.parse().unwrap();
        let now = Timestamp::from_second(ready_at.as_second() + after_s).unwrap();
        wait_left_s(TIMEOUT, services, "default", &pod(live), now)
    }

    #[test]
    fn a_pod_of_a_service_waits_for_its_condition_and_not_for_ever() {
        let web = services(&[("web", READY_AT, json!({ "selector": { "app": "web" } }))]);
        assert_eq!(left(&web, "False", 1), Some(29));
        assert_eq!(left(&web, "True", 1), None);
        assert_eq!(left(&web, "False", 30), None);
        assert_eq!(left(&web, "False", -500), Some(30));
        let now = READY_AT.parse().unwrap();
        assert_eq!(wait_left_s(TIMEOUT, &web, "other", &pod("False"), now), None);
        assert_eq!(wait_left_s(Duration::ZERO, &web, "default", &pod("False"), now), None);
    }

    #[test]
    fn services_that_select_others_or_came_later_are_not_waited_for() {
        let late = "2026-01-01T00:01:01Z";
        let others = services(&[
            ("late", late, json!({ "selector": { "app": "web" } })),
            ("other", READY_AT, json!({ "selector": { "app": "api" } })),
            ("none", READY_AT, json!({})),
            ("external", READY_AT, json!({ "type": "ExternalName", "selector": { "app": "web" } })),
        ]);
        assert_eq!(left(&others, "False", 1), None);
    }
}
