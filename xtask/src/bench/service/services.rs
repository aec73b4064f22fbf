//! The Services that there are: the one that is measured, and others that nobody dials, each with two endpoints. The
//! same for Sheave, as objects, and for its peers, as rules.

use super::super::slice::{endpoint, endpoint_slice};
use super::rules::{Protocol, ServicePort};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Where iperf3 listens.
pub(super) const STREAM_PORT: u16 = 5201;
/// Where the server of [`super::load`] does, by TCP and UDP.
pub(super) const LOAD_PORT: u16 = 5300;
/// How many there may be: their addresses are in the cluster's ranges.
pub(super) const MOST: u32 = 30_000;
pub(in crate::bench) const PODS: &str = "198.19.0.0/16";
pub(in crate::bench) const SERVICES: &str = "10.96.0.0/16";

/// The measured Service's on a peer and on the first node (1), or on the second (2).
pub(super) fn cluster_ip(node: u16) -> Ipv4Addr {
    Ipv4Addr::new(10, 96, 8, node as u8)
}

/// The first of the addresses of the others and of their endpoints: the lower ones are those of real Services and
/// pods.
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 16, 0);
const FIRST_ENDPOINT: Ipv4Addr = Ipv4Addr::new(10, 244, 8, 0);
const ENDPOINTS: u32 = 2;
const PORT: u16 = 80;
const TARGET_PORT: u16 = 8080;

/// A port of the measured Service: its name, its number inside, and its `NodePort` on a node by the node's number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    node_port: u16,
}

const fn measured(name: &'static str, protocol: Protocol, port: u16, node_port: u16) -> Measured {
    Measured { name, protocol, port, node_port }
}

/// Ports of the measured Service.
pub(super) const MEASURED: [Measured; 3] = [
    measured("stream", Protocol::Tcp, STREAM_PORT, 31_201),
    measured("load", Protocol::Tcp, LOAD_PORT, 31_300),
    measured("datagrams", Protocol::Udp, LOAD_PORT, 31_300),
];

impl Measured {
    /// Nodes of one cluster have `NodePort`s of their own. `node` is 1 or 2.
    pub(super) fn node_port(self, node: u16) -> u16 {
        self.node_port + 1000 * (node - 1)
    }
}

/// The `NodePort` for a port inside, on a peer or the first node (1), or the second (2).
pub(super) fn node_port(port: u16, node: u16) -> u16 {
    let found = MEASURED.iter().find(|measured| measured.port == port);
    found.expect("it is asked for ports of the measured Service").node_port(node)
}

/// Ports as kube-proxy sees them with so many Services. The measured one, whose server has this address, is in the
/// middle: kube-proxy goes over its Services in no order, so that on average half of them come before.
pub(in crate::bench) fn ports(
    services: u32,
    address: Ipv4Addr,
    server: Ipv4Addr,
) -> Vec<ServicePort> {
    let own = MEASURED.map(|measured| ServicePort {
        name: format!("default/measured:{}", measured.name),
        protocol: measured.protocol,
        cluster_ip: address,
        port: measured.port,
        node_port: Some(measured.node_port(1)),
        endpoints: vec![SocketAddrV4::new(server, measured.port)],
    });
    let mut ports: Vec<ServicePort> = (0..services - 1).map(other_port).collect();
    let middle = ports.len() / 2;
    ports.splice(middle..middle, own);
    ports
}

fn other_port(number: u32) -> ServicePort {
    ServicePort {
        name: format!("default/{}:http", name(number)),
        protocol: Protocol::Tcp,
        cluster_ip: address(number),
        port: PORT,
        node_port: None,
        endpoints: endpoints(number).map(|ip| SocketAddrV4::new(ip, TARGET_PORT)).collect(),
    }
}

/// What the names of all of the others begin with.
pub(super) const OTHER: &str = "other-";

/// Of one of the others, by its number from 0.
fn name(number: u32) -> String {
    format!("{OTHER}{number}")
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(FIRST_ADDRESS) + number)
}

fn endpoints(number: u32) -> impl Iterator<Item = Ipv4Addr> {
    (0..ENDPOINTS).map(move |endpoint| {
        Ipv4Addr::from(u32::from(FIRST_ENDPOINT) + number * ENDPOINTS + endpoint)
    })
}

/// One of the others, as an object. Without a selector: its slice is ours.
pub(in crate::bench) fn service(number: u32) -> Value {
    json!({
        "metadata": { "name": name(number) },
        "spec": {
            "clusterIP": address(number),
            "ports": [{ "name": "http", "port": PORT, "targetPort": TARGET_PORT }],
        },
    })
}

/// Its endpoints.
pub(in crate::bench) fn slice(number: u32) -> Value {
    let endpoints: Vec<Value> = endpoints(number).map(|address| endpoint(address, true)).collect();
    endpoint_slice(&name(number), TARGET_PORT, &endpoints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_measured_service_is_in_the_middle_of_as_many_as_were_ordered() {
        let names = |services| {
            let ports = ports(services, cluster_ip(1), [198, 19, 3, 3].into()).into_iter();
            ports.map(|port| port.name).collect::<Vec<_>>()
        };
        assert_eq!(names(1).len(), MEASURED.len());
        let names = names(1001);
        assert_eq!(names.len(), 1000 + MEASURED.len());
        let at = names.iter().position(|name| name == "default/measured:stream");
        assert_eq!(at, Some(500));
    }

    #[test]
    fn everybody_has_an_address_of_his_own_in_the_clusters_ranges() {
        let all = 0..MOST - 1;
        let services: BTreeSet<Ipv4Addr> = all.clone().map(address).collect();
        assert!(services.iter().all(|address| address.octets()[..2] == [10, 96]));
        assert!([1, 2].iter().all(|node| !services.contains(&cluster_ip(*node))));
        let pods: BTreeSet<Ipv4Addr> = all.clone().flat_map(endpoints).collect();
        assert!(pods.iter().all(|address| address.octets()[..2] == [10, 244]));
        assert_eq!((services.len(), pods.len()), (all.len(), all.len() * ENDPOINTS as usize));
    }

    #[test]
    fn node_ports_of_two_nodes_differ() {
        assert_eq!((node_port(LOAD_PORT, 1), node_port(LOAD_PORT, 2)), (31_300, 32_300));
    }
}
