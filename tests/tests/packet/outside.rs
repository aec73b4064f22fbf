//! What comes in through the uplink, and what leaves by it.

use sheave_abi::event::Event::*;

use sheave_tests::node::{complete, reconcile};

use crate::frame::*;
use crate::net::Net;
use crate::{DROP, PASS, REDIRECT, TO_POD2, TO_POD3, case, check_both, node, run};

#[test]
fn what_comes_from_outside() {
    check_both(|net| {
        let (client, node, backend) = (net.client(), net.node(), net.pod(3));
        let syn_to = |dst, port| from_outside(client, dst, tcp((50000, port), SYN));
        let syn = syn_to(node, 30080);
        let pod = syn_to(net.pod(2), 80);
        let ssh = syn_to(node, 22);
        let empty = syn_to(node, 30081);
        let local = syn_to(node, 30082);
        let inside = syn_to(net.service(1), 80);
        let loopback = syn_to(net.loopback(), 30080);
        let answer = from_pod3(client, tcp((8080, 50000), SYN | ACK));
        let ping_node = from_outside(client, node, net.echo(1, b"abc"));
        let ping_pod = from_outside(client, net.pod(2), net.echo(1, b"abc"));
        vec![
            case(
                "a NodePort reaches a pod of this node",
                "uplink_ingress",
                syn.clone(),
                (REDIRECT, syn.clone().to(backend, 8080).hop(TO_POD3)),
                &[FlowOpened, Delivered],
            ),
            case(
                "its answer leaves with the node's address",
                "pod_ingress",
                answer.clone(),
                (REDIRECT, answer.seen_from(node, 30080).hop((HOST3, POD3))),
                &[RepliedOutside],
            )
            .after([("uplink_ingress", &syn)]),
            case(
                "a pod's address reaches the pod",
                "uplink_ingress",
                pod.clone(),
                (REDIRECT, pod.hop(TO_POD2)),
                &[Delivered],
            ),
            case(
                "the node's own ports are the stack's",
                "uplink_ingress",
                ssh.clone(),
                (PASS, ssh),
                &[],
            ),
            case(
                "an echo request to the node is the stack's",
                "uplink_ingress",
                ping_node.clone(),
                (PASS, ping_node),
                &[],
            ),
            case(
                "an echo request to a pod reaches the pod",
                "uplink_ingress",
                ping_pod.clone(),
                (REDIRECT, ping_pod.hop(TO_POD2)),
                &[Delivered],
            ),
            case(
                "a NodePort without endpoints is refused",
                "uplink_ingress",
                empty.clone(),
                (REDIRECT, empty.back(reset((30081, 50000)))),
                &[Refused],
            ),
            case(
                "a NodePort with local policy and no local endpoint drops",
                "uplink_ingress",
                local.clone(),
                (DROP, local),
                &[NoLocalEndpoint],
            ),
            case(
                "a ClusterIP is not reachable from outside",
                "uplink_ingress",
                inside.clone(),
                (DROP, inside),
                &[InsideOnly],
            ),
            case(
                "a loopback NodePort is for the node's own sockets",
                "uplink_ingress",
                loopback.clone(),
                (PASS, loopback),
                &[],
            ),
        ]
    });
}

#[test]
fn cluster_ips_that_are_open_to_outside() {
    for net in Net::BOTH {
        let mut node = node::node();
        reconcile(node.dataplane(), &complete(node::open_to_outside()));
        let (client, backend) = (net.client(), net.pod(3));
        let syn_to = |last, port| from_outside(client, net.service(last), tcp((50000, port), SYN));
        let syn = syn_to(1, 80);
        let (empty, local, absent) = (syn_to(2, 80), syn_to(5, 80), syn_to(1, 81));
        let answer = from_pod3(client, tcp((8080, 50000), SYN | ACK));
        for case in [
            case(
                "a ClusterIP that is open to outside reaches a pod of this node",
                "uplink_ingress",
                syn.clone(),
                (REDIRECT, syn.to(backend, 8080).hop(TO_POD3)),
                &[FlowOpened, Delivered],
            ),
            case(
                "its answer leaves with the service's address",
                "pod_ingress",
                answer.clone(),
                (REDIRECT, answer.seen_from(net.service(1), 80).hop((HOST3, POD3))),
                &[RepliedOutside],
            ),
            case(
                "without endpoints it refuses",
                "uplink_ingress",
                empty.clone(),
                (REDIRECT, empty.back(reset((80, 50000)))),
                &[Refused],
            ),
            case(
                "with an internal policy of Local and no endpoint here it drops",
                "uplink_ingress",
                local.clone(),
                (DROP, local),
                &[NoLocalEndpoint],
            ),
            case(
                "a port that it does not have stays closed",
                "uplink_ingress",
                absent.clone(),
                (DROP, absent),
                &[InsideOnly],
            ),
        ] {
            run(&mut node, case);
        }
    }
}

#[test]
fn what_leaves_through_the_uplink() {
    check_both(|net| {
        let syn = from_node(net.service(2), tcp((40000, 80), SYN));
        let nobody = from_node(net.unallocated(), tcp((40000, 80), SYN));
        let plain = from_node(net.client(), tcp((40000, 443), SYN));
        vec![
            case(
                "a host process is refused by a service without endpoints",
                "uplink_egress",
                syn.clone(),
                (REDIRECT, syn.back(reset((80, 40000)))),
                &[Refused],
            ),
            case(
                "service addresses do not leave the node",
                "uplink_egress",
                nobody.clone(),
                (DROP, nobody),
                &[UnallocatedAddress],
            ),
            case("anything else does", "uplink_egress", plain.clone(), (PASS, plain), &[]),
        ]
    });
}
