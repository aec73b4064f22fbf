//! What a pod sends to other pods, to services, and to itself.

use sheave_abi::event::Event::*;

use crate::frame::*;
use crate::net::Net;
use crate::{Case, PASS, REDIRECT, TO_POD2, TO_POD3, case, check, check_both};

#[test]
fn what_a_pod_sends_to_pods_and_outside() {
    check_both(|net| {
        let syn = || tcp((40000, 8080), SYN);
        let plain = from_pod2(net.pod(3), syn());
        let away = from_pod2(net.client(), syn());
        let dying = from_pod2(net.pod(3), syn()).ttl(1);
        let ping_pod = from_pod2(net.pod(3), net.echo(1, b"abc"));
        let gre = from_pod2(net.pod(3), Body::Raw { protocol: 47, data: vec![0; 24] });
        vec![
            case(
                "a pod of this node is reached past the stack",
                "pod_ingress",
                plain.clone(),
                (REDIRECT, plain.hop(TO_POD3)),
                &[Delivered],
            ),
            case(
                "what leaves the node is the stack's",
                "pod_ingress",
                away.clone(),
                (PASS, away),
                &[],
            ),
            case(
                "what may go no further is left to the stack, which says so",
                "pod_ingress",
                dying.clone(),
                (PASS, dying),
                &[],
            ),
            case(
                "ICMP between pods",
                "pod_ingress",
                ping_pod.clone(),
                (REDIRECT, ping_pod.hop(TO_POD3)),
                &[Delivered],
            ),
            case(
                "any protocol between pods",
                "pod_ingress",
                gre.clone(),
                (REDIRECT, gre.hop(TO_POD3)),
                &[Delivered],
            ),
        ]
    });
}

#[test]
fn what_a_pod_sends_to_a_service() {
    check_both(|net| {
        let (s1, backend) = (net.service(1), net.pod(3));
        let syn = from_pod2(s1, tcp((40000, 80), SYN));
        let query = from_pod2(s1, udp((40000, 53)));
        let elsewhere = from_pod2(net.service(3), tcp((40000, 80), SYN));
        let node_port = from_pod2(net.node(), tcp((40000, 30080), SYN));
        let answer = from_pod3(net.pod(2), tcp((8080, 40000), SYN | ACK));
        let more = from_pod2(s1, tcp((40000, 80), ACK));
        vec![
            case(
                "TCP to a pod of this node",
                "pod_ingress",
                syn.clone(),
                (REDIRECT, syn.clone().to(backend, 8080).hop(TO_POD3)),
                &[FlowOpened, Delivered],
            ),
            case(
                "UDP to a pod of this node",
                "pod_ingress",
                query.clone(),
                (REDIRECT, query.to(backend, 5353).hop(TO_POD3)),
                &[FlowOpened, Delivered],
            ),
            case(
                "a backend elsewhere is the stack's to reach",
                "pod_ingress",
                elsewhere.clone(),
                (PASS, elsewhere.to(net.pod_elsewhere(), 80)),
                &[FlowOpened],
            ),
            case(
                "a NodePort from a pod",
                "pod_ingress",
                node_port.clone(),
                (REDIRECT, node_port.to(backend, 8080).hop(TO_POD3)),
                &[FlowOpened, Delivered],
            ),
            case(
                "its answer comes from the service",
                "pod_ingress",
                answer.clone(),
                (REDIRECT, answer.seen_from(s1, 80).hop(TO_POD2)),
                &[Delivered],
            )
            .after([("pod_ingress", &syn)]),
            case(
                "a known flow goes on to its backend",
                "pod_ingress",
                more.clone(),
                (REDIRECT, more.to(backend, 8080).hop(TO_POD3)),
                &[Delivered],
            )
            .after([("pod_ingress", &syn)]),
        ]
    });
}

#[test]
fn a_datagram_without_a_checksum_stays_without() {
    let net = Net::V4;
    let body = Body::Udp { ports: (40000, 53), checksum: false, data: vec![1] };
    let unsummed = from_pod2(net.service(1), body);
    check(vec![case(
        "UDP without a checksum stays without",
        "pod_ingress",
        unsummed.clone(),
        (REDIRECT, unsummed.to(net.pod(3), 5353).hop(TO_POD3)),
        &[FlowOpened, Delivered],
    )]);
}

#[test]
fn a_service_address_answers_ping() {
    check_both(|net| {
        let request = from_pod2(net.service(1), net.echo(1, b"0123456789"));
        let nobody = from_pod2(net.unallocated(), net.echo(1, b"x"));
        let drop = crate::DROP;
        vec![
            case(
                "an allocated one",
                "pod_ingress",
                request.clone(),
                (REDIRECT, request.back(net.echo_reply(1, b"0123456789"))),
                &[EchoAnswered],
            ),
            case(
                "not one that no service has",
                "pod_ingress",
                nobody.clone(),
                (drop, nobody),
                &[UnallocatedAddress],
            ),
        ]
    });
}

#[test]
fn a_pod_reaches_itself() {
    check_both(|net| -> Vec<Case> {
        let s4 = net.service(4);
        let syn = from_pod2(s4, tcp((40000, 80), SYN));
        let there = syn.clone().to(net.pod(2), 80).seen_from(net.hairpin(), 40000).hop(TO_POD2);
        let answer = from_pod2(net.hairpin(), tcp((80, 40000), SYN | ACK));
        let back = answer.clone().to(net.pod(2), 40000).seen_from(s4, 80).hop(TO_POD2);
        vec![
            case(
                "through a service, seen from its gateway",
                "pod_ingress",
                syn.clone(),
                (REDIRECT, there),
                &[FlowOpened, Delivered],
            ),
            case(
                "and is answered by the service",
                "pod_ingress",
                answer,
                (REDIRECT, back),
                &[Delivered],
            )
            .after([("pod_ingress", &syn)]),
        ]
    });
}
