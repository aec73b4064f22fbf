//! SCTP: addresses change, since its checksum does not cover them; a port cannot.

use sheave_abi::event::Event::*;

use crate::frame::*;
use crate::routed::{self, PORT};
use crate::{DROP, PASS, REDIRECT, TO_POD2, TO_POD3, case, check_both};

#[test]
fn sctp_to_a_service() {
    check_both(|net| {
        let same = from_pod2(net.service(8), sctp((40000, 9899)));
        let other = from_pod2(net.service(8), sctp((40000, 9900)));
        let node = from_node(net.service(8), sctp((40001, 9899)));
        let delivered = node.clone().to(net.pod(3), 9899);
        let answer = from_pod3(net.pod(2), sctp((9899, 40000)));
        vec![
            case(
                "SCTP to a service with the port of its pods",
                "pod_ingress",
                same.clone(),
                (REDIRECT, same.clone().to(net.pod(3), 9899).hop(TO_POD3)),
                &[FlowOpened, Delivered],
            ),
            case(
                "its answer",
                "pod_ingress",
                answer.clone(),
                (REDIRECT, answer.seen_from(net.service(8), 9899).hop(TO_POD2)),
                &[Delivered],
            )
            .after([("pod_ingress", &same)]),
            // The kernel asks no socket hook about SCTP.
            case(
                "SCTP of a process of the node",
                "uplink_egress",
                node,
                (REDIRECT, Frame { dst_mac: TO_POD3.0, src_mac: TO_POD3.1, ..delivered }),
                &[FlowOpened, Delivered],
            ),
            case(
                "SCTP to a service with another port than its pods",
                "pod_ingress",
                other.clone(),
                (DROP, Frame { dst: net.pod(3), ..other }),
                &[FlowOpened, SctpPort],
            ),
        ]
    });
}

#[test]
fn a_pod_that_leaves_the_cluster() {
    routed::check(|net| {
        let with_tag = |tag: [u8; 4]| {
            let mut body = sctp((PORT, 9899));
            if let Body::Raw { data, .. } = &mut body {
                data[4..8].copy_from_slice(&tag);
            }
            from_pod2(net.client(), body)
        };
        let (init, answer) = (with_tag([0; 4]), with_tag([1, 2, 3, 4]));
        vec![
            case(
                "one that asks for an association is shown as the node",
                "uplink_egress",
                init.clone(),
                (PASS, Frame { src: net.node(), ..init }),
                &[Masqueraded],
            ),
            case(
                "one that answers whoever came straight to it is not",
                "uplink_egress",
                answer.clone(),
                (PASS, answer),
                &[],
            ),
        ]
    });
}
