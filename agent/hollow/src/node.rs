//! What a hollow agent knows, and what it says of itself. Pure.

use std::net::IpAddr;

use bytes::Bytes;
use serde_json::json;
use sheave_core::ledger::Ledger;
use sheave_core::model::{Knowledge, Update};
use sheave_sources::{Generation, What};

/// The agent's model, and up to where it is known. What should be in maps is not planned.
#[derive(Default)]
pub(crate) struct Node {
    ledger: Ledger,
    newest: Generation,
}

impl Node {
    /// Takes note of a change. What is for the kubelet is nobody's here.
    pub(crate) fn note(&mut self, generation: Generation, what: What) {
        self.newest = self.newest.max(generation);
        match what {
            What::Init => self.ledger.note(Update::Init),
            What::InitDone => self.ledger.note(Update::InitDone),
            What::Recalled => self.ledger.note(Update::Recalled),
            What::Services(update) => self.ledger.note(update),
            What::Node(this) => self.ledger.note(Update::Node(this.node)),
            What::Cluster(_) | What::NodeGone | What::Pods(_) | What::Nothing => {}
        }
    }

    /// Up to where everything noted so far is known; `None` before the first complete state.
    pub(crate) fn known_up_to(&mut self) -> Option<Generation> {
        // Nobody else asks what has changed.
        self.ledger.take_changes();
        self.ledger.take_names();
        (self.ledger.knowledge() == Knowledge::Complete).then_some(self.newest)
    }

    /// How much that is: a line for whoever started this process.
    pub(crate) fn summary(&self) -> String {
        let model = self.ledger.model();
        let endpoints: usize = model.slices.values().map(|slice| slice.endpoints.len()).sum();
        let services = model.services.len();
        let (slices, peers) = (model.slices.len(), model.peers.len());
        format!("complete services={services} slices={slices} endpoints={endpoints} peers={peers}")
    }
}

/// A v1 Node that is Ready, as a kubelet registers it: a node that is not would be no measure of one that is.
pub(crate) fn object(name: &str, addresses: &[IpAddr]) -> Bytes {
    let internal = |address: &IpAddr| json!({ "type": "InternalIP", "address": address });
    let mut all = vec![json!({ "type": "Hostname", "address": name })];
    all.extend(addresses.iter().map(internal));
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "status": {
            "addresses": all,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Hollow", "message": "no pod runs here",
            }],
        },
    });
    node.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_core::model::{EndpointSlice, ObjectKey};

    fn slice(name: &str) -> What {
        What::Services(Update::EndpointSlice(EndpointSlice {
            key: ObjectKey { namespace: "default".into(), name: name.into() },
            service_name: "web".into(),
            ports: vec![],
            endpoints: vec![],
        }))
    }

    #[test]
    fn nothing_is_acknowledged_before_all_of_it_is_known() {
        let mut node = Node::default();
        let generation = Generation::default();
        for what in [What::Init, slice("web-1"), slice("web-2")] {
            node.note(generation, what);
            assert_eq!(node.known_up_to(), None);
        }
        node.note(generation, What::InitDone);
        assert_eq!(node.known_up_to(), Some(generation));
        assert_eq!(node.summary(), "complete services=0 slices=2 endpoints=0 peers=0");
    }

    #[test]
    fn a_hollow_node_says_that_it_is_ready_and_where() {
        let object = object("n1", &["192.0.2.1".parse().unwrap()]);
        let node: serde_json::Value = serde_json::from_slice(&object).unwrap();
        assert_eq!(node["status"]["conditions"][0]["status"], "True");
        assert_eq!(node["status"]["addresses"][1]["address"], "192.0.2.1");
    }
}
