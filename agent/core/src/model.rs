//! Desired state in the agent's own words: where the sources, the dataplane and the kubelet meet.
//!
//! Sources decode their wire format into these types once, at the edge; the types cannot hold a port 0, a
//! protocol that does not exist or an address that is none. They mirror the Kubernetes fields that the
//! dataplane and the names of Services need, and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Never empty: Services and EndpointSlices are namespaced.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// Transport protocol of a service port, by IANA number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Protocol {
    /// RFC 9293.
    Tcp = 6,
    /// RFC 768.
    Udp = 17,
    /// RFC 9260.
    Sctp = 132,
}

impl fmt::Display for Protocol {
    /// As Kubernetes writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// Which endpoints traffic may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TrafficPolicy {
    /// Any.
    #[default]
    Cluster,
    /// Those on this node only.
    Local,
}

/// How a Service is meant to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceType {
    /// Inside the cluster only.
    ClusterIp,
    /// Also on a port of every node.
    NodePort,
    /// Also on addresses of a load balancer.
    LoadBalancer,
}

/// A Service that this node serves. Headless, ExternalName and foreign-proxy Services never become one,
/// but a [`NamedService`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub key: ObjectKey,
    /// How it is meant to be reached.
    pub service_type: ServiceType,
    /// One an address family; at least one.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// Load balancer addresses that nodes serve themselves (not those with ipMode Proxy).
    pub load_balancer_ips: Vec<IpAddr>,
    /// Its ports, in the order of the spec.
    pub ports: Vec<ServicePort>,
    /// For clients inside the cluster.
    pub internal_traffic_policy: TrafficPolicy,
    /// For clients outside.
    pub external_traffic_policy: TrafficPolicy,
    /// Seconds a client sticks to its backend; `None` without session affinity.
    pub affinity_timeout_s: Option<u32>,
    /// `spec.loadBalancerSourceRanges`: the clients outside that may come; empty is all.
    pub source_ranges: Vec<IpNet>,
    /// `spec.healthCheckNodePort`: where load balancers ask whether this node has endpoints.
    pub health_check_node_port: Option<NonZeroU16>,
}

/// A Service that this node does not serve, but that has names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedService {
    /// Namespace and name.
    pub key: ObjectKey,
    /// What its name leads to.
    pub leads_to: LeadsTo,
    /// Its ports, in the order of the spec.
    pub ports: Vec<ServicePort>,
}

/// What the name of a Service leads to that this node does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeadsTo {
    /// Headless: each endpoint that is ready.
    Endpoints {
        /// `spec.publishNotReadyAddresses`: the others as well.
        publish_not_ready: bool,
    },
    /// ExternalName: another name.
    Name(String),
    /// Addresses that another service proxy serves.
    Addresses(Vec<IpAddr>),
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Empty for a single unnamed port; joins with [`EndpointPort::name`].
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// On the service addresses.
    pub port: NonZeroU16,
    /// On the nodes' addresses.
    pub node_port: Option<NonZeroU16>,
}

/// A part of a Service's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Namespace and name of the slice.
    pub key: ObjectKey,
    /// Name of the Service in the same namespace.
    pub service_name: String,
    /// Ports that every endpoint of the slice has.
    pub ports: Vec<EndpointPort>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// A port of the endpoints of one slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPort {
    /// Joins with [`ServicePort::name`].
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Where the backend listens.
    pub port: NonZeroU16,
}

/// Somebody who answers for a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// All of one family; the first is the one used.
    pub addresses: Vec<IpAddr>,
    /// Takes new connections.
    pub ready: bool,
    /// Answers, though it may be terminating.
    pub serving: bool,
    /// Is going away.
    pub terminating: bool,
    /// Empty when it is on no node of the cluster.
    pub node_name: String,
    /// Topology zone, or empty.
    pub zone: String,
    /// Zones that should use it; empty is all.
    pub zone_hints: Vec<String>,
    /// Nodes that should use it; empty is all.
    pub node_hints: Vec<String>,
    /// What it is called within its Service, or empty.
    pub hostname: String,
}

/// A `hostPort` of a container of this node: a frontend with one backend, here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// The pod.
    pub pod: ObjectKey,
    /// `hostIP`; `None`: all addresses of the node that NodePorts are served on.
    pub host_ip: Option<IpAddr>,
    /// On the node.
    pub host_port: NonZeroU16,
    /// Protocol.
    pub protocol: Protocol,
    /// The pod's address; a pod with both families has an entry for each.
    pub pod_ip: IpAddr,
    /// Where the container listens.
    pub container_port: NonZeroU16,
}

/// Who this node is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Node {
    /// `metadata.name` of the Node.
    pub name: String,
    /// Label topology.kubernetes.io/zone, or empty.
    pub zone: String,
    /// Addresses on which NodePorts are served.
    pub node_port_addresses: Vec<IpAddr>,
    /// Clients outside reach cluster IPs through this node.
    pub external_cluster_ips: bool,
}

/// Another node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// `metadata.name` of its Node.
    pub name: String,
    /// Where it is reached: at most one a family.
    pub addresses: Vec<IpAddr>,
    /// Where its pods are; networks, without bits of a host.
    pub pod_ranges: Vec<IpNet>,
}

/// A change of the desired state, from any source. A source starts with [`Update::Init`], sends all it
/// knows, then [`Update::InitDone`]; only after that does the absence of something mean that it is gone. One
/// that can only remember ends with [`Update::Recalled`] instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// A complete state follows.
    Init,
    /// The complete state has been sent.
    InitDone,
    /// What was known before this start has been sent: it may lack the newest, and name what is gone.
    Recalled,
    /// This node's own description changed.
    Node(Node),
    /// New or changed.
    Service(Service),
    /// New or changed, and not ours to serve: if it was before, it is no more.
    NamedService(NamedService),
    /// Deleted.
    ServiceGone(ObjectKey),
    /// New or changed.
    EndpointSlice(EndpointSlice),
    /// Deleted.
    EndpointSliceGone(ObjectKey),
    /// New or changed; never this node itself.
    Peer(Peer),
    /// No node of the cluster any more, by name.
    PeerGone(String),
    /// All host ports of the pods of this node, in place of those said before. From the kubelet, not from
    /// the source: outside of [`Update::Init`] and [`Update::InitDone`].
    HostPorts(Vec<HostPort>),
    /// Those of the pods that are known so far, likewise: what they do not name is not gone.
    SomeHostPorts(Vec<HostPort>),
}

/// What absence means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Knowledge {
    /// Nothing, and nothing is known.
    #[default]
    Nothing,
    /// Nothing: what is known was recalled.
    Recalled,
    /// That something is gone: a complete state has been sent.
    Complete,
}

/// All that is known, and since when they are complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Who this node is.
    pub node: Node,
    /// By key.
    pub services: BTreeMap<ObjectKey, Service>,
    /// By key, which is none of the above.
    pub named_services: BTreeMap<ObjectKey, NamedService>,
    /// By key of the slice.
    pub slices: BTreeMap<ObjectKey, EndpointSlice>,
    /// The other nodes, by name.
    pub peers: BTreeMap<String, Peer>,
    /// In the order of pods.
    pub host_ports: Vec<HostPort>,
}
