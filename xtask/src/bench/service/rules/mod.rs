//! What kube-proxy would write for the same Services: its rules, made here so that no cluster of others is needed.
//! Pure: from ports of Services to the text that `iptables-restore` or `nft` takes.
//!
//! Followed is kube-proxy of Kubernetes 1.33 with `--cluster-cidr`, external and internal traffic policy Cluster, no
//! session affinity, NodePorts on the node's primary address, and an endpoint or more for every Service. What rules
//! do is the same; names of chains are numbered where kube-proxy hashes, and have the same length.

pub(super) mod iptables;
pub(super) mod nftables;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

/// What has been masqueraded is told by this bit, kube-proxy's default.
const MASQUERADE_MARK: u32 = 0x4000;

/// What kube-proxy knows of the cluster and of its node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// The pods' range, like `198.19.0.0/16`.
    pub(super) pods: &'static str,
    /// The `ClusterIP`s' range.
    pub(super) services: &'static str,
    /// The node's address, where `NodePort`s are served.
    pub(super) node: Ipv4Addr,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServicePort {
    /// `namespace/service:port`.
    pub(super) name: String,
    pub(super) protocol: Protocol,
    pub(super) cluster_ip: Ipv4Addr,
    pub(super) port: u16,
    pub(super) node_port: Option<u16>,
    /// At least one.
    pub(super) endpoints: Vec<SocketAddrV4>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

#[cfg(test)]
pub(super) mod examples {
    use super::{Protocol, ServicePort, Surroundings};

    pub(in super::super) const SURROUNDINGS: Surroundings = Surroundings {
        pods: "198.19.0.0/16",
        services: "10.96.0.0/16",
        node: std::net::Ipv4Addr::new(198, 18, 0, 62),
    };

    /// One of two endpoints, and one with a `NodePort`.
    pub(in super::super) fn ports() -> [ServicePort; 2] {
        let plain = ServicePort {
            name: "default/web:http".to_owned(),
            protocol: Protocol::Tcp,
            cluster_ip: [10, 96, 0, 7].into(),
            port: 80,
            node_port: None,
            endpoints: vec!["10.1.0.1:8080".parse().unwrap(), "10.1.0.2:8080".parse().unwrap()],
        };
        let outside = ServicePort {
            name: "default/dns:udp".to_owned(),
            protocol: Protocol::Udp,
            cluster_ip: [10, 96, 0, 8].into(),
            port: 53,
            node_port: Some(30053),
            endpoints: vec!["10.1.0.3:5353".parse().unwrap()],
        };
        [plain, outside]
    }
}
