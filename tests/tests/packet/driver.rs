//! The XDP program at the uplink: what it finishes it finishes as the tc program would, and what it does not
//! finish it leaves as it came.

use sheave_abi::event::Event::*;

use sheave_tests::node::DetachedNode;

use crate::frame::*;
use crate::net::Net;
use crate::{Case, DROP, REDIRECT, case, check_both, run};

const PROGRAM: &str = "uplink_xdp";

/// As XDP has them.
const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const XDP_TX: i32 = 3;

/// Runs the driver's program on a row of the tc program's at the same interface, in the same state: it does
/// the same, or nothing.
pub(crate) fn agrees(node: &mut DetachedNode, case: &Case) {
    for (program, frame) in &case.before {
        node.programs.run(program, &frame.bytes()).unwrap();
    }
    let (seen, _) = node.programs.run(PROGRAM, &case.frame.bytes()).unwrap();
    let same = Case { program: PROGRAM, before: vec![], ..case.clone() };
    let expected = match seen {
        XDP_PASS => Case { verdict: XDP_PASS, out: same.frame.clone(), counted: &[], ..same },
        _ => Case { verdict: in_driver(same.verdict), ..same },
    };
    run(node, expected);
}

/// A verdict of tc's, in the words of XDP.
const fn in_driver(verdict: i32) -> i32 {
    match verdict {
        DROP => XDP_DROP,
        REDIRECT => XDP_TX,
        _ => XDP_PASS,
    }
}

fn passes(name: &'static str, frame: Frame) -> Case {
    case(name, PROGRAM, frame.clone(), (XDP_PASS, frame), &[])
}

#[test]
fn what_is_finished_in_the_driver() {
    check_both(|net| {
        let (client, node) = (net.client(), net.node());
        let syn_to = |dst, port| from_outside(client, dst, tcp((50000, port), SYN));
        let empty = syn_to(node, 30081);
        let local = syn_to(node, 30082);
        let inside = syn_to(net.service(1), 80);
        let unallocated = syn_to(net.unallocated(), 80);
        let gone = syn_to(net.pod(99), 80);
        let query = from_outside(client, net.pod(99), udp((50000, 53)));
        let large = Body::Udp { ports: (50000, 53), checksum: true, data: vec![7; 1000] };
        let large = from_outside(client, net.pod(99), large);
        let rst = from_outside(client, node, tcp((50000, 30081), RST));
        let last = from_outside(client, node, tcp((50000, 30080), SYN)).ttl(1);
        vec![
            case(
                "a NodePort without endpoints is refused",
                PROGRAM,
                empty.clone(),
                (XDP_TX, empty.back(reset((30081, 50000)))),
                &[Refused],
            ),
            case(
                "a NodePort with local policy and no local endpoint drops",
                PROGRAM,
                local.clone(),
                (XDP_DROP, local),
                &[NoLocalEndpoint],
            ),
            case(
                "a ClusterIP is not reachable from outside",
                PROGRAM,
                inside.clone(),
                (XDP_DROP, inside),
                &[InsideOnly],
            ),
            case(
                "an address that no service has is dropped",
                PROGRAM,
                unallocated.clone(),
                (XDP_DROP, unallocated),
                &[InsideOnly],
            ),
            case(
                "a connection to a pod that is gone is refused",
                PROGRAM,
                gone.clone(),
                (XDP_TX, gone.back(reset((80, 50000)))),
                &[PodGone],
            ),
            case(
                "a datagram to a pod that is gone is unreachable, in a larger frame",
                PROGRAM,
                query.clone(),
                (XDP_TX, query.back(net.port_unreachable(&query))),
                &[PodGone],
            ),
            case(
                "likewise a large one, in a smaller frame",
                PROGRAM,
                large.clone(),
                (XDP_TX, large.back(net.port_unreachable(&large))),
                &[PodGone],
            ),
            case("a reset is not answered", PROGRAM, rst.clone(), (XDP_DROP, rst), &[]),
            case(
                "a packet to a service whose time ends here is answered",
                PROGRAM,
                last.clone(),
                (XDP_TX, last.back(net.time_exceeded(&last))),
                &[HopLimit],
            ),
        ]
    });
}

#[test]
fn what_is_left_as_it_came() {
    check_both(|net| {
        let (client, node) = (net.client(), net.node());
        let syn = from_outside(client, node, tcp((50000, 30080), SYN));
        let more = from_outside(client, node, tcp((50000, 30080), ACK));
        let answer = from_pod3(client, tcp((8080, 50000), SYN | ACK));
        let about = packet(node, client, tcp((30080, 50000), ACK));
        let mut rows = vec![
            passes("a flow that only began", more.clone()).after([("uplink_ingress", &syn)]),
            passes("a flow to a pod of this node", more.clone()).after([
                ("uplink_ingress", &syn),
                ("pod_ingress", &answer),
                ("uplink_ingress", &more),
            ]),
            passes("SCTP", from_outside(client, node, sctp((50000, 30090)))),
            passes("an error", from_outside(client, node, net.port_unreachable(&about))),
            passes("a protocol without ports", {
                from_outside(client, node, Body::Raw { protocol: 47, data: vec![0; 24] })
            }),
            passes(
                "a packet whose time ends here and that is not to a service",
                from_outside(client, node, tcp((50000, 22), SYN)).ttl(1),
            ),
        ];
        if net == Net::V4 {
            let nobody = from_outside(client, node, tcp((50000, 30081), SYN));
            rows.push(passes("the first part of a datagram", nobody.clone().fragment(0x2000)));
            rows.push(passes("a later part", nobody.fragment(0x00b9)));
        }
        rows
    });
}
