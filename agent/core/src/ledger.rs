//! Keeps the [`Model`] true while a source sends changes, and remembers what they changed.
//!
//! Absence means something only once a complete state has been sent: until [`Update::InitDone`] what was
//! known stays, whether the source has named it yet or not. What is said again as it was is no change: a
//! source that connects anew costs nothing downstream. What was only recalled is served, and takes away nothing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    EndpointSlice, HostPort, Knowledge, Model, NamedService, ObjectKey, Service, Update,
};

/// The model, and how complete it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    model: Model,
    /// Names of a Service's slices, which are in its namespace; sorted.
    slices_of: BTreeMap<ObjectKey, Vec<String>>,
    /// What was known before the complete state under way, and has not been named by it yet.
    unnamed: Option<Unnamed>,
    knowledge: Knowledge,
    host_ports_known: bool,
    changes: Changes,
    names: BTreeSet<ObjectKey>,
    peers_changed: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Unnamed {
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
            Update::Init => self.unnamed = Some(Unnamed::of(&self.model)),
            Update::InitDone => {
                if let Some(unnamed) = self.unnamed.take() {
                    self.forget(unnamed);
                    self.peers_changed |= self.knowledge != Knowledge::Complete;
                    self.knowledge = Knowledge::Complete;
                }
            }
            Update::Recalled => {
                if self.unnamed.take().is_some() {
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
                if let Some(unnamed) = &mut self.unnamed {
                    unnamed.services.remove(&service.key);
                }
                self.note_service(service);
            }
            Update::NamedService(service) => {
                if let Some(unnamed) = &mut self.unnamed {
                    unnamed.services.remove(&service.key);
                }
                self.note_named(service);
            }
            Update::ServiceGone(key) => self.forget_service(&key),
            Update::EndpointSlice(slice) => {
                if let Some(unnamed) = &mut self.unnamed {
                    unnamed.slices.remove(&slice.key);
                }
                self.note_slice(slice);
            }
            Update::EndpointSliceGone(key) => self.forget_slice(&key),
            Update::Peer(peer) => {
                if let Some(unnamed) = &mut self.unnamed {
                    unnamed.peers.remove(&peer.name);
                }
                self.peers_changed |= self.model.peers.get(&peer.name) != Some(&peer);
                self.model.peers.insert(peer.name.clone(), peer);
            }
            Update::PeerGone(name) => self.forget_peer(&name),
        }
    }

    fn note_host_ports(&mut self, host_ports: Vec<HostPort>) {
        self.changes.host_ports |= self.model.host_ports != host_ports;
        self.model.host_ports = host_ports;
    }

    fn note_service(&mut self, service: Service) {
        let key = service.key.clone();
        match self.model.services.entry(key.clone()) {
            Entry::Occupied(known) if *known.get() == service => return,
            Entry::Occupied(mut known) => drop(known.insert(service)),
            Entry::Vacant(place) => drop(place.insert(service)),
        }
        self.model.named_services.remove(&key);
        self.changed(key);
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
        let (key, service) = (slice.key.clone(), service_of(&slice));
        let before = match self.model.slices.entry(key.clone()) {
            Entry::Occupied(known) if *known.get() == slice => return,
            Entry::Occupied(mut known) => Some(known.insert(slice)),
            Entry::Vacant(place) => {
                place.insert(slice);
                None
            }
        };
        if let Some(before) = before.filter(|before| before.service_name != service.name) {
            self.leave_service(&before);
        }
        let names = self.slices_of.entry(service.clone()).or_default();
        if let Err(at) = names.binary_search(&key.name) {
            names.reserve_exact(1);
            names.insert(at, key.name);
        }
        self.changed(service);
    }

    fn forget_slice(&mut self, key: &ObjectKey) {
        if let Some(slice) = self.model.slices.remove(key) {
            self.leave_service(&slice);
        }
    }

    /// A slice is no more of the Service that it names.
    fn leave_service(&mut self, slice: &EndpointSlice) {
        let service = service_of(slice);
        if let Some(names) = self.slices_of.get_mut(&service) {
            names.retain(|name| *name != slice.key.name);
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

    fn forget_peer(&mut self, name: &str) {
        self.peers_changed |= self.model.peers.remove(name).is_some();
    }

    fn forget(&mut self, unnamed: Unnamed) {
        unnamed.services.iter().for_each(|key| self.forget_service(key));
        unnamed.slices.iter().for_each(|key| self.forget_slice(key));
        unnamed.peers.iter().for_each(|name| self.forget_peer(name));
    }
}

impl Unnamed {
    /// All of it: nothing at a start, when there is the most to be named.
    fn of(model: &Model) -> Self {
        let services = model.services.keys().chain(model.named_services.keys());
        Self {
            services: services.cloned().collect(),
            slices: model.slices.keys().cloned().collect(),
            peers: model.peers.keys().cloned().collect(),
        }
    }
}

fn service_of(slice: &EndpointSlice) -> ObjectKey {
    ObjectKey { namespace: slice.key.namespace.clone(), name: slice.service_name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LeadsTo, Peer, ServiceType, TrafficPolicy};

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
    fn what_is_gone_and_back_within_a_complete_state_is_there() {
        let gone = |name: &str| {
            Update::EndpointSliceGone(ObjectKey { namespace: "default".into(), name: name.into() })
        };
        let mut ledger = Ledger::new();
        for name in ["a", "b"] {
            ledger.note(Update::EndpointSlice(slice(name)));
        }
        ledger.note(Update::Init);
        for name in ["a", "b", "c"] {
            ledger.note(Update::EndpointSlice(slice(name)));
            ledger.note(gone(name));
        }
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
