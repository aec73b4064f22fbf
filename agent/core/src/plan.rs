//! What the kernel should hold, in words of services: a pure function of the model. No ids, no slots: those
//! depend on what the maps hold already and are the business of [`crate::engine`].
//!
//! A Service is planned by itself ([`service_ports`]), so a change costs as much as the Service is large.
//! [`plan`] plans for everything from scratch; the engine must come to the same, change by change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{FrontendKey, SourceRange, flags};

use crate::endpoints::Choice;
use crate::frontends;
use crate::model::{
    Endpoint, EndpointSlice, HostPort, Model, Node, ObjectKey, Protocol, Service, ServicePort,
    TrafficPolicy,
};

/// The form addresses have in the maps.
pub fn addr(ip: IpAddr) -> Addr {
    match ip {
        IpAddr::V4(ip) => Addr::v4(ip.octets()),
        IpAddr::V6(ip) => Addr::v6(ip.octets()),
    }
}

/// What a port is of. In this order where two want the same address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortKind {
    /// A Service.
    Service,
    /// A container of a pod of this node; with `hostIP`.
    HostPort(Option<IpAddr>),
}

/// One port of one Service (or a host port of a pod) in one address family: what has a list of backends
/// of its own. In order: of two that want the same address and port, the first has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// What it is a port of.
    pub kind: PortKind,
    /// The Service, or the pod.
    pub service: ObjectKey,
    /// Protocol.
    pub protocol: Protocol,
    /// Port on the service addresses, or on the node.
    pub port: u16,
    /// Family.
    pub is_v4: bool,
}

/// Where a backend listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendAddr {
    /// Its address.
    pub addr: Addr,
    /// Its port.
    pub port: Be16,
}

/// Which of a port's two lists of backends a client is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// [`PlannedPort::cluster`].
    Cluster,
    /// [`PlannedPort::local`].
    Local,
}

impl Scope {
    /// The two there are.
    pub const BOTH: [Self; 2] = [Self::Cluster, Self::Local];
}

impl From<TrafficPolicy> for Scope {
    fn from(policy: TrafficPolicy) -> Self {
        match policy {
            TrafficPolicy::Cluster => Self::Cluster,
            TrafficPolicy::Local => Self::Local,
        }
    }
}

/// An address and port under which a service port is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFrontend {
    /// Key in the map.
    pub key: FrontendKey,
    /// For clients inside.
    pub internal: Scope,
    /// For clients outside; `None`: not for them.
    pub external: Option<Scope>,
    /// Whatever [`PlannedPort::sources`] says, clients outside may come from anywhere.
    pub any_source: bool,
    /// A loopback address of the node.
    pub host_only: bool,
}

/// Clients outside, of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientRange {
    /// Bits of `addr` that count: of 128, for IPv4 too.
    pub prefix_len: u32,
    /// The others are 0.
    pub addr: Addr,
}

impl ClientRange {
    /// The range in the form that the maps have.
    pub fn of(net: IpNet) -> Self {
        let mapped_bits = if net.addr().is_ipv4() { 96 } else { 0 };
        Self {
            prefix_len: mapped_bits + u32::from(net.prefix_len()),
            addr: addr(net.trunc().addr()),
        }
    }

    /// The key by which the service port `service` takes these clients.
    pub fn of_service(self, service: u32) -> SourceRange {
        SourceRange { prefix_len: 32 + self.prefix_len, service, addr: self.addr }
    }
}

/// One service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPort {
    /// Usable endpoints of the cluster, sorted, each once.
    pub cluster: Vec<BackendAddr>,
    /// Usable endpoints of this node, sorted, each once.
    pub local: Vec<BackendAddr>,
    /// All endpoints, usable or not, sorted, each once: the connections they have go on.
    pub present: Vec<BackendAddr>,
    /// Where it is reached, each once.
    pub frontends: Vec<PlannedFrontend>,
    /// 0: no affinity.
    pub affinity_s: u32,
    /// The clients outside that may come; `None`: all. With ranges of one family only, nobody of the
    /// other may: what was meant to be closed is not left open.
    pub sources: Option<BTreeSet<ClientRange>>,
}

impl PlannedFrontend {
    /// Whether the Service's source ranges count there.
    pub fn is_ranged(&self) -> bool {
        self.external.is_some() && !self.any_source
    }
}

impl PlannedPort {
    /// The list for `scope`.
    pub fn backends(&self, scope: Scope) -> &[BackendAddr] {
        match scope {
            Scope::Cluster => &self.cluster,
            Scope::Local => &self.local,
        }
    }

    /// The flags of one of its frontends: a policy of Local without an endpoint here drops, while a
    /// service without any endpoint refuses.
    pub fn flags(&self, frontend: &PlannedFrontend) -> u32 {
        let drops =
            |scope| scope == Scope::Local && self.local.is_empty() && !self.cluster.is_empty();
        let mut bits = 0;
        if frontend.host_only {
            bits |= flags::HOST_ONLY;
        }
        if drops(frontend.internal) {
            bits |= flags::INTERNAL_DROP;
        }
        let Some(external) = frontend.external else { return bits };
        bits |= flags::EXTERNAL;
        if drops(external) {
            bits |= flags::EXTERNAL_DROP;
        }
        if self.sources.is_some() && frontend.is_ranged() {
            bits |= flags::SOURCE_RANGES;
        }
        bits
    }
}

/// Two ports want the same address, port and protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What both want.
    pub key: FrontendKey,
    /// Who has it: the first in order.
    pub kept: PortKey,
    /// Who is not served there.
    pub refused: PortKey,
}

/// What the kernel should hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// By service port.
    pub ports: BTreeMap<PortKey, PlannedPort>,
    /// Addresses that belong to services: what they have no port for is refused.
    pub addresses: BTreeSet<Addr>,
    /// What could not be planned; the rest is unharmed.
    pub conflicts: Vec<Conflict>,
}

/// Plans for all of the model, from scratch.
pub fn plan(model: &Model) -> Plan {
    let mut slices: HashMap<(&str, &str), Vec<&EndpointSlice>> = HashMap::new();
    for slice in model.slices.values() {
        let service = (slice.key.namespace.as_str(), slice.service_name.as_str());
        slices.entry(service).or_default().push(slice);
    }
    let mut plan = Plan::default();
    for service in model.services.values() {
        plan.addresses.extend(frontends::service_addresses(service));
        let name = (service.key.namespace.as_str(), service.key.name.as_str());
        let slices = slices.get(&name).map(Vec::as_slice).unwrap_or_default();
        plan.ports.extend(service_ports(service, slices, &model.node));
    }
    for host_port in &model.host_ports {
        let (key, port) = host_port_port(host_port, &model.node);
        plan.ports.entry(key).or_insert(port);
    }
    let mut owners = HashMap::new();
    for (key, port) in &mut plan.ports {
        refuse_taken(&mut owners, key, port, &mut plan.conflicts);
    }
    plan
}

fn refuse_taken(
    owners: &mut HashMap<FrontendKey, PortKey>,
    key: &PortKey,
    planned: &mut PlannedPort,
    conflicts: &mut Vec<Conflict>,
) {
    planned.frontends.retain(|frontend| match owners.get(&frontend.key) {
        Some(kept) => {
            let (kept, refused) = (kept.clone(), key.clone());
            conflicts.push(Conflict { key: frontend.key, kept, refused });
            false
        }
        None => {
            owners.insert(frontend.key, key.clone());
            true
        }
    });
}

/// What a Service is served by, whatever others want.
pub fn service_ports(
    service: &Service,
    slices: &[&EndpointSlice],
    node: &Node,
) -> Vec<(PortKey, PlannedPort)> {
    let sources = (!service.source_ranges.is_empty()).then_some(&service.source_ranges);
    frontends::of_service(service, node)
        .into_iter()
        .map(|(port, key, frontends)| {
            let of_family = |net: &&IpNet| net.addr().is_ipv4() == key.is_v4;
            let ranges = |nets: &Vec<IpNet>| {
                nets.iter().filter(of_family).map(|net| ClientRange::of(*net)).collect()
            };
            let sources = sources.map(ranges);
            let lists = Lists::of(candidates(port, key.is_v4, slices), node);
            let Lists { cluster, local, present } = lists;
            let affinity_s = service.affinity_timeout_s.unwrap_or(0);
            (key, PlannedPort { cluster, local, present, frontends, affinity_s, sources })
        })
        .collect()
}

/// What a host port of a pod is served by.
pub fn host_port_port(host_port: &HostPort, node: &Node) -> (PortKey, PlannedPort) {
    let pod = BackendAddr {
        addr: addr(host_port.pod_ip),
        port: Be16::new(host_port.container_port.get()),
    };
    let (key, frontends) = frontends::of_host_port(host_port, node);
    let port = PlannedPort {
        cluster: vec![pod],
        local: vec![pod],
        present: vec![pod],
        frontends,
        affinity_s: 0,
        sources: None,
    };
    (key, port)
}

struct Lists {
    cluster: Vec<BackendAddr>,
    local: Vec<BackendAddr>,
    present: Vec<BackendAddr>,
}

impl Lists {
    fn of(mut candidates: Vec<(&Endpoint, BackendAddr)>, node: &Node) -> Self {
        candidates.sort_unstable_by_key(|(_, backend)| *backend);
        let choice = Choice::of(candidates.iter().map(|(endpoint, _)| *endpoint), node);
        let list = |takes: &dyn Fn(&Endpoint) -> bool| {
            let taken = candidates.iter().filter(|(endpoint, _)| takes(endpoint));
            let mut list: Vec<BackendAddr> = taken.map(|(_, backend)| *backend).collect();
            list.dedup();
            list
        };
        Self {
            cluster: list(&|endpoint| choice.takes_for_cluster(endpoint)),
            local: list(&|endpoint| choice.takes_for_local(endpoint)),
            present: list(&|_| true),
        }
    }
}

/// The endpoints of the right family that have the port, and where each listens.
fn candidates<'a>(
    port: &ServicePort,
    is_v4: bool,
    slices: &[&'a EndpointSlice],
) -> Vec<(&'a Endpoint, BackendAddr)> {
    let mut found = Vec::new();
    for slice in slices {
        let same =
            |p: &&crate::model::EndpointPort| p.name == port.name && p.protocol == port.protocol;
        let Some(target) = slice.ports.iter().find(same) else { continue };
        for endpoint in &slice.endpoints {
            let Some(ip) = endpoint.addresses.first().filter(|ip| ip.is_ipv4() == is_v4) else {
                continue;
            };
            let backend = BackendAddr { addr: addr(*ip), port: Be16::new(target.port.get()) };
            found.push((endpoint, backend));
        }
    }
    found
}
