//! Which endpoints traffic may reach, by kube-proxy's rules (its `CategorizeEndpoints`).
//!
//! Decided twice, each for itself: for traffic that may go anywhere in the cluster, and for traffic that
//! must stay on this node. In both, those that are ready; if there are none, those that still serve while
//! they terminate. Topology hints narrow the first choice only, and only when every ready endpoint has one.

use crate::model::{Endpoint, Node};

/// The endpoints for each scope, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Usable<'a> {
    /// For traffic that may go anywhere.
    pub cluster: Vec<&'a Endpoint>,
    /// For traffic that must stay on this node.
    pub local: Vec<&'a Endpoint>,
}

/// Decides for the endpoints of one service port and address family.
pub fn usable<'a>(endpoints: &[&'a Endpoint], node: &Node) -> Usable<'a> {
    let hints = Hints::of(endpoints, node);
    let ready = |e: &&Endpoint| e.ready;
    let ending = |e: &&Endpoint| e.serving && e.terminating;
    let here = |e: &&Endpoint| !node.name.is_empty() && e.node_name == node.name;

    let hinted = |e: &&Endpoint| e.ready && hints.admit(e, node);
    Usable {
        cluster: first_of(endpoints, hinted, ending),
        local: first_of(endpoints, |e| here(e) && ready(e), |e| here(e) && ending(e)),
    }
}

fn first_of<'a>(
    endpoints: &[&'a Endpoint],
    preferred: impl Fn(&&Endpoint) -> bool,
    fallback: impl Fn(&&Endpoint) -> bool,
) -> Vec<&'a Endpoint> {
    let chosen: Vec<_> = endpoints.iter().copied().filter(|e| preferred(e)).collect();
    if !chosen.is_empty() {
        return chosen;
    }
    endpoints.iter().copied().filter(|e| fallback(e)).collect()
}

/// Which hints count (KEP-2433, KEP-3015).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hints {
    Ignored,
    Node,
    Zone,
}

impl Hints {
    fn of(endpoints: &[&Endpoint], node: &Node) -> Self {
        let ready: Vec<_> = endpoints.iter().filter(|e| e.ready).collect();
        let names_node = |e: &&Endpoint| e.node_hints.contains(&node.name);
        if !node.name.is_empty()
            && ready.iter().all(|e| !e.node_hints.is_empty())
            && ready.iter().any(|e| names_node(e))
        {
            return Self::Node;
        }
        let names_zone = |e: &&Endpoint| e.zone_hints.contains(&node.zone);
        if !node.zone.is_empty()
            && ready.iter().all(|e| !e.zone_hints.is_empty())
            && ready.iter().any(|e| names_zone(e))
        {
            return Self::Zone;
        }
        Self::Ignored
    }

    fn admit(self, endpoint: &Endpoint, node: &Node) -> bool {
        match self {
            Self::Ignored => true,
            Self::Node => endpoint.node_hints.contains(&node.name),
            Self::Zone => endpoint.zone_hints.contains(&node.zone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn node() -> Node {
        Node { name: "here".into(), zone: "a".into(), node_port_addresses: vec![] }
    }

    fn endpoint() -> impl Strategy<Value = Endpoint> {
        let name = prop_oneof![Just("here"), Just("there"), Just("")];
        let zones = prop::collection::vec(prop_oneof![Just("a"), Just("b")], 0..2);
        let nodes = prop::collection::vec(prop_oneof![Just("here"), Just("there")], 0..2);
        (any::<[u8; 4]>(), any::<[bool; 3]>(), name, zones, nodes).prop_map(
            |(addr, [ready, serving, terminating], name, zones, nodes)| Endpoint {
                addresses: vec![IpAddr::V4(Ipv4Addr::from(addr))],
                // As the API has it: what is ready serves and does not terminate.
                ready,
                serving: serving || ready,
                terminating: terminating && !ready,
                node_name: name.into(),
                zone: String::new(),
                zone_hints: zones.into_iter().map(String::from).collect(),
                node_hints: nodes.into_iter().map(String::from).collect(),
            },
        )
    }

    proptest! {
        #[test]
        fn the_rules_hold(endpoints in prop::collection::vec(endpoint(), 0..8)) {
            let all: Vec<&Endpoint> = endpoints.iter().collect();
            let node = node();
            let usable = usable(&all, &node);
            let any_ready = all.iter().any(|e| e.ready);
            let local = |e: &&&Endpoint| e.node_name == node.name;
            let any_local_ready = all.iter().filter(local).any(|e| e.ready);

            // Never both kinds, and never one that is neither.
            for e in &usable.cluster {
                prop_assert_eq!(e.ready, any_ready);
                prop_assert!(e.ready || (e.serving && e.terminating));
            }
            for e in &usable.local {
                prop_assert_eq!(&e.node_name, "here");
                prop_assert_eq!(e.ready, any_local_ready);
                prop_assert!(e.ready || (e.serving && e.terminating));
            }
            // Hints never leave a service with ready endpoints without any.
            prop_assert_eq!(usable.cluster.iter().any(|e| e.ready), any_ready);
            // Locally nothing but the state counts.
            let expected = all.iter().filter(local).filter(|e| e.ready).count();
            if any_local_ready {
                prop_assert_eq!(usable.local.len(), expected);
            }
            // One ready endpoint without hints switches hints off.
            if all.iter().any(|e| e.ready && e.zone_hints.is_empty() && e.node_hints.is_empty()) {
                let ready = all.iter().filter(|e| e.ready).count();
                prop_assert_eq!(usable.cluster.len(), ready);
            }
        }
    }

    #[test]
    fn hints_for_this_zone_keep_traffic_in_it() {
        let hinted = |zone: &str| Endpoint {
            addresses: vec![],
            ready: true,
            serving: true,
            terminating: false,
            node_name: "there".into(),
            zone: zone.into(),
            zone_hints: vec![zone.into()],
            node_hints: vec![],
        };
        let (a, b) = (hinted("a"), hinted("b"));
        assert_eq!(usable(&[&a, &b], &node()).cluster, [&a]);
        let elsewhere = Node { zone: "c".into(), ..node() };
        assert_eq!(
            usable(&[&a, &b], &elsewhere).cluster,
            [&a, &b],
            "no hint for zone c: all of them"
        );
    }
}
