//! Which endpoints traffic may reach, by kube-proxy's rules (its `CategorizeEndpoints`).
//!
//! Decided twice, each for itself: for traffic that may go anywhere in the cluster, and for traffic that
//! must stay on this node. In both, those that are ready; if there are none, those that still serve while
//! they terminate. Topology hints narrow the first choice only, and only when every ready endpoint has one
//! and one of them is for this node, or failing that for its zone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::model::{Endpoint, EndpointSlice, Node};

/// What was decided for the endpoints of one service port and address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    node: &'a Node,
    hints: Hints,
    cluster: Condition,
    local: Condition,
}

/// Which endpoints count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    Ready,
    /// None is ready.
    ServingTerminating,
}

/// Which hints count (KEP-2433, KEP-3015).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hints {
    Ignored,
    Node,
    Zone,
}

impl<'a> Choice<'a> {
    /// Decides for all endpoints of one service port and address family.
    pub fn of<'e>(endpoints: impl Iterator<Item = &'e Endpoint> + Clone, node: &'a Node) -> Self {
        let condition = |any_ready| {
            if any_ready { Condition::Ready } else { Condition::ServingTerminating }
        };
        let ready = endpoints.filter(|e| e.ready);
        Self {
            node,
            hints: Hints::of(ready.clone(), node),
            cluster: condition(ready.clone().next().is_some()),
            local: condition(ready.clone().any(|e| is_here(e, node))),
        }
    }

    /// True when traffic that may go anywhere may go to `endpoint`.
    pub fn takes_for_cluster(&self, endpoint: &Endpoint) -> bool {
        self.cluster.is_met(endpoint)
            && (self.cluster == Condition::ServingTerminating
                || self.hints.admit(endpoint, self.node))
    }

    /// True when traffic that must stay on this node may go to `endpoint`.
    pub fn takes_for_local(&self, endpoint: &Endpoint) -> bool {
        is_here(endpoint, self.node) && self.local.is_met(endpoint)
    }
}

fn is_here(endpoint: &Endpoint, node: &Node) -> bool {
    !node.name.is_empty() && endpoint.node_name == node.name
}

impl Condition {
    fn is_met(self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Ready => endpoint.ready,
            Self::ServingTerminating => endpoint.serving && endpoint.terminating,
        }
    }
}

impl Hints {
    fn of<'e>(ready: impl Iterator<Item = &'e Endpoint> + Clone, node: &Node) -> Self {
        let for_node = |e: &Endpoint| e.node_hints.contains(&node.name);
        if !node.name.is_empty()
            && ready.clone().all(|e| !e.node_hints.is_empty())
            && ready.clone().any(for_node)
        {
            return Self::Node;
        }
        let for_zone = |e: &Endpoint| e.zone_hints.contains(&node.zone);
        if !node.zone.is_empty()
            && ready.clone().all(|e| !e.zone_hints.is_empty())
            && ready.clone().any(for_zone)
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

/// How many ready endpoints of a Service are on this node: what `healthCheckNodePort` answers with. An
/// endpoint counts once, whatever its ports; one that terminates does not count, though it may still be
/// chosen.
pub fn local_ready_count<'a>(
    slices: impl Iterator<Item = &'a EndpointSlice>,
    node: &Node,
) -> usize {
    let endpoints = slices.flat_map(|slice| &slice.endpoints);
    let ready = endpoints.filter(|e| e.ready && is_here(e, node));
    let addresses: BTreeSet<IpAddr> = ready.filter_map(|e| e.addresses.first().copied()).collect();
    addresses.len()
}

#[cfg(test)]
#[path = "endpoints_tests.rs"]
mod tests;
