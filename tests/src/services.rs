//! Services and endpoints for tests, as a source would tell of them: few words for the usual case.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use sheave_core::model::{
    Endpoint, EndpointPort, EndpointSlice, Node, ObjectKey, Protocol, Service, ServicePort,
    ServiceType, TrafficPolicy, Update,
};

/// The node `here`, which serves NodePorts on `address`.
pub fn this_node(address: &str) -> Update {
    Update::Node(Node {
        name: "here".into(),
        node_port_addresses: vec![address.parse().unwrap()],
        ..Node::default()
    })
}

/// A service with one unnamed port on `frontend`, and a NodePort when one is given.
pub fn service(name: &str, protocol: Protocol, frontend: &str, node_port: Option<u16>) -> Service {
    let frontend: SocketAddr = frontend.parse().unwrap();
    Service {
        key: key(name),
        service_type: match node_port {
            Some(_) => ServiceType::NodePort,
            None => ServiceType::ClusterIp,
        },
        cluster_ips: vec![frontend.ip()],
        external_ips: vec![],
        load_balancer_ips: vec![],
        ports: vec![ServicePort {
            name: String::new(),
            protocol,
            port: port(frontend.port()),
            node_port: node_port.map(port),
        }],
        internal_traffic_policy: TrafficPolicy::Cluster,
        external_traffic_policy: TrafficPolicy::Cluster,
        affinity_timeout_s: None,
        source_ranges: vec![],
        health_check_node_port: None,
    }
}

/// The slice of a service, with ready endpoints on this node that all listen on `target`.
pub fn slice(service: &str, protocol: Protocol, target: u16, addresses: &[&str]) -> Update {
    let endpoint = |address: &&str| Endpoint {
        addresses: vec![address.parse::<IpAddr>().unwrap()],
        ready: true,
        serving: true,
        terminating: false,
        node_name: "here".into(),
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
        hostname: String::new(),
    };
    Update::EndpointSlice(EndpointSlice {
        key: key(&format!("{service}-x")),
        service_name: service.into(),
        ports: vec![EndpointPort { name: String::new(), protocol, port: port(target) }],
        endpoints: addresses.iter().map(endpoint).collect(),
    })
}

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "default".into(), name: name.into() }
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}
