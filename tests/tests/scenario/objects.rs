//! Kubernetes objects from YAML, as the model has them: as much as scenarios say.

use std::num::NonZeroU16;
use std::path::Path;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use serde::Deserialize;
use sheave_core::model::{
    Endpoint, EndpointPort, EndpointSlice, HostPort, Node, ObjectKey, Protocol, Service,
    ServicePort, ServiceType, TrafficPolicy, Update,
};

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Object {
    Node(Box<core::Node>),
    Service(Box<core::Service>),
    EndpointSlice(Box<discovery::EndpointSlice>),
    Pod(Box<core::Pod>),
}

/// The objects of a file, in its order; host ports of pods last.
pub(crate) fn read(path: &Path) -> Vec<Update> {
    let text = std::fs::read_to_string(path).unwrap();
    let documents: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut updates = Vec::new();
    let mut ports = Vec::new();
    for document in documents {
        updates.push(match serde_json::from_value(document).unwrap() {
            Object::Node(object) => Update::Node(node(*object)),
            Object::Service(object) => Update::Service(service(*object)),
            Object::EndpointSlice(object) => Update::EndpointSlice(slice(*object)),
            Object::Pod(object) => {
                ports.extend(host_ports(*object));
                continue;
            }
        });
    }
    updates.push(Update::HostPorts(ports));
    updates
}

/// The annotation stands for a flag of the agent.
fn node(object: core::Node) -> Node {
    let annotations = object.metadata.annotations.unwrap_or_default();
    let zone = object.metadata.labels.unwrap_or_default().remove("topology.kubernetes.io/zone");
    let addresses = object.status.and_then(|status| status.addresses).unwrap_or_default();
    Node {
        name: object.metadata.name.unwrap(),
        zone: zone.unwrap_or_default(),
        node_port_addresses: addresses.iter().map(|a| a.address.parse().unwrap()).collect(),
        external_cluster_ips: annotations.contains_key("external-cluster-ip"),
    }
}

fn host_ports(object: core::Pod) -> Vec<HostPort> {
    let pod = key(&object.metadata);
    let ips = object.status.and_then(|status| status.pod_ips).unwrap_or_default();
    let containers = object.spec.unwrap().containers.into_iter();
    let ports = containers.flat_map(|container| container.ports.unwrap_or_default());
    let of_port = |port: core::ContainerPort| {
        let of_ip = |ip: &core::PodIP| HostPort {
            pod: pod.clone(),
            host_ip: port.host_ip.as_ref().map(|ip| ip.parse().unwrap()),
            host_port: number(port.host_port.unwrap()),
            protocol: protocol(port.protocol.as_deref()),
            pod_ip: ip.ip.parse().unwrap(),
            container_port: number(port.container_port),
        };
        ips.iter().map(of_ip).collect::<Vec<_>>()
    };
    ports.filter(|port| port.host_port.is_some()).flat_map(of_port).collect()
}

fn service(object: core::Service) -> Service {
    let key = key(&object.metadata);
    let spec = object.spec.unwrap();
    let ingress = object.status.and_then(|status| status.load_balancer?.ingress);
    let ips = |ips: Option<Vec<String>>| {
        ips.unwrap_or_default().iter().map(|ip| ip.parse().unwrap()).collect()
    };
    let ranges = spec.load_balancer_source_ranges.unwrap_or_default();
    let client_ip = spec.session_affinity.as_deref() == Some("ClientIP");
    let timeout = spec.session_affinity_config.and_then(|config| config.client_ip?.timeout_seconds);
    let port = |port: core::ServicePort| ServicePort {
        name: port.name.unwrap_or_default(),
        protocol: protocol(port.protocol.as_deref()),
        port: number(port.port),
        node_port: port.node_port.map(number),
    };
    Service {
        key,
        service_type: match spec.type_.as_deref() {
            Some("NodePort") => ServiceType::NodePort,
            Some("LoadBalancer") => ServiceType::LoadBalancer,
            _ => ServiceType::ClusterIp,
        },
        cluster_ips: ips(spec.cluster_ips),
        external_ips: ips(spec.external_ips),
        load_balancer_ips: ips(ingress.map(|all| all.into_iter().filter_map(|i| i.ip).collect())),
        ports: spec.ports.unwrap().into_iter().map(port).collect(),
        internal_traffic_policy: policy(spec.internal_traffic_policy.as_deref()),
        external_traffic_policy: policy(spec.external_traffic_policy.as_deref()),
        affinity_timeout_s: client_ip.then(|| timeout.unwrap_or(10_800) as u32),
        source_ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        health_check_node_port: spec.health_check_node_port.map(number),
    }
}

fn slice(object: discovery::EndpointSlice) -> EndpointSlice {
    let labels = object.metadata.labels.as_ref().unwrap();
    let ports = object.ports.unwrap_or_default().into_iter().map(|port| EndpointPort {
        name: port.name.unwrap_or_default(),
        protocol: protocol(port.protocol.as_deref()),
        port: number(port.port.unwrap()),
    });
    EndpointSlice {
        key: key(&object.metadata),
        service_name: labels["kubernetes.io/service-name"].clone(),
        ports: ports.collect(),
        endpoints: object.endpoints.into_iter().flatten().map(endpoint).collect(),
    }
}

fn endpoint(object: discovery::Endpoint) -> Endpoint {
    let conditions = object.conditions.unwrap_or_default();
    let hints = object.hints.unwrap_or_default();
    Endpoint {
        addresses: object.addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
        ready: conditions.ready.unwrap_or(true),
        serving: conditions.serving.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
        node_name: object.node_name.unwrap_or_default(),
        zone: object.zone.unwrap_or_default(),
        zone_hints: hints.for_zones.unwrap_or_default().into_iter().map(|z| z.name).collect(),
        node_hints: hints.for_nodes.unwrap_or_default().into_iter().map(|n| n.name).collect(),
        hostname: String::new(),
    }
}

fn key(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> ObjectKey {
    let namespace = metadata.namespace.clone().unwrap_or_else(|| "default".into());
    ObjectKey { namespace, name: metadata.name.clone().unwrap() }
}

fn policy(policy: Option<&str>) -> TrafficPolicy {
    match policy {
        Some("Local") => TrafficPolicy::Local,
        _ => TrafficPolicy::Cluster,
    }
}

fn protocol(protocol: Option<&str>) -> Protocol {
    match protocol {
        None | Some("TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => panic!("unknown protocol {other}"),
    }
}

fn number(port: i32) -> NonZeroU16 {
    NonZeroU16::try_from(u16::try_from(port).unwrap()).unwrap()
}
