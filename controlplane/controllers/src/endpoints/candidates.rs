//! Which pods answer for a Service, with which ports, and in what condition. Pure.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sheave_api::ObjectKey;

use crate::pod::PodFacts;

/// A port as the pod has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) number: i32,
    pub(super) app_protocol: Option<String>,
}

/// One address that answers for a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) address: IpAddr,
    pub(super) ports: Vec<Port>,
    /// The pod is ready, or the Service does not care.
    pub(super) serving: bool,
    pub(super) terminating: bool,
    pub(super) publish_not_ready: bool,
    pub(super) node_name: String,
    pub(super) zone: String,
    pub(super) hostname: Option<String>,
    pub(super) pod: ObjectKey,
    pub(super) pod_uid: String,
}

impl Candidate {
    /// Takes new connections. A terminating pod never does.
    pub(super) fn ready(&self) -> bool {
        self.publish_not_ready || (self.serving && !self.terminating)
    }
}

/// True when endpoints are to be found by selector.
pub(super) fn has_selector(service: &Service) -> bool {
    let spec = service.spec.as_ref();
    let external = spec.and_then(|s| s.type_.as_deref()) == Some("ExternalName");
    !external && spec.and_then(|s| s.selector.as_ref()).is_some_and(|labels| !labels.is_empty())
}

/// True when the Service's selector matches the pod.
pub(super) fn selects(service: &Service, pod: &PodFacts) -> bool {
    has_selector(service)
        && service
            .spec
            .iter()
            .flat_map(|spec| spec.selector.iter().flatten())
            .all(|(name, value)| pod.labels.get(name) == Some(value))
}

/// The pod's addresses of the Service's families; none before it has an address or after it has ended.
pub(super) fn of_pod(
    service: &Service,
    key: &ObjectKey,
    pod: &PodFacts,
    zone: &dyn Fn(&str) -> String,
) -> Vec<Candidate> {
    if pod.has_ended() || pod.node_name.is_empty() {
        return Vec::new();
    }
    let Some(spec) = &service.spec else { return Vec::new() };
    let families = spec.ip_families.clone().unwrap_or_else(|| vec!["IPv4".to_owned()]);
    let publish_not_ready = spec.publish_not_ready_addresses.unwrap_or_default();
    let subdomain_of_service = service.metadata.name.as_deref() == Some(pod.subdomain.as_str());
    let ports: Vec<Port> = spec.ports.iter().flatten().filter_map(|p| port(p, pod)).collect();
    let addresses = pod.ips.iter().filter_map(|ip| ip.parse::<IpAddr>().ok());
    addresses
        .filter(|address| families.iter().any(|family| family == family_name(address)))
        .map(|address| Candidate {
            address,
            ports: ports.clone(),
            serving: pod.ready,
            terminating: pod.terminating,
            publish_not_ready,
            node_name: pod.node_name.clone(),
            zone: zone(&pod.node_name),
            hostname: (subdomain_of_service && !pod.hostname.is_empty())
                .then(|| pod.hostname.clone()),
            pod: key.clone(),
            pod_uid: pod.uid.clone(),
        })
        .collect()
}

/// `addressType` of EndpointSlice, and the names in `spec.ipFamilies`.
pub(super) fn family_name(address: &IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

/// `None` when the pod has no port of the name that the Service asks for.
fn port(port: &ServicePort, pod: &PodFacts) -> Option<Port> {
    let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(0)) => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => {
            let mut named = pod.named_ports.iter();
            named.find(|p| p.name == *name && p.protocol == protocol)?.port
        }
    };
    Some(Port {
        name: port.name.clone().unwrap_or_default(),
        protocol,
        number,
        app_protocol: port.app_protocol.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    fn service(spec: Value) -> Service {
        serde_json::from_value(json!({ "metadata": { "name": "web" }, "spec": spec })).unwrap()
    }

    fn pod(status: Value) -> PodFacts {
        serde_json::from_value::<Pod>(json!({
            "metadata": { "labels": { "app": "web" } },
            "spec": { "nodeName": "n1", "containers": [
                { "name": "c", "ports": [{ "name": "http", "containerPort": 8080 }] }] },
            "status": status,
        }))
        .unwrap()
        .into()
    }

    fn found(service: &Service, pod: &PodFacts) -> Vec<Candidate> {
        of_pod(service, &ObjectKey::new("default", "p"), pod, &|_| "z".to_owned())
    }

    #[test]
    fn named_ports_are_looked_up_in_the_pod() {
        let service = service(json!({
            "selector": { "app": "web" },
            "ports": [
                { "name": "a", "port": 80, "targetPort": "http" },
                { "name": "b", "port": 81, "targetPort": "absent" },
                { "name": "c", "port": 82 },
            ],
        }));
        let running = json!({ "phase": "Running", "podIPs": [{ "ip": "10.244.0.2" }] });
        let found = found(&service, &pod(running));
        let ports: Vec<_> = found[0].ports.iter().map(|p| (p.name.as_str(), p.number)).collect();
        assert_eq!(ports, [("a", 8080), ("c", 82)]);
        assert_eq!((found[0].ready(), found[0].zone.as_str()), (false, "z"));
    }

    #[test]
    fn pods_without_address_or_that_have_ended_do_not_answer() {
        let service = service(json!({ "selector": { "app": "web" }, "ports": [] }));
        assert!(found(&service, &pod(json!({ "phase": "Pending" }))).is_empty());
        let ended = json!({ "phase": "Succeeded", "podIPs": [{ "ip": "10.244.0.2" }] });
        assert!(found(&service, &pod(ended)).is_empty());
    }

    #[test]
    fn no_selector_selects_nothing() {
        let pod = pod(json!({}));
        assert!(!selects(&service(json!({ "ports": [] })), &pod));
        assert!(!selects(&service(json!({ "selector": {} })), &pod));
        assert!(selects(&service(json!({ "selector": { "app": "web" } })), &pod));
    }
}
