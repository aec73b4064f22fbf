//! Packets of any kind at all hooks, one after the other, on tables that change beneath them. Promised is:
//!
//! - nothing panics and nothing is read or written outside the frame, whatever the frame is;
//! - a packet that was correct and goes on is correct: lengths and all checksums ([`frame::Frame::fault`]);
//! - what is delivered to a pod has the pod's address in both headers, and one hop less;
//! - what a client sent through a service comes back to it from the address that it dialled, whoever else
//!   shares its port;
//! - in the uplink's driver it happens as at tc, or nothing happens;
//! - nobody is sent an error about an error, or about a part of a datagram that is not its first.
//!
//! And where packets go from one node of a [`cluster`] to the other, by the tunnel or by the uplink ([`path`],
//! [`elsewhere`]):
//!
//! - the tunnel takes packets of nodes of the cluster, and of its own networks, and counts all others; what asks
//!   for an echo goes back as it came, to who asked;
//! - no packet goes round; what was carried is not carried on, and goes back to nobody but who carried it;
//! - a client outside is seen as it is by a pod of another node that its packet is carried to, and each node is
//!   one hop;
//! - the answer comes to where the client is, by the node that it asked, its ends the question's turned round;
//!   so do refusals and errors, of nodes and of pods, which quote what the client has sent;
//! - what the client says about the answer reaches the pod, and quotes what that has sent;
//! - a connection stays with its pod whatever becomes of the service at the node that was asked, and when a load
//!   balancer's address moves to the other node;
//! - both ends of a connection hear of no segment that is too large for the tunnel;
//! - what is lost is counted as lost, and no answer twice.

mod cluster;
mod driver;
mod elsewhere;
mod frame;
mod maps;
mod path;
mod tables;
mod traffic;

use sheave_ebpf::packet::{Action, Verdict};

use crate::Input;
use cluster::Node;
use frame::{Ends, Frame};
use path::{Hook, check_answer};
use tables::Tables;
use traffic::Sent;

/// Packets and changes of one input, at most.
const STEPS_MAX: usize = 200;

/// From this one on, a step is about both nodes; until one is, neither knows the other.
const BOTH_NODES: u8 = 0xc0;

/// Does what the bytes say.
///
/// # Panics
/// When a promise is broken.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut nodes = Node::BOTH.map(Tables::new);
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        match input.byte() {
            step @ BOTH_NODES.. => elsewhere::step(step, &mut input, &mut nodes),
            step => match step % 16 {
                0 => nodes[0].change(&mut input),
                1 | 2 => garbage(&mut input, &nodes[0]),
                _ => conversation(&mut input, &nodes[0]),
            },
        }
    }
}

/// Any bytes, or a correct packet with a few of them changed or cut off.
fn garbage(input: &mut Input<'_>, tables: &Tables) {
    let hook = Hook::any(input);
    let frame = any_frame(input);
    let _ = take(hook, &frame, tables);
}

fn any_frame(input: &mut Input<'_>) -> Frame {
    match input.below(2) {
        0 => Frame::new(input.slice(120).to_vec()),
        _ => {
            let mut frame = Sent::any(input).frame();
            for _ in 0..input.below(4) {
                let at = usize::from(input.byte()) % frame.bytes.len();
                frame.bytes[at] = input.byte();
            }
            let len = frame.bytes.len() - usize::from(input.byte()).min(frame.bytes.len());
            frame.bytes.truncate(len.max(14));
            frame
        }
    }
}

/// Has a hook take a packet that need not be correct.
fn take(hook: Hook, before: &Frame, tables: &Tables) -> Verdict {
    let mut after = before.clone();
    let verdict = hook.run(&mut after, tables);
    assert!(after.bytes.len() <= before.bytes.len().max(LONGEST_ANSWER), "{before:?} {after:?}");
    check_answer(before, &after, verdict, hook);
    verdict
}

/// An error about an IPv6 datagram: three headers and what is quoted.
const LONGEST_ANSWER: usize = 14 + 40 + 8 + 48;

/// A correct packet; if it reaches a backend, the answer to it, and what else the client has to say.
fn conversation(input: &mut Input<'_>, tables: &Tables) {
    let hook = Hook::any(input);
    let sent = Sent::any(input);
    let Some((ends, verdict)) = pass(hook, &sent, tables) else { return };
    // Turned round, or on its way untranslated, or itself an answer.
    let goes_on = matches!(verdict.action, Action::Peer | Action::Pass);
    if !goes_on || ends.dst == sent.ends.dst || hook == Hook::UplinkEgress {
        return;
    }
    // A pod of this node answers; of another's answers the test knows nothing.
    let Some(ifindex) = tables.ifindex_of(&ends.dst) else { return };
    let answers_at = Hook::PodIngress(ifindex);
    let Some(answer) = sent.answer(&ends) else { return };
    let Some((back, _)) = pass(answers_at, &answer, tables) else {
        panic!("{sent:?} became {ends:?}, and the answer {answer:?} was dropped");
    };
    let expected = sent.ends.turned();
    assert_eq!(back, expected, "{sent:?} became {ends:?}; the answer to it");
    // Heard again, and answered again: the flow is established now.
    if let Some(next) = sent.next()
        && let Some((again, _)) = pass(hook, &next, tables)
    {
        assert_eq!(again, ends, "{sent:?}: the second packet goes elsewhere");
        if let Some((back, _)) = pass(answers_at, &answer, tables) {
            assert_eq!(back, expected, "{sent:?}: the second answer");
        }
    }
}

/// Sends a correct packet, and says what its ends became; `None` when it is gone.
fn pass(hook: Hook, sent: &Sent, tables: &Tables) -> Option<(Ends, Verdict)> {
    let (after, verdict) = path::pass(hook, &sent.frame(), tables);
    (verdict.action != Action::Drop).then(|| (after.ends(), verdict))
}
