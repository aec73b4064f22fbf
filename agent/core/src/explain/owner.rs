//! Whose an address and port is: a service port, or a host port of a pod.

use std::net::{IpAddr, SocketAddr};

use crate::model::{Model, Node, ObjectKey, Protocol, Service, ServicePort, ServiceType};

/// The service port, or the pod, that is reached at an address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The Service; for a host port, the pod.
    pub service: ObjectKey,
    /// Name of the port; empty for a single unnamed one.
    pub port_name: String,
    /// The port on the service addresses; for a host port, the container's.
    pub port: u16,
    /// What kind of address it is.
    pub at: At,
}

/// What an address is to a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// `spec.clusterIPs`.
    ClusterIp,
    /// An address of this node.
    NodePort,
    /// `status.loadBalancer.ingress`.
    LoadBalancer,
    /// `spec.externalIPs`.
    ExternalIp,
    /// A pod's `hostPort`.
    HostPort,
}

impl At {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
            Self::ExternalIp => "ExternalIP",
            Self::HostPort => "HostPort",
        }
    }
}

/// Who is reached at `to`; of several that want it, the first in order of name.
pub fn owner(model: &Model, to: SocketAddr, protocol: Protocol) -> Option<Owner> {
    let services = model.services.values();
    let of_service = services.filter_map(|service| {
        let ports = service.ports.iter().filter(|port| port.protocol == protocol);
        let mut found = ports.filter_map(|port| Some((port, at(service, port, &model.node, to)?)));
        found.next().map(|(port, at)| Owner {
            service: service.key.clone(),
            port_name: port.name.clone(),
            port: port.port.get(),
            at,
        })
    });
    of_service.chain(host_port(model, to, protocol)).next()
}

fn at(service: &Service, port: &ServicePort, node: &Node, to: SocketAddr) -> Option<At> {
    if port.port.get() == to.port() {
        for (addresses, at) in [
            (&service.cluster_ips, At::ClusterIp),
            (&service.load_balancer_ips, At::LoadBalancer),
            (&service.external_ips, At::ExternalIp),
        ] {
            if addresses.contains(&to.ip()) {
                return Some(at);
            }
        }
    }
    let is_node_port = service.service_type != ServiceType::ClusterIp
        && port.node_port.is_some_and(|node_port| node_port.get() == to.port())
        && is_nodes(node, to.ip());
    is_node_port.then_some(At::NodePort)
}

fn is_nodes(node: &Node, ip: IpAddr) -> bool {
    node.node_port_addresses.contains(&ip) || ip.is_loopback()
}

fn host_port(model: &Model, to: SocketAddr, protocol: Protocol) -> Option<Owner> {
    let found = model.host_ports.iter().find(|host_port| {
        host_port.protocol == protocol
            && host_port.host_port.get() == to.port()
            && match host_port.host_ip {
                Some(ip) => ip == to.ip(),
                None => is_nodes(&model.node, to.ip()),
            }
    })?;
    Some(Owner {
        service: found.pod.clone(),
        port_name: String::new(),
        port: found.container_port.get(),
        at: At::HostPort,
    })
}

/// What can be dialled at an address, as advice; empty when it is no service's.
pub(super) fn ports_at(model: &Model, ip: IpAddr) -> String {
    let services = model.services.values();
    let has = |service: &&Service| {
        let all = [&service.cluster_ips, &service.load_balancer_ips, &service.external_ips];
        all.into_iter().any(|addresses| addresses.contains(&ip))
    };
    let Some(service) = services.into_iter().find(has) else { return String::new() };
    let ports: Vec<String> = service
        .ports
        .iter()
        .map(|port| format!("{}/{}", port.port, super::walk::name(port.protocol)))
        .collect();
    let (namespace, name) = (&service.key.namespace, &service.key.name);
    format!("{ip} is Service {namespace}/{name}, which has {}.", ports.join(", "))
}
