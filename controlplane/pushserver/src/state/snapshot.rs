//! The complete state of a node at one generation.
//!
//! Most of it is the same for all nodes, and listed once for all streams that begin before it changes: when a
//! server is started anew, all nodes come at once, and a list for each would take more memory than all objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use sheave_push::v1::server_message::Kind;

use super::{Inner, State, data_kind, pod_kind};

/// What all nodes are sent alike, encoded.
pub(super) struct Alike {
    peers: Vec<(Arc<str>, Bytes)>,
    slices: Vec<Bytes>,
    services: Vec<Bytes>,
}

/// What one node is to be sent.
pub(crate) struct Snapshot {
    pub(crate) generation: u64,
    node: Arc<str>,
    own_object: Option<Kind>,
    alike: Arc<Alike>,
    /// Its pods, and before them what they use.
    pods: Vec<Kind>,
}

impl State {
    /// The complete state of one node.
    pub(crate) fn snapshot(&self, node: &str) -> Snapshot {
        let mut inner = self.inner.lock();
        let alike = inner.alike();
        let own_object = inner.nodes.get(node).map(|(_, json)| Kind::Node(json.clone()));
        let (generation, pods) = (inner.log.newest(), inner.pods_of(node));
        Snapshot { generation, node: node.into(), own_object, alike, pods }
    }
}

impl Snapshot {
    /// In the order that the protocol promises.
    pub(crate) fn kinds(self) -> impl Iterator<Item = Kind> + Send {
        let Self { node, own_object, alike, pods, .. } = self;
        let (peers, slices) = (0..alike.peers.len(), 0..alike.slices.len());
        let services = 0..alike.services.len();
        let (of_peers, of_slices, of_services) = (Arc::clone(&alike), Arc::clone(&alike), alike);
        let peers = peers.filter_map(move |index| {
            let (name, encoded) = &of_peers.peers[index];
            (*name != node).then(|| Kind::Peer(encoded.clone()))
        });
        let slices = slices.map(move |index| Kind::EndpointSlice(of_slices.slices[index].clone()));
        let services =
            services.map(move |index| Kind::Service(of_services.services[index].clone()));
        own_object.into_iter().chain(peers).chain(slices).chain(services).chain(pods)
    }
}

impl Inner {
    fn alike(&mut self) -> Arc<Alike> {
        if let Some(alike) = self.alike.upgrade() {
            return alike;
        }
        let alike = Arc::new(Alike {
            peers: self
                .peers
                .iter()
                .map(|(name, encoded)| (Arc::clone(name), encoded.clone()))
                .collect(),
            slices: self.slices.values().map(|slice| slice.encoded.clone()).collect(),
            services: self.services.values().cloned().collect(),
        });
        self.alike = Arc::downgrade(&alike);
        alike
    }

    fn pods_of(&self, node: &str) -> Vec<Kind> {
        let pods = || self.pods.iter().filter(|(_, pod)| pod.node.as_ref() == node);
        let used: BTreeSet<_> = pods().flat_map(|(_, pod)| &pod.uses).collect();
        let used = used.into_iter().filter_map(|used| Some((used.0, self.data.get(used)?.clone())));
        let mut kinds: Vec<Kind> = used.map(|(kind, object)| data_kind(kind, object)).collect();
        kinds.extend(pods().map(|(key, pod)| pod_kind(key, pod)));
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_api::ObjectKey;

    fn services(snapshot: Snapshot) -> Vec<Bytes> {
        let service = |kind| match kind {
            Kind::Service(encoded) => Some(encoded),
            _ => None,
        };
        snapshot.kinds().filter_map(service).collect()
    }

    #[test]
    fn nodes_that_come_together_share_one_list_until_it_changes() {
        let state = State::new(None);
        let apply = |name: &str| {
            let encoded = Bytes::from(name.to_owned());
            state.apply_service(ObjectKey::new("default", name), encoded, None);
        };
        apply("a");
        let (first, second) = (state.snapshot("n1"), state.snapshot("n2"));
        assert!(Arc::ptr_eq(&first.alike, &second.alike));
        apply("b");
        let third = state.snapshot("n3");
        assert_eq!((second.generation, third.generation), (1, 2));
        assert_eq!(services(second), ["a"], "as of its generation");
        assert_eq!(services(third), ["a", "b"]);
        state.remove_service(&ObjectKey::new("default", "a"));
        assert_eq!(services(state.snapshot("n1")), ["b"]);
        drop(first);
        assert_eq!(state.inner.lock().alike.strong_count(), 0, "nothing is kept for nobody");
    }

    #[test]
    fn slices_come_before_services_and_the_node_itself_comes_first() {
        use crate::acks::Health;
        let state = State::new(None);
        state.apply_service(ObjectKey::new("default", "web"), Bytes::from_static(b"s"), None);
        state.apply_slice(
            ObjectKey::new("default", "web-1"),
            Bytes::from_static(b"e"),
            "web",
            vec![],
        );
        for name in ["n1", "n2"] {
            state.apply_node(name, 1, Bytes::from_static(b"{}"), Health::Ready);
            state.apply_peer(name, Bytes::from(name));
        }
        let kinds: Vec<Kind> = state.snapshot("n1").kinds().collect();
        let expected = [
            Kind::Node("{}".into()),
            Kind::Peer("n2".into()),
            Kind::EndpointSlice("e".into()),
            Kind::Service("s".into()),
        ];
        assert_eq!(kinds, expected);
    }
}
