//! The packet table: for each case a frame into a program as the kernel runs it, and out of it the
//! verdict, the frame, and every counter that moved.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod costs;
mod driver;
mod elsewhere;
mod errors;
mod flows;
mod fragments;
mod frame;
mod net;
mod node;
mod outside;
mod pods;
mod refusals;
mod routed;
mod sctp;

use sheave_abi::event::Event;
use sheave_tests::node::DetachedNode;

use frame::{Frame, HOST2, HOST3, POD2, POD3};
use net::Net;

/// As tc has them.
const PASS: i32 = -1;
const DROP: i32 = 2;
const REDIRECT: i32 = 7;

const TO_POD2: ([u8; 6], [u8; 6]) = (POD2, HOST2);
const TO_POD3: ([u8; 6], [u8; 6]) = (POD3, HOST3);

/// One row.
#[derive(Clone)]
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

impl Case {
    /// After these frames.
    fn after<const N: usize>(mut self, before: [(&'static str, &Frame); N]) -> Self {
        self.before = before.map(|(program, frame)| (program, frame.clone())).to_vec();
        self
    }
}

fn run(node: &mut DetachedNode, case: Case) {
    let Case { name, program, before, frame, verdict, out, counted } = case;
    for (program, frame) in before {
        node.programs.run(program, &frame.bytes()).unwrap();
    }
    let family = if frame.dst.is_ipv4() { "IPv4" } else { "IPv6" };
    let counters = node.dataplane().counters().unwrap();
    let (seen, bytes) = node.programs.run(program, &frame.bytes()).unwrap();
    assert_eq!(seen, verdict, "{family}: {name}: verdict");
    assert_eq!(hex(&bytes), hex(&out.bytes()), "{family}: {name}: frame");
    let after = node.dataplane().counters().unwrap();
    for ((event, before), (_, after)) in counters.into_iter().zip(after) {
        let expected = counted.iter().filter(|e| **e == event).count() as u64;
        assert_eq!(after - before, expected, "{family}: {name}: counter {}", event.name());
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .chunks(2)
        .map(|pair| pair.iter().map(|b| format!("{b:02x}")).collect::<String>() + " ")
        .collect()
}

fn check(cases: Vec<Case>) {
    let mut node = node::node();
    for case in cases {
        // No case may lean on what another has left.
        node.dataplane().forget_traffic().unwrap();
        if case.program == "uplink_ingress" {
            driver::agrees(&mut node, &case);
            node.dataplane().forget_traffic().unwrap();
        }
        run(&mut node, case);
    }
}

/// The rows that are the same with both families.
fn check_both(cases: fn(Net) -> Vec<Case>) {
    Net::BOTH.into_iter().for_each(|net| check(cases(net)));
}
