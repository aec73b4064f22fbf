//! ICMP errors about translated packets: each comes to whoever sent the packet, about what that one sent.

use std::net::IpAddr;

use sheave_abi::event::Event::*;

use crate::frame::*;
use crate::net::Net;
use crate::{PASS, REDIRECT, TO_POD2, TO_POD3, case, check, check_both};

/// What an error says beside the packet that it quotes.
type About = fn(Net, &Frame) -> Body;

const UNREACHABLE: About = |net, about| net.port_unreachable(about);
const TOO_BIG: About = |net, about| net.too_big(about, 1280);
const EXCEEDED: About = |net, about| net.time_exceeded(about);

#[test]
fn errors_between_a_pod_and_a_service() {
    check_both(|net| {
        let (s1, pod2, pod3) = (net.service(1), net.pod(2), net.pod(3));
        let query = from_pod2(s1, udp((40000, 53)));
        let syn = from_pod2(s1, tcp((40000, 80), SYN));
        // As the backend saw them, and as the client did.
        let asked = packet(pod2, pod3, udp((40000, 5353))).ttl(63);
        let dialled = packet(pod2, pod3, tcp((40000, 8080), SYN)).ttl(63);
        let answered = packet(s1, pod2, udp((53, 40000))).ttl(63);
        let answer = packet(pod3, pod2, udp((5353, 40000))).ttl(63);
        let row = |name, before: &Frame, told: Frame, out: Frame, to| {
            case(name, "pod_ingress", told, (REDIRECT, out.hop(to)), &[ErrorTranslated, Delivered])
                .after([("pod_ingress", before)])
        };
        let as_sent = |frame: &Frame| Frame { ttl: 63, ..frame.clone() };
        let told = |dst, about: &Frame, what: About| from_pod3(dst, what(net, about));
        let retold = |src: IpAddr, told: &Frame, about: &Frame, what: About| Frame {
            src,
            body: what(net, about),
            ..told.clone()
        };
        let unreachable = told(pod2, &asked, UNREACHABLE);
        let too_big = told(pod2, &dialled, TOO_BIG);
        let complaint = from_pod2(s1, UNREACHABLE(net, &answered));
        let routed = Frame { src: net.router(), ..told(pod2, &dialled, EXCEEDED) };
        vec![
            row(
                "a backend that does not listen: the client hears of the service",
                &query,
                unreachable.clone(),
                retold(s1, &unreachable, &as_sent(&query), UNREACHABLE),
                TO_POD2,
            ),
            row(
                "a packet that is too big for the backend",
                &syn,
                too_big.clone(),
                retold(s1, &too_big, &as_sent(&syn), TOO_BIG),
                TO_POD2,
            ),
            row(
                "a router on the way to the backend keeps its address",
                &syn,
                routed.clone(),
                retold(net.router(), &routed, &as_sent(&syn), EXCEEDED),
                TO_POD2,
            ),
            row(
                "a client that does not listen any more: the backend hears of the client",
                &query,
                complaint.clone(),
                Frame { dst: pod3, body: UNREACHABLE(net, &answer), ..complaint },
                TO_POD3,
            ),
        ]
    });
}

#[test]
fn errors_about_a_flow_from_outside() {
    check_both(|net| {
        let (client, node, pod3) = (net.client(), net.node(), net.pod(3));
        let syn = from_outside(client, node, tcp((50000, 30080), SYN));
        let dialled = packet(client, pod3, tcp((50000, 8080), SYN)).ttl(63);
        let unreachable = from_pod3(client, UNREACHABLE(net, &dialled));
        let as_sent = Frame { ttl: 63, ..syn.clone() };
        let left = packet(node, client, tcp((30080, 50000), ACK)).ttl(63);
        let answer = packet(pod3, client, tcp((8080, 50000), ACK)).ttl(63);
        let too_big = from_outside(net.router(), node, TOO_BIG(net, &left));
        let from_client = from_outside(client, node, UNREACHABLE(net, &left));
        let to_backend = |told: &Frame, what: About| {
            Frame { dst: pod3, body: what(net, &answer), ..told.clone() }.hop(TO_POD3)
        };
        vec![
            case(
                "a backend's error leaves with the node's address",
                "pod_ingress",
                unreachable.clone(),
                (
                    REDIRECT,
                    Frame { src: node, body: UNREACHABLE(net, &as_sent), ..unreachable }
                        .hop((HOST3, POD3)),
                ),
                &[ErrorTranslated, RepliedOutside],
            )
            .after([("uplink_ingress", &syn)]),
            case(
                "a router outside tells the backend that its answer is too big",
                "uplink_ingress",
                too_big.clone(),
                (REDIRECT, to_backend(&too_big, TOO_BIG)),
                &[ErrorTranslated, Delivered],
            )
            .after([("uplink_ingress", &syn)]),
            case(
                "so does the client itself",
                "uplink_ingress",
                from_client.clone(),
                (REDIRECT, to_backend(&from_client, UNREACHABLE)),
                &[ErrorTranslated, Delivered],
            )
            .after([("uplink_ingress", &syn)]),
        ]
    });
}

#[test]
fn errors_about_a_backend_elsewhere() {
    check_both(|net| {
        let (s3, pod2, elsewhere) = (net.service(3), net.pod(2), net.pod_elsewhere());
        let syn = from_pod2(s3, tcp((40000, 80), SYN));
        let dialled = packet(pod2, elsewhere, tcp((40000, 80), SYN)).ttl(62);
        let as_sent = Frame { ttl: 62, ..syn.clone() };
        let too_big = from_outside(net.router(), pod2, TOO_BIG(net, &dialled));
        let unreachable = from_outside(elsewhere, pod2, UNREACHABLE(net, &dialled));
        let retold = |told: &Frame, src, what: About| {
            Frame { src, body: what(net, &as_sent), ..told.clone() }.hop(TO_POD2)
        };
        vec![
            case(
                "a router between the nodes",
                "uplink_ingress",
                too_big.clone(),
                (REDIRECT, retold(&too_big, net.router(), TOO_BIG)),
                &[ErrorTranslated, Delivered],
            )
            .after([("pod_ingress", &syn)]),
            case(
                "the backend itself",
                "uplink_ingress",
                unreachable.clone(),
                (REDIRECT, retold(&unreachable, s3, UNREACHABLE)),
                &[ErrorTranslated, Delivered],
            )
            .after([("pod_ingress", &syn)]),
        ]
    });
}

#[test]
fn errors_that_are_about_no_flow_stay_as_they_are() {
    check_both(|net| {
        let (pod2, pod3) = (net.pod(2), net.pod(3));
        let syn = from_pod2(net.service(1), tcp((40000, 80), SYN));
        let direct = packet(pod2, pod3, tcp((40001, 8080), SYN)).ttl(63);
        let other = from_pod3(pod2, UNREACHABLE(net, &direct));
        let quotes_fragment = Body::Icmp {
            kind: 3,
            code: 4,
            rest: [0; 4],
            data: net.quote(&packet(pod2, pod3, tcp((40000, 8080), SYN)).fragment(3), 8),
        };
        let later = from_pod3(pod2, quotes_fragment);
        let outside = from_outside(net.router(), net.node(), EXCEEDED(net, &direct));
        let mut rows = vec![
            case(
                "one between pods",
                "pod_ingress",
                other.clone(),
                (REDIRECT, other.hop(TO_POD2)),
                &[Delivered],
            )
            .after([("pod_ingress", &syn)]),
            case("one to the node itself", "uplink_ingress", outside.clone(), (PASS, outside), &[])
                .after([("pod_ingress", &syn)]),
        ];
        if net == Net::V4 {
            rows.push(
                case(
                    "one about a later fragment, which has no ports",
                    "pod_ingress",
                    later.clone(),
                    (REDIRECT, later.hop(TO_POD2)),
                    &[Delivered],
                )
                .after([("pod_ingress", &syn)]),
            );
        }
        rows
    });
}

#[test]
fn a_quote_that_is_cut_short_or_has_options_stays_as_it_is() {
    let net = Net::V4;
    let syn = from_pod2(net.service(1), tcp((40000, 80), SYN));
    let dialled = packet(net.pod(2), net.pod(3), tcp((40000, 8080), SYN)).ttl(63);
    let told = |data: &[u8]| from_pod3(net.pod(2), net.icmp((3, 3), (1, 4), [0; 4], data));
    let short = told(&net.quote(&dialled, 7));
    let mut quote = net.quote(&dialled, 20);
    quote[0] = 0x46;
    let options = told(&quote);
    let same = |name, frame: Frame| {
        case(name, "pod_ingress", frame.clone(), (REDIRECT, frame.hop(TO_POD2)), &[Delivered])
            .after([("pod_ingress", &syn)])
    };
    check(vec![same("cut short", short), same("with options", options)]);
}

#[test]
fn a_packet_that_may_go_no_further() {
    check_both(|net| {
        let to_service = from_pod2(net.service(1), udp((40000, 53))).ttl(1);
        let to_node_port = from_outside(net.client(), net.node(), tcp((50000, 30080), SYN)).ttl(1);
        let to_node = from_outside(net.client(), net.node(), tcp((50000, 22), SYN)).ttl(1);
        let to_pod = from_outside(net.client(), net.pod(2), tcp((50000, 80), SYN)).ttl(1);
        let answered = |frame: &Frame| frame.back(net.time_exceeded(frame));
        vec![
            case(
                "to a service: a pod is told",
                "pod_ingress",
                to_service.clone(),
                (REDIRECT, answered(&to_service)),
                &[HopLimit],
            ),
            case(
                "to a NodePort: a client outside is told",
                "uplink_ingress",
                to_node_port.clone(),
                (REDIRECT, answered(&to_node_port)),
                &[HopLimit],
            ),
            case(
                "to the node itself it has come far enough",
                "uplink_ingress",
                to_node.clone(),
                (PASS, to_node),
                &[],
            ),
            case(
                "to a pod: the stack tells",
                "uplink_ingress",
                to_pod.clone(),
                (PASS, to_pod),
                &[],
            ),
        ]
    });
}
