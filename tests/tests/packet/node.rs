//! The node of the packet table: two pods, and services for each case. What [`Net`] names of IPv4 is there
//! with IPv6 too, and each service has frontends and backends of both families.
//!
//! ```text
//! 10.244.0.2, 10.244.0.3   pods of this node
//! 10.96.0.1  80/TCP, 53/UDP -> .3:8080, .3:5353   NodePort 30080/TCP
//! 10.96.0.2  80/TCP, 53/UDP -> nobody             NodePort 30081/TCP
//! 10.96.0.3  80/TCP -> 10.244.1.9:80, elsewhere   NodePort 30082/TCP, externalTrafficPolicy Local
//! 10.96.0.4  80/TCP -> .2:80
//! 10.96.0.5  80/TCP -> elsewhere                  internalTrafficPolicy Local
//! 10.96.0.6  80/TCP -> .2:80, .3:80, .3:81        affinity
//! 10.96.0.7  80/TCP -> .3:8080, as the first
//! 10.96.0.8  9899/SCTP -> .3:9899, 9900/SCTP -> .3:9899
//! 10.96.0.9  80/TCP, 53/UDP, 9899/SCTP -> elsewhere:8080, :5353, :30899
//!                                                 NodePorts 30084/TCP, 30053/UDP, 30899/SCTP
//! 10.96.0.10 80/TCP -> elsewhere:80               NodePort 30085/TCP, for the router alone
//! 10.96.0.11 80/TCP -> the node itself:9100       NodePort 30086/TCP
//! 10.96.0.12 80/TCP -> elsewhere:81, :82, :83     NodePort 30087/TCP, affinity
//! ```

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::MutexGuard;

use sheave_abi::endpoint::Endpoint as LocalPod;
use sheave_abi::order::Addr;
use sheave_core::model::*;
use sheave_dataplane::Network;
use sheave_tests::node::{DetachedNode, complete, reconcile};

use crate::frame::{HOST2, HOST3, POD2, POD3};
use crate::net::Net;

/// A node as described above. The programs are loaded once for all tests, which take turns.
pub(crate) fn node() -> MutexGuard<'static, DetachedNode> {
    let mut node = DetachedNode::shared();
    let dataplane = node.dataplane();
    for net in Net::BOTH {
        for (last, pod_mac, host_mac) in [(2, POD2, HOST2), (3, POD3, HOST3)] {
            // Frames are run as if they came in through the loopback.
            let pod = LocalPod { host_ifindex: 1, pod_mac, host_mac };
            dataplane.put_endpoint(addr(net.pod(last)), pod).unwrap();
        }
    }
    dataplane.set_network(&network()).unwrap();
    reconcile(dataplane, &complete(services()));
    node
}

/// What the node knows of its network.
pub(crate) fn network() -> Network {
    let range = |ip: &str, prefix_len: u8| (ip.parse::<IpAddr>().unwrap(), prefix_len);
    Network {
        services: vec![range("10.96.0.0", 16), range("fd00:10:96::", 112)],
        node_pods: vec![range("10.244.0.0", 24), range("fd00:10:244::", 64)],
        cluster_pods: vec![range("10.244.0.0", 16), range("fd00:10:244::", 48)],
        hairpin: Net::BOTH.map(Net::hairpin).to_vec(),
        nat_ports: Some(61000..=61003),
        ..Network::default()
    }
}

pub(crate) fn addr(ip: IpAddr) -> Addr {
    match ip {
        IpAddr::V4(ip) => Addr::v4(ip.octets()),
        IpAddr::V6(ip) => Addr::v6(ip.octets()),
    }
}

/// The services, with the last of the first one's backends gone.
pub(crate) fn without_backend_of_first() -> Vec<Update> {
    let mut updates = services_without_endpoints_of("s1");
    updates.extend(slices(1, Protocol::Tcp, 8080, &[|net| net.pod(2)]));
    updates
}

/// The services, with cluster IPs open to clients outside.
pub(crate) fn open_to_outside() -> Vec<Update> {
    let mut updates = services();
    for update in &mut updates {
        if let Update::Node(node) = update {
            node.external_cluster_ips = true;
        }
    }
    updates
}

/// The services, one of them without endpoints.
pub(crate) fn services_without_endpoints_of(name: &str) -> Vec<Update> {
    let mut updates = services();
    updates.retain(|u| !matches!(u, Update::EndpointSlice(s) if s.service_name == name));
    updates
}

/// The services, one of them gone.
pub(crate) fn services_without(name: &str) -> Vec<Update> {
    let mut updates = services_without_endpoints_of(name);
    updates.retain(|u| !matches!(u, Update::Service(s) if s.key.name == name));
    updates
}

fn services() -> Vec<Update> {
    let mut updates = vec![Update::Node(Node {
        name: "here".into(),
        node_port_addresses: Net::BOTH.map(Net::node).to_vec(),
        ..Node::default()
    })];
    let cluster = TrafficPolicy::Cluster;
    let local = TrafficPolicy::Local;
    let (tcp, udp, sctp) = (Protocol::Tcp, Protocol::Udp, Protocol::Sctp);
    let (pod2, pod3): (Of, Of) = (|net| net.pod(2), |net| net.pod(3));
    updates.push(service(1, &[(tcp, 80, Some(30080)), (udp, 53, None)], cluster, cluster, None));
    updates.extend(slices(1, tcp, 8080, &[pod3]));
    updates.extend(slices(1, udp, 5353, &[pod3]));
    updates.push(service(2, &[(tcp, 80, Some(30081)), (udp, 53, None)], cluster, cluster, None));
    updates.push(service(3, &[(tcp, 80, Some(30082))], cluster, local, None));
    updates.extend(slices(3, tcp, 80, &[Net::pod_elsewhere]));
    updates.push(service(4, &[(tcp, 80, None)], cluster, cluster, None));
    updates.extend(slices(4, tcp, 80, &[pod2]));
    updates.push(service(5, &[(tcp, 80, None)], local, cluster, None));
    updates.extend(slices(5, tcp, 80, &[Net::pod_elsewhere]));
    updates.push(service(6, &[(tcp, 80, None)], cluster, cluster, Some(60)));
    updates.extend(slices(6, tcp, 80, &[pod2, pod3]));
    updates.extend(slices(6, tcp, 81, &[pod3]));
    updates.push(service(7, &[(tcp, 80, None)], cluster, cluster, None));
    updates.extend(slices(7, tcp, 8080, &[pod3]));
    updates.push(service(8, &[(sctp, 9899, None), (sctp, 9900, None)], cluster, cluster, None));
    updates.extend(slices(8, sctp, 9899, &[pod3]));
    updates.extend(services_elsewhere());
    updates
}

/// Those whose backends are no pods of this node.
fn services_elsewhere() -> Vec<Update> {
    let cluster = TrafficPolicy::Cluster;
    let (tcp, udp, sctp) = (Protocol::Tcp, Protocol::Udp, Protocol::Sctp);
    let ports = [(tcp, 80, Some(30084)), (udp, 53, Some(30053)), (sctp, 9899, Some(30899))];
    let mut updates = vec![service(9, &ports, cluster, cluster, None)];
    for (protocol, port) in [(tcp, 8080), (udp, 5353), (sctp, 30899)] {
        updates.extend(slices(9, protocol, port, &[Net::pod_elsewhere]));
    }
    let mut ranged = service(10, &[(tcp, 80, Some(30085))], cluster, cluster, None);
    if let Update::Service(service) = &mut ranged {
        let alone = |net: Net| match net {
            Net::V4 => format!("{}/32", net.router()),
            Net::V6 => format!("{}/128", net.router()),
        };
        service.source_ranges = Net::BOTH.map(|net| alone(net).parse().unwrap()).to_vec();
    }
    updates.push(ranged);
    updates.extend(slices(10, tcp, 80, &[Net::pod_elsewhere]));
    updates.push(service(11, &[(tcp, 80, Some(30086))], cluster, cluster, None));
    updates.extend(slices(11, tcp, 9100, &[Net::node]));
    updates.push(service(12, &[(tcp, 80, Some(30087))], cluster, cluster, Some(60)));
    for port in [81, 82, 83] {
        updates.extend(slices(12, tcp, port, &[Net::pod_elsewhere]));
    }
    updates
}

fn service(
    last: u8,
    ports: &[(Protocol, u16, Option<u16>)],
    internal: TrafficPolicy,
    external: TrafficPolicy,
    affinity_timeout_s: Option<u32>,
) -> Update {
    let port = |(protocol, port, node_port): &(Protocol, u16, Option<u16>)| ServicePort {
        name: name_of(*protocol).into(),
        protocol: *protocol,
        port: number(*port),
        node_port: node_port.map(number),
    };
    Update::Service(Service {
        key: key(&format!("s{last}")),
        service_type: ServiceType::NodePort,
        cluster_ips: Net::BOTH.map(|net| net.service(last)).to_vec(),
        external_ips: vec![],
        load_balancer_ips: vec![],
        ports: ports.iter().map(port).collect(),
        internal_traffic_policy: internal,
        external_traffic_policy: external,
        affinity_timeout_s,
        source_ranges: vec![],
        health_check_node_port: None,
    })
}

/// Who has an address in each family.
type Of = fn(Net) -> IpAddr;

/// A slice a family, of backends that all listen on `port`.
fn slices(last: u8, protocol: Protocol, port: u16, backends: &[Of]) -> [Update; 2] {
    Net::BOTH.map(|net| {
        let endpoint = |backend: &Of| Endpoint {
            addresses: vec![backend(net)],
            ready: true,
            serving: true,
            terminating: false,
            node_name: if backend(net) == net.pod_elsewhere() { "there" } else { "here" }.into(),
            zone: String::new(),
            zone_hints: vec![],
            node_hints: vec![],
            hostname: String::new(),
        };
        let name = name_of(protocol);
        Update::EndpointSlice(EndpointSlice {
            key: key(&format!("s{last}-{name}-{port}-{net:?}")),
            service_name: format!("s{last}"),
            ports: vec![EndpointPort { name: name.into(), protocol, port: number(port) }],
            endpoints: backends.iter().map(endpoint).collect(),
        })
    })
}

const fn name_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "default".into(), name: name.into() }
}

fn number(port: u16) -> NonZeroU16 {
    NonZeroU16::new(port).unwrap()
}
