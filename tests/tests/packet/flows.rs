//! What a flow depends on beside its packet: backends that go, other flows, the client, chance.

use std::collections::BTreeSet;

use sheave_abi::event::Event::{self, *};
use sheave_tests::node::{complete, reconcile};

use crate::frame::*;
use crate::net::Net;
use crate::node::{addr, node, without_backend_of_first};
use crate::{REDIRECT, TO_POD2, TO_POD3, case, hex, run};

#[test]
fn a_flow_whose_backend_is_gone() {
    Net::BOTH.into_iter().for_each(backend_is_gone);
}

fn backend_is_gone(net: Net) {
    let s1 = net.service(1);
    let syn = from_pod2(s1, tcp((40000, 80), SYN));
    let data = from_pod2(s1, tcp((40000, 80), ACK));
    let mut node = node();
    node.programs.run("pod_ingress", &syn.bytes()).unwrap();
    let (writes, _) = reconcile(node.dataplane(), &complete(without_backend_of_first()));
    assert!(writes > 0);
    run(
        &mut node,
        case(
            "an established connection stays with a pod that is still there",
            "pod_ingress",
            data.clone(),
            (REDIRECT, data.clone().to(net.pod(3), 8080).hop(TO_POD3)),
            &[Delivered],
        ),
    );
    node.dataplane().remove_endpoint(addr(net.pod(3))).unwrap();
    let reset = Body::Tcp { ports: (80, 40000), seq: 0, ack: 0, flags: RST, data: vec![] };
    run(
        &mut node,
        case(
            "an established connection is reset once the pod is gone",
            "pod_ingress",
            data.clone(),
            (REDIRECT, data.back(reset)),
            &[BackendGone],
        ),
    );
    // The only backend left is the sender itself: the flow moves there.
    run(
        &mut node,
        case(
            "a connection that is asked for anew moves",
            "pod_ingress",
            syn.clone(),
            (REDIRECT, syn.to(net.pod(2), 8080).seen_from(net.hairpin(), 40000).hop(TO_POD2)),
            &[FlowMoved, Delivered],
        ),
    );
    let query = from_pod2(s1, udp((40000, 53)));
    run(
        &mut node,
        case(
            "a datagram finds nobody any more",
            "pod_ingress",
            query.clone(),
            (REDIRECT, query.back(net.port_unreachable(&query))),
            &[Refused],
        ),
    );
}

/// Offsets of the last byte of the destination address and of the source port.
fn offsets(net: Net) -> (usize, usize) {
    if net == Net::V4 { (33, 34) } else { (53, 54) }
}

fn word(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

#[test]
fn two_services_with_one_backend_are_told_apart() {
    Net::BOTH.into_iter().for_each(are_told_apart);
}

fn are_told_apart(net: Net) {
    let (s1, s7) = (net.service(1), net.service(7));
    let (first, second) =
        (from_pod2(s1, tcp((40000, 80), SYN)), from_pod2(s7, tcp((40000, 80), SYN)));
    let mut node = node();
    let (_, to_first) = node.programs.run("pod_ingress", &first.bytes()).unwrap();
    let (_, to_second) = node.programs.run("pod_ingress", &second.bytes()).unwrap();
    let (_, src_port) = offsets(net);
    assert_eq!(word(&to_first, src_port), 40000);
    let other = word(&to_second, src_port);
    assert!((61000..=61003).contains(&other), "{other}");
    for (answered, expected) in [(40000, s1), (other, s7)] {
        let answer = from_pod3(net.pod(2), tcp((8080, answered), SYN | ACK));
        let (_, frame) = node.programs.run("pod_ingress", &answer.bytes()).unwrap();
        let back = answer.to(net.pod(2), 40000).seen_from(expected, 80).hop(TO_POD2);
        assert_eq!(hex(&frame), hex(&back.bytes()));
    }
}

#[test]
fn affinity_keeps_a_client_with_its_backend() {
    for net in Net::BOTH {
        let (mut node, mut backends) = (node(), BTreeSet::new());
        let (dst, src_port) = offsets(net);
        for port in 41000..41020 {
            let syn = from_outside(net.client(), net.service(6), tcp((port, 80), SYN));
            let (_, frame) = node.programs.run("pod_ingress", &syn.bytes()).unwrap();
            backends.insert((frame[dst], word(&frame, src_port + 2)));
        }
        assert_eq!(backends.len(), 1, "{net:?}: one client, one backend: {backends:?}");
    }
}

#[test]
fn without_affinity_chance_reaches_every_backend() {
    for net in Net::BOTH {
        let (mut node, mut backends) = (node(), BTreeSet::new());
        let (dst, src_port) = offsets(net);
        let opened = |counters: Vec<(Event, u64)>| {
            counters.into_iter().find(|(event, _)| *event == FlowOpened).unwrap().1
        };
        let before = opened(node.dataplane().counters().unwrap());
        for client in 0..200u8 {
            let syn = from_outside(net.pod(client), net.service(6), tcp((41000, 80), SYN));
            let (_, frame) = node.programs.run("pod_ingress", &syn.bytes()).unwrap();
            backends.insert((frame[dst], word(&frame, src_port + 2)));
        }
        // Each of the three is missed with a probability of (2/3)^200.
        assert_eq!(backends.len(), 3, "{net:?}: {backends:?}");
        assert_eq!(opened(node.dataplane().counters().unwrap()) - before, 200);
    }
}
