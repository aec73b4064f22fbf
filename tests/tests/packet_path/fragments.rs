//! Datagrams that are larger than the links: cut up by their senders or on the way, both ways.

use sheave_abi::event::Event;
use sheave_tests::kernel;

use crate::node::Node;
use crate::wire::{ask, connected, datagram};

#[test]
fn large_datagrams_pass_in_parts_both_ways() {
    let mut node = Node::new("fragments", kernel::tc_attachment());
    for len in [1400, 1473, 2000, 3000] {
        datagram(&node.pods[0], "10.96.0.1:53", len).unwrap();
        datagram(&node.pods[0], "192.0.2.1:30053", len).unwrap();
        datagram(&node.outside, "192.0.2.1:30053", len).unwrap();
    }
    node.assert_no_drops();
}

#[test]
fn answers_are_cut_up_once_their_sender_knows_the_width() {
    let mut node = Node::new("fragments-far", kernel::tc_attachment());
    node.far.run(|| {
        let socket = connected("192.0.2.1:30053");
        socket.set_read_timeout(Some(std::time::Duration::from_millis(500))).unwrap();
        // What may not be cut up is lost on the narrow way: first the question, then the answer.
        ask(&socket, 1400).unwrap_err();
        ask(&socket, 1400).unwrap_err();
        for len in [1400, 3000] {
            ask(&socket, len).unwrap();
        }
    });
    assert!(node.counter(Event::ErrorTranslated) > 0, "the backend was told the width");
    node.assert_no_drops();
}
