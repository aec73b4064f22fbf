//! Whose an address and port is: a service port, or a host port of a pod.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;

use sheave_abi::order::Be16;
use sheave_abi::service::FrontendKey;

use crate::model::{Model, Node, ObjectKey, Protocol, Service, ServicePort, ServiceType};
use crate::plan::addr;

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
    all(model).find_map(|(at, of, owner)| ((at, of) == (to, protocol)).then(owner))
}

/// Everything that is reached anywhere, with its owner: the first in order of name where several want
/// the same.
pub fn owners(model: &Model) -> HashMap<FrontendKey, Owner> {
    let mut found = HashMap::new();
    for (to, protocol, owner) in all(model) {
        let key = FrontendKey::new(addr(to.ip()), Be16::new(to.port()), protocol as u8);
        found.entry(key).or_insert_with(owner);
    }
    found
}

type Reached<'a, F> = (SocketAddr, Protocol, F);

/// Every address and port that should be reached, and how to say whose it is.
fn all(model: &Model) -> impl Iterator<Item = Reached<'_, impl Fn() -> Owner>> {
    let of_services = model.services.values().flat_map(|service| {
        service.ports.iter().flat_map(|port| {
            let reached = addresses(service, port, &model.node).into_iter();
            reached.map(|(to, at)| {
                let owned = Owned { key: &service.key, port_name: &port.name, port: port.port, at };
                (to, port.protocol, owned)
            })
        })
    });
    let of_pods = model.host_ports.iter().flat_map(|host_port| {
        let at = At::HostPort;
        let owned =
            Owned { key: &host_port.pod, port_name: "", port: host_port.container_port, at };
        let ips = match host_port.host_ip {
            Some(ip) => vec![ip],
            None => node_addresses(&model.node, host_port.pod_ip.is_ipv4()),
        };
        let to = move |ip| SocketAddr::new(ip, host_port.host_port.get());
        ips.into_iter().map(move |ip| (to(ip), host_port.protocol, owned))
    });
    of_services.chain(of_pods).map(|(to, protocol, owned)| (to, protocol, move || owned.to_owner()))
}

#[derive(Clone, Copy)]
struct Owned<'a> {
    key: &'a ObjectKey,
    port_name: &'a str,
    port: NonZeroU16,
    at: At,
}

impl Owned<'_> {
    fn to_owner(self) -> Owner {
        let Self { key, port_name, port, at } = self;
        Owner { service: key.clone(), port_name: port_name.into(), port: port.get(), at }
    }
}

fn addresses(service: &Service, port: &ServicePort, node: &Node) -> Vec<(SocketAddr, At)> {
    let mut found = Vec::new();
    for (ips, at) in [
        (&service.cluster_ips, At::ClusterIp),
        (&service.load_balancer_ips, At::LoadBalancer),
        (&service.external_ips, At::ExternalIp),
    ] {
        found.extend(ips.iter().map(|ip| (SocketAddr::new(*ip, port.port.get()), at)));
    }
    let node_port = port.node_port.filter(|_| service.service_type != ServiceType::ClusterIp);
    if let Some(node_port) = node_port {
        for is_v4 in [true, false] {
            if service.cluster_ips.iter().any(|ip| ip.is_ipv4() == is_v4) {
                let ips = node_addresses(node, is_v4).into_iter();
                found.extend(ips.map(|ip| (SocketAddr::new(ip, node_port.get()), At::NodePort)));
            }
        }
    }
    found
}

/// Where node ports of a family are served.
fn node_addresses(node: &Node, is_v4: bool) -> Vec<IpAddr> {
    let loopback: IpAddr =
        if is_v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let own = node.node_port_addresses.iter().copied().filter(|ip| ip.is_ipv4() == is_v4);
    own.chain([loopback]).collect()
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
