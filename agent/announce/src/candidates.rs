//! Which addresses this node could announce. Pure.
//!
//! Every node serves a packet to a load balancer address that arrives, so with externalTrafficPolicy Cluster
//! every node is a candidate, with or without endpoints: a connection without any is refused at once, which
//! says more than an address that nobody has. With policy Local only nodes with a usable endpoint of the
//! address' family are.
//!
//! Only addresses of a pool are announced. Others may stand in the status of a Service too: those of a
//! cloud's load balancer, or of another announcer on the same network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use sheave_core::model::{Endpoint, Model, ObjectKey, Service, ServiceType, TrafficPolicy};

use crate::pool::AddressRange;

/// The addresses of LoadBalancer Services within `pool` that this node could announce.
pub fn candidates(model: &Model, pool: &[AddressRange]) -> BTreeSet<IpAddr> {
    let mut addresses: BTreeMap<IpAddr, Eligibility> = BTreeMap::new();
    let mut slices = None;
    for service in model.services.values() {
        if service.service_type != ServiceType::LoadBalancer {
            continue;
        }
        let is_ours = |address: &&IpAddr| pool.iter().any(|range| range.contains(**address));
        for address in service.load_balancer_ips.iter().filter(is_ours) {
            let place = match service.external_traffic_policy {
                TrafficPolicy::Cluster => Place::Anywhere,
                TrafficPolicy::Local => {
                    let slices = slices.get_or_insert_with(|| Slices::of(model));
                    slices.place(model, service, *address)
                }
            };
            addresses.entry(*address).or_default().note(place);
        }
    }
    let eligible = addresses.into_iter().filter(|(_, eligibility)| eligibility.is_eligible());
    eligible.map(|(address, _)| address).collect()
}

/// Where traffic to a Service may arrive.
enum Place {
    Anywhere,
    /// Here, and perhaps elsewhere.
    Here,
    /// On other nodes alone.
    Elsewhere,
    /// On none.
    Nowhere,
}

/// What the Services of one address say; it may be shared.
#[derive(Default)]
struct Eligibility {
    is_wanted: bool,
    is_refused: bool,
}

impl Eligibility {
    fn note(&mut self, place: Place) {
        match place {
            Place::Anywhere | Place::Here => self.is_wanted = true,
            Place::Elsewhere => self.is_refused = true,
            Place::Nowhere => {}
        }
    }

    fn is_eligible(&self) -> bool {
        self.is_wanted && !self.is_refused
    }
}

/// Endpoints by Service; made once, when a Service wants them.
struct Slices<'a>(BTreeMap<(&'a str, &'a str), Vec<&'a Endpoint>>);

impl<'a> Slices<'a> {
    fn of(model: &'a Model) -> Self {
        let mut services: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for slice in model.slices.values() {
            let service = (slice.key.namespace.as_str(), slice.service_name.as_str());
            services.entry(service).or_default().extend(&slice.endpoints);
        }
        Self(services)
    }

    fn place(&self, model: &Model, service: &Service, address: IpAddr) -> Place {
        let ObjectKey { namespace, name } = &service.key;
        let endpoints = self.0.get(&(namespace.as_str(), name.as_str()));
        let same_family = |e: &&&Endpoint| {
            e.addresses.first().is_some_and(|at| at.is_ipv4() == address.is_ipv4())
        };
        let endpoints: Vec<&Endpoint> =
            endpoints.into_iter().flatten().filter(same_family).copied().collect();
        let usable = || endpoints.iter().filter(|e| e.ready || (e.serving && e.terminating));
        if usable().any(|e| !model.node.name.is_empty() && e.node_name == model.node.name) {
            Place::Here
        } else if usable().next().is_some() {
            Place::Elsewhere
        } else {
            Place::Nowhere
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_core::model::{EndpointSlice, Node, ServiceType};

    const POOL: &str = "192.0.2.0/24";

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "default".into(), name: name.into() }
    }

    fn service(name: &str, policy: TrafficPolicy, addresses: &[&str]) -> Service {
        Service {
            key: key(name),
            service_type: ServiceType::LoadBalancer,
            load_balancer_ips: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            external_traffic_policy: policy,
            cluster_ips: vec!["10.96.0.1".parse().unwrap()],
            external_ips: vec![],
            ports: vec![],
            internal_traffic_policy: TrafficPolicy::Cluster,
            affinity_timeout_s: None,
            source_ranges: vec![],
            health_check_node_port: None,
        }
    }

    fn slice(
        service: &str,
        address: &str,
        node: &str,
        [ready, serving, terminating]: [bool; 3],
    ) -> EndpointSlice {
        let endpoint = Endpoint {
            addresses: vec![address.parse().unwrap()],
            ready,
            serving,
            terminating,
            node_name: node.into(),
            zone: String::new(),
            zone_hints: vec![],
            node_hints: vec![],
            hostname: String::new(),
        };
        let key = key(&format!("{service}-{address}"));
        EndpointSlice {
            key,
            service_name: service.into(),
            ports: vec![],
            endpoints: vec![endpoint],
        }
    }

    const READY: [bool; 3] = [true, true, false];
    const ENDING: [bool; 3] = [false, true, true];
    const NOT_READY: [bool; 3] = [false, false, false];

    fn of(services: Vec<Service>, slices: Vec<EndpointSlice>) -> Vec<String> {
        let model = Model {
            node: Node { name: "here".into(), ..Node::default() },
            services: services.into_iter().map(|service| (service.key.clone(), service)).collect(),
            slices: slices.into_iter().map(|slice| (slice.key.clone(), slice)).collect(),
            ..Model::default()
        };
        let pool = [POOL.parse().unwrap(), "2001:db8::/64".parse().unwrap()];
        candidates(&model, &pool).iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn policy_cluster_makes_every_node_a_candidate_endpoints_or_not() {
        let web = service("web", TrafficPolicy::Cluster, &["192.0.2.1", "2001:db8::1"]);
        assert_eq!(of(vec![web], vec![]), ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn only_load_balancer_addresses_of_the_pool_count() {
        let mut node_port = service("a", TrafficPolicy::Cluster, &["192.0.2.1"]);
        node_port.service_type = ServiceType::NodePort;
        let foreign = service("b", TrafficPolicy::Cluster, &["203.0.113.1"]);
        assert!(of(vec![node_port, foreign], vec![]).is_empty());
    }

    #[test]
    fn policy_local_wants_a_usable_endpoint_here_of_the_same_family() {
        let web = || vec![service("web", TrafficPolicy::Local, &["192.0.2.1", "2001:db8::1"])];
        let slice = |address, node, state| vec![slice("web", address, node, state)];
        assert_eq!(of(web(), slice("10.244.0.2", "here", READY)), ["192.0.2.1"]);
        assert_eq!(of(web(), slice("fd00::2", "here", READY)), ["2001:db8::1"]);
        assert_eq!(of(web(), slice("10.244.0.2", "here", ENDING)), ["192.0.2.1"], "drains");
        for absent in
            [slice("10.244.0.2", "there", READY), slice("10.244.0.2", "here", NOT_READY), vec![]]
        {
            assert!(of(web(), absent).is_empty());
        }
    }

    #[test]
    fn a_shared_address_goes_where_all_its_services_can_be_served() {
        let services = || {
            let web = service("web", TrafficPolicy::Cluster, &["192.0.2.1"]);
            vec![web, service("dns", TrafficPolicy::Local, &["192.0.2.1"])]
        };
        let dns_on = |node| vec![slice("dns", "10.244.0.2", node, READY)];
        assert_eq!(of(services(), dns_on("here")), ["192.0.2.1"]);
        assert!(of(services(), dns_on("there")).is_empty());
        assert_eq!(of(services(), vec![]), ["192.0.2.1"], "no node is better than this one");
    }
}
