//! Kubernetes objects, as manifests write them, to the agent's model. Pure.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sheave_core::model::{
    Endpoint, EndpointPort, EndpointSlice, LeadsTo, NamedService, ObjectKey, Peer, Protocol,
    Service, ServicePort, ServiceType, TrafficPolicy,
};

use crate::invalid::{
    self, Invalid, Wrong, addresses, health_check_node_port, optional_port, port, ranges,
};

/// Seconds of session affinity when the Service does not say.
const AFFINITY_TIMEOUT_S_DEFAULT: i32 = 10_800;
/// Endpoints belong to the Service that this label names.
const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// A Service with this label is another proxy's.
const PROXY_NAME_LABEL: &str = "service.kubernetes.io/service-proxy-name";

/// Namespace and name; without a namespace it is `default`, as for kubectl.
pub fn key(metadata: &ObjectMeta) -> ObjectKey {
    ObjectKey {
        namespace: metadata.namespace.clone().unwrap_or_else(|| "default".into()),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

/// A Service this node serves, or one that is not ours to serve and only has names: headless,
/// ExternalName, or another proxy's.
///
/// # Errors
/// The first field that is wrong.
pub fn service(object: &core::Service) -> Result<Result<Service, NamedService>, Invalid> {
    let key = key(&object.metadata);
    let decoded = match named(object, &key) {
        Ok(Some(named)) => Ok(Err(named)),
        Ok(None) => served(object, &key).map(Ok),
        Err(wrong) => Err(wrong),
    };
    decoded.map_err(|wrong| wrong.of("Service", &key))
}

/// `None`: it is to be served.
fn named(object: &core::Service, key: &ObjectKey) -> Result<Option<NamedService>, Wrong> {
    let spec = object.spec.clone().unwrap_or_default();
    let labels = object.metadata.labels.as_ref();
    let leads_to = if spec.type_.as_deref() == Some("ExternalName") {
        LeadsTo::Name(spec.external_name.clone().unwrap_or_default())
    } else {
        let cluster_ips = cluster_ips(&spec);
        if cluster_ips.first().is_none_or(|ip| ip == "None" || ip.is_empty()) {
            let publish_not_ready = spec.publish_not_ready_addresses.unwrap_or_default();
            LeadsTo::Endpoints { publish_not_ready }
        } else if labels.is_some_and(|labels| labels.contains_key(PROXY_NAME_LABEL)) {
            LeadsTo::Addresses(addresses("spec.clusterIPs", &cluster_ips)?)
        } else {
            return Ok(None);
        }
    };
    let ports = service_ports(spec.ports.as_deref().unwrap_or_default())?;
    Ok(Some(NamedService { key: key.clone(), leads_to, ports }))
}

fn cluster_ips(spec: &core::ServiceSpec) -> Vec<String> {
    let one = || Some(vec![spec.cluster_ip.clone()?]);
    spec.cluster_ips.clone().or_else(one).unwrap_or_default()
}

fn service_ports(ports: &[core::ServicePort]) -> Result<Vec<ServicePort>, Wrong> {
    let ports = ports.iter().enumerate().map(|(index, object)| {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        Ok(ServicePort {
            name: object.name.clone().unwrap_or_default(),
            protocol: protocol(field("protocol"), object.protocol.as_deref())?,
            port: port(field("port"), object.port)?,
            node_port: optional_port(field("nodePort"), object.node_port.unwrap_or_default())?,
        })
    });
    ports.collect()
}

fn served(object: &core::Service, key: &ObjectKey) -> Result<Service, Wrong> {
    let spec = object.spec.clone().unwrap_or_default();
    let service_type = match spec.type_.as_deref() {
        None | Some("ClusterIP") => ServiceType::ClusterIp,
        Some("NodePort") => ServiceType::NodePort,
        Some("LoadBalancer") => ServiceType::LoadBalancer,
        Some(other) => {
            let why = "supported values: ClusterIP, NodePort, LoadBalancer, ExternalName";
            return Err(Wrong::new("spec.type", other, why));
        }
    };
    let cluster_ips = cluster_ips(&spec);
    let status = object.status.clone().and_then(|status| status.load_balancer).unwrap_or_default();
    let balancer: Vec<String> = status
        .ingress
        .unwrap_or_default()
        .into_iter()
        .filter(|ingress| ingress.ip_mode.as_deref() != Some("Proxy"))
        .filter_map(|ingress| ingress.ip)
        .collect();
    let timeout = spec.session_affinity_config.and_then(|config| config.client_ip?.timeout_seconds);
    let affinity = (spec.session_affinity.as_deref() == Some("ClientIP"))
        .then(|| timeout.unwrap_or(AFFINITY_TIMEOUT_S_DEFAULT));
    let external_traffic_policy =
        policy("spec.externalTrafficPolicy", spec.external_traffic_policy)?;
    Ok(Service {
        key: key.clone(),
        service_type,
        cluster_ips: addresses("spec.clusterIPs", &cluster_ips)?,
        external_ips: addresses("spec.externalIPs", &spec.external_ips.unwrap_or_default())?,
        load_balancer_ips: addresses("status.loadBalancer.ingress", &balancer)?,
        ports: service_ports(spec.ports.as_deref().unwrap_or_default())?,
        internal_traffic_policy: policy(
            "spec.internalTrafficPolicy",
            spec.internal_traffic_policy,
        )?,
        external_traffic_policy,
        affinity_timeout_s: affinity.map(affinity_timeout_s).transpose()?,
        source_ranges: ranges(
            "spec.loadBalancerSourceRanges",
            &spec.load_balancer_source_ranges.unwrap_or_default(),
        )?,
        health_check_node_port: health_check_node_port(
            service_type,
            external_traffic_policy,
            spec.health_check_node_port.unwrap_or_default(),
        )?,
    })
}

fn affinity_timeout_s(seconds: i32) -> Result<u32, Wrong> {
    u32::try_from(seconds).ok().filter(|seconds| (1..=86_400).contains(seconds)).ok_or_else(|| {
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        Wrong::new(field, seconds, "must be greater than 0 and at most 86400")
    })
}

/// A part of a Service's endpoints.
///
/// # Errors
/// The first field that is wrong.
pub fn endpoint_slice(object: &discovery::EndpointSlice) -> Result<EndpointSlice, Invalid> {
    let key = key(&object.metadata);
    slice(object, &key).map_err(|wrong| wrong.of("EndpointSlice", &key))
}

fn slice(object: &discovery::EndpointSlice, key: &ObjectKey) -> Result<EndpointSlice, Wrong> {
    let labels = object.metadata.labels.as_ref();
    let service_name = labels.and_then(|labels| labels.get(SERVICE_NAME_LABEL).cloned());
    // A port without a number means all ports, which only means something to packet filters.
    let numbered = object.ports.iter().flatten().filter_map(|object| Some((object, object.port?)));
    let ports = numbered.enumerate().map(|(index, (object, number))| {
        Ok(EndpointPort {
            name: object.name.clone().unwrap_or_default(),
            protocol: protocol(format!("ports[{index}].protocol"), object.protocol.as_deref())?,
            port: port(format!("ports[{index}].port"), number)?,
        })
    });
    let endpoints = object.endpoints.iter().flatten().enumerate();
    Ok(EndpointSlice {
        key: key.clone(),
        service_name: service_name.unwrap_or_default(),
        ports: ports.collect::<Result<_, Wrong>>()?,
        endpoints: endpoints
            .map(|(index, object)| endpoint(index, object))
            .collect::<Result<_, Wrong>>()?,
    })
}

fn endpoint(index: usize, object: &discovery::Endpoint) -> Result<Endpoint, Wrong> {
    let field = format!("endpoints[{index}].addresses");
    let addresses = addresses(&field, &object.addresses)?;
    if addresses.is_empty() {
        return Err(Wrong::new(field, "[]", "must contain at least 1 address"));
    }
    let conditions = object.conditions.clone().unwrap_or_default();
    let hints = object.hints.clone().unwrap_or_default();
    Ok(Endpoint {
        addresses,
        // As the API defines absent conditions.
        ready: conditions.ready.unwrap_or(true),
        serving: conditions.serving.or(conditions.ready).unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
        node_name: object.node_name.clone().unwrap_or_default(),
        zone: object.zone.clone().unwrap_or_default(),
        zone_hints: hints.for_zones.into_iter().flatten().map(|zone| zone.name).collect(),
        node_hints: hints.for_nodes.into_iter().flatten().map(|node| node.name).collect(),
        hostname: object.hostname.clone().unwrap_or_default(),
    })
}

/// Another node, or this one: who reads it knows its own name.
///
/// # Errors
/// The first field that is wrong.
pub fn peer(object: &core::Node) -> Result<Peer, Invalid> {
    let status = object.status.as_ref();
    let addresses = status.and_then(|status| status.addresses.as_ref()).into_iter().flatten();
    let internal = addresses.filter(|address| address.type_ == "InternalIP");
    let internal: Vec<String> = internal.map(|address| address.address.clone()).collect();
    let ranges = object.spec.as_ref().and_then(|spec| spec.pod_cidrs.clone()).unwrap_or_default();
    invalid::peer(object.metadata.name.as_deref().unwrap_or_default(), &internal, &ranges)
}

fn protocol(field: String, name: Option<&str>) -> Result<Protocol, Wrong> {
    match name {
        None | Some("TCP") => Ok(Protocol::Tcp),
        Some("UDP") => Ok(Protocol::Udp),
        Some("SCTP") => Ok(Protocol::Sctp),
        Some(other) => Err(Wrong::new(field, other, "supported values: TCP, UDP, SCTP")),
    }
}

fn policy(field: &str, name: Option<String>) -> Result<TrafficPolicy, Wrong> {
    match name.as_deref() {
        None | Some("Cluster") => Ok(TrafficPolicy::Cluster),
        Some("Local") => Ok(TrafficPolicy::Local),
        Some(other) => Err(Wrong::new(field, other, "supported values: Cluster, Local")),
    }
}
