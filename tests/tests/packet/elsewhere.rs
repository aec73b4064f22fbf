//! Clients outside whose backend is no pod of this node: on another node, which is shown this node's address,
//! or this node itself.

use std::collections::BTreeSet;

use sheave_abi::event::Event::*;
use sheave_tests::node::{DetachedNode, complete, reconcile};
use sheave_tests::wait;

use crate::fragments::parts;
use crate::frame::*;
use crate::net::Net;
use crate::node::{services_without, services_without_endpoints_of};
use crate::routed::{CLIENTS_MTU, PORT, UPLINK_MTU, check, machine, node_there, on};
use crate::{DROP, PASS, REDIRECT, case, run};

fn large(ports: (u16, u16), len: u16) -> Body {
    Body::Udp { ports, checksum: true, data: vec![7; usize::from(len)] }
}

#[test]
fn a_backend_on_another_node() {
    check(|net| {
        let (client, node, there) = (net.client(), net.node(), net.pod_elsewhere());
        let syn = from_outside(client, node, tcp((50000, 30084), SYN));
        let data = from_outside(client, node, tcp((50000, 30084), ACK));
        let accept = from_outside(there, node, tcp((8080, PORT), SYN | ACK));
        let query = from_outside(client, node, udp((50000, 30053)));
        let reply = from_outside(there, node, udp((5353, PORT)));
        let to_there =
            |frame: &Frame, port| on(frame.clone().to(there, port).seen_from(node, PORT));
        let back = |frame: &Frame, port| on(frame.clone().to(client, 50000).seen_from(node, port));
        let row = |name, frame: &Frame, out, counted| {
            case(name, "uplink_ingress", frame.clone(), (REDIRECT, out), counted)
        };
        let other = from_outside(net.router(), node, tcp((50000, 30084), SYN));
        let other_data = from_outside(net.router(), node, tcp((50000, 30084), ACK));
        let refused = from_outside(client, node, tcp((50000, 30085), SYN));
        let taken = from_outside(net.router(), node, tcp((50000, 30085), SYN));
        vec![
            row(
                "a client whose backend is on another node is shown as this one",
                &syn,
                to_there(&syn, 8080),
                &[FlowOpened],
            ),
            row(
                "its answer comes from the frontend",
                &accept,
                back(&accept, 30084),
                &[RepliedOutside],
            )
            .after([("uplink_ingress", &syn)]),
            row("the connection keeps its port", &data, to_there(&data, 8080), &[])
                .after([("uplink_ingress", &syn), ("uplink_ingress", &accept)]),
            row("so does one that is asked for again", &syn, to_there(&syn, 8080), &[])
                .after([("uplink_ingress", &syn)]),
            row("a datagram too", &query, to_there(&query, 5353), &[FlowOpened]),
            row("and its answer", &reply, back(&reply, 30053), &[RepliedOutside])
                .after([("uplink_ingress", &query)]),
            case(
                "a client is refused by its own address, and not by the node's",
                "uplink_ingress",
                refused.clone(),
                (DROP, refused),
                &[SourceRefused],
            ),
            row("and taken by it", &taken, to_there(&taken, 80), &[FlowOpened]),
            row(
                "a port of one that nobody has completed is given to another",
                &other,
                to_there(&other, 8080),
                &[FlowOpened],
            )
            .after([("uplink_ingress", &syn), ("uplink_ingress", &accept)]),
            case(
                "who has lost its port opens anew, and finds none that is free",
                "uplink_ingress",
                data.clone(),
                (DROP, data.clone()),
                &[NatPorts],
            )
            .after([
                ("uplink_ingress", &syn),
                ("uplink_ingress", &other),
                ("uplink_ingress", &accept),
                ("uplink_ingress", &other_data),
            ]),
            case(
                "without a port that is free nothing leaves",
                "uplink_ingress",
                other.clone(),
                (DROP, other.clone()),
                &[NatPorts],
            )
            .after([
                ("uplink_ingress", &syn),
                ("uplink_ingress", &accept),
                ("uplink_ingress", &data),
            ]),
        ]
    });
}

#[test]
fn a_backend_in_the_nodes_own_network() {
    check(|net| {
        let (client, node) = (net.client(), net.node());
        let syn = from_outside(client, node, tcp((50000, 30086), SYN));
        let accept = from_node(client, tcp((9100, 50000), SYN | ACK));
        vec![
            case(
                "a process of this node sees its client, and the stack takes the packet",
                "uplink_ingress",
                syn.clone(),
                (PASS, syn.clone().to(node, 9100)),
                &[FlowOpened],
            ),
            case(
                "its answer comes from the frontend",
                "uplink_egress",
                accept.clone(),
                (PASS, accept.seen_from(node, 30086)),
                &[RepliedOutside],
            )
            .after([("uplink_ingress", &syn)]),
        ]
    });
}

#[test]
fn clients_inside_are_seen_as_they_are() {
    check(|net| {
        let there = net.pod_elsewhere();
        let pod = from_pod2(net.node(), tcp((40000, 30084), SYN));
        let process = from_node(net.service(9), tcp((40000, 80), SYN));
        vec![
            case(
                "a pod that dials a NodePort whose backend is on another node",
                "pod_ingress",
                pod.clone(),
                (PASS, pod.to(there, 8080)),
                &[FlowOpened],
            ),
            case(
                "a process of the node that no hook served",
                "uplink_egress",
                process.clone(),
                (REDIRECT, process.to(there, 8080)),
                &[FlowOpened],
            ),
        ]
    });
}

#[test]
fn errors_about_a_backend_on_another_node() {
    check(|net| {
        let (client, node, there) = (net.client(), net.node(), net.pod_elsewhere());
        let query = from_outside(client, node, udp((50000, 30053)));
        // As the backend saw it, and its answer as the client did.
        let asked = packet(node, there, udp((PORT, 5353))).ttl(63);
        let answered = packet(node, client, udp((30053, 50000))).ttl(63);
        let answer = packet(there, node, udp((5353, PORT))).ttl(63);
        let as_sent = Frame { ttl: 63, ..query.clone() };
        let too_big = |about: &Frame| net.too_big(about, 1280);
        let nobody = |about: &Frame| net.port_unreachable(about);
        let by_router = from_outside(net.router(), node, too_big(&asked));
        let by_backend = from_outside(there, node, nobody(&asked));
        let by_client = from_outside(client, node, nobody(&answered));
        let about_answer = from_outside(net.router(), node, too_big(&answered));
        let row = |name, told: &Frame, out, counted| {
            case(name, "uplink_ingress", told.clone(), (REDIRECT, on(out)), counted)
                .after([("uplink_ingress", &query)])
        };
        let to_client = |told: &Frame, body| Frame { src: node, dst: client, body, ..told.clone() };
        let to_backend = |told: &Frame, body| Frame { src: node, dst: there, body, ..told.clone() };
        vec![
            row(
                "a router on the way to the backend: the client hears it from the node",
                &by_router,
                to_client(&by_router, too_big(&as_sent)),
                &[ErrorTranslated, RepliedOutside],
            ),
            row(
                "the backend itself: the client hears of the frontend",
                &by_backend,
                to_client(&by_backend, nobody(&as_sent)),
                &[ErrorTranslated, RepliedOutside],
            ),
            row(
                "the client: the backend hears of the node",
                &by_client,
                to_backend(&by_client, nobody(&answer)),
                &[ErrorTranslated],
            ),
            row(
                "a router on the way to the client: the backend hears it from the node",
                &about_answer,
                to_backend(&about_answer, too_big(&answer)),
                &[ErrorTranslated],
            ),
        ]
    });
}

#[test]
fn ways_that_are_too_narrow_or_too_long() {
    check(|net| {
        let (client, node, there) = (net.client(), net.node(), net.pod_elsewhere());
        let query = from_outside(client, node, udp((50000, 30053)));
        let reply = from_outside(there, node, udp((5353, PORT)));
        let large_query = from_outside(client, node, large((50000, 30053), UPLINK_MTU));
        let large_reply = from_outside(there, node, large((5353, PORT), CLIENTS_MTU));
        let last_query = query.clone().ttl(1);
        let last_reply = reply.clone().ttl(1);
        let row = |name, frame: &Frame, told, counted| {
            case(name, "uplink_ingress", frame.clone(), (REDIRECT, frame.back(told)), counted)
                .after([("uplink_ingress", &query)])
        };
        vec![
            row(
                "the way to the backend is too narrow: the client is told",
                &large_query,
                net.too_big(&large_query, UPLINK_MTU),
                &[TooBig],
            ),
            row(
                "the way to the client is too narrow: the backend is told",
                &large_reply,
                net.too_big(&large_reply, CLIENTS_MTU),
                &[TooBig],
            ),
            row(
                "a question that may go no further",
                &last_query,
                net.time_exceeded(&last_query),
                &[HopLimit],
            ),
            row(
                "an answer that may go no further",
                &last_reply,
                net.time_exceeded(&last_reply),
                &[HopLimit],
            ),
        ]
    });
}

#[test]
fn a_datagram_that_was_cut_up() {
    check(|net| {
        if net == Net::V6 {
            return vec![];
        }
        let (client, node, there) = (net.client(), net.node(), net.pod_elsewhere());
        let (first, later) = parts(from_outside(client, node, udp((50000, 30053))));
        let (answer, later_answer) = parts(from_outside(there, node, udp((5353, PORT))));
        let row = |name, frame: &Frame, out, counted| {
            case(name, "uplink_ingress", frame.clone(), (REDIRECT, on(out)), counted)
        };
        vec![
            row(
                "the first part",
                &first,
                first.clone().to(there, 5353).seen_from(node, PORT),
                &[FlowOpened],
            ),
            row("a later part", &later, Frame { src: node, dst: there, ..later.clone() }, &[])
                .after([("uplink_ingress", &first)]),
            row(
                "a later part of the answer",
                &later_answer,
                Frame { src: node, dst: client, ..later_answer.clone() },
                &[RepliedOutside],
            )
            .after([("uplink_ingress", &first), ("uplink_ingress", &answer)]),
        ]
    });
}

#[test]
fn sctp_keeps_its_port() {
    check(|net| {
        let (client, node, there) = (net.client(), net.node(), net.pod_elsewhere());
        let asks = |src| from_outside(src, node, sctp((40000, 30899)));
        let (init, other) = (asks(client), asks(net.router()));
        let answer = from_outside(there, node, sctp((30899, 40000)));
        vec![
            case(
                "an association with a backend on another node",
                "uplink_ingress",
                init.clone(),
                (REDIRECT, on(Frame { src: node, dst: there, ..init.clone() })),
                &[FlowOpened],
            ),
            case(
                "its answer",
                "uplink_ingress",
                answer.clone(),
                (REDIRECT, on(Frame { src: node, dst: client, ..answer })),
                &[RepliedOutside],
            )
            .after([("uplink_ingress", &init)]),
            case(
                "another with the same port is not to be told from it",
                "uplink_ingress",
                other.clone(),
                (DROP, other),
                &[NatPorts],
            )
            .after([("uplink_ingress", &init)]),
        ]
    });
}

#[test]
fn a_backend_that_is_no_endpoint_any_more() {
    machine().run(|| Net::BOTH.into_iter().for_each(backend_is_gone));
}

fn backend_is_gone(net: Net) {
    let (client, node_addr, there) = (net.client(), net.node(), net.pod_elsewhere());
    let syn = from_outside(client, node_addr, tcp((50000, 30084), SYN));
    let data = from_outside(client, node_addr, tcp((50000, 30084), ACK));
    let mut node = node_there(PORT..=PORT);
    let open = |node: &mut DetachedNode| {
        node.dataplane().forget_traffic().unwrap();
        node.programs.run("uplink_ingress", &syn.bytes()).unwrap();
    };
    open(&mut node);
    reconcile(node.dataplane(), &complete(services_without("s9")));
    let out = on(data.clone().to(there, 8080).seen_from(node_addr, PORT));
    let name = "a connection stays when the service goes: that says nothing of the pod";
    run(&mut node, case(name, "uplink_ingress", data.clone(), (REDIRECT, out), &[]));
    reconcile(node.dataplane(), &complete(services_without("none")));
    open(&mut node);
    reconcile(node.dataplane(), &complete(services_without_endpoints_of("s9")));
    let reset = Body::Tcp { ports: (30084, 50000), seq: 0, ack: 0, flags: RST, data: vec![] };
    let name = "a connection is reset when its backend is no endpoint any more";
    let out = data.back(reset);
    run(&mut node, case(name, "uplink_ingress", data, (REDIRECT, out), &[BackendGone]));
    let query = from_outside(client, node_addr, udp((50000, 30053)));
    let out = query.back(net.port_unreachable(&query));
    run(
        &mut node,
        case("and nobody is asked", "uplink_ingress", query, (REDIRECT, out), &[Refused]),
    );
}

#[test]
fn a_question_keeps_its_port_for_as_long_as_an_answer_may_take() {
    machine().run(|| {
        let net = Net::V4;
        let mut node = node_there(PORT..=PORT);
        let ask = |src| from_outside(src, net.node(), udp((50000, 30053)));
        let (first, second) = (ask(net.client()), ask(net.router()));
        node.programs.run("uplink_ingress", &first.bytes()).unwrap();
        let asks = |node: &mut DetachedNode, frame: &Frame| {
            node.programs.run("uplink_ingress", &frame.bytes()).unwrap().0
        };
        let limit = std::time::Duration::from_secs(20);
        let what = "the port of a question that was answered or not";
        wait::until(what, limit, || asks(&mut node, &second), |verdict| *verdict == REDIRECT);
        assert_eq!(asks(&mut node, &first), DROP, "the port is another's");
    });
}

#[test]
fn affinity_goes_by_the_true_client() {
    machine().run(|| {
        for net in Net::BOTH {
            let mut node = node_there(61000..=65535);
            let port_at = if net == Net::V4 { 36 } else { 56 };
            let mut backends_of = |client, ports: std::ops::Range<u16>| -> BTreeSet<u16> {
                ports
                    .map(|port| {
                        let syn = from_outside(client, net.node(), tcp((port, 30087), SYN));
                        let (_, out) = node.programs.run("uplink_ingress", &syn.bytes()).unwrap();
                        u16::from_be_bytes([out[port_at], out[port_at + 1]])
                    })
                    .collect()
            };
            for last in 1..40 {
                let backends = backends_of(net.pod(last), 41000..41005);
                assert_eq!(backends.len(), 1, "{net:?}: one client, one backend: {backends:?}");
            }
            // All of them are shown with one address: were that the client, there would be one backend.
            let mut all = BTreeSet::new();
            (1..40).for_each(|last| all.extend(backends_of(net.pod(last), 41000..41001)));
            assert_eq!(all, BTreeSet::from([81, 82, 83]), "{net:?}");
        }
    });
}
