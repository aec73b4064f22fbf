//! Where clients should be led, straight from the objects and by Kubernetes' rules: knows nothing of plans,
//! ids or slots.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::FrontendKey;
use sheave_core::model::{
    Endpoint, EndpointSlice, ObjectKey, Service, ServicePort, TrafficPolicy, Update,
};

use super::maps::Maps;
use super::objects;

/// The objects there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Meant {
    services: BTreeMap<ObjectKey, Service>,
    slices: BTreeMap<ObjectKey, EndpointSlice>,
}

/// The backends that a client inside, and one outside, may be given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Choice {
    internal: BTreeSet<(Addr, Be16)>,
    external: BTreeSet<(Addr, Be16)>,
}

impl Meant {
    pub(super) fn note(&mut self, update: &Update) {
        match update {
            Update::Service(service) => {
                self.services.insert(service.key.clone(), service.clone());
            }
            Update::ServiceGone(key) => {
                self.services.remove(key);
            }
            Update::EndpointSlice(slice) => {
                self.slices.insert(slice.key.clone(), slice.clone());
            }
            Update::EndpointSliceGone(key) => {
                self.slices.remove(key);
            }
            _ => {}
        }
    }

    /// All of it, as a source says it.
    pub(super) fn complete(&self) -> Vec<Update> {
        let mut updates =
            vec![Update::Init, Update::Node(objects::node()), Update::HostPorts(vec![])];
        updates.extend(self.services.values().cloned().map(Update::Service));
        updates.extend(self.slices.values().cloned().map(Update::EndpointSlice));
        updates.push(Update::InitDone);
        updates
    }

    /// Compares with what clients find. When the maps are too small for all of it, what is there must still
    /// not be wrong.
    pub(super) fn compare(&self, maps: &Maps, is_full: bool) {
        let meant = self.frontends();
        let addresses: BTreeSet<Addr> =
            self.services.values().flat_map(|s| &s.cluster_ips).copied().map(addr).collect();
        for (key, value) in &maps.frontends {
            if key.marks_address() {
                assert!(addresses.contains(&key.addr), "{key:?} is nobody's address");
                continue;
            }
            let found = |range| {
                let at = |id: &u32| (maps.backend(*id).addr, maps.backend(*id).port);
                maps.ids(range).iter().map(at).collect::<BTreeSet<_>>()
            };
            let found = Choice { internal: found(value.internal), external: found(value.external) };
            let Some(meant) = meant.get(key) else { panic!("{key:?} is served and should not be") };
            match is_full {
                false => assert_eq!(&found, meant, "{key:?}"),
                true => {
                    assert!(
                        found.internal.is_subset(&meant.internal),
                        "{key:?}: {found:?} {meant:?}"
                    );
                    assert!(
                        found.external.is_subset(&meant.external),
                        "{key:?}: {found:?} {meant:?}"
                    );
                }
            }
        }
        if !is_full {
            for key in meant.keys().copied().chain(addresses.into_iter().map(FrontendKey::address))
            {
                assert!(maps.frontends.contains_key(&key), "{key:?} is not served");
            }
        }
    }

    /// Of two that want the same, the first in order of name has it; of a Service's ports, the first by
    /// protocol and number.
    fn frontends(&self) -> BTreeMap<FrontendKey, Choice> {
        let mut frontends = BTreeMap::new();
        for service in self.services.values() {
            let mut ports: Vec<&ServicePort> = service.ports.iter().collect();
            ports.sort_by_key(|port| (port.protocol, port.port));
            for port in ports {
                for is_v4 in [false, true] {
                    if !service.cluster_ips.iter().any(|ip| ip.is_ipv4() == is_v4) {
                        continue;
                    }
                    for (key, choice) in self.frontends_of(service, port, is_v4) {
                        frontends.entry(key).or_insert(choice);
                    }
                }
            }
        }
        frontends
    }

    fn frontends_of(
        &self,
        service: &Service,
        port: &ServicePort,
        is_v4: bool,
    ) -> Vec<(FrontendKey, Choice)> {
        let everywhere = self.usable(service, port, is_v4, |_| true);
        let here = self.usable(service, port, is_v4, |endpoint| endpoint.node_name == "here");
        let of = |policy| match policy {
            TrafficPolicy::Cluster => everywhere.clone(),
            TrafficPolicy::Local => here.clone(),
        };
        let key = |ip, number| FrontendKey::new(addr(ip), Be16::new(number), port.protocol as u8);
        let mut frontends = Vec::new();
        for ip in service.cluster_ips.iter().filter(|ip| ip.is_ipv4() == is_v4) {
            let internal = of(service.internal_traffic_policy);
            let choice = Choice { internal, external: BTreeSet::new() };
            frontends.push((key(*ip, port.port.get()), choice));
        }
        let Some(node_port) = port.node_port else { return frontends };
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let own = objects::node().node_port_addresses;
        for ip in own.into_iter().chain(loopback).filter(|ip| ip.is_ipv4() == is_v4) {
            let external = match ip.is_loopback() {
                true => BTreeSet::new(),
                false => of(service.external_traffic_policy),
            };
            let choice = Choice { internal: everywhere.clone(), external };
            frontends.push((key(ip, node_port.get()), choice));
        }
        frontends
    }

    /// The ready ones; if there are none, those that serve while they terminate.
    fn usable(
        &self,
        service: &Service,
        port: &ServicePort,
        is_v4: bool,
        is_in_scope: impl Fn(&Endpoint) -> bool,
    ) -> BTreeSet<(Addr, Be16)> {
        let mut ready = BTreeSet::new();
        let mut terminating = BTreeSet::new();
        let slices = self.slices.values().filter(|slice| {
            slice.key.namespace == service.key.namespace && slice.service_name == service.key.name
        });
        for slice in slices {
            let target =
                slice.ports.iter().find(|p| p.name == port.name && p.protocol == port.protocol);
            let Some(target) = target else { continue };
            for endpoint in slice.endpoints.iter().filter(|endpoint| is_in_scope(endpoint)) {
                let ip = endpoint.addresses[0];
                if ip.is_ipv4() != is_v4 {
                    continue;
                }
                let backend = (addr(ip), Be16::new(target.port.get()));
                if endpoint.ready {
                    ready.insert(backend);
                } else if endpoint.serving && endpoint.terminating {
                    terminating.insert(backend);
                }
            }
        }
        if ready.is_empty() { terminating } else { ready }
    }
}

fn addr(ip: IpAddr) -> Addr {
    match ip {
        IpAddr::V4(ip) => Addr::v4(ip.octets()),
        IpAddr::V6(ip) => Addr::v6(ip.octets()),
    }
}
