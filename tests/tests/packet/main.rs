//! The packet table: for each case a frame into a program as the kernel runs it, and out of it the
//! verdict, the frame, and every counter that moved.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod frame;
mod node;

use sheave_abi::event::Event::{self, *};
use sheave_tests::node::{DetachedNode, complete, reconcile};

use frame::*;
use node::{HAIRPIN, NODE, node, without_backend_of_first};

/// As tc has them.
const PASS: i32 = -1;
const DROP: i32 = 2;
const REDIRECT: i32 = 7;

const CLIENT: [u8; 4] = [198, 51, 100, 7];
const TO_POD2: ([u8; 6], [u8; 6]) = (POD2, HOST2);
const TO_POD3: ([u8; 6], [u8; 6]) = (POD3, HOST3);
const S1: [u8; 4] = [10, 96, 0, 1];
const S2: [u8; 4] = [10, 96, 0, 2];

/// One row.
struct Case {
    /// What must be true.
    name: &'static str,
    program: &'static str,
    /// Run before, through the program named; only the state they leave counts.
    before: Vec<(&'static str, Frame)>,
    frame: Frame,
    verdict: i32,
    out: Frame,
    /// What counted for `frame`; nothing else may have.
    counted: &'static [Event],
}

fn case(
    name: &'static str,
    program: &'static str,
    frame: Frame,
    (verdict, out): (i32, Frame),
    counted: &'static [Event],
) -> Case {
    Case { name, program, before: vec![], frame, verdict, out, counted }
}

fn run(node: &mut DetachedNode, case: Case) {
    let Case { name, program, before, frame, verdict, out, counted } = case;
    for (program, frame) in before {
        node.programs.run(program, &frame.bytes()).unwrap();
    }
    let counters = node.dataplane().counters().unwrap();
    let (seen, bytes) = node.programs.run(program, &frame.bytes()).unwrap();
    assert_eq!(seen, verdict, "{name}: verdict");
    assert_eq!(hex(&bytes), hex(&out.bytes()), "{name}: frame");
    let after = node.dataplane().counters().unwrap();
    for ((event, before), (_, after)) in counters.into_iter().zip(after) {
        let expected = counted.iter().filter(|e| **e == event).count() as u64;
        assert_eq!(after - before, expected, "{name}: counter {}", event.name());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(2)
        .map(|pair| pair.iter().map(|b| format!("{b:02x}")).collect::<String>() + " ")
        .collect()
}

fn check(cases: Vec<Case>) {
    for case in cases {
        // Each on a node of its own: no case may lean on what another has left.
        run(&mut node(), case);
    }
}

#[test]
fn what_a_pod_sends_to_pods_and_outside() {
    let syn = || tcp((40000, 8080), SYN);
    let plain = from_pod2([10, 244, 0, 3], syn());
    let away = from_pod2(CLIENT, syn());
    let dying = from_pod2([10, 244, 0, 3], syn()).ttl(1);
    let ping_pod = from_pod2([10, 244, 0, 3], ping(b"abc"));
    let late =
        from_pod2([10, 244, 0, 3], Body::Raw { protocol: 17, data: vec![1, 2, 3] }).fragment(3);
    let gre = from_pod2([10, 244, 0, 3], Body::Raw { protocol: 47, data: vec![0; 24] });
    check(vec![
        case(
            "a pod of this node is reached past the stack",
            "pod_ingress",
            plain.clone(),
            (REDIRECT, plain.hop(TO_POD3)),
            &[Delivered],
        ),
        case("what leaves the node is the stack's", "pod_ingress", away.clone(), (PASS, away), &[]),
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
            "a later fragment between pods needs no ports",
            "pod_ingress",
            late.clone(),
            (REDIRECT, late.hop(TO_POD3)),
            &[Delivered],
        ),
        case(
            "any protocol between pods",
            "pod_ingress",
            gre.clone(),
            (REDIRECT, gre.hop(TO_POD3)),
            &[Delivered],
        ),
    ]);
}

#[test]
fn what_a_pod_sends_to_a_service() {
    let syn = from_pod2(S1, tcp((40000, 80), SYN));
    let query = from_pod2(S1, udp((40000, 53)));
    let unsummed = from_pod2(S1, Body::Udp { ports: (40000, 53), checksum: false, data: vec![1] });
    let elsewhere = from_pod2([10, 96, 0, 3], tcp((40000, 80), SYN));
    let node_port = from_pod2(NODE, tcp((40000, 30080), SYN));
    let answer = from_pod3([10, 244, 0, 2], tcp((8080, 40000), SYN | ACK));
    let mut answered = case(
        "its answer comes from the service",
        "pod_ingress",
        answer.clone(),
        (REDIRECT, answer.seen_from(S1, 80).hop(TO_POD2)),
        &[Delivered],
    );
    answered.before = vec![("pod_ingress", syn.clone())];
    let more = from_pod2(S1, tcp((40000, 80), ACK));
    let mut goes_on = case(
        "a known flow goes on to its backend",
        "pod_ingress",
        more.clone(),
        (REDIRECT, more.to([10, 244, 0, 3], 8080).hop(TO_POD3)),
        &[Delivered],
    );
    goes_on.before = vec![("pod_ingress", syn.clone())];
    check(vec![
        case(
            "TCP to a pod of this node",
            "pod_ingress",
            syn.clone(),
            (REDIRECT, syn.to([10, 244, 0, 3], 8080).hop(TO_POD3)),
            &[FlowOpened, Delivered],
        ),
        case(
            "UDP to a pod of this node",
            "pod_ingress",
            query.clone(),
            (REDIRECT, query.to([10, 244, 0, 3], 5353).hop(TO_POD3)),
            &[FlowOpened, Delivered],
        ),
        case(
            "UDP without a checksum stays without",
            "pod_ingress",
            unsummed.clone(),
            (REDIRECT, unsummed.to([10, 244, 0, 3], 5353).hop(TO_POD3)),
            &[FlowOpened, Delivered],
        ),
        case(
            "a backend elsewhere is the stack's to reach",
            "pod_ingress",
            elsewhere.clone(),
            (PASS, elsewhere.to([10, 244, 1, 9], 80)),
            &[FlowOpened],
        ),
        case(
            "a NodePort from a pod",
            "pod_ingress",
            node_port.clone(),
            (REDIRECT, node_port.to([10, 244, 0, 3], 8080).hop(TO_POD3)),
            &[FlowOpened, Delivered],
        ),
        answered,
        goes_on,
    ]);
}

#[test]
fn what_nobody_answers_is_refused_or_dropped() {
    let syn = from_pod2(S2, tcp((40000, 80), SYN));
    let reset = Body::Tcp { ports: (80, 40000), seq: 0, ack: 1001, flags: RST | ACK, data: vec![] };
    let data = from_pod2(
        S2,
        Body::Tcp { ports: (40000, 80), seq: 5, ack: 77, flags: ACK, data: vec![9; 31] },
    );
    let reset_data = Body::Tcp { ports: (80, 40000), seq: 77, ack: 0, flags: RST, data: vec![] };
    let fin = from_pod2(
        S2,
        Body::Tcp { ports: (40000, 80), seq: u32::MAX, ack: 0, flags: FIN, data: vec![9; 3] },
    );
    let reset_fin =
        Body::Tcp { ports: (80, 40000), seq: 0, ack: 3, flags: RST | ACK, data: vec![] };
    let rst = from_pod2(S2, tcp((40000, 80), RST));
    let query = from_pod2(S2, udp((40000, 53)));
    let quoted = query.packet()[..28].to_vec();
    let unreachable = Body::Icmp { kind: 3, code: 3, rest: [0; 4], data: quoted };
    let port = from_pod2(S1, tcp((40000, 81), SYN));
    let reset_port =
        Body::Tcp { ports: (81, 40000), seq: 0, ack: 1001, flags: RST | ACK, data: vec![] };
    let nobody = from_pod2([10, 96, 200, 1], tcp((40000, 80), SYN));
    let local = from_pod2([10, 96, 0, 5], tcp((40000, 80), SYN));
    let gone = from_pod2([10, 244, 0, 99], tcp((40000, 80), SYN));
    let reset_gone =
        Body::Tcp { ports: (80, 40000), seq: 0, ack: 1001, flags: RST | ACK, data: vec![] };
    let late = from_pod2(S1, Body::Raw { protocol: 17, data: vec![1, 2, 3, 4] }).fragment(3);
    let gre = from_pod2(S1, Body::Raw { protocol: 47, data: vec![0; 24] });
    check(vec![
        case(
            "a connection to a service without endpoints is reset",
            "pod_ingress",
            syn.clone(),
            (REDIRECT, syn.back(reset)),
            &[Refused],
        ),
        case(
            "a segment of an unknown connection is reset by its acknowledgement",
            "pod_ingress",
            data.clone(),
            (REDIRECT, data.back(reset_data)),
            &[Refused],
        ),
        case(
            "FIN and data count in what a reset acknowledges",
            "pod_ingress",
            fin.clone(),
            (REDIRECT, fin.back(reset_fin)),
            &[Refused],
        ),
        case("a reset is not answered", "pod_ingress", rst.clone(), (DROP, rst), &[]),
        case(
            "a datagram to a service without endpoints is unreachable",
            "pod_ingress",
            query.clone(),
            (REDIRECT, query.back(unreachable)),
            &[Refused],
        ),
        case(
            "a port that the service does not have is refused",
            "pod_ingress",
            port.clone(),
            (REDIRECT, port.back(reset_port)),
            &[Refused],
        ),
        case(
            "an address that no service has is dropped",
            "pod_ingress",
            nobody.clone(),
            (DROP, nobody),
            &[UnallocatedAddress],
        ),
        case(
            "a local policy without a local endpoint drops",
            "pod_ingress",
            local.clone(),
            (DROP, local),
            &[NoLocalEndpoint],
        ),
        case(
            "a pod of this node that is gone is refused",
            "pod_ingress",
            gone.clone(),
            (REDIRECT, gone.back(reset_gone)),
            &[PodGone],
        ),
        case(
            "a later fragment to a service is dropped",
            "pod_ingress",
            late.clone(),
            (DROP, late),
            &[Fragment],
        ),
        case(
            "a protocol that services do not have is dropped",
            "pod_ingress",
            gre.clone(),
            (DROP, gre),
            &[ServiceProtocol],
        ),
    ]);
}

#[test]
fn a_service_address_answers_ping() {
    let request = from_pod2(S1, ping(b"0123456789"));
    let reply = Body::Icmp { kind: 0, code: 0, rest: [0, 1, 0, 2], data: b"0123456789".to_vec() };
    let nobody = from_pod2([10, 96, 200, 1], ping(b"x"));
    check(vec![
        case(
            "an allocated one",
            "pod_ingress",
            request.clone(),
            (REDIRECT, request.back(reply)),
            &[EchoAnswered],
        ),
        case(
            "not one that no service has",
            "pod_ingress",
            nobody.clone(),
            (DROP, nobody),
            &[UnallocatedAddress],
        ),
    ]);
}

#[test]
fn what_comes_from_outside() {
    let syn = from_outside(CLIENT, NODE, tcp((50000, 30080), SYN));
    let pod = from_outside(CLIENT, [10, 244, 0, 2], tcp((50000, 80), SYN));
    let ssh = from_outside(CLIENT, NODE, tcp((50000, 22), SYN));
    let empty = from_outside(CLIENT, NODE, tcp((50000, 30081), SYN));
    let reset_empty =
        Body::Tcp { ports: (30081, 50000), seq: 0, ack: 1001, flags: RST | ACK, data: vec![] };
    let local = from_outside(CLIENT, NODE, tcp((50000, 30082), SYN));
    let inside = from_outside(CLIENT, S1, tcp((50000, 80), SYN));
    let loopback = from_outside(CLIENT, [127, 0, 0, 1], tcp((50000, 30080), SYN));
    let answer = from_pod3(CLIENT, tcp((8080, 50000), SYN | ACK));
    let mut answered = case(
        "its answer leaves with the node's address",
        "pod_ingress",
        answer.clone(),
        (REDIRECT, answer.seen_from(NODE, 30080).hop((HOST3, POD3))),
        &[RepliedOutside],
    );
    answered.before = vec![("uplink_ingress", syn.clone())];
    check(vec![
        case(
            "a NodePort reaches a pod of this node",
            "uplink_ingress",
            syn.clone(),
            (REDIRECT, syn.to([10, 244, 0, 3], 8080).hop(TO_POD3)),
            &[FlowOpened, Delivered],
        ),
        answered,
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
            "a NodePort without endpoints is refused",
            "uplink_ingress",
            empty.clone(),
            (REDIRECT, empty.back(reset_empty)),
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
    ]);
}

#[test]
fn what_leaves_through_the_uplink() {
    let from_node =
        |dst, body| Frame { dst_mac: ROUTER, src_mac: UPLINK, src: NODE, ..from_pod2(dst, body) };
    let syn = from_node(S2, tcp((40000, 80), SYN));
    let reset = Body::Tcp { ports: (80, 40000), seq: 0, ack: 1001, flags: RST | ACK, data: vec![] };
    let nobody = from_node([10, 96, 200, 1], tcp((40000, 80), SYN));
    let plain = from_node(CLIENT, tcp((40000, 443), SYN));
    check(vec![
        case(
            "a host process is refused by a service without endpoints",
            "uplink_egress",
            syn.clone(),
            (REDIRECT, syn.back(reset)),
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
    ]);
}

#[test]
fn a_flow_whose_backend_is_gone() {
    let syn = from_pod2(S1, tcp((40000, 80), SYN));
    let data = from_pod2(S1, tcp((40000, 80), ACK));
    let mut node = node();
    node.programs.run("pod_ingress", &syn.bytes()).unwrap();
    let (writes, _) = reconcile(node.dataplane(), &complete(without_backend_of_first()));
    assert!(writes > 0);
    let reset = Body::Tcp { ports: (80, 40000), seq: 0, ack: 0, flags: RST, data: vec![] };
    run(
        &mut node,
        case(
            "an established connection is reset",
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
            (REDIRECT, syn.to([10, 244, 0, 2], 8080).seen_from(HAIRPIN, 40000).hop(TO_POD2)),
            &[FlowMoved, Delivered],
        ),
    );
    let query = from_pod2(S1, udp((40000, 53)));
    let quoted = query.packet()[..28].to_vec();
    let unreachable = Body::Icmp { kind: 3, code: 3, rest: [0; 4], data: quoted };
    run(
        &mut node,
        case(
            "a datagram finds nobody any more",
            "pod_ingress",
            query.clone(),
            (REDIRECT, query.back(unreachable)),
            &[Refused],
        ),
    );
}

#[test]
fn a_pod_reaches_itself() {
    let s4 = [10, 96, 0, 4];
    let syn = from_pod2(s4, tcp((40000, 80), SYN));
    let there = syn.clone().to([10, 244, 0, 2], 80).seen_from(HAIRPIN, 40000).hop(TO_POD2);
    let answer = from_pod2(HAIRPIN, tcp((80, 40000), SYN | ACK));
    let back = answer.clone().to([10, 244, 0, 2], 40000).seen_from(s4, 80).hop(TO_POD2);
    let mut answered = case(
        "and is answered by the service",
        "pod_ingress",
        answer,
        (REDIRECT, back),
        &[Delivered],
    );
    answered.before = vec![("pod_ingress", syn.clone())];
    check(vec![
        case(
            "through a service, seen from its gateway",
            "pod_ingress",
            syn,
            (REDIRECT, there),
            &[FlowOpened, Delivered],
        ),
        answered,
    ]);
}

#[test]
fn two_services_with_one_backend_are_told_apart() {
    let (s1, s7) = (S1, [10, 96, 0, 7]);
    let (first, second) =
        (from_pod2(s1, tcp((40000, 80), SYN)), from_pod2(s7, tcp((40000, 80), SYN)));
    let mut node = node();
    let (_, to_first) = node.programs.run("pod_ingress", &first.bytes()).unwrap();
    let (_, to_second) = node.programs.run("pod_ingress", &second.bytes()).unwrap();
    let port = |frame: &[u8]| u16::from_be_bytes([frame[34], frame[35]]);
    assert_eq!(port(&to_first), 40000);
    let other = port(&to_second);
    assert!((61000..=61003).contains(&other), "{other}");
    for (answered, expected) in [(40000, s1), (other, s7)] {
        let answer = from_pod3([10, 244, 0, 2], tcp((8080, answered), SYN | ACK));
        let (_, frame) = node.programs.run("pod_ingress", &answer.bytes()).unwrap();
        let back = answer.to([10, 244, 0, 2], 40000).seen_from(expected, 80).hop(TO_POD2);
        assert_eq!(hex(&frame), hex(&back.bytes()));
    }
}

#[test]
fn affinity_keeps_a_client_with_its_backend() {
    let mut node = node();
    let mut backends = std::collections::BTreeSet::new();
    for port in 41000..41020 {
        let syn = from_outside(CLIENT, [10, 96, 0, 6], tcp((port, 80), SYN));
        let (_, frame) = node.programs.run("pod_ingress", &syn.bytes()).unwrap();
        backends.insert((frame[33], u16::from_be_bytes([frame[36], frame[37]])));
    }
    assert_eq!(backends.len(), 1, "one client, one backend: {backends:?}");
}

#[test]
fn without_affinity_chance_reaches_every_backend() {
    let mut node = node();
    let updates = [(Event::FlowOpened, 200u64)];
    let before = node.dataplane().counters().unwrap();
    let mut backends = std::collections::BTreeSet::new();
    for client in 0..200u8 {
        let syn = from_outside([198, 51, 100, client], [10, 96, 0, 6], tcp((41000, 80), SYN));
        let (_, frame) = node.programs.run("pod_ingress", &syn.bytes()).unwrap();
        backends.insert((frame[33], u16::from_be_bytes([frame[36], frame[37]])));
    }
    // Each of the three is missed with a probability of (2/3)^200.
    assert_eq!(backends.len(), 3, "{backends:?}");
    let after = node.dataplane().counters().unwrap();
    for (event, count) in updates {
        let value =
            |counters: &[(Event, u64)]| counters.iter().find(|(e, _)| *e == event).unwrap().1;
        assert_eq!(value(&after) - value(&before), count);
    }
}
