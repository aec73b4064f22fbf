//! Kubernetes objects to messages of the node protocol. Pure.
//!
//! It passes on what the API says, without deciding anything: which endpoints to use is each node's own
//! decision. Stored objects have been validated, so what cannot be read here is left out.

use bytes::Bytes;
use k8s_openapi::api::core::v1::{Node, Service, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use prost::Message;
use sheave_api::ObjectKey;
use sheave_push::v1;

const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
const PROXY_NAME_LABEL: &str = "service.kubernetes.io/service-proxy-name";
/// Seconds; what Kubernetes uses when session affinity has no timeout.
const AFFINITY_TIMEOUT_DEFAULT: i32 = 10_800;

/// The key as the protocol writes it.
pub(crate) fn key(key: &ObjectKey) -> v1::ObjectKey {
    v1::ObjectKey { namespace: key.namespace.clone(), name: key.name.clone() }
}

/// An encoded `Service`.
pub(crate) fn service(object_key: &ObjectKey, service: &Service) -> Bytes {
    let Some(spec) = &service.spec else { return Bytes::new() };
    let affinity = spec.session_affinity.as_deref() == Some("ClientIP");
    let timeout = spec
        .session_affinity_config
        .as_ref()
        .and_then(|c| c.client_ip.as_ref()?.timeout_seconds)
        .unwrap_or(AFFINITY_TIMEOUT_DEFAULT);
    let cluster_ips = spec.cluster_ips.clone().or_else(|| Some(vec![spec.cluster_ip.clone()?]));
    let labels = service.metadata.labels.as_ref();
    v1::Service {
        key: Some(key(object_key)),
        uid: service.metadata.uid.clone().unwrap_or_default(),
        r#type: service_type(spec.type_.as_deref()) as i32,
        cluster_ips: cluster_ips
            .unwrap_or_default()
            .into_iter()
            .filter(|ip| !ip.is_empty() && ip != "None")
            .collect(),
        external_ips: spec.external_ips.clone().unwrap_or_default(),
        load_balancer_ingress: ingress(service),
        load_balancer_source_ranges: spec.load_balancer_source_ranges.clone().unwrap_or_default(),
        ports: spec.ports.iter().flatten().map(port).collect(),
        internal_traffic_policy: policy(spec.internal_traffic_policy.as_deref()) as i32,
        external_traffic_policy: policy(spec.external_traffic_policy.as_deref()) as i32,
        affinity_timeout_seconds: if affinity { unsigned(timeout) } else { 0 },
        health_check_node_port: unsigned(spec.health_check_node_port.unwrap_or_default()),
        publish_not_ready_addresses: spec.publish_not_ready_addresses.unwrap_or_default(),
        traffic_distribution: spec.traffic_distribution.clone().unwrap_or_default(),
        other_proxy: labels.is_some_and(|l| l.contains_key(PROXY_NAME_LABEL)),
        external_name: spec.external_name.clone().unwrap_or_default(),
    }
    .encode_to_vec()
    .into()
}

/// An encoded `EndpointSlice`.
pub(crate) fn endpoint_slice(object_key: &ObjectKey, slice: &EndpointSlice) -> Bytes {
    let ports = slice.ports.iter().flatten().filter_map(|port| {
        Some(v1::EndpointPort {
            name: port.name.clone().unwrap_or_default(),
            protocol: protocol(port.protocol.as_deref()) as i32,
            // A port of null means all ports, which only means something to packet filters.
            port: unsigned(port.port?),
        })
    });
    v1::EndpointSlice {
        key: Some(key(object_key)),
        service_name: service_of(slice).to_owned(),
        address_type: slice.address_type.clone(),
        ports: ports.collect(),
        endpoints: slice.endpoints.iter().flatten().map(endpoint).collect(),
    }
    .encode_to_vec()
    .into()
}

/// An encoded `NodePeer`: a node as the others must know it.
pub(crate) fn peer(name: &str, node: &Node) -> Bytes {
    let status = node.status.as_ref();
    let addresses = status.and_then(|status| status.addresses.as_ref()).into_iter().flatten();
    let internal = addresses.filter(|address| address.type_ == "InternalIP");
    let mut one_a_family = Vec::<String>::new();
    for address in internal.map(|address| &address.address) {
        let is_v6 = |text: &String| text.contains(':');
        if one_a_family.iter().all(|known| is_v6(known) != is_v6(address)) {
            one_a_family.push(address.clone());
        }
    }
    let pod_cidrs = node.spec.as_ref().and_then(|spec| spec.pod_cidrs.clone());
    v1::NodePeer {
        name: name.to_owned(),
        addresses: one_a_family,
        pod_cidrs: pod_cidrs.unwrap_or_default(),
    }
    .encode_to_vec()
    .into()
}

/// The Service that a slice is of, or nothing.
pub(crate) fn service_of(slice: &EndpointSlice) -> &str {
    let labels = slice.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(SERVICE_NAME_LABEL)).map_or("", String::as_str)
}

fn endpoint(endpoint: &Endpoint) -> v1::Endpoint {
    let conditions = endpoint.conditions.as_ref();
    let hints = endpoint.hints.as_ref();
    v1::Endpoint {
        addresses: endpoint.addresses.clone(),
        ready: conditions.and_then(|c| c.ready).unwrap_or(true),
        serving: conditions.and_then(|c| c.serving.or(c.ready)).unwrap_or(true),
        terminating: conditions.and_then(|c| c.terminating).unwrap_or(false),
        node_name: endpoint.node_name.clone().unwrap_or_default(),
        zone: endpoint.zone.clone().unwrap_or_default(),
        zone_hints: hints
            .and_then(|h| h.for_zones.as_ref())
            .map(|zones| zones.iter().map(|z| z.name.clone()).collect())
            .unwrap_or_default(),
        node_hints: hints
            .and_then(|h| h.for_nodes.as_ref())
            .map(|nodes| nodes.iter().map(|n| n.name.clone()).collect())
            .unwrap_or_default(),
        hostname: endpoint.hostname.clone().unwrap_or_default(),
    }
}

fn ingress(service: &Service) -> Vec<v1::LoadBalancerIngress> {
    let status = service.status.as_ref().and_then(|s| s.load_balancer.as_ref());
    status
        .and_then(|l| l.ingress.as_ref())
        .into_iter()
        .flatten()
        .filter_map(|ingress| {
            Some(v1::LoadBalancerIngress {
                ip: ingress.ip.clone()?,
                proxy_mode: ingress.ip_mode.as_deref() == Some("Proxy"),
            })
        })
        .collect()
}

fn port(port: &ServicePort) -> v1::ServicePort {
    v1::ServicePort {
        name: port.name.clone().unwrap_or_default(),
        protocol: protocol(port.protocol.as_deref()) as i32,
        port: unsigned(port.port),
        node_port: unsigned(port.node_port.unwrap_or_default()),
    }
}

fn service_type(name: Option<&str>) -> v1::ServiceType {
    match name {
        Some("NodePort") => v1::ServiceType::NodePort,
        Some("LoadBalancer") => v1::ServiceType::LoadBalancer,
        Some("ExternalName") => v1::ServiceType::ExternalName,
        _ => v1::ServiceType::ClusterIp,
    }
}

fn policy(name: Option<&str>) -> v1::TrafficPolicy {
    match name {
        Some("Local") => v1::TrafficPolicy::Local,
        _ => v1::TrafficPolicy::Cluster,
    }
}

fn protocol(name: Option<&str>) -> v1::Protocol {
    match name {
        Some("UDP") => v1::Protocol::Udp,
        Some("SCTP") => v1::Protocol::Sctp,
        _ => v1::Protocol::Tcp,
    }
}

/// The API's signed numbers are never negative where validation has seen them.
fn unsigned(number: i32) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn decode_service(value: Value) -> v1::Service {
        let typed: Service = serde_json::from_value(value).unwrap();
        v1::Service::decode(service(&ObjectKey::new("default", "web"), &typed)).unwrap()
    }

    #[test]
    fn a_service_keeps_its_fields() {
        let message = decode_service(json!({
            "metadata": { "uid": "u1" },
            "spec": {
                "type": "NodePort", "clusterIP": "10.96.0.5", "clusterIPs": ["10.96.0.5"],
                "ports": [{ "name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP" }],
                "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local",
            },
        }));
        assert_eq!(message.r#type(), v1::ServiceType::NodePort);
        assert_eq!(message.cluster_ips, ["10.96.0.5"]);
        assert_eq!((message.ports[0].port, message.ports[0].node_port), (80, 30080));
        assert_eq!(message.affinity_timeout_seconds, 10_800);
        assert_eq!(message.external_traffic_policy(), v1::TrafficPolicy::Local);
        assert_eq!(message.internal_traffic_policy(), v1::TrafficPolicy::Cluster);
    }

    #[test]
    fn a_peer_has_one_internal_address_a_family_and_its_ranges() {
        let typed: Node = serde_json::from_value(json!({
            "spec": { "podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24", "fd00:1::/64"] },
            "status": { "addresses": [
                { "type": "Hostname", "address": "n2" },
                { "type": "InternalIP", "address": "192.0.2.2" },
                { "type": "ExternalIP", "address": "198.51.100.2" },
                { "type": "InternalIP", "address": "192.0.2.3" },
                { "type": "InternalIP", "address": "2001:db8::2" },
            ] },
        }))
        .unwrap();
        let message = v1::NodePeer::decode(peer("n2", &typed)).unwrap();
        assert_eq!(message.addresses, ["192.0.2.2", "2001:db8::2"]);
        assert_eq!(message.pod_cidrs, ["10.244.1.0/24", "fd00:1::/64"]);
        let nothing = v1::NodePeer::decode(peer("n3", &Node::default())).unwrap();
        assert_eq!(nothing, v1::NodePeer { name: "n3".into(), ..v1::NodePeer::default() });
    }

    #[test]
    fn a_headless_service_has_no_address() {
        let message = decode_service(json!({
            "spec": { "clusterIP": "None", "clusterIPs": ["None"], "ports": [] },
        }));
        assert!(message.cluster_ips.is_empty());
    }

    #[test]
    fn absent_conditions_mean_what_the_api_says() {
        let typed: EndpointSlice = serde_json::from_value(json!({
            "metadata": { "labels": { "kubernetes.io/service-name": "web" } },
            "addressType": "IPv4",
            "ports": [{ "port": 8080 }],
            "endpoints": [
                { "addresses": ["10.244.0.2"] },
                { "addresses": ["10.244.0.3"], "conditions": { "ready": false, "terminating": true } },
            ],
        }))
        .unwrap();
        let key = ObjectKey::new("default", "web-1");
        let message = v1::EndpointSlice::decode(endpoint_slice(&key, &typed)).unwrap();
        let seen: Vec<_> =
            message.endpoints.iter().map(|e| (e.ready, e.serving, e.terminating)).collect();
        assert_eq!(seen, [(true, true, false), (false, false, true)]);
        assert_eq!(message.service_name, "web");
    }
}
