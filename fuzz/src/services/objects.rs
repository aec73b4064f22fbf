//! Few names and numbers, so that things get into each other's way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use sheave_core::model::{
    Endpoint, EndpointPort, EndpointSlice, Node, ObjectKey, Protocol, Service, ServicePort,
    ServiceType, TrafficPolicy, Update,
};

use crate::Input;

const SERVICES: u16 = 5;
const SLICES: u16 = 3;
/// Names of ports, each with the port of the service and of the backends.
const PORTS: [(&str, u16, u16); 2] = [("a", 80, 8080), ("b", 81, 8081)];

pub(super) fn node() -> Node {
    let addresses = vec![IpAddr::from([192, 0, 2, 1]), "2001:db8::1".parse().unwrap()];
    Node { name: "here".into(), node_port_addresses: addresses, ..Node::default() }
}

fn key(name: String) -> ObjectKey {
    ObjectKey { namespace: "default".into(), name }
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

pub(super) fn service(input: &mut Input<'_>) -> Update {
    let index = input.below(SERVICES);
    let bits = input.byte();
    let is = |bit: u8| bits & 1 << bit != 0;
    let policy = |local: bool| if local { TrafficPolicy::Local } else { TrafficPolicy::Cluster };
    let mut cluster_ips = vec![IpAddr::V4(Ipv4Addr::new(10, 96, 0, index))];
    if is(0) {
        cluster_ips.push(IpAddr::V6(Ipv6Addr::new(0xfd00, 0x96, 0, 0, 0, 0, 0, index.into())));
    }
    if is(1) {
        // Somebody else's too.
        cluster_ips[0] = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 99));
    }
    let mut ports = Vec::new();
    for (number, (name, service_port, _)) in
        PORTS.into_iter().take(1 + usize::from(is(2))).enumerate()
    {
        let node_port = is(3).then(|| port(30_000 + u16::from(input.below(3)) + number as u16));
        let protocol = if is(4) { Protocol::Udp } else { Protocol::Tcp };
        ports.push(ServicePort {
            name: name.into(),
            protocol,
            port: port(service_port),
            node_port,
        });
    }
    Update::Service(Service {
        key: key(format!("s{index}")),
        service_type: if is(3) { ServiceType::NodePort } else { ServiceType::ClusterIp },
        cluster_ips,
        external_ips: vec![],
        load_balancer_ips: vec![],
        ports,
        internal_traffic_policy: policy(is(5)),
        external_traffic_policy: policy(is(6)),
        affinity_timeout_s: is(7).then_some(60),
        source_ranges: vec![],
        health_check_node_port: None,
    })
}

pub(super) fn service_gone(input: &mut Input<'_>) -> Update {
    Update::ServiceGone(key(format!("s{}", input.below(SERVICES))))
}

pub(super) fn slice(input: &mut Input<'_>) -> Update {
    let (name, service) = (input.below(SLICES), input.below(SERVICES));
    let bits = input.byte();
    let is_v4 = bits & 1 == 0;
    let protocol = if bits & 2 == 0 { Protocol::Tcp } else { Protocol::Udp };
    // With one of the two ports, or both.
    let ports = PORTS.into_iter().take(1 + usize::from(bits & 4 != 0));
    let endpoints = input.slice(12).iter().map(|endpoint| self::endpoint(*endpoint, is_v4));
    Update::EndpointSlice(EndpointSlice {
        key: slice_key(service, name),
        service_name: format!("s{service}"),
        ports: ports
            .map(|(name, _, at)| EndpointPort { name: name.into(), protocol, port: port(at) })
            .collect(),
        endpoints: endpoints.collect(),
    })
}

pub(super) fn slice_gone(input: &mut Input<'_>) -> Update {
    let (name, service) = (input.below(SLICES), input.below(SERVICES));
    Update::EndpointSliceGone(slice_key(service, name))
}

fn slice_key(service: u8, name: u8) -> ObjectKey {
    key(format!("s{service}-{name}"))
}

/// Four bits of the address, whether it is here, and one of four states.
fn endpoint(byte: u8, is_v4: bool) -> Endpoint {
    let (last, is_here) = (byte & 0xf, byte & 0x10 != 0);
    let (ready, serving, terminating) = match byte >> 5 & 3 {
        0 | 1 => (true, true, false),
        2 => (false, true, true),
        _ => (false, false, true),
    };
    let address = match is_v4 {
        true => IpAddr::V4(Ipv4Addr::new(10, 244, is_here.into(), last)),
        false => IpAddr::V6(Ipv6Addr::new(0xfd00, is_here.into(), 0, 0, 0, 0, 0, last.into())),
    };
    Endpoint {
        addresses: vec![address],
        ready,
        serving,
        terminating,
        node_name: if is_here { "here".into() } else { "there".into() },
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
        hostname: String::new(),
    }
}
