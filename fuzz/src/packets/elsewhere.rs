//! Steps with both nodes: what comes to the tunnel, and conversations whose ends are on different nodes, or with
//! a client outside who asks either of them.

use sheave_abi::event::Event;
use sheave_abi::tunnel::{VNI, VNI_ANSWER, VNI_CARRIED, VNI_ECHO, VNI_ECHO_REPLY};
use sheave_ebpf::packet::{Action, Verdict};
use sheave_ebpf::tables::Tables as _;

use super::cluster::{
    BALANCED, By, KNOWN_NODE, Node, POD_IFINDEXES, STRANGER, TUNNEL_MTU, Ways, addr,
};
use super::frame::{Ends, Frame, Wrapping};
use super::path::{self, Hook, Origin, Place, Walked, walk};
use super::tables::Tables;
use super::traffic::Sent;
use super::{any_frame, take};
use crate::Input;

/// What a node is told where the other one is behind a router.
const TUNNELLED: Ways =
    Ways { to_pods: Some(By::Tunnel), carries: true, over_v4: true, is_narrow: false };

/// Takes one, whose kind the byte says.
pub(super) fn step(kind: u8, input: &mut Input<'_>, nodes: &mut [Tables; 2]) {
    if nodes[0].ways == Ways::NONE {
        nodes.iter_mut().for_each(|node| node.set_ways(TUNNELLED));
    }
    match kind % 16 {
        0 => change_ways(input, nodes),
        1 => nodes[1].change(input),
        2 => nodes[usize::from(input.below(2))].change_backend(input),
        3 => tunnel_takes(input, nodes),
        4 => any_at_second(input, nodes),
        5..=7 => from_pod(input, nodes),
        _ => from_outside(input, nodes),
    }
}

/// The nodes are told to reach each other in other ways, each as it likes; clients are carried by both or by none.
fn change_ways(input: &mut Input<'_>, nodes: &mut [Tables; 2]) {
    let bits = input.byte();
    for (node, bit) in nodes.iter_mut().zip([1, 2]) {
        let by = if bits & bit == 0 { By::Tunnel } else { By::Uplink };
        let ways = Ways {
            to_pods: Some(by),
            carries: bits & 4 == 0,
            over_v4: bits & 8 == 0,
            is_narrow: bits & 16 != 0,
        };
        node.set_ways(if bits & 0xf0 == 0xf0 { Ways::NONE } else { ways });
    }
}

/// Anything at a hook of the second node.
fn any_at_second(input: &mut Input<'_>, nodes: &[Tables; 2]) {
    let hook = Hook::any(input);
    let _ = take(hook, &any_frame(input), &nodes[1]);
}

/// Anything out of the tunnel, from anybody, or into it.
fn tunnel_takes(input: &mut Input<'_>, nodes: &[Tables; 2]) {
    let tables = &nodes[usize::from(input.below(2))];
    let hook = if input.below(4) == 0 { Hook::TunnelEgress } else { Hook::TunnelIngress };
    let outer = wrapping(input, tables.node);
    let is_correct = input.below(2) == 0;
    let mut frame = if is_correct { Sent::any(input).frame() } else { any_frame(input) };
    frame.outer = outer;
    let verdict = match is_correct {
        true => path::pass(hook, &frame, tables).1,
        false => {
            tables.events.borrow_mut().clear();
            take(hook, &frame, tables)
        }
    };
    let is_known = outer.is_some_and(|(vni, node)| {
        let is_used = matches!(vni, VNI | VNI_CARRIED | VNI_ANSWER | VNI_ECHO | VNI_ECHO_REPLY);
        is_used && tables.peer(&node).is_some()
    });
    if hook == Hook::TunnelIngress && !is_known {
        assert_eq!(verdict, Verdict::DROP, "{frame:?}");
        assert_eq!(*tables.events.borrow(), [Event::TunnelStranger], "{frame:?}");
    }
    if hook == Hook::TunnelEgress {
        assert_ne!(verdict.action, Action::Done, "nobody has wrapped it: {frame:?}");
    }
}

/// A VNI and who wrapped it: the other node, one that is known, the node itself, a stranger.
fn wrapping(input: &mut Input<'_>, node: Node) -> Option<Wrapping> {
    let vni = match input.below(8) {
        0 => u32::from(input.byte()),
        1 => return None,
        2 => VNI_ECHO,
        any => [VNI, VNI_CARRIED, VNI_ANSWER][usize::from(any) % 3],
    };
    let is_v4 = input.below(2) == 0;
    let from = match input.below(8) {
        0 => addr(STRANGER, is_v4),
        1 => node.addr(is_v4),
        2 | 3 => addr(KNOWN_NODE, is_v4),
        _ => node.other().addr(is_v4),
    };
    Some((vni, from))
}

/// A client outside asks a node for pods of either.
fn from_outside(input: &mut Input<'_>, nodes: &mut [Tables; 2]) {
    let node = Node::any(input);
    let sent = Sent::any(input);
    let is_v4 = sent.is_v4;
    let client = addr(8 + usize::from(input.below(2)), is_v4);
    let frontend = match input.below(4) {
        0 => (node.addr(is_v4), 30081),
        1 => (addr(BALANCED, is_v4), 80),
        2 => (addr(BALANCED, is_v4), 8080),
        _ => (node.addr(is_v4), 30080),
    };
    // From none that other steps have: there the same client may come in by anything.
    let src_port = sent.ends.src_port + 2;
    let origin = Origin { node, hook: Hook::UplinkIngress, addr: client };
    converse(input, nodes, origin, sent.between((client, src_port), frontend));
}

/// A pod asks pods of either node, itself or through a service.
fn from_pod(input: &mut Input<'_>, nodes: &mut [Tables; 2]) {
    let node = Node::any(input);
    let pod = usize::from(input.below(2));
    let sent = Sent::any(input);
    let is_v4 = sent.is_v4;
    let client = node.pods(is_v4)[pod];
    // From a port for each kind: a pod that reaches another one in two ways from one port is served as
    // docs/clients.md says.
    let (src_port, to) = match input.below(5) {
        0 => (50000, (node.other().pods(is_v4)[usize::from(input.below(2))], 9999)),
        1 => (50001, (addr(4, is_v4), 80)),
        2 => (50001, (addr(5, is_v4), 81)),
        3 => (50001, (addr(BALANCED, is_v4), 8080)),
        _ => (50002, (node.other().addr(is_v4), 30081)),
    };
    let origin = Origin { node, hook: Hook::PodIngress(POD_IFINDEXES[pod]), addr: client };
    converse(input, nodes, origin, sent.between((client, src_port), to));
}

/// A question, and all that follows from it.
fn converse(input: &mut Input<'_>, nodes: &mut [Tables; 2], client: Origin, mut sent: Sent) {
    let bits = input.byte();
    if bits & 1 != 0 {
        sent = sent.stretched();
    }
    if bits & 2 != 0 {
        sent = sent.with_max_segment();
    }
    let reached = ask(nodes, client, &sent);
    let Some(talk) = Talk::of(client, &sent, &reached) else { return };
    talk.check_reached(&reached);
    if talk.is_on_its_own(&reached) || talk.is_taken_for_another(nodes) {
        return;
    }
    // What could not be written is written with a later packet; and where one stands in for the client, the pod's
    // node needs an entry too, to know an answer from a question.
    let (is_busy, is_short) =
        (nodes.iter().any(Tables::is_busy), nodes.iter().any(Tables::is_short));
    if is_busy || is_short && !is_straight(&reached) {
        return;
    }
    let Some(answer) = sent.answer(&talk.reached) else { return };
    let answer = if bits & 4 != 0 { answer.stretched() } else { answer.shortened() };
    talk.answered(nodes, &answer);
    talk.errors(nodes, &reached.frame, &answer);
    let changes = input.below(4);
    for _ in 0..changes {
        nodes[client.node as usize].change_backend(input);
    }
    // By the other node it may be further.
    let Some(mut next) = sent.next() else { return };
    next.hop_limit = 64;
    if talk.stays(nodes, &reached, changes != 0, &next) {
        talk.goes_on(nodes, client, &next, &answer);
        if next.is_connected() && bits & 8 != 0 && talk.may_move(nodes, &reached) {
            let moved = Origin { node: client.node.other(), ..client };
            talk.goes_on(nodes, moved, &next, &answer);
        }
    }
}

/// Sends a packet of a client's. It is told what it should be, and what is lost is counted.
fn ask(nodes: &[Tables; 2], client: Origin, sent: &Sent) -> Walked {
    let walked = walk(nodes, (client.node, client.hook), sent.frame());
    if matches!(walked.place, Place::Nowhere(_)) && sent.may_be_answered() {
        assert!(sent.hop_limit > walked.nodes(), "nobody says where {sent:?} ended: {walked:?}");
        let has_no_way = walked.events.contains(&Event::TunnelNowhere);
        assert!(!has_no_way || sent.is_connected(), "{sent:?} should go elsewhere: {walked:?}");
        let is_counted = walked.events.iter().any(|event| event.is_drop());
        assert!(is_counted, "{sent:?} is lost: {walked:?}");
    }
    if is_told(&sent.frame(), &walked) {
        check_told(client, &sent.frame(), &walked);
    }
    walked
}

/// Whether a packet has become an answer to itself.
fn is_told(sent: &Frame, walked: &Walked) -> bool {
    let is_turned = walked.frame.ends() == sent.ends().turned();
    let is_gone = matches!(walked.place, Place::Nowhere(_));
    !is_gone && !sent.is_error() && (is_turned || walked.frame.is_error())
}

/// What is told of a packet comes to its sender, from whom that dialled, and quotes what it sent.
fn check_told(sender: Origin, sent: &Frame, told: &Walked) {
    assert_eq!(told.place, sender.place(), "{sent:?} {told:?}");
    let (ends, now) = (sent.ends(), told.frame.ends());
    assert_eq!(now.dst, sender.addr, "{sent:?} {told:?}");
    // What does not fit is told a pod by its gateway.
    if !(told.frame.is_too_big() && matches!(sender.hook, Hook::PodIngress(_))) {
        assert_eq!(now.src, ends.dst, "{sent:?} {told:?}");
    }
    if told.frame.is_error() {
        let quoted = told.frame.quoted();
        assert_eq!(quoted.ends(), ends, "{sent:?} {told:?}");
        assert_eq!(quoted.head(), sent.head(), "{sent:?} {told:?}");
    }
}

/// A client and the pod that it has reached.
#[derive(Debug)]
struct Talk {
    client: Origin,
    pod: Origin,
    /// The client's packets as it sends them.
    sent: Ends,
    /// As the pod has them.
    reached: Ends,
    first: Sent,
}

impl Talk {
    /// `None`: it has reached no pod.
    fn of(client: Origin, sent: &Sent, reached: &Walked) -> Option<Self> {
        let Place::Pod(node, ifindex) = reached.place else { return None };
        if is_told(&sent.frame(), reached) {
            return None;
        }
        let ends = reached.frame.ends();
        let pod = Origin { node, hook: Hook::PodIngress(ifindex), addr: ends.dst };
        Some(Self { client, pod, sent: sent.ends, reached: ends, first: sent.clone() })
    }

    fn check_reached(&self, walked: &Walked) {
        let (sent, frame) = (&self.first, &walked.frame);
        assert_eq!(sent.hop_limit - frame.hop_limit(), walked.nodes(), "{sent:?} {walked:?}");
        let is_outside = self.client.place() == Place::Outside(self.client.node);
        if is_outside && is_straight(walked) {
            assert_eq!(self.reached.src, self.sent.src, "{sent:?} {walked:?}");
        }
        if walked.is_carried() {
            fits_tunnel(frame);
        }
    }

    /// Whether a connection has begun while no way was known to the pod's node: the answers must find back by
    /// themselves.
    fn is_on_its_own(&self, walked: &Walked) -> bool {
        let is_outside = self.client.place() == Place::Outside(self.client.node);
        let is_itself = self.reached.src == self.sent.src;
        is_outside && is_itself && !is_straight(walked) && self.first.is_connected()
    }

    /// Whether the pod has been asked from the same address and port both by its own node's NodePort and in another
    /// way: a node that stands in for two clients may give both one port, if one of them asks for the pod and the
    /// other one for its node. See docs/clients.md.
    fn is_taken_for_another(&self, nodes: &[Tables; 2]) -> bool {
        let node = self.pod.node;
        let is_by_node = self.client.node != node && Node::with(&self.sent.dst) == Some(node);
        let mut visits = nodes[node as usize].visits.borrow_mut();
        let ways = visits.entry((self.first.protocol, self.reached)).or_default();
        ways[usize::from(is_by_node)] = true;
        *ways == [true; 2]
    }

    /// The pod answers.
    fn answered(&self, nodes: &[Tables; 2], answer: &Sent) -> Walked {
        let walked = walk(nodes, (self.pod.node, self.pod.hook), answer.frame());
        if walked.frame.is_error() {
            assert!(walked.frame.is_too_big() && answer.is_long(), "{self:?}: {walked:?}");
            check_told(self.pod, &answer.frame(), &walked);
            return walked;
        }
        assert_eq!(walked.place, self.client.place(), "{self:?}: {walked:?}");
        assert_eq!(walked.frame.ends(), self.sent.turned(), "{self:?}: {walked:?}");
        assert_eq!(answer.hop_limit - walked.frame.hop_limit(), walked.nodes(), "{walked:?}");
        let replies = walked.events.iter().filter(|event| **event == Event::RepliedOutside);
        assert!(!is_straight(&walked) || replies.count() <= 1, "{self:?}: {walked:?}");
        walked
    }

    /// Each end tells of the other's last packet that nobody has listened.
    fn errors(&self, nodes: &[Tables; 2], at_pod: &Frame, answer: &Sent) {
        let refusal = at_pod.error(self.pod.addr);
        let told = walk(nodes, (self.pod.node, self.pod.hook), refusal);
        check_told(self.client, &self.first.frame(), &told);
        let answer = answer.clone().shortened();
        let answered = self.answered(nodes, &answer);
        if answered.is_carried() {
            fits_tunnel(&answered.frame);
        }
        // A pod's node may know the same ends of a time when the other one carried what it now stands in for.
        let is_pod = matches!(self.client.hook, Hook::PodIngress(_));
        if is_pod && Node::with(&self.reached.src).is_some() {
            return;
        }
        let refusal = answered.frame.error(self.client.addr);
        let told = walk(nodes, (self.client.node, self.client.hook), refusal);
        let seen_as = told.frame.ends().src;
        assert_eq!(told.place, self.pod.place(), "{self:?}: {told:?}");
        assert_eq!((seen_as, told.frame.ends().dst), (self.reached.src, self.pod.addr), "{told:?}");
        let (quoted, sent) = (told.frame.quoted(), answer.frame());
        assert_eq!(
            (quoted.ends(), quoted.head()),
            (sent.ends(), sent.head()),
            "{self:?}: {told:?}"
        );
    }

    /// Whether the next packet goes to the same pod for certain.
    fn stays(&self, nodes: &[Tables; 2], first: &Walked, has_changed: bool, next: &Sent) -> bool {
        let is_short = nodes.iter().any(Tables::is_short);
        // A node that stands in for its client takes a backend that is out of its service for gone.
        !is_short && (!has_changed || next.is_connected() && is_straight(first))
    }

    /// Whether another node serves the connection too: it has the same table, and clients find it.
    fn may_move(&self, nodes: &[Tables; 2], first: &Walked) -> bool {
        let is_balanced = self.sent.dst == addr(BALANCED, self.sent.dst.is_v4());
        let is_outside = self.client.place() == Place::Outside(self.client.node);
        let carry = nodes.iter().all(|node| node.ways.carries && node.has_all_backends());
        is_balanced && is_outside && carry && first.nodes() <= 2
    }

    /// The client says more, by the node that it now reaches, and is answered there.
    fn goes_on(&self, nodes: &[Tables; 2], client: Origin, next: &Sent, answer: &Sent) {
        let walked = ask(nodes, client, next);
        if next.is_long() && walked.frame.is_too_big() {
            return;
        }
        assert_eq!(walked.place, self.pod.place(), "{self:?}: {next:?} {walked:?}");
        assert_eq!(walked.frame.ends(), self.reached, "{self:?}: {next:?} {walked:?}");
        let talk = Self { client, first: self.first.clone(), ..*self };
        talk.answered(nodes, answer);
    }
}

/// Whether a client outside has reached a pod of the node that it asked, or of the one that this has carried it to:
/// no node stands in for it.
fn is_straight(walked: &Walked) -> bool {
    walked.nodes() == 1 || walked.is_carried() && walked.nodes() == 2
}

/// Who opens a connection takes no segments that are too large for the tunnel.
fn fits_tunnel(frame: &Frame) {
    if let Some(max) = frame.max_segment() {
        let headers = if frame.is_v4() { 40 } else { 60 };
        assert!(u32::from(max) + headers <= TUNNEL_MTU, "{frame:?}");
    }
}
