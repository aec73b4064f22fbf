//! The program in the uplink's driver against the one at tc: it does the same, or nothing.

use sheave_abi::event::Event;
use sheave_abi::flow::Flow;
use sheave_ebpf::packet::{Action, Verdict};
use sheave_ebpf::wire::FrameAddresses;
use sheave_ebpf::{uplink, xdp};

use super::cluster::UPLINK;
use super::frame::Frame;
use super::tables::Tables;

impl xdp::Frame for Frame {
    fn next_hop(&mut self, _: &Flow, _: u8, ip_len: u16) -> Option<FrameAddresses> {
        let (_, ways) = self.routes;
        (u32::from(ip_len) <= ways.uplink_mtu()).then_some(FrameAddresses { words: [7; 3] })
    }
}

/// What the tc program does with a frame, after the driver's has done the same with a copy.
///
/// # Panics
/// When it has not.
pub(super) fn ingress(frame: &mut Frame, tables: &Tables) -> Verdict {
    frame.ifindex = UPLINK;
    // The driver has a packet before anything is noted on it.
    let before = Frame { is_sent: false, ..frame.clone() };
    let mut early = before.clone();
    let (early_verdict, early_events) = counted(tables, || xdp::ingress(&mut early, tables));
    let (verdict, events) = counted(tables, || uplink::ingress(frame, tables));
    tables.events.borrow_mut().extend(&events);
    match early_verdict.action {
        Action::Pass => {
            assert_eq!(early, before, "not as it came");
            assert_eq!(early_events, [], "{before:?}");
            return verdict;
        }
        Action::Egress => assert_eq!(early_verdict.ifindex, UPLINK),
        Action::Drop => assert_eq!(verdict, Verdict::DROP, "{before:?}"),
        other => panic!("{other:?}: {before:?}"),
    }
    assert_eq!(early_events, events, "{before:?}");
    match verdict.action {
        // The packet's flow leads out: whoever routes it counts the hop.
        Action::Pass | Action::Neighbour => {
            assert_eq!(early.ends(), frame.ends(), "{before:?}");
            assert_eq!(early.hop_limit(), before.hop_limit() - 1);
            assert_eq!(early.fault().is_none(), before.fault().is_none(), "{before:?} {early:?}");
        }
        _ => assert_eq!(&early, frame, "{before:?}"),
    }
    verdict
}

/// What a hook says and counts.
fn counted(tables: &Tables, hook: impl FnOnce() -> Verdict) -> (Verdict, Vec<Event>) {
    let others = tables.events.take();
    let verdict = hook();
    (verdict, tables.events.replace(others))
}
