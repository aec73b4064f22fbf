//! The hooks that a packet meets: at one of them, and all the way through both nodes. What no hook takes goes as
//! the node's routes lead.

use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_abi::tunnel::{VNI, VNI_ANSWER, VNI_CARRIED, VNI_ECHO, VNI_ECHO_REPLY};
use sheave_ebpf::family::{Family as _, V4, V6};
use sheave_ebpf::packet::{Action, Verdict};
use sheave_ebpf::{pod, tunnel, uplink};

use super::cluster::{Node, POD_IFINDEXES, TUNNEL, UPLINK};
use super::driver;
use super::frame::Frame;
use super::tables::Tables;
use crate::Input;

/// Where a packet is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    PodIngress(u32),
    UplinkIngress,
    UplinkEgress,
    TunnelIngress,
    TunnelEgress,
}

impl Hook {
    /// None of the tunnel's.
    pub(super) fn any(input: &mut Input<'_>) -> Self {
        match input.below(4) {
            0 => Self::UplinkIngress,
            1 => Self::UplinkEgress,
            pod => Self::PodIngress(POD_IFINDEXES[usize::from(pod) % 2]),
        }
    }

    pub(super) fn run(self, frame: &mut Frame, tables: &Tables) -> Verdict {
        frame.routes = (tables.node, tables.ways);
        match self {
            Self::PodIngress(ifindex) => {
                frame.ifindex = ifindex;
                pod::ingress(frame, tables)
            }
            Self::UplinkIngress => driver::ingress(frame, tables),
            Self::UplinkEgress => {
                frame.ifindex = UPLINK;
                uplink::egress(frame, tables)
            }
            // Two programs each, the tunnel's first.
            Self::TunnelIngress => {
                frame.ifindex = TUNNEL;
                match tunnel::ingress(frame, tables) {
                    Verdict::PASS => uplink::ingress(frame, tables),
                    verdict => verdict,
                }
            }
            Self::TunnelEgress => {
                frame.ifindex = TUNNEL;
                match tunnel::egress(frame, tables) {
                    Verdict::PASS => uplink::egress(frame, tables),
                    verdict => verdict,
                }
            }
        }
    }

    /// The verdict on what a hook sends back to where it came from, as `frame` came here.
    fn back(self, frame: &Frame) -> Verdict {
        match self {
            Self::PodIngress(_) | Self::UplinkIngress | Self::TunnelIngress => {
                Verdict::egress(frame.ifindex)
            }
            Self::UplinkEgress | Self::TunnelEgress => Verdict::ingress(frame.ifindex),
        }
    }

    /// Whether a node is entered here.
    pub(super) fn is_entry(self) -> bool {
        !matches!(self, Self::UplinkEgress | Self::TunnelEgress)
    }
}

/// What a hook makes of a correct packet.
///
/// # Panics
/// When it breaks a promise.
pub(super) fn pass(hook: Hook, before: &Frame, tables: &Tables) -> (Frame, Verdict) {
    assert_eq!(before.fault(), None, "{before:?}");
    let mut after = before.clone();
    tables.events.borrow_mut().clear();
    let verdict = hook.run(&mut after, tables);
    check_answer(before, &after, verdict, hook);
    if verdict.action == Action::Drop {
        return (after, verdict);
    }
    assert_eq!(after.fault(), None, "{hook:?} made of {before:?}: {after:?}");
    if verdict.action == Action::Peer {
        let dst = after.ends().dst;
        let endpoint = tables.endpoint_at(verdict.ifindex);
        let (addrs, endpoint) = endpoint.expect("a pod is behind the interface");
        assert!(addrs.contains(&dst), "{before:?}: {dst:?} delivered to {addrs:?}");
        assert_eq!(after.bytes[..6], endpoint.pod_mac);
        assert_eq!(after.bytes[6..12], endpoint.host_mac);
        assert_eq!(after.hop_limit(), before.hop_limit() - 1);
    }
    (after, verdict)
}

/// An answer that a hook made of the packet itself.
///
/// # Panics
/// When it breaks a promise.
pub(super) fn check_answer(before: &Frame, after: &Frame, verdict: Verdict, hook: Hook) {
    if verdict != hook.back(after) {
        return;
    }
    if let (Hook::TunnelIngress, Some((VNI_ECHO, from))) = (hook, before.outer) {
        assert_eq!(after.wrapped, Some((VNI_ECHO_REPLY, from)), "{before:?} {after:?}");
        assert_eq!(after.bytes[12..], before.bytes[12..], "an echo is another frame");
        return;
    }
    // What came by the tunnel may go on by the tunnel: an error, or what the program of an uplink has wrapped.
    let is_error = before.is_error() && after.is_error();
    let is_of_pods = before.outer.is_some_and(|(vni, _)| vni == VNI) && after.wrapped.is_some();
    if hook == Hook::TunnelIngress && (is_error || is_of_pods) {
        return;
    }
    assert!(!before.is_later_fragment(), "{hook:?}: an answer to a later fragment: {before:?}");
    assert!(!before.is_error(), "{hook:?}: an answer to an error: {before:?}");
    // That it may go no further is told of a reset too.
    let is_answered = before.is_reset() && before.hop_limit() > 1 && !after.is_too_big();
    assert!(!is_answered, "{hook:?}: an answer to a reset: {before:?}");
    if before.fault().is_none() {
        assert_eq!(after.fault(), None, "{hook:?} answers {before:?} with {after:?}");
    }
    // What is too long for the tunnel is told a pod by its gateway.
    if !(matches!(hook, Hook::PodIngress(_)) && after.is_too_big()) {
        assert_eq!(after.ends().src, before.ends().dst, "{before:?}");
    }
    assert_eq!(after.ends().dst, before.ends().src, "{before:?}");
}

/// Where a packet has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The pod behind an interface of a node.
    Pod(Node, u32),
    /// A client outside, by way of a node.
    Outside(Node),
    /// A node itself.
    Stack(Node),
    /// A node that is known and not simulated.
    Away,
    /// It is gone.
    Nowhere(Node),
}

/// A packet that has come somewhere.
#[derive(Debug)]
pub(super) struct Walked {
    pub(super) place: Place,
    pub(super) frame: Frame,
    /// What it met, and the VNI with which it came there.
    pub(super) met: Vec<(Node, Hook, Option<u32>)>,
    /// What was counted on its way.
    pub(super) events: Vec<Event>,
}

impl Walked {
    /// Nodes on its way, each as often as it was there.
    pub(super) fn nodes(&self) -> u8 {
        self.met.iter().filter(|(_, hook, _)| hook.is_entry()).count() as u8
    }

    /// As it came, on behalf of a client outside or back to one.
    pub(super) fn is_carried(&self) -> bool {
        self.met.iter().any(|(_, _, vni)| matches!(vni, Some(VNI_CARRIED | VNI_ANSWER)))
    }
}

/// More hooks than any packet meets.
const HOOKS_MAX: usize = 12;

/// Sends a correct packet on its way.
///
/// # Panics
/// When a promise is broken, or the packet goes round.
pub(super) fn walk(nodes: &[Tables; 2], (node, hook): (Node, Hook), frame: Frame) -> Walked {
    let mut walked =
        Walked { place: Place::Nowhere(node), frame, met: Vec::new(), events: Vec::new() };
    let mut at = (node, hook);
    for _ in 0..HOOKS_MAX {
        let (node, hook) = at;
        let tables = &nodes[node as usize];
        walked.met.push((node, hook, walked.frame.outer.map(|(vni, _)| vni)));
        let (after, verdict) = pass(hook, &walked.frame, tables);
        walked.events.extend(tables.events.borrow().iter());
        check_carried(&walked.frame, &after, hook);
        walked.frame = after;
        match next(node, hook, &mut walked.frame, verdict) {
            Next::Hook(node, hook) => at = (node, hook),
            Next::Place(place) => {
                walked.place = place;
                return walked;
            }
        }
    }
    panic!("it goes round: {walked:?}");
}

/// What was carried is not carried on, and goes back to who carried it if it goes anywhere by the tunnel; what came
/// back goes back again only as the word that it does not fit.
fn check_carried(before: &Frame, after: &Frame, hook: Hook) {
    let (Hook::TunnelIngress, Some((vni, from))) = (hook, before.outer) else { return };
    let Some((out, to)) = after.wrapped else { return };
    match vni {
        VNI_CARRIED => assert_eq!((out, to), (VNI_ANSWER, from), "{before:?} {after:?}"),
        VNI_ANSWER => {
            assert_eq!((out, to), (VNI_CARRIED, from), "{before:?} {after:?}");
            assert!(after.is_too_big(), "{before:?} {after:?}");
        }
        _ => {}
    }
}

enum Next {
    Hook(Node, Hook),
    Place(Place),
}

/// Where a verdict sends a packet. What leaves by a device past the stack meets the hooks of its egress too.
fn next(node: Node, hook: Hook, frame: &mut Frame, verdict: Verdict) -> Next {
    let ifindex = verdict.ifindex;
    match (verdict.action, hook) {
        (Action::Drop, _) => Next::Place(Place::Nowhere(node)),
        (Action::Peer, _) => Next::Place(Place::Pod(node, ifindex)),
        (Action::Ingress, _) => Next::Place(Place::Stack(node)),
        (Action::Done, Hook::TunnelEgress) => through_tunnel(node, frame),
        (Action::Pass, Hook::TunnelEgress) => through_tunnel(node, frame),
        (Action::Pass | Action::Neighbour, Hook::UplinkEgress) => by_wire(node, frame),
        (Action::Pass, _) => by_stack(node, frame),
        (Action::Egress, _) if ifindex == TUNNEL => Next::Hook(node, Hook::TunnelEgress),
        (Action::Neighbour, _) if ifindex == TUNNEL => {
            frame.outer = None;
            Next::Hook(node, Hook::TunnelEgress)
        }
        (Action::Egress | Action::Neighbour | Action::Told, _) if ifindex == UPLINK => {
            Next::Hook(node, Hook::UplinkEgress)
        }
        (Action::Egress, _) => Next::Place(Place::Pod(node, ifindex)),
        _ => panic!("{hook:?} {verdict:?}: {frame:?}"),
    }
}

fn through_tunnel(node: Node, frame: &mut Frame) -> Next {
    let (vni, to) = frame.wrapped.take().expect("what leaves by the tunnel is wrapped");
    match Node::with(&to) {
        Some(other) if other != node => {
            frame.outer = Some((vni, node.addr(to.is_v4())));
            Next::Hook(other, Hook::TunnelIngress)
        }
        own => {
            assert_eq!(own, None, "{node:?} wraps for itself: {frame:?}");
            Next::Place(Place::Away)
        }
    }
}

/// Out by an uplink: the other node is on the same link.
fn by_wire(node: Node, frame: &mut Frame) -> Next {
    (frame.outer, frame.wrapped) = (None, None);
    let (other, dst) = (node.other(), frame.ends().dst);
    match Node::with(&dst) == Some(other) || other.range().hold(&dst) {
        true => Next::Hook(other, Hook::UplinkIngress),
        false => Next::Place(Place::Outside(node)),
    }
}

fn by_stack(node: Node, frame: &mut Frame) -> Next {
    frame.outer = None;
    // Its sender is told by the stack.
    if frame.hop_limit() <= 1 {
        return Next::Place(Place::Stack(node));
    }
    let (_, ways) = frame.routes;
    let hook = match ways.way_out(node, &frame.ends().dst) {
        0 => return Next::Place(Place::Stack(node)),
        TUNNEL => Hook::TunnelEgress,
        UPLINK => Hook::UplinkEgress,
        pod => panic!("no hook has brought it to {pod}: {frame:?}"),
    };
    let routed = if frame.is_v4() { V4::hop(frame) } else { V6::hop(frame) };
    routed.expect("a header");
    Next::Hook(node, hook)
}

/// Where a client is, and the hook that its packets meet first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) node: Node,
    pub(super) hook: Hook,
    pub(super) addr: Addr,
}

impl Origin {
    /// Where a packet must come to that is for it.
    pub(super) fn place(self) -> Place {
        match self.hook {
            Hook::PodIngress(ifindex) => Place::Pod(self.node, ifindex),
            _ => Place::Outside(self.node),
        }
    }
}
