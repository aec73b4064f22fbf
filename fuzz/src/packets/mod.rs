//! Packets of any kind at all hooks, one after the other, on tables that change beneath them. Promised is:
//!
//! - nothing panics and nothing is read or written outside the frame, whatever the frame is;
//! - a packet that was correct and goes on is correct: lengths and all checksums ([`frame::Frame::fault`]);
//! - what is delivered to a pod has the pod's address in both headers, and one hop less;
//! - what a client sent through a service comes back to it from the address that it dialled, whoever else
//!   shares its port;
//! - in the uplink's driver it happens as at tc, or nothing happens;
//! - nobody is sent an error about an error, or about a part of a datagram that is not its first.

mod driver;
mod frame;
mod tables;
mod traffic;

use sheave_ebpf::packet::{Action, Verdict};
use sheave_ebpf::{pod, uplink};

use crate::Input;
use frame::{Ends, Frame};
use tables::{Tables, UPLINK};
use traffic::Sent;

/// Packets and changes of one input, at most.
const STEPS_MAX: usize = 200;

/// Does what the bytes say.
///
/// # Panics
/// When a promise is broken.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut tables = Tables::new();
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        match input.below(16) {
            0 => tables.change(&mut input),
            1 | 2 => garbage(&mut input, &tables),
            _ => conversation(&mut input, &tables),
        }
    }
}

/// Where a packet is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    PodIngress(u32),
    UplinkIngress,
    UplinkEgress,
}

impl Hook {
    fn any(input: &mut Input<'_>) -> Self {
        match input.below(4) {
            0 => Self::UplinkIngress,
            1 => Self::UplinkEgress,
            pod => Self::PodIngress(tables::POD_IFINDEXES[usize::from(pod) % 2]),
        }
    }

    fn run(self, frame: &mut Frame, tables: &Tables) -> Verdict {
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
        }
    }
}

/// Any bytes, or a correct packet with a few of them changed or cut off.
fn garbage(input: &mut Input<'_>, tables: &Tables) {
    let hook = Hook::any(input);
    let mut frame = match input.below(2) {
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
    };
    let before = frame.clone();
    let verdict = hook.run(&mut frame, tables);
    assert!(frame.bytes.len() <= before.bytes.len().max(LONGEST_ANSWER), "{before:?} {frame:?}");
    check_answer(&before, &frame, verdict, hook);
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
    let before = sent.frame();
    assert_eq!(before.fault(), None, "{sent:?}");
    let mut after = before.clone();
    tables.events.borrow_mut().clear();
    let verdict = hook.run(&mut after, tables);
    check_answer(&before, &after, verdict, hook);
    if verdict.action == Action::Drop {
        return None;
    }
    assert_eq!(after.fault(), None, "{hook:?} made of {sent:?}: {after:?}");
    if verdict.action == Action::Peer {
        let dst = after.ends().dst;
        let endpoint = tables.endpoint_at(verdict.ifindex);
        let (addrs, endpoint) = endpoint.expect("a pod is behind the interface");
        assert!(addrs.contains(&dst), "{sent:?}: {dst:?} delivered to {addrs:?}");
        assert_eq!(after.bytes[..6], endpoint.pod_mac);
        assert_eq!(after.bytes[6..12], endpoint.host_mac);
        assert_eq!(after.hop_limit(), before.hop_limit() - 1);
    }
    Some((after.ends(), verdict))
}

/// An answer that a hook made of the packet itself.
fn check_answer(before: &Frame, after: &Frame, verdict: Verdict, hook: Hook) {
    let back = match hook {
        Hook::PodIngress(_) | Hook::UplinkIngress => Action::Egress,
        Hook::UplinkEgress => Action::Ingress,
    };
    if verdict.action != back {
        return;
    }
    assert!(!before.is_later_fragment(), "{hook:?}: an answer to a later fragment: {before:?}");
    assert!(!before.is_error(), "{hook:?}: an answer to an error: {before:?}");
    // That it may go no further is told of a reset too.
    let is_answered = before.is_reset() && before.hop_limit() > 1;
    assert!(!is_answered, "{hook:?}: an answer to a reset: {before:?}");
    if before.fault().is_none() {
        assert_eq!(after.fault(), None, "{hook:?} answers {before:?} with {after:?}");
    }
    assert_eq!(after.ends().src, before.ends().dst, "{before:?}");
    assert_eq!(after.ends().dst, before.ends().src, "{before:?}");
}
