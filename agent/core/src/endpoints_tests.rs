//! The choice of endpoints against the rules as they are documented, written down a second time.

use super::*;
use proptest::prelude::*;
use std::net::Ipv4Addr;

use crate::model::ObjectKey;

fn node(name: &str, zone: &str) -> Node {
    Node { name: name.into(), zone: zone.into(), ..Node::default() }
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let name = prop_oneof![Just("here"), Just("there"), Just("")];
    let hints = |a: &'static str, b: &'static str| {
        prop_oneof![
            1 => Just(vec![]),
            2 => Just(vec![a]),
            2 => Just(vec![b]),
            1 => Just(vec![a, b]),
        ]
    };
    (any::<[u8; 4]>(), any::<[bool; 3]>(), name, hints("a", "b"), hints("here", "there")).prop_map(
        |(addr, [ready, serving, terminating], name, zones, nodes)| Endpoint {
            addresses: vec![IpAddr::V4(Ipv4Addr::from(addr))],
            // Anything that can be written down, also what controllers never write.
            ready,
            serving,
            terminating,
            node_name: name.into(),
            zone: String::new(),
            zone_hints: zones.into_iter().map(String::from).collect(),
            node_hints: nodes.into_iter().map(String::from).collect(),
            hostname: String::new(),
        },
    )
}

fn chosen(endpoints: &[Endpoint], node: &Node) -> (Vec<usize>, Vec<usize>) {
    let choice = Choice::of(endpoints.iter(), node);
    let of = |takes: &dyn Fn(&Endpoint) -> bool| {
        (0..endpoints.len()).filter(|i| takes(&endpoints[*i])).collect()
    };
    (of(&|e| choice.takes_for_cluster(e)), of(&|e| choice.takes_for_local(e)))
}

/// The documented rules once more, word by word: virtual-ips ("Traffic policies", "Traffic distribution
/// control"), KEP-1669 (terminating endpoints), KEP-2433 and KEP-3015 (hints).
fn by_the_book(endpoints: &[Endpoint], node: &Node) -> (Vec<usize>, Vec<usize>) {
    let all = || 0..endpoints.len();
    let mut ready = Vec::new();
    let mut serving_terminating = Vec::new();
    for i in all() {
        if endpoints[i].ready {
            ready.push(i);
        }
        if endpoints[i].serving && endpoints[i].terminating {
            serving_terminating.push(i);
        }
    }
    // "If every endpoint has a hint": node hints first, then zone hints, each only if one is for us.
    let mut hinted = ready.clone();
    let lacks_node_hint = ready.iter().any(|i| endpoints[*i].node_hints.is_empty());
    let ours: Vec<usize> = ready
        .iter()
        .copied()
        .filter(|i| endpoints[*i].node_hints.iter().any(|n| n == &node.name))
        .collect();
    let lacks_zone_hint = ready.iter().any(|i| endpoints[*i].zone_hints.is_empty());
    let in_zone: Vec<usize> = ready
        .iter()
        .copied()
        .filter(|i| endpoints[*i].zone_hints.iter().any(|z| z == &node.zone))
        .collect();
    if !lacks_node_hint && !ours.is_empty() {
        hinted = ours;
    } else if !lacks_zone_hint && !in_zone.is_empty() {
        hinted = in_zone;
    }
    let cluster = if hinted.is_empty() { serving_terminating.clone() } else { hinted };

    let here = |list: &[usize]| -> Vec<usize> {
        list.iter().copied().filter(|i| endpoints[*i].node_name == node.name).collect()
    };
    let local = if here(&ready).is_empty() { here(&serving_terminating) } else { here(&ready) };
    (cluster, local)
}

proptest! {
    #[test]
    fn the_choice_is_the_one_the_documented_rules_make(
        endpoints in prop::collection::vec(endpoint(), 0..8),
        zone in prop_oneof![Just("a"), Just("b"), Just("c")],
    ) {
        let node = node("here", zone);
        prop_assert_eq!(chosen(&endpoints, &node), by_the_book(&endpoints, &node));
    }

    #[test]
    fn a_service_with_a_ready_endpoint_always_has_one_to_go_to(
        endpoints in prop::collection::vec(endpoint(), 1..8),
    ) {
        let (cluster, _) = chosen(&endpoints, &node("here", "a"));
        let any_ready = endpoints.iter().any(|e| e.ready);
        prop_assert!(!any_ready || !cluster.is_empty());
    }
}

fn plain(name: &str) -> Endpoint {
    Endpoint {
        addresses: vec![],
        ready: true,
        serving: true,
        terminating: false,
        node_name: name.into(),
        zone: String::new(),
        zone_hints: vec![],
        node_hints: vec![],
        hostname: String::new(),
    }
}

#[test]
fn a_node_without_a_name_or_zone_has_no_local_endpoints_and_no_hints() {
    let mut endpoint = plain("");
    endpoint.zone_hints = vec!["a".into()];
    assert_eq!(chosen(&[endpoint], &node("", "")), (vec![0], vec![]));
}

#[test]
fn a_hint_for_this_node_is_followed_before_one_for_its_zone() {
    let hinted = |nodes: &str, zones: &str| Endpoint {
        node_hints: vec![nodes.into()],
        zone_hints: vec![zones.into()],
        ..plain("there")
    };
    let endpoints = [hinted("here", "b"), hinted("there", "a")];
    assert_eq!(chosen(&endpoints, &node("here", "a")).0, [0]);
    assert_eq!(chosen(&endpoints, &node("elsewhere", "a")).0, [1]);
    assert_eq!(chosen(&endpoints, &node("elsewhere", "c")).0, [0, 1]);
}

#[test]
fn a_health_check_counts_ready_endpoints_of_this_node_once() {
    let at = |last: u8, name: &str, ready: bool| Endpoint {
        addresses: vec![IpAddr::V4(Ipv4Addr::new(10, 244, 0, last))],
        ready,
        terminating: !ready,
        ..plain(name)
    };
    let slice = |endpoints: Vec<Endpoint>| EndpointSlice {
        key: ObjectKey { namespace: "default".into(), name: "web-x".into() },
        service_name: "web".into(),
        ports: vec![],
        endpoints,
    };
    let slices = [
        slice(vec![at(1, "here", true), at(2, "there", true), at(3, "here", false)]),
        slice(vec![at(1, "here", true), at(4, "here", true)]),
    ];
    assert_eq!(local_ready_count(slices.iter(), &node("here", "")), 2);
    assert_eq!(local_ready_count(slices[..0].iter(), &node("here", "")), 0);
}
