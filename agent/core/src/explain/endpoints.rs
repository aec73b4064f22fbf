//! The endpoints of a service port, sorted: those that may be chosen, and why the others may not.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{BACKEND_LIVE, Backend};

use super::owner::{At, Owner};
use super::{Candidate, LeftOut, Question};
use crate::dump::socket_addr;
use crate::model::{Endpoint, Model, Node};
use crate::plan::{Scope, addr};

/// Candidates are what the maps hold; reasons are the model's.
pub(super) fn sort(
    backends: Vec<(u32, Backend)>,
    model: Option<&Model>,
    owner: Option<&Owner>,
    question: &Question,
    scope: Scope,
    is_here: impl Fn(Addr) -> bool,
) -> (Vec<Candidate>, Vec<LeftOut>) {
    let mut endpoints = BTreeMap::new();
    if let (Some(model), Some(owner)) = (model, owner) {
        endpoints = of_port(model, owner, question);
    }
    let mut candidates: Vec<Candidate> = backends
        .into_iter()
        .map(|(id, backend)| {
            let address = socket_addr(backend.addr, backend.port);
            let remark = match (backend.state == BACKEND_LIVE, endpoints.remove(&address)) {
                (false, _) => "gone: no connection is given to it",
                (true, Some(endpoint)) if !endpoint.ready => {
                    "terminating, but still serving: no endpoint is ready"
                }
                (true, None) if model.is_some() && owner.is_some_and(|o| o.at != At::HostPort) => {
                    "in the kernel, though not among the service's endpoints"
                }
                (true, _) => "",
            };
            Candidate { address, id, is_here: is_here(backend.addr), remark: remark.into() }
        })
        .collect();
    candidates.sort_by_key(|candidate| candidate.address);
    let Some(model) = model else { return (candidates, Vec::new()) };
    let policy = match owner.map(|owner| owner.at) {
        Some(At::ClusterIp) => "internalTrafficPolicy",
        _ => "externalTrafficPolicy",
    };
    let local = (scope == Scope::Local).then_some(policy);
    let any_ready = candidates.iter().any(|candidate| candidate.remark.is_empty());
    let left_out = endpoints.into_iter().map(|(address, endpoint)| LeftOut {
        address,
        reason: reason(endpoint, &model.node, local, any_ready),
    });
    (candidates, left_out.collect())
}

/// The endpoints that have the port, in the family of the destination, by where they listen.
fn of_port<'a>(
    model: &'a Model,
    owner: &Owner,
    question: &Question,
) -> BTreeMap<SocketAddr, &'a Endpoint> {
    let slices = model.slices.values().filter(|slice| {
        slice.key.namespace == owner.service.namespace && slice.service_name == owner.service.name
    });
    let mut found = BTreeMap::new();
    for slice in slices {
        let ports = slice.ports.iter();
        let mut named =
            ports.filter(|p| p.name == owner.port_name && p.protocol == question.protocol);
        let Some(port) = named.next() else { continue };
        for endpoint in &slice.endpoints {
            let first = endpoint.addresses.first();
            if let Some(ip) = first.filter(|ip| ip.is_ipv4() == question.to.is_ipv4()) {
                found.insert(socket_addr(addr(*ip), Be16::new(port.port.get())), endpoint);
            }
        }
    }
    found
}

/// `local`: the field that asks for endpoints of this node, if one does.
fn reason(endpoint: &Endpoint, node: &Node, local: Option<&str>, any_ready: bool) -> String {
    if let Some(field) = local.filter(|_| endpoint.node_name != node.name) {
        let there = match endpoint.node_name.as_str() {
            "" => "on no node of the cluster".into(),
            name => format!("on node {name}"),
        };
        return format!("{there}, and {field} is Local");
    }
    if endpoint.terminating {
        return match (endpoint.serving, any_ready) {
            (true, true) => "terminating, and others are ready".into(),
            (true, false) => {
                "terminating; still serving, but not in the kernel's maps (yet)".into()
            }
            (false, _) => "terminating, and not serving any more".into(),
        };
    }
    if !endpoint.ready {
        return "not ready".into();
    }
    if !endpoint.node_hints.is_empty() && !endpoint.node_hints.contains(&node.name) {
        return format!("meant for clients on node {}", endpoint.node_hints.join(", "));
    }
    if !endpoint.zone_hints.is_empty() && !endpoint.zone_hints.contains(&node.zone) {
        let zones = endpoint.zone_hints.join(", ");
        return format!("meant for clients in zone {zones}; this node is in {}", zone(node));
    }
    "ready, but not in the kernel's maps (yet)".into()
}

fn zone(node: &Node) -> &str {
    if node.zone.is_empty() { "none" } else { &node.zone }
}
