//! What all nodes should know now, how it came to be, and how far each node is.
//!
//! One lock around plain maps: it is held for the time of a map operation, never across an await. The
//! objects' bytes are shared with the watch cache or encoded once; nothing is kept once a node.

mod acknowledgement;
mod progress;
mod sessions;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sheave_api::ObjectKey;
use sheave_push::v1::{self, ServerMessage, server_message::Kind};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::acknowledgement::Acknowledgement;
pub(crate) use self::acknowledgement::{Ending, Outcome, Verdict};
pub(crate) use self::sessions::Presence;
use self::sessions::Session;
use self::snapshot::Alike;
use crate::acks::Health;
use crate::encode::key as wire_key;
use crate::endpoints::{Named, Selector};
use crate::log::{Change, Log, Since, Target};
use crate::propagation::Moment;

/// ConfigMaps and Secrets go only to the nodes whose pods use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DataKind {
    ConfigMap,
    Secret,
}

/// A ConfigMap or Secret, by kind and key.
pub(crate) type DataRef = (DataKind, ObjectKey);

/// A pod as its node must see it.
#[derive(Clone, Debug)]
pub(crate) struct PodView {
    pub(crate) node: Arc<str>,
    pub(crate) uid: String,
    pub(crate) json: Bytes,
    /// Of what the node must act on; a change of status alone leaves it as it was.
    pub(crate) fingerprint: u64,
    pub(crate) uses: BTreeSet<DataRef>,
    pub(crate) ready: bool,
    /// The API says that its endpoints are in effect everywhere.
    pub(crate) endpoints_live: bool,
    /// It is to end, which `json` does not say yet.
    pub(crate) ending: Option<Ending>,
}

pub(crate) struct State {
    inner: Mutex<Inner>,
    /// Carries the newest generation once the first complete state is known; 0 before.
    changed: watch::Sender<u64>,
    /// Counts the streams that have begun.
    connected: watch::Sender<u64>,
    /// There are outcomes to be written, or another deadline is the next.
    due: Notify,
    epoch: String,
}

#[derive(Default)]
struct Inner {
    complete: bool,
    log: Log,
    services: BTreeMap<ObjectKey, Bytes>,
    slices: BTreeMap<ObjectKey, Slice>,
    pods: BTreeMap<ObjectKey, PodView>,
    /// All of them, so that a pod that comes later finds its own; bytes shared with the watch cache.
    data: BTreeMap<DataRef, v1::DataObject>,
    nodes: BTreeMap<Arc<str>, (u64, Bytes)>,
    /// The same nodes, as the others must know them.
    peers: BTreeMap<Arc<str>, Bytes>,
    sessions: BTreeMap<Arc<str>, Session>,
    /// When nodes that are not connected hung up.
    left: BTreeMap<Arc<str>, Instant>,
    acknowledgement: Acknowledgement,
    /// What all nodes are sent alike, while some stream sends it and nothing of it has changed.
    alike: Weak<Alike>,
}

struct Slice {
    encoded: Bytes,
    service: ObjectKey,
}

impl State {
    /// `wait_max`: how long pods wait for nodes; `None`: they do not.
    pub(crate) fn new(wait_max: Option<Duration>) -> Self {
        // Differs between any two server processes of one cluster, which is all that is asked of it.
        let epoch = format!(
            "{}-{:x}",
            std::process::id(),
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map(|d| d.as_nanos())
                .unwrap_or_default()
        );
        let acknowledgement = Acknowledgement::new(wait_max);
        Self {
            inner: Mutex::new(Inner { acknowledgement, ..Inner::default() }),
            changed: watch::Sender::new(0),
            connected: watch::Sender::new(0),
            due: Notify::new(),
            epoch,
        }
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Completes with each new generation; never before the first complete state is known.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The first complete state is known: streams may start.
    pub(crate) fn set_complete(&self) {
        let mut inner = self.inner.lock();
        inner.complete = true;
        // A generation of its own, so that even an empty cluster has a state to acknowledge.
        inner.log.push(Target::Node("".into()), Kind::InitDone(v1::InitDone {}));
        inner.consider_all();
        inner.settle(Moment::now());
        self.tell(&inner);
    }

    fn change(&self, edit: impl FnOnce(&mut Inner)) {
        let mut inner = self.inner.lock();
        edit(&mut inner);
        inner.settle(Moment::now());
        self.tell(&inner);
    }

    fn tell(&self, inner: &Inner) {
        if inner.complete {
            let newest = inner.log.newest();
            self.changed.send_if_modified(|seen| std::mem::replace(seen, newest) != newest);
        }
        if inner.acknowledgement.has_news() {
            self.due.notify_one();
        }
    }

    pub(crate) fn apply_service(&self, key: ObjectKey, encoded: Bytes, selector: Option<Selector>) {
        self.change(|inner| {
            if inner.services.get(&key) != Some(&encoded) {
                let generation = inner.log.push(Target::All, Kind::Service(encoded.clone()));
                inner.services.insert(key.clone(), encoded);
                inner.alike = Weak::new();
                inner.service_changed(&key, generation);
            }
            inner.selector_changed(&key, selector);
        });
    }

    pub(crate) fn remove_service(&self, key: &ObjectKey) {
        self.change(|inner| {
            if inner.services.remove(key).is_some() {
                inner.alike = Weak::new();
                let generation = inner.log.push(Target::All, Kind::ServiceGone(wire_key(key)));
                inner.service_removed(key, generation);
            }
            inner.selector_changed(key, None);
        });
    }

    /// `service`: whose slice it is, if it is one's; `named`: the pods in it that may be waited for.
    pub(crate) fn apply_slice(
        &self,
        key: ObjectKey,
        encoded: Bytes,
        service: &str,
        named: Vec<Named>,
    ) {
        self.change(|inner| {
            if inner.slices.get(&key).is_none_or(|slice| slice.encoded != encoded) {
                let generation = inner.log.push(Target::All, Kind::EndpointSlice(encoded.clone()));
                let service = ObjectKey::new(&key.namespace, service);
                inner.service_changed(&service, generation);
                inner.slices.insert(key.clone(), Slice { encoded, service });
                inner.alike = Weak::new();
            }
            inner.endpoints_changed(&key, named);
        });
    }

    pub(crate) fn remove_slice(&self, key: &ObjectKey) {
        self.change(|inner| {
            if let Some(slice) = inner.slices.remove(key) {
                inner.alike = Weak::new();
                let gone = Kind::EndpointSliceGone(wire_key(key));
                let generation = inner.log.push(Target::All, gone);
                inner.service_changed(&slice.service, generation);
            }
            inner.endpoints_changed(key, Vec::new());
        });
    }

    pub(crate) fn apply_pod(&self, key: ObjectKey, pod: PodView) {
        self.change(|inner| inner.apply_pod(key, pod));
    }

    pub(crate) fn remove_pod(&self, key: &ObjectKey) {
        self.change(|inner| inner.remove_pod(key));
    }

    pub(crate) fn apply_data(&self, kind: DataKind, key: ObjectKey, object: v1::DataObject) {
        self.change(|inner| {
            let data_ref = (kind, key);
            for node in inner.users(&data_ref) {
                inner.log.push(Target::Node(node), data_kind(kind, object.clone()));
            }
            inner.data.insert(data_ref, object);
        });
    }

    pub(crate) fn remove_data(&self, kind: DataKind, key: &ObjectKey) {
        self.change(|inner| {
            let data_ref = (kind, key.clone());
            if inner.data.remove(&data_ref).is_some() {
                for node in inner.users(&data_ref) {
                    inner.log.push(Target::Node(node), data_gone(&data_ref));
                }
            }
        });
    }

    /// A node object; `fingerprint` covers what the node itself must act on.
    pub(crate) fn apply_node(&self, name: &str, fingerprint: u64, json: Bytes, health: Health) {
        self.change(|inner| {
            inner.acknowledgement.acks.health(name, health);
            let name: Arc<str> = name.into();
            let known = inner.nodes.insert(Arc::clone(&name), (fingerprint, json.clone()));
            if known.is_none_or(|(old, _)| old != fingerprint) {
                inner.log.push(Target::Node(name), Kind::Node(json));
            }
        });
    }

    /// A node as all others must know it.
    pub(crate) fn apply_peer(&self, name: &str, encoded: Bytes) {
        self.change(|inner| {
            let name: Arc<str> = name.into();
            if inner.peers.get(&name) != Some(&encoded) {
                let others = Target::AllBut(Arc::clone(&name));
                inner.log.push(others, Kind::Peer(encoded.clone()));
                inner.peers.insert(name, encoded);
                inner.alike = Weak::new();
            }
        });
    }

    pub(crate) fn remove_node(&self, name: &str) {
        self.change(|inner| {
            if inner.peers.remove(name).is_some() {
                inner.alike = Weak::new();
                let key = v1::ObjectKey { namespace: String::new(), name: name.to_owned() };
                inner.log.push(Target::AllBut(name.into()), Kind::PeerGone(key));
            }
            inner.acknowledgement.acks.forget(name);
            if inner.nodes.remove(name).is_some() {
                let key = v1::ObjectKey { namespace: String::new(), name: name.to_owned() };
                inner.log.push(Target::Node(name.into()), Kind::NodeGone(key));
            }
        });
    }

    /// What a node that has seen everything up to `seen` must be sent.
    pub(crate) fn since(&self, node: &str, seen: u64) -> Since {
        self.inner.lock().log.since(node, seen)
    }

    /// True when a pod with this uid is bound to this node: what a node may report about.
    pub(crate) fn is_on_node(&self, key: &ObjectKey, uid: &str, node: &str) -> bool {
        let inner = self.inner.lock();
        inner.pods.get(key).is_some_and(|pod| pod.uid == uid && pod.node.as_ref() == node)
    }
}

impl Inner {
    fn apply_pod(&mut self, key: ObjectKey, mut pod: PodView) {
        self.recall(&mut pod);
        self.put_pod(&key, pod);
        self.consider(&key);
    }

    fn put_pod(&mut self, key: &ObjectKey, pod: PodView) {
        let old = self.pods.get(key);
        if old.is_some_and(|old| old.uid == pod.uid && old.fingerprint == pod.fingerprint) {
            self.pods.insert(key.clone(), pod);
            return;
        }
        // The name was taken over by another pod: for its node, the old one is gone first.
        if old.is_some_and(|old| old.uid != pod.uid) {
            self.remove_pod(key);
        }
        let known = self.used_on(&pod.node);
        let target = Target::Node(Arc::clone(&pod.node));
        for data_ref in pod.uses.difference(&known) {
            if let Some(object) = self.data.get(data_ref) {
                self.log.push(target.clone(), data_kind(data_ref.0, object.clone()));
            }
        }
        self.log.push(target, pod_kind(key, &pod));
        self.pods.insert(key.clone(), pod);
    }

    fn remove_pod(&mut self, key: &ObjectKey) {
        let Some(pod) = self.pods.remove(key) else { return };
        self.acknowledgement.forget(key, &pod.uid);
        let target = Target::Node(Arc::clone(&pod.node));
        self.log.push(target.clone(), Kind::PodGone(wire_key(key)));
        let still_used = self.used_on(&pod.node);
        for data_ref in pod.uses.difference(&still_used) {
            self.log.push(target.clone(), data_gone(data_ref));
        }
    }

    fn used_on(&self, node: &str) -> BTreeSet<DataRef> {
        let pods = self.pods.values().filter(|pod| pod.node.as_ref() == node);
        pods.flat_map(|pod| pod.uses.iter().cloned()).collect()
    }

    fn users(&self, data_ref: &DataRef) -> BTreeSet<Arc<str>> {
        let pods = self.pods.values().filter(|pod| pod.uses.contains(data_ref));
        pods.map(|pod| Arc::clone(&pod.node)).collect()
    }
}

fn pod_kind(key: &ObjectKey, pod: &PodView) -> Kind {
    Kind::Pod(v1::Pod { key: Some(wire_key(key)), uid: pod.uid.clone(), object: pod.json.clone() })
}

fn data_kind(kind: DataKind, object: v1::DataObject) -> Kind {
    match kind {
        DataKind::ConfigMap => Kind::ConfigMap(object),
        DataKind::Secret => Kind::Secret(object),
    }
}

fn data_gone((kind, key): &DataRef) -> Kind {
    match kind {
        DataKind::ConfigMap => Kind::ConfigMapGone(wire_key(key)),
        DataKind::Secret => Kind::SecretGone(wire_key(key)),
    }
}

impl From<Change> for ServerMessage {
    fn from(change: Change) -> Self {
        Self { generation: change.generation, kind: Some(change.kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(node: &str, uid: &str, fingerprint: u64, uses: &[DataRef]) -> PodView {
        PodView {
            node: node.into(),
            uid: uid.into(),
            json: Bytes::from_static(b"{}"),
            fingerprint,
            uses: uses.iter().cloned().collect(),
            ready: false,
            endpoints_live: false,
            ending: None,
        }
    }

    fn seen(state: &State, node: &str, since: u64) -> Vec<&'static str> {
        let Since::Changes(changes, _) = state.since(node, since) else { panic!("too old") };
        changes.iter().map(|c| name(&c.kind)).collect()
    }

    fn name(kind: &Kind) -> &'static str {
        match kind {
            Kind::Pod(_) => "pod",
            Kind::PodGone(_) => "pod-gone",
            Kind::Secret(_) => "secret",
            Kind::SecretGone(_) => "secret-gone",
            Kind::Service(_) => "service",
            Kind::Node(_) => "node",
            Kind::NodeGone(_) => "node-gone",
            Kind::Peer(_) => "peer",
            Kind::PeerGone(_) => "peer-gone",
            _ => "other",
        }
    }

    #[test]
    fn a_secret_reaches_only_the_node_that_uses_it_and_before_the_pod() {
        let state = State::new(None);
        let secret = (DataKind::Secret, ObjectKey::new("default", "s"));
        state.apply_data(DataKind::Secret, secret.1.clone(), v1::DataObject::default());
        state.apply_pod(
            ObjectKey::new("default", "p"),
            pod("n1", "u", 1, std::slice::from_ref(&secret)),
        );
        assert_eq!(seen(&state, "n1", 0), ["secret", "pod"]);
        assert_eq!(seen(&state, "n2", 0), Vec::<&str>::new());
        state.remove_pod(&ObjectKey::new("default", "p"));
        assert_eq!(seen(&state, "n1", 2), ["pod-gone", "secret-gone"]);
    }

    #[test]
    fn a_change_of_status_alone_is_not_sent() {
        let state = State::new(None);
        let key = ObjectKey::new("default", "p");
        state.apply_pod(key.clone(), pod("n1", "u", 1, &[]));
        state.apply_pod(key.clone(), pod("n1", "u", 1, &[]));
        assert_eq!(seen(&state, "n1", 0), ["pod"]);
        state.apply_pod(key, pod("n1", "u", 2, &[]));
        assert_eq!(seen(&state, "n1", 0), ["pod", "pod"]);
    }

    #[test]
    fn a_pod_that_takes_over_a_name_replaces_the_old_one() {
        let state = State::new(None);
        let key = ObjectKey::new("default", "p");
        state.apply_pod(key.clone(), pod("n1", "u1", 1, &[]));
        state.apply_pod(key, pod("n2", "u2", 1, &[]));
        assert_eq!(seen(&state, "n1", 0), ["pod", "pod-gone"]);
        assert_eq!(seen(&state, "n2", 0), ["pod"]);
    }

    #[test]
    fn a_node_is_told_that_it_is_deleted_and_that_it_is_back() {
        let state = State::new(None);
        state.apply_node("n1", 1, Bytes::from_static(b"{}"), Health::Ready);
        state.remove_node("n1");
        state.remove_node("n1");
        state.apply_node("n1", 1, Bytes::from_static(b"{}"), Health::Ready);
        assert_eq!(seen(&state, "n1", 0), ["node", "node-gone", "node"]);
        assert_eq!(seen(&state, "n2", 0), Vec::<&str>::new());
    }

    #[test]
    fn a_node_is_a_peer_of_all_others_and_never_of_itself() {
        let state = State::new(None);
        state.apply_node("n1", 1, Bytes::from_static(b"{}"), Health::Ready);
        state.apply_peer("n1", Bytes::from_static(b"a"));
        state.apply_peer("n1", Bytes::from_static(b"a"));
        assert_eq!(seen(&state, "n1", 0), ["node"]);
        assert_eq!(seen(&state, "n2", 0), ["peer"], "once, as long as it stays as it is");
        let peers = |node: &str| {
            let kinds = state.snapshot(node).kinds();
            kinds.filter(|kind| matches!(kind, Kind::Peer(_))).count()
        };
        assert_eq!((peers("n1"), peers("n2")), (0, 1));
        state.remove_node("n1");
        assert_eq!(seen(&state, "n2", 2), ["peer-gone"]);
        assert_eq!(seen(&state, "n1", 2), ["node-gone"]);
        assert_eq!(peers("n2"), 0);
    }

    #[test]
    fn an_unchanged_service_is_encoded_and_sent_once() {
        let state = State::new(None);
        let key = ObjectKey::new("default", "web");
        state.apply_service(key.clone(), Bytes::from_static(b"a"), None);
        state.apply_service(key, Bytes::from_static(b"a"), None);
        assert_eq!(seen(&state, "n1", 0), ["service"]);
    }
}
