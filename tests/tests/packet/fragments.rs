//! Datagrams that were cut up: the first part has the ports, the others follow it.

use sheave_abi::event::Event::*;

use crate::frame::*;
use crate::net::Net;
use crate::{DROP, REDIRECT, TO_POD2, TO_POD3, case, check};

const MORE: u16 = 0x2000;

/// The first part of a datagram, and a later one.
pub(crate) fn parts(frame: Frame) -> (Frame, Frame) {
    let later = Body::Raw { protocol: 17, data: vec![1, 2, 3, 4] };
    (frame.clone().fragment(MORE), Frame { body: later, ..frame }.fragment(3))
}

#[test]
fn a_datagram_that_was_cut_up() {
    let net = Net::V4;
    let (first, later) = parts(from_pod2(net.service(1), udp((40000, 53))));
    let (answer, later_answer) = parts(from_pod3(net.pod(2), udp((5353, 40000))));
    let (_, between_pods) = parts(from_pod2(net.pod(3), udp((40000, 5353))));
    let moved = |part: &Frame| Frame { dst: net.pod(3), ..part.clone() }.hop(TO_POD3);
    let moved_back = |part: &Frame| Frame { src: net.service(1), ..part.clone() }.hop(TO_POD2);
    check(vec![
        case(
            "a later fragment between pods needs no ports",
            "pod_ingress",
            between_pods.clone(),
            (REDIRECT, between_pods.hop(TO_POD3)),
            &[Delivered],
        ),
        case(
            "the first fragment to a service opens the flow",
            "pod_ingress",
            first.clone(),
            (REDIRECT, first.clone().to(net.pod(3), 5353).hop(TO_POD3)),
            &[FlowOpened, Delivered],
        ),
        case(
            "a later fragment to a service follows the first",
            "pod_ingress",
            later.clone(),
            (REDIRECT, moved(&later)),
            &[Delivered],
        )
        .after([("pod_ingress", &first)]),
        case(
            "a later fragment to a service is dropped",
            "pod_ingress",
            later.clone(),
            (DROP, later),
            &[Fragment],
        ),
        case(
            "the first fragment of an answer comes from the service",
            "pod_ingress",
            answer.clone(),
            (REDIRECT, answer.clone().seen_from(net.service(1), 53).hop(TO_POD2)),
            &[Delivered],
        )
        .after([("pod_ingress", &first)]),
        case(
            "a later fragment of an answer too",
            "pod_ingress",
            later_answer.clone(),
            (REDIRECT, moved_back(&later_answer)),
            &[Delivered],
        )
        .after([("pod_ingress", &first), ("pod_ingress", &answer)]),
    ]);
}

#[test]
fn a_part_of_an_ipv6_datagram_is_not_for_a_service() {
    let net = Net::V6;
    // UDP follows; offset 0, more to come; identification.
    let mut data = vec![17, 0, 0, 1, 0, 0, 0, 7];
    data.extend([0x9c, 0x40, 0, 53, 0, 100, 0, 0]);
    let part = |dst| from_pod2(dst, Body::Raw { protocol: 44, data: data.clone() });
    let (to_service, to_pod) = (part(net.service(1)), part(net.pod(3)));
    check(vec![
        case(
            "a part of an IPv6 datagram to a service is dropped",
            "pod_ingress",
            to_service.clone(),
            (DROP, to_service),
            &[Ipv6Fragment],
        ),
        case(
            "a part of an IPv6 datagram between pods passes",
            "pod_ingress",
            to_pod.clone(),
            (REDIRECT, to_pod.hop(TO_POD3)),
            &[Delivered],
        ),
    ]);
}
