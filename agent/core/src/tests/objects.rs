//! Services and slices, made short.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;

use crate::model::*;

pub(super) fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "default".into(), name: name.into() }
}

pub(super) fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

pub(super) fn ip(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

/// ClusterIP 10.96.0.(index + 1), port 80.
pub(super) fn service(index: u8) -> Service {
    Service {
        key: key(&format!("s{index}")),
        service_type: ServiceType::ClusterIp,
        cluster_ips: vec![ip(10, 96, 0, index + 1)],
        external_ips: vec![],
        load_balancer_ips: vec![],
        ports: vec![ServicePort {
            name: String::new(),
            protocol: Protocol::Tcp,
            port: port(80),
            node_port: None,
        }],
        internal_traffic_policy: TrafficPolicy::Cluster,
        external_traffic_policy: TrafficPolicy::Cluster,
        affinity_timeout_s: None,
        source_ranges: vec![],
        health_check_node_port: None,
    }
}

/// Also at port 30000 + index of the node.
pub(super) fn node_port_service(index: u8) -> Service {
    let mut service = service(index);
    service.service_type = ServiceType::NodePort;
    service.ports[0].node_port = Some(port(30000 + u16::from(index)));
    service
}

/// 10.244.0.last if here, else 10.244.1.last.
pub(super) fn endpoint(last: u8, here: bool) -> Endpoint {
    Endpoint {
        addresses: vec![ip(10, 244, u8::from(!here), last)],
        ready: true,
        serving: true,
        terminating: false,
        node_name: if here { "here".into() } else { "there".into() },
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
        hostname: String::new(),
    }
}

/// A slice of service `index`, port 8080.
pub(super) fn slice(index: u8, name: &str, endpoints: Vec<Endpoint>) -> EndpointSlice {
    EndpointSlice {
        key: key(&format!("s{index}-{name}")),
        service_name: format!("s{index}"),
        ports: vec![EndpointPort {
            name: String::new(),
            protocol: Protocol::Tcp,
            port: port(8080),
        }],
        endpoints,
    }
}

/// 192.0.2.1 and 192.0.2.2.
pub(super) fn node() -> Node {
    Node {
        name: "here".into(),
        zone: "a".into(),
        node_port_addresses: vec![ip(192, 0, 2, 1), ip(192, 0, 2, 2)],
        external_cluster_ips: false,
    }
}

pub(super) fn host_port(pod: u8, number: u16) -> HostPort {
    HostPort {
        pod: key(&format!("pod{pod}")),
        host_ip: None,
        host_port: port(number),
        protocol: Protocol::Tcp,
        pod_ip: ip(10, 244, 0, 100 + pod),
        container_port: port(80),
    }
}
