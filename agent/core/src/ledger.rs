//! Keeps the [`Model`] true while a source sends changes, and remembers what they changed.
//!
//! Absence means something only once a complete state has been sent: until [`Update::InitDone`] what was
//! known stays, whether the source has named it yet or not. What is said again as it was is no change: a
//! source that connects anew costs nothing downstream. What was only recalled is served, and takes away nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{EndpointSlice, HostPort, Knowledge, Model, NamedService, ObjectKey, Update};

/// The model, and how complete it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    model: Model,
    /// Names of a Service's slices, which are in its namespace; sorted.
    slices_of: BTreeMap<ObjectKey, Vec<String>>,
    /// What the complete state under way has named so far.
    named: Option<Named>,
    knowledge: Knowledge,
    host_ports_known: bool,
    changes: Changes,
    names: BTreeSet<ObjectKey>,
    peers_changed: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Named {
    services: BTreeSet<ObjectKey>,
    slices: BTreeSet<ObjectKey>,
    peers: BTreeSet<String>,
}

/// What is not as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// This node's description, which everything depends on.
    pub node: bool,
    /// Services that are new, changed or gone, or that have such slices.
    pub services: BTreeSet<ObjectKey>,
    /// Host ports of pods.
    pub host_ports: bool,
}

impl Ledger {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What should be, as far as it is known.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Complete from the first complete state on: only then is what is not in the model gone.
    pub fn knowledge(&self) -> Knowledge {
        self.knowledge
    }

    /// True once the host ports of this node's pods have been said, were it that there are none: before,
    /// a host port that the maps hold is not gone.
    pub fn knows_host_ports(&self) -> bool {
        self.host_ports_known
    }

    /// The slices of a Service, in order of name.
    pub fn slices(&self, service: &ObjectKey) -> Vec<&EndpointSlice> {
        let names = self.slices_of.get(service).into_iter().flatten();
        let key =
            |name: &String| ObjectKey { namespace: service.namespace.clone(), name: name.clone() };
        names.filter_map(|name| self.model.slices.get(&key(name))).collect()
    }

    /// Services, served here or not, that are new, changed or gone, or that have such slices, since this
    /// was last asked: not what [`Self::take_changes`] takes.
    pub fn take_names(&mut self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut self.names)
    }

    /// Whether other nodes are new, changed or gone since this was last asked, or only now known to be gone.
    pub fn take_peers_changed(&mut self) -> bool {
        std::mem::take(&mut self.peers_changed)
    }

    /// What has changed since this was last asked.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Takes note of a change. A new [`Update::Init`] before [`Update::InitDone`] starts over, as a
    /// source does that lost its connection.
    pub fn note(&mut self, update: Update) {
        match update {
            Update::Init => self.named = Some(Named::default()),
            Update::InitDone => {
                if let Some(named) = self.named.take() {
                    self.forget_all_but(&named);
                    self.peers_changed |= self.knowledge != Knowledge::Complete;
                    self.knowledge = Knowledge::Complete;
                }
            }
            Update::Recalled => {
                if self.named.take().is_some() {
                    self.knowledge = self.knowledge.max(Knowledge::Recalled);
                }
            }
            Update::Node(node) => {
                self.changes.node |= self.model.node != node;
                self.model.node = node;
            }
            Update::HostPorts(host_ports) => {
                self.changes.host_ports |= !self.host_ports_known;
                self.host_ports_known = true;
                self.note_host_ports(host_ports);
            }
            Update::SomeHostPorts(host_ports) => self.note_host_ports(host_ports),
            Update::Service(service) => {
                if let Some(named) = &mut self.named {
                    named.services.insert(service.key.clone());
                }
                if self.model.services.get(&service.key) != Some(&service) {
                    self.model.named_services.remove(&service.key);
                    self.changed(service.key.clone());
                    self.model.services.insert(service.key.clone(), service);
                }
            }
            Update::NamedService(service) => {
                if let Some(named) = &mut self.named {
                    named.services.insert(service.key.clone());
                }
                self.note_named(service);
            }
            Update::ServiceGone(key) => {
                if let Some(named) = &mut self.named {
                    named.services.remove(&key);
                }
                self.forget_service(&key);
            }
            Update::EndpointSlice(slice) => {
                if let Some(named) = &mut self.named {
                    named.slices.insert(slice.key.clone());
                }
                self.note_slice(slice);
            }
            Update::EndpointSliceGone(key) => {
                if let Some(named) = &mut self.named {
                    named.slices.remove(&key);
                }
                self.forget_slice(&key);
            }
            Update::Peer(peer) => {
                if let Some(named) = &mut self.named {
                    named.peers.insert(peer.name.clone());
                }
                self.peers_changed |= self.model.peers.get(&peer.name) != Some(&peer);
                self.model.peers.insert(peer.name.clone(), peer);
            }
            Update::PeerGone(name) => {
                if let Some(named) = &mut self.named {
                    named.peers.remove(&name);
                }
                self.peers_changed |= self.model.peers.remove(&name).is_some();
            }
        }
    }

    fn note_host_ports(&mut self, host_ports: Vec<HostPort>) {
        self.changes.host_ports |= self.model.host_ports != host_ports;
        self.model.host_ports = host_ports;
    }

    /// The dataplane learns of it only when it served it before.
    fn note_named(&mut self, service: NamedService) {
        if self.model.named_services.get(&service.key) != Some(&service) {
            if self.model.services.remove(&service.key).is_some() {
                self.changes.services.insert(service.key.clone());
            }
            self.names.insert(service.key.clone());
            self.model.named_services.insert(service.key.clone(), service);
        }
    }

    fn changed(&mut self, service: ObjectKey) {
        if !self.model.named_services.contains_key(&service) {
            self.changes.services.insert(service.clone());
        }
        self.names.insert(service);
    }

    fn note_slice(&mut self, slice: EndpointSlice) {
        match self.model.slices.get(&slice.key) {
            Some(before) if *before == slice => return,
            Some(before) if before.service_name != slice.service_name => {
                let key = before.key.clone();
                self.forget_slice(&key);
            }
            _ => {}
        }
        let service = service_of(&slice);
        let names = self.slices_of.entry(service.clone()).or_default();
        if let Err(at) = names.binary_search(&slice.key.name) {
            names.reserve_exact(1);
            names.insert(at, slice.key.name.clone());
        }
        self.changed(service);
        self.model.slices.insert(slice.key.clone(), slice);
    }

    fn forget_slice(&mut self, key: &ObjectKey) {
        let Some(slice) = self.model.slices.remove(key) else { return };
        let service = service_of(&slice);
        if let Some(names) = self.slices_of.get_mut(&service) {
            names.retain(|name| *name != key.name);
            if names.is_empty() {
                self.slices_of.remove(&service);
            }
        }
        self.changed(service);
    }

    fn forget_service(&mut self, key: &ObjectKey) {
        if self.model.services.remove(key).is_some() {
            self.changed(key.clone());
        }
        if self.model.named_services.remove(key).is_some() {
            self.names.insert(key.clone());
        }
    }

    fn forget_all_but(&mut self, named: &Named) {
        let known = self.model.services.keys().chain(self.model.named_services.keys());
        let services = known.filter(|key| !named.services.contains(*key));
        for key in services.cloned().collect::<Vec<_>>() {
            self.forget_service(&key);
        }
        let slices = self.model.slices.keys().filter(|key| !named.slices.contains(*key));
        for key in slices.cloned().collect::<Vec<_>>() {
            self.forget_slice(&key);
        }
        let before = self.model.peers.len();
        self.model.peers.retain(|name, _| named.peers.contains(name));
        self.peers_changed |= self.model.peers.len() != before;
    }
}

fn service_of(slice: &EndpointSlice) -> ObjectKey {
    ObjectKey { namespace: slice.key.namespace.clone(), name: slice.service_name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeadsTo, Peer, Service, ServiceType, TrafficPolicy};

    fn slice(name: &str) -> EndpointSlice {
        EndpointSlice {
            key: ObjectKey { namespace: "default".into(), name: name.into() },
            service_name: "web".into(),
            ports: vec![],
            endpoints: vec![],
        }
    }

    fn names(ledger: &Ledger) -> Vec<&str> {
        ledger.model().slices.keys().map(|key| key.name.as_str()).collect()
    }

    #[test]
    fn what_a_new_complete_state_does_not_name_is_gone_only_when_it_is_complete() {
        let mut ledger = Ledger::new();
        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("a")));
        ledger.note(Update::EndpointSlice(slice("b")));
        assert_eq!(ledger.knowledge(), Knowledge::Nothing);
        ledger.note(Update::InitDone);
        assert_eq!(ledger.knowledge(), Knowledge::Complete);

        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("b")));
        assert_eq!(names(&ledger), ["a", "b"], "nothing is missing before the state is complete");
        ledger.note(Update::InitDone);
        assert_eq!(names(&ledger), ["b"]);
    }

    #[test]
    fn a_peer_is_gone_when_a_complete_state_does_not_name_it_and_not_before() {
        let peer = |name: &str| {
            Update::Peer(Peer { name: name.into(), addresses: vec![], pod_ranges: vec![] })
        };
        let mut ledger = Ledger::new();
        for update in [Update::Init, peer("a"), peer("b"), Update::InitDone] {
            ledger.note(update);
        }
        assert!(ledger.take_peers_changed() && !ledger.take_peers_changed());
        for update in [Update::Init, peer("b")] {
            ledger.note(update);
        }
        assert_eq!(ledger.model().peers.len(), 2);
        assert!(!ledger.take_peers_changed(), "nothing new was said, and nothing is missing yet");
        ledger.note(Update::InitDone);
        assert!(ledger.take_peers_changed());
        assert_eq!(ledger.model().peers.keys().collect::<Vec<_>>(), ["b"]);
        ledger.note(Update::PeerGone("b".into()));
        assert!(ledger.take_peers_changed() && ledger.model().peers.is_empty());
    }

    #[test]
    fn a_state_that_is_started_over_counts_from_its_second_start() {
        let mut ledger = Ledger::new();
        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("a")));
        ledger.note(Update::Init);
        ledger.note(Update::EndpointSlice(slice("b")));
        ledger.note(Update::InitDone);
        assert_eq!(names(&ledger), ["b"]);
    }

    #[test]
    fn an_end_without_a_start_says_nothing() {
        let mut ledger = Ledger::new();
        ledger.note(Update::EndpointSlice(slice("a")));
        ledger.note(Update::InitDone);
        ledger.note(Update::Recalled);
        assert_eq!(ledger.knowledge(), Knowledge::Nothing);
        assert_eq!(names(&ledger), ["a"]);
    }

    #[test]
    fn what_is_said_again_as_it_was_is_no_change() {
        let mut ledger = Ledger::new();
        for _ in 0..2 {
            ledger.note(Update::Init);
            ledger.note(Update::EndpointSlice(slice("a")));
            ledger.note(Update::InitDone);
        }
        let web = ObjectKey { namespace: "default".into(), name: "web".into() };
        assert_eq!(ledger.take_changes().services, BTreeSet::from([web.clone()]));
        ledger.note(Update::EndpointSlice(slice("a")));
        assert_eq!(ledger.take_changes(), Changes::default());
        ledger.note(Update::Init);
        ledger.note(Update::InitDone);
        assert_eq!(ledger.take_changes().services, BTreeSet::from([web.clone()]));
        assert!(ledger.slices(&web).is_empty());
    }

    #[test]
    fn what_only_has_names_is_nothing_to_the_dataplane() {
        let key = ObjectKey { namespace: "default".into(), name: "web".into() };
        let ports = Vec::new();
        let leads_to = LeadsTo::Endpoints { publish_not_ready: false };
        let headless = NamedService { key: key.clone(), leads_to, ports };
        let mut ledger = Ledger::new();
        ledger.note(Update::NamedService(headless.clone()));
        ledger.note(Update::EndpointSlice(slice("a")));
        assert_eq!(ledger.take_changes(), Changes::default());
        assert_eq!(ledger.take_names(), BTreeSet::from([key.clone()]));

        let served = Service {
            key: key.clone(),
            service_type: ServiceType::ClusterIp,
            cluster_ips: vec![],
            external_ips: vec![],
            load_balancer_ips: vec![],
            ports: vec![],
            internal_traffic_policy: TrafficPolicy::Cluster,
            external_traffic_policy: TrafficPolicy::Cluster,
            affinity_timeout_s: None,
            source_ranges: vec![],
            health_check_node_port: None,
        };
        ledger.note(Update::Service(served));
        assert!(ledger.model().named_services.is_empty(), "it is one or the other");
        assert_eq!(ledger.take_changes().services, BTreeSet::from([key.clone()]));
        ledger.note(Update::NamedService(headless));
        assert!(ledger.model().services.is_empty());
        assert_eq!(ledger.take_changes().services, BTreeSet::from([key.clone()]), "not any more");

        ledger.take_names();
        ledger.note(Update::Init);
        ledger.note(Update::InitDone);
        assert!(ledger.model().named_services.is_empty());
        assert_eq!(ledger.take_names(), BTreeSet::from([key]));
    }

    #[test]
    fn a_slice_that_changes_its_service_changes_both() {
        let mut ledger = Ledger::new();
        ledger.note(Update::EndpointSlice(slice("a")));
        ledger.take_changes();
        let moved = EndpointSlice { service_name: "other".into(), ..slice("a") };
        ledger.note(Update::EndpointSlice(moved.clone()));
        let key = |name: &str| ObjectKey { namespace: "default".into(), name: name.into() };
        assert_eq!(ledger.take_changes().services, BTreeSet::from([key("web"), key("other")]));
        assert_eq!(ledger.slices(&key("other")), [&moved]);
        assert!(ledger.slices(&key("web")).is_empty());
    }
}
