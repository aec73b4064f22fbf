//! What the kernel should hold, in words of services: a pure function of the model. No ids, no slots: those
//! depend on what the maps hold already and are the business of [`crate::diff`].

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{FrontendKey, flags};

use crate::endpoints::usable;
use crate::model::{
    Endpoint, EndpointSlice, Model, Node, ObjectKey, Protocol, Service, ServicePort, ServiceType,
    TrafficPolicy,
};

/// The form addresses have in the maps.
pub fn addr(ip: IpAddr) -> Addr {
    match ip {
        IpAddr::V4(ip) => Addr::v4(ip.octets()),
        IpAddr::V6(ip) => Addr::v6(ip.octets()),
    }
}

/// One port of one Service in one address family: what has a list of backends of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// The Service.
    pub service: ObjectKey,
    /// Protocol.
    pub protocol: Protocol,
    /// Port on the service addresses.
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
    /// A loopback address of the node.
    pub host_only: bool,
}

/// One service port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPort {
    /// Usable endpoints of the cluster, sorted, each once.
    pub cluster: Vec<BackendAddr>,
    /// Usable endpoints of this node, sorted, each once.
    pub local: Vec<BackendAddr>,
    /// Where it is reached.
    pub frontends: Vec<PlannedFrontend>,
    /// 0: no affinity.
    pub affinity_s: u32,
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
        let drops = |scope| scope == Scope::Local && self.local.is_empty();
        let mut bits = 0;
        if frontend.external.is_some() {
            bits |= flags::EXTERNAL;
        }
        if frontend.host_only {
            bits |= flags::HOST_ONLY;
        }
        if drops(frontend.internal) && !self.cluster.is_empty() {
            bits |= flags::INTERNAL_DROP;
        }
        if frontend.external.is_some_and(drops) {
            bits |= flags::EXTERNAL_DROP;
        }
        bits
    }
}

/// Two service ports want the same address, port and protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What both want.
    pub key: FrontendKey,
    /// Who has it: the first in order of name.
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

/// Plans for all of the model.
pub fn plan(model: &Model) -> Plan {
    let mut slices: HashMap<(&str, &str), Vec<&EndpointSlice>> = HashMap::new();
    for slice in model.slices.values() {
        let service = (slice.key.namespace.as_str(), slice.service_name.as_str());
        slices.entry(service).or_default().push(slice);
    }
    let mut plan = Plan::default();
    let mut owners = HashMap::new();
    for service in model.services.values() {
        plan.addresses.extend(service.cluster_ips.iter().copied().map(addr));
        let name = (service.key.namespace.as_str(), service.key.name.as_str());
        let slices = slices.get(&name).map(Vec::as_slice).unwrap_or_default();
        for port in &service.ports {
            for is_v4 in families(service) {
                let key = PortKey {
                    service: service.key.clone(),
                    protocol: port.protocol,
                    port: port.port.get(),
                    is_v4,
                };
                let mut planned = plan_port(service, port, is_v4, slices, &model.node);
                refuse_taken(&mut owners, &key, &mut planned, &mut plan.conflicts);
                plan.ports.insert(key, planned);
            }
        }
    }
    plan
}

fn families(service: &Service) -> BTreeSet<bool> {
    service.cluster_ips.iter().map(IpAddr::is_ipv4).collect()
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

fn plan_port(
    service: &Service,
    port: &ServicePort,
    is_v4: bool,
    slices: &[&EndpointSlice],
    node: &Node,
) -> PlannedPort {
    let candidates = candidates(port, is_v4, slices);
    let endpoints: Vec<&Endpoint> = candidates.iter().map(|(endpoint, _)| *endpoint).collect();
    let usable = usable(&endpoints, node);
    let list = |chosen: &[&Endpoint]| -> Vec<BackendAddr> {
        // By identity: two slices may hold endpoints that are equal but for their ports.
        let chosen: HashSet<*const Endpoint> =
            chosen.iter().map(|e| std::ptr::from_ref(*e)).collect();
        let listed: BTreeSet<BackendAddr> = candidates
            .iter()
            .filter(|(endpoint, _)| chosen.contains(&std::ptr::from_ref(*endpoint)))
            .map(|(_, backend)| *backend)
            .collect();
        listed.into_iter().collect()
    };
    PlannedPort {
        cluster: list(&usable.cluster),
        local: list(&usable.local),
        frontends: frontends(service, port, is_v4, node),
        affinity_s: service.affinity_timeout_s.unwrap_or(0),
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

fn frontends(
    service: &Service,
    port: &ServicePort,
    is_v4: bool,
    node: &Node,
) -> Vec<PlannedFrontend> {
    let protocol = port.protocol as u8;
    let mut frontends = Vec::new();
    for ip in service.cluster_ips.iter().filter(|ip| ip.is_ipv4() == is_v4) {
        frontends.push(PlannedFrontend {
            key: FrontendKey::new(addr(*ip), Be16::new(port.port.get()), protocol),
            internal: service.internal_traffic_policy.into(),
            external: None,
            host_only: false,
        });
    }
    let Some(node_port) = port.node_port.filter(|_| service.service_type != ServiceType::ClusterIp)
    else {
        return frontends;
    };
    let loopback =
        if is_v4 { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
    let own = node.node_port_addresses.iter().copied().filter(|ip| ip.is_ipv4() == is_v4);
    let addresses: BTreeSet<IpAddr> = own.chain([loopback]).collect();
    // A client inside that dials the node is served from all of the cluster, as kube-proxy does.
    for ip in addresses {
        let host_only = ip.is_loopback();
        frontends.push(PlannedFrontend {
            key: FrontendKey::new(addr(ip), Be16::new(node_port.get()), protocol),
            internal: Scope::Cluster,
            external: (!host_only).then(|| service.external_traffic_policy.into()),
            host_only,
        });
    }
    frontends
}
