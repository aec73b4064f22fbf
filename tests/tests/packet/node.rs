//! The node of the packet table: two pods, and services for each case.
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
//! ```

use std::net::IpAddr;
use std::num::NonZeroU16;

use sheave_abi::endpoint::Endpoint as LocalPod;
use sheave_abi::order::Addr;
use sheave_core::model::*;
use sheave_dataplane::Network;
use sheave_tests::node::{DetachedNode, complete, reconcile};

use crate::frame::{HOST2, HOST3, POD2, POD3};

pub(crate) const NODE: [u8; 4] = [192, 0, 2, 1];
/// What a pod sees when it reaches itself.
pub(crate) const HAIRPIN: [u8; 4] = [169, 254, 1, 1];

/// A node as described above.
pub(crate) fn node() -> DetachedNode {
    let mut node = DetachedNode::new();
    let dataplane = node.dataplane();
    for (last, pod_mac, host_mac) in [(2, POD2, HOST2), (3, POD3, HOST3)] {
        // Frames are run as if they came in through the loopback.
        let pod = LocalPod { host_ifindex: 1, pod_mac, host_mac };
        dataplane.put_endpoint(Addr::v4([10, 244, 0, last]), pod).unwrap();
    }
    let network = Network {
        services: vec![("10.96.0.0".parse().unwrap(), 16)],
        node_pods: vec![("10.244.0.0".parse().unwrap(), 24)],
        cluster_pods: vec![("10.244.0.0".parse().unwrap(), 16)],
        hairpin: vec![IpAddr::V4(HAIRPIN.into())],
        nat_ports: Some(61000..=61003),
        ..Network::default()
    };
    dataplane.set_network(&network).unwrap();
    reconcile(dataplane, &complete(services()));
    node
}

/// The services, with the last of the first one's backends gone.
pub(crate) fn without_backend_of_first() -> Vec<Update> {
    let mut updates = services();
    updates.retain(|u| !matches!(u, Update::EndpointSlice(s) if s.service_name == "s1"));
    updates.push(slice(1, &[([10, 244, 0, 2], 8080)], Protocol::Tcp, "tcp"));
    updates
}

fn services() -> Vec<Update> {
    let mut updates = vec![Update::Node(Node {
        name: "here".into(),
        zone: String::new(),
        node_port_addresses: vec![IpAddr::V4(NODE.into())],
    })];
    let cluster = TrafficPolicy::Cluster;
    let local = TrafficPolicy::Local;
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    updates.push(service(1, &[(tcp, 80, Some(30080)), (udp, 53, None)], cluster, cluster, None));
    updates.push(slice(1, &[([10, 244, 0, 3], 8080)], tcp, "tcp"));
    updates.push(slice(1, &[([10, 244, 0, 3], 5353)], udp, "udp"));
    updates.push(service(2, &[(tcp, 80, Some(30081)), (udp, 53, None)], cluster, cluster, None));
    updates.push(service(3, &[(tcp, 80, Some(30082))], cluster, local, None));
    updates.push(slice(3, &[([10, 244, 1, 9], 80)], tcp, "tcp"));
    updates.push(service(4, &[(tcp, 80, None)], cluster, cluster, None));
    updates.push(slice(4, &[([10, 244, 0, 2], 80)], tcp, "tcp"));
    updates.push(service(5, &[(tcp, 80, None)], local, cluster, None));
    updates.push(slice(5, &[([10, 244, 1, 9], 80)], tcp, "tcp"));
    updates.push(service(6, &[(tcp, 80, None)], cluster, cluster, Some(60)));
    updates.push(slice(6, &[([10, 244, 0, 2], 80), ([10, 244, 0, 3], 80)], tcp, "tcp"));
    updates.push(slice_named("s6-b", 6, &[([10, 244, 0, 3], 81)], tcp, "tcp"));
    updates.push(service(7, &[(tcp, 80, None)], cluster, cluster, None));
    updates.push(slice(7, &[([10, 244, 0, 3], 8080)], tcp, "tcp"));
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
        name: if *protocol == Protocol::Tcp { "tcp" } else { "udp" }.into(),
        protocol: *protocol,
        port: number(*port),
        node_port: node_port.map(number),
    };
    Update::Service(Service {
        key: key(&format!("s{last}")),
        service_type: ServiceType::NodePort,
        cluster_ips: vec![IpAddr::V4([10, 96, 0, last].into())],
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

fn slice(last: u8, backends: &[([u8; 4], u16)], protocol: Protocol, port: &str) -> Update {
    slice_named(&format!("s{last}-{port}"), last, backends, protocol, port)
}

fn slice_named(
    name: &str,
    last: u8,
    backends: &[([u8; 4], u16)],
    protocol: Protocol,
    port: &str,
) -> Update {
    let endpoint = |(ip, _): &([u8; 4], u16)| Endpoint {
        addresses: vec![IpAddr::V4((*ip).into())],
        ready: true,
        serving: true,
        terminating: false,
        node_name: if ip[2] == 0 { "here" } else { "there" }.into(),
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
    };
    Update::EndpointSlice(EndpointSlice {
        key: key(name),
        service_name: format!("s{last}"),
        ports: vec![EndpointPort { name: port.into(), protocol, port: number(backends[0].1) }],
        endpoints: backends.iter().map(endpoint).collect(),
    })
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "default".into(), name: name.into() }
}

fn number(port: u16) -> NonZeroU16 {
    NonZeroU16::new(port).unwrap()
}
