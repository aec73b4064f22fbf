//! Topology hints: who should use an endpoint first, by `spec.trafficDistribution` (KEP-4444, KEP-3015).
//! Pure.
//!
//! Whether a node follows them is its own decision, and it only does while every ready endpoint has one.

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use super::candidates::Candidate;

/// Which hints the endpoints of a Service carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hints {
    /// None: traffic goes anywhere.
    None,
    /// The endpoint's own zone.
    Zone,
    /// Its own node, and its zone for nodes that have no endpoint.
    NodeAndZone,
}

impl Hints {
    /// As the Service asks for.
    pub(super) fn of(service: &Service) -> Self {
        let spec = service.spec.as_ref();
        match spec.and_then(|spec| spec.traffic_distribution.as_deref()) {
            Some("PreferClose" | "PreferSameZone") => Self::Zone,
            Some("PreferSameNode") => Self::NodeAndZone,
            _ => Self::None,
        }
    }

    /// The `hints` of an endpoint. Only ready ones have any: others take no traffic that could be directed.
    pub(super) fn of_endpoint(self, candidate: &Candidate) -> Option<Value> {
        if self == Self::None || !candidate.ready() {
            return None;
        }
        let mut hints = json!({});
        if !candidate.zone.is_empty() {
            hints["forZones"] = json!([{ "name": candidate.zone }]);
        }
        if self == Self::NodeAndZone && !candidate.node_name.is_empty() {
            hints["forNodes"] = json!([{ "name": candidate.node_name }]);
        }
        hints.as_object().is_some_and(|fields| !fields.is_empty()).then_some(hints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_api::ObjectKey;

    fn candidate(zone: &str, serving: bool) -> Candidate {
        Candidate {
            address: std::net::Ipv4Addr::new(10, 244, 0, 2).into(),
            ports: Vec::new(),
            serving,
            terminating: false,
            publish_not_ready: false,
            node_name: "n1".into(),
            zone: zone.into(),
            hostname: None,
            pod: ObjectKey::new("default", "p"),
            pod_uid: "u".into(),
        }
    }

    fn hints(distribution: Option<&str>, candidate: &Candidate) -> Option<Value> {
        let spec = json!({ "trafficDistribution": distribution });
        let service: Service = serde_json::from_value(json!({ "spec": spec })).unwrap();
        Hints::of(&service).of_endpoint(candidate)
    }

    #[test]
    fn they_follow_the_traffic_distribution() {
        let zone = Some(json!({ "forZones": [{ "name": "a" }] }));
        let here = candidate("a", true);
        assert_eq!(hints(None, &here), None);
        assert_eq!(hints(Some("PreferClose"), &here), zone);
        assert_eq!(hints(Some("PreferSameZone"), &here), zone);
        let both = json!({ "forZones": [{ "name": "a" }], "forNodes": [{ "name": "n1" }] });
        assert_eq!(hints(Some("PreferSameNode"), &here), Some(both));
    }

    #[test]
    fn no_zone_no_hint_and_none_for_those_that_are_not_ready() {
        assert_eq!(hints(Some("PreferSameZone"), &candidate("", true)), None);
        let node = Some(json!({ "forNodes": [{ "name": "n1" }] }));
        assert_eq!(hints(Some("PreferSameNode"), &candidate("", true)), node);
        assert_eq!(hints(Some("PreferSameNode"), &candidate("a", false)), None);
    }
}
