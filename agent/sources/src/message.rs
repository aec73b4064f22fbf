//! Messages of the node protocol to the agent's model. Pure.

use std::fmt;

use prost::Message;
use sheave_core::model::{
    Endpoint, EndpointPort, EndpointSlice, LeadsTo, NamedService, Node, ObjectKey, Peer, Protocol,
    Service, ServicePort, ServiceType, TrafficPolicy,
};
use sheave_push::v1;

use crate::invalid::{
    self, Invalid, Wrong, addresses, health_check_node_port, optional_port, port, ranges,
};
use crate::push::ThisNode;

/// Put on nodes by the cluster autoscaler before it takes them away.
const TO_BE_DELETED_TAINT: &str = "ToBeDeletedByClusterAutoscaler";

/// A key as the protocol writes it.
pub fn key(key: &v1::ObjectKey) -> ObjectKey {
    ObjectKey { namespace: key.namespace.clone(), name: key.name.clone() }
}

/// A Service this node serves, or one that is not ours to serve and only has names: headless,
/// ExternalName, or another proxy's.
///
/// # Errors
/// The first field that is wrong.
pub fn service(bytes: &[u8]) -> Result<Result<Service, NamedService>, Invalid> {
    let message = v1::Service::decode(bytes).map_err(|_| undecodable("Service"))?;
    let key = object_key("Service", message.key.as_ref())?;
    let decoded = match message.r#type() {
        v1::ServiceType::ExternalName => named(&message, key.clone()).map(Err),
        _ if message.other_proxy || message.cluster_ips.is_empty() => {
            named(&message, key.clone()).map(Err)
        }
        v1::ServiceType::ClusterIp => served(&message, key.clone(), ServiceType::ClusterIp).map(Ok),
        v1::ServiceType::NodePort => served(&message, key.clone(), ServiceType::NodePort).map(Ok),
        v1::ServiceType::LoadBalancer => {
            served(&message, key.clone(), ServiceType::LoadBalancer).map(Ok)
        }
    };
    decoded.map_err(|wrong| wrong.of("Service", &key))
}

fn named(message: &v1::Service, key: ObjectKey) -> Result<NamedService, Wrong> {
    let leads_to = if message.r#type() == v1::ServiceType::ExternalName {
        LeadsTo::Name(message.external_name.clone())
    } else if message.cluster_ips.is_empty() {
        LeadsTo::Endpoints { publish_not_ready: message.publish_not_ready_addresses }
    } else {
        LeadsTo::Addresses(addresses("spec.clusterIPs", &message.cluster_ips)?)
    };
    Ok(NamedService { key, leads_to, ports: service_ports(message)? })
}

fn service_ports(message: &v1::Service) -> Result<Vec<ServicePort>, Wrong> {
    let ports = message.ports.iter().enumerate().map(|(index, message)| {
        let v1::ServicePort { protocol: number, port: on_address, node_port, .. } = message;
        Ok(ServicePort {
            name: message.name.clone(),
            protocol: protocol(format_args!("spec.ports[{index}].protocol"), *number)?,
            port: port(format_args!("spec.ports[{index}].port"), *on_address)?,
            node_port: optional_port(format_args!("spec.ports[{index}].nodePort"), *node_port)?,
        })
    });
    ports.collect()
}

fn served(
    message: &v1::Service,
    key: ObjectKey,
    service_type: ServiceType,
) -> Result<Service, Wrong> {
    let balancer: Vec<String> = message
        .load_balancer_ingress
        .iter()
        .filter(|ingress| !ingress.proxy_mode)
        .map(|ingress| ingress.ip.clone())
        .collect();
    Ok(Service {
        key,
        service_type,
        cluster_ips: addresses("spec.clusterIPs", &message.cluster_ips)?,
        external_ips: addresses("spec.externalIPs", &message.external_ips)?,
        load_balancer_ips: addresses("status.loadBalancer.ingress", &balancer)?,
        ports: service_ports(message)?,
        internal_traffic_policy: policy(message.internal_traffic_policy()),
        external_traffic_policy: policy(message.external_traffic_policy()),
        affinity_timeout_s: Some(message.affinity_timeout_seconds).filter(|seconds| *seconds > 0),
        source_ranges: ranges(
            "spec.loadBalancerSourceRanges",
            &message.load_balancer_source_ranges,
        )?,
        health_check_node_port: health_check_node_port(
            service_type,
            policy(message.external_traffic_policy()),
            message.health_check_node_port,
        )?,
    })
}

/// A part of a Service's endpoints.
///
/// # Errors
/// The first field that is wrong.
pub fn endpoint_slice(bytes: &[u8]) -> Result<EndpointSlice, Invalid> {
    let message = v1::EndpointSlice::decode(bytes).map_err(|_| undecodable("EndpointSlice"))?;
    let key = object_key("EndpointSlice", message.key.as_ref())?;
    slice(message, key.clone()).map_err(|wrong| wrong.of("EndpointSlice", &key))
}

fn slice(message: v1::EndpointSlice, key: ObjectKey) -> Result<EndpointSlice, Wrong> {
    let ports = message.ports.into_iter().enumerate().map(|(index, message)| {
        Ok(EndpointPort {
            name: message.name,
            protocol: protocol(format_args!("ports[{index}].protocol"), message.protocol)?,
            port: port(format_args!("ports[{index}].port"), message.port)?,
        })
    });
    let endpoints = message.endpoints.into_iter().enumerate().map(|(index, message)| {
        let field = format_args!("endpoints[{index}].addresses");
        let addresses = addresses(field, &message.addresses)?;
        if addresses.is_empty() {
            return Err(Wrong::new(field, "[]", "must contain at least 1 address"));
        }
        Ok(Endpoint {
            addresses,
            ready: message.ready,
            serving: message.serving,
            terminating: message.terminating,
            node_name: message.node_name,
            zone: message.zone,
            zone_hints: message.zone_hints,
            node_hints: message.node_hints,
            hostname: message.hostname,
        })
    });
    let mut endpoints = endpoints.collect::<Result<Vec<_>, Wrong>>()?;
    // The decoder leaves room for as many again, and these are kept.
    endpoints.shrink_to_fit();
    Ok(EndpointSlice {
        key,
        service_name: message.service_name,
        ports: ports.collect::<Result<_, Wrong>>()?,
        endpoints,
    })
}

/// Another node.
///
/// # Errors
/// The first field that is wrong.
pub fn peer(bytes: &[u8]) -> Result<Peer, Invalid> {
    let message = v1::NodePeer::decode(bytes).map_err(|_| undecodable("Node"))?;
    let v1::NodePeer { name, addresses, pod_cidrs } = message;
    invalid::peer(&name, &addresses, &pod_cidrs)
}

/// This node's own description, from a v1 Node in JSON. NodePorts are served on its internal addresses.
///
/// # Errors
/// When it is no Node, or an address is none.
pub fn node(json: &[u8]) -> Result<ThisNode, Invalid> {
    let node: k8s_openapi::api::core::v1::Node =
        serde_json::from_slice(json).map_err(|_| undecodable("Node"))?;
    let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let leaving = node.metadata.deletion_timestamp.is_some()
        || taints.iter().any(|taint| taint.key == TO_BE_DELETED_TAINT);
    let name = node.metadata.name.unwrap_or_default();
    let labels = node.metadata.labels.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let internal: Vec<String> = status
        .addresses
        .unwrap_or_default()
        .into_iter()
        .filter(|address| address.type_ == "InternalIP")
        .map(|address| address.address)
        .collect();
    let key = ObjectKey { namespace: String::new(), name: name.clone() };
    let node = Node {
        name,
        zone: labels.get("topology.kubernetes.io/zone").cloned().unwrap_or_default(),
        node_port_addresses: addresses("status.addresses", &internal)
            .map_err(|wrong| wrong.of("Node", &key))?,
        ..Node::default()
    };
    Ok(ThisNode { node, leaving })
}

fn protocol(field: impl fmt::Display, number: i32) -> Result<Protocol, Wrong> {
    match v1::Protocol::try_from(number) {
        Ok(v1::Protocol::Tcp) => Ok(Protocol::Tcp),
        Ok(v1::Protocol::Udp) => Ok(Protocol::Udp),
        Ok(v1::Protocol::Sctp) => Ok(Protocol::Sctp),
        Ok(v1::Protocol::Unspecified) | Err(_) => {
            Err(Wrong::new(field, number, "supported values: TCP, UDP, SCTP"))
        }
    }
}

fn policy(policy: v1::TrafficPolicy) -> TrafficPolicy {
    match policy {
        v1::TrafficPolicy::Cluster => TrafficPolicy::Cluster,
        v1::TrafficPolicy::Local => TrafficPolicy::Local,
    }
}

fn object_key(kind: &'static str, message: Option<&v1::ObjectKey>) -> Result<ObjectKey, Invalid> {
    let key = message.map(key).unwrap_or_else(nobody);
    if key.namespace.is_empty() || key.name.is_empty() {
        let why = "namespace and name must not be empty";
        return Err(Wrong::new("metadata", "\"\"", why).of(kind, &key));
    }
    Ok(key)
}

fn undecodable(kind: &'static str) -> Invalid {
    let why = "cannot be decoded: server and agent may be of versions that do not fit";
    Wrong::new("(message)", "(bytes)", why).of(kind, &nobody())
}

fn nobody() -> ObjectKey {
    ObjectKey { namespace: String::new(), name: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> v1::Service {
        v1::Service {
            key: Some(v1::ObjectKey { namespace: "default".into(), name: "web".into() }),
            cluster_ips: vec!["10.96.0.7".into()],
            ports: vec![v1::ServicePort {
                protocol: 1,
                port: 80,
                node_port: 30080,
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn decode(message: &v1::Service) -> Result<Result<Service, NamedService>, Invalid> {
        service(&message.encode_to_vec())
    }

    #[test]
    fn a_service_is_decoded_whole() {
        let message = v1::Service {
            r#type: v1::ServiceType::LoadBalancer as i32,
            external_traffic_policy: v1::TrafficPolicy::Local as i32,
            affinity_timeout_seconds: 60,
            health_check_node_port: 31000,
            load_balancer_source_ranges: vec!["192.0.2.9/24".into(), " 2001:db8::/64 ".into()],
            load_balancer_ingress: vec![
                v1::LoadBalancerIngress { ip: "192.0.2.1".into(), proxy_mode: false },
                v1::LoadBalancerIngress { ip: "192.0.2.2".into(), proxy_mode: true },
            ],
            ..web()
        };
        let service = decode(&message).unwrap().unwrap();
        assert_eq!(service.service_type, ServiceType::LoadBalancer);
        assert_eq!(service.load_balancer_ips, ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!(service.external_traffic_policy, TrafficPolicy::Local);
        assert_eq!(service.internal_traffic_policy, TrafficPolicy::Cluster);
        assert_eq!(service.affinity_timeout_s, Some(60));
        assert_eq!(service.ports[0].node_port.map(u16::from), Some(30080));
        assert_eq!(service.health_check_node_port.map(u16::from), Some(31000));
        let ranges: Vec<_> = service.source_ranges.iter().map(ToString::to_string).collect();
        assert_eq!(ranges, ["192.0.2.0/24", "2001:db8::/64"], "of the network, without spaces");

        let cluster = v1::Service { external_traffic_policy: 0, ..message };
        let service = decode(&cluster).unwrap().unwrap();
        assert_eq!(service.health_check_node_port, None, "every node would be as good");
    }

    #[test]
    fn what_is_not_ours_to_serve_is_named_and_nothing_more() {
        let headless =
            v1::Service { cluster_ips: vec![], publish_not_ready_addresses: true, ..web() };
        let external = v1::Service {
            r#type: v1::ServiceType::ExternalName as i32,
            cluster_ips: vec![],
            external_name: "example.com".into(),
            ..web()
        };
        let other = v1::Service { other_proxy: true, ..web() };
        let address = "10.96.0.7".parse().unwrap();
        let cases = [
            (headless, LeadsTo::Endpoints { publish_not_ready: true }),
            (external, LeadsTo::Name("example.com".into())),
            (other, LeadsTo::Addresses(vec![address])),
        ];
        for (message, leads_to) in cases {
            let named = decode(&message).unwrap().unwrap_err();
            assert_eq!((named.key.name.as_str(), named.leads_to), ("web", leads_to));
            assert_eq!(named.ports.len(), 1);
        }
    }

    #[test]
    fn refusals_name_object_and_field() {
        let port = |port| v1::Service {
            ports: vec![v1::ServicePort { protocol: 1, port, ..Default::default() }],
            ..web()
        };
        let cases = [
            (
                port(0),
                "Service default/web: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
            ),
            (
                port(70000),
                "Service default/web: spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            ),
            (
                v1::Service { cluster_ips: vec!["x".into()], ..web() },
                "Service default/web: spec.clusterIPs[0]: Invalid value: x: must be a valid IP address",
            ),
            (
                v1::Service { load_balancer_source_ranges: vec!["10.0.0.1".into()], ..web() },
                "Service default/web: spec.loadBalancerSourceRanges[0]: Invalid value: 10.0.0.1: must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            ),
        ];
        for (message, expected) in cases {
            assert_eq!(decode(&message).unwrap_err().to_string(), expected);
        }
        assert!(service(b"\xff\xff").is_err());
    }

    #[test]
    fn an_endpoint_without_address_is_refused() {
        let message = v1::EndpointSlice {
            key: Some(v1::ObjectKey { namespace: "default".into(), name: "web-1".into() }),
            endpoints: vec![v1::Endpoint::default()],
            ..Default::default()
        };
        let error = endpoint_slice(&message.encode_to_vec()).unwrap_err().to_string();
        assert!(
            error.starts_with("EndpointSlice default/web-1: endpoints[0].addresses: Invalid value")
        );
    }

    #[test]
    fn a_node_serves_node_ports_on_its_internal_addresses() {
        let json = br#"{"metadata":{"name":"n1","labels":{"topology.kubernetes.io/zone":"z"}},
            "status":{"addresses":[{"type":"Hostname","address":"n1"},{"type":"InternalIP","address":"192.0.2.9"}]}}"#;
        let ThisNode { node, leaving } = node(json).unwrap();
        assert!(!leaving);
        assert_eq!((node.name.as_str(), node.zone.as_str()), ("n1", "z"));
        assert_eq!(node.node_port_addresses, ["192.0.2.9".parse::<std::net::IpAddr>().unwrap()]);
    }

    #[test]
    fn a_node_that_is_deleted_or_about_to_be_is_leaving() {
        for json in [
            r#"{"metadata":{"name":"n","deletionTimestamp":"2026-01-01T00:00:00Z"}}"#,
            r#"{"metadata":{"name":"n"},"spec":{"taints":[
                {"key":"ToBeDeletedByClusterAutoscaler","effect":"NoSchedule"}]}}"#,
        ] {
            assert!(node(json.as_bytes()).unwrap().leaving, "{json}");
        }
        let other =
            r#"{"metadata":{"name":"n"},"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}}"#;
        assert!(!node(other.as_bytes()).unwrap().leaving);
    }
}
