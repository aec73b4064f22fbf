//! Where Services and host ports are reached: addresses and ports, and who is given what there. Pure, and
//! without a look at endpoints.
//!
//! | address | clients inside | clients outside |
//! |---|---|---|
//! | cluster IP | internalTrafficPolicy | never; where that is switched on, internalTrafficPolicy |
//! | load balancer address, external IP, node port | all of the cluster | externalTrafficPolicy |
//! | node port at a loopback address | this node's processes: all of the cluster | never |
//! | host port | the pod | the pod |
//!
//! A client inside that dials an address meant for outside would only leave the cluster to come back: it is
//! served as if it had dialled the cluster IP of a Service without a policy, as kube-proxy does.
//!
//! Source ranges are for addresses that are meant for outside: a cluster IP takes whoever reaches it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::FrontendKey;

use crate::model::{HostPort, Node, Protocol, Service, ServicePort, ServiceType};
use crate::plan::{PlannedFrontend, PortKey, PortKind, Scope, addr};

/// The addresses that are a Service's own, whatever the port: what it has no port for is refused there.
/// Not the node's addresses, nor external IPs, behind which others may listen.
pub fn service_addresses(service: &Service) -> BTreeSet<Addr> {
    service.cluster_ips.iter().chain(load_balancer_ips(service)).copied().map(addr).collect()
}

/// Each port of a Service in each of its families, and where it is reached.
pub fn of_service<'a>(
    service: &'a Service,
    node: &Node,
) -> Vec<(&'a ServicePort, PortKey, Vec<PlannedFrontend>)> {
    let families: BTreeSet<bool> = service.cluster_ips.iter().map(IpAddr::is_ipv4).collect();
    let mut seen = BTreeSet::new();
    let mut ports = Vec::new();
    for port in &service.ports {
        for is_v4 in families.iter().copied() {
            // The API refuses a port that is there twice; a file may have it.
            if !seen.insert((port.protocol, port.port, is_v4)) {
                continue;
            }
            let key = PortKey {
                kind: PortKind::Service,
                service: service.key.clone(),
                protocol: port.protocol,
                port: port.port.get(),
                is_v4,
            };
            ports.push((port, key, of_port(service, port, is_v4, node)));
        }
    }
    ports
}

fn of_port(
    service: &Service,
    port: &ServicePort,
    is_v4: bool,
    node: &Node,
) -> Vec<PlannedFrontend> {
    let mut list = List::new(port.protocol, is_v4);
    let internal = Scope::from(service.internal_traffic_policy);
    for ip in &service.cluster_ips {
        list.push(*ip, port.port, internal, node.external_cluster_ips.then_some(internal), true);
    }
    let external = Some(Scope::from(service.external_traffic_policy));
    for ip in load_balancer_ips(service).chain(&service.external_ips) {
        list.push(*ip, port.port, Scope::Cluster, external, false);
    }
    if service.service_type != ServiceType::ClusterIp
        && let Some(node_port) = port.node_port
    {
        for ip in node_addresses(node) {
            list.push(ip, node_port, Scope::Cluster, external, false);
        }
    }
    list.frontends
}

fn load_balancer_ips(service: &Service) -> impl Iterator<Item = &IpAddr> {
    let is_one = service.service_type == ServiceType::LoadBalancer;
    service.load_balancer_ips.iter().filter(move |_| is_one)
}

/// Where a host port is reached: at `hostIP`, or wherever node ports are.
pub fn of_host_port(host_port: &HostPort, node: &Node) -> (PortKey, Vec<PlannedFrontend>) {
    let is_v4 = host_port.pod_ip.is_ipv4();
    let key = PortKey {
        kind: PortKind::HostPort(host_port.host_ip),
        service: host_port.pod.clone(),
        protocol: host_port.protocol,
        port: host_port.host_port.get(),
        is_v4,
    };
    let mut list = List::new(host_port.protocol, is_v4);
    let addresses = match host_port.host_ip.filter(|ip| !ip.is_unspecified()) {
        Some(ip) => vec![ip],
        // 0.0.0.0 and :: are all addresses of their own family.
        None if host_port.host_ip.is_some_and(|ip| ip.is_ipv4() != is_v4) => vec![],
        None => node_addresses(node).collect(),
    };
    for ip in addresses {
        list.push(ip, host_port.host_port, Scope::Cluster, Some(Scope::Cluster), false);
    }
    (key, list.frontends)
}

fn node_addresses(node: &Node) -> impl Iterator<Item = IpAddr> {
    const LOOPBACK: [IpAddr; 2] =
        [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    LOOPBACK.into_iter().chain(node.node_port_addresses.iter().copied())
}

/// Frontends of one port, each key once: the first that wants it.
struct List {
    protocol: Protocol,
    is_v4: bool,
    frontends: Vec<PlannedFrontend>,
}

impl List {
    fn new(protocol: Protocol, is_v4: bool) -> Self {
        Self { protocol, is_v4, frontends: Vec::new() }
    }

    fn push(
        &mut self,
        ip: IpAddr,
        port: NonZeroU16,
        internal: Scope,
        external: Option<Scope>,
        any_source: bool,
    ) {
        let key = FrontendKey::new(addr(ip), Be16::new(port.get()), self.protocol as u8);
        let is_there = self.frontends.iter().any(|frontend| frontend.key == key);
        if ip.is_ipv4() == self.is_v4 && !is_there {
            let host_only = ip.is_loopback();
            let external = external.filter(|_| !host_only);
            self.frontends.push(PlannedFrontend { key, internal, external, any_source, host_only });
        }
    }
}
