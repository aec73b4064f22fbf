//! Traffic between pods, to services and from outside, over IPv4; and what nobody answers.

use std::io::ErrorKind;

use sheave_abi::event::Event;
use sheave_dataplane::TcAttachment;
use sheave_tests::kernel;

use crate::node::Node;
use crate::wire::{datagram, exchange};

fn traffic_flows(how: TcAttachment, name: &str) {
    traffic_flows_at(Node::new(name, how));
}

/// Every kind of client and backend that this node has.
pub(crate) fn traffic_flows_at(mut node: Node) {
    let (client, megabyte) = (&node.pods[0], 1 << 20);
    assert_eq!(exchange(client, "10.244.0.3:8080", megabyte).unwrap(), "10.244.0.2", "pod to pod");
    assert_eq!(exchange(client, "10.96.0.1:80", megabyte).unwrap(), "10.244.0.2", "to a ClusterIP");
    assert_eq!(
        exchange(client, "192.0.2.1:30080", megabyte).unwrap(),
        "10.244.0.2",
        "to a NodePort"
    );
    datagram(client, "10.96.0.1:53", 1200).unwrap();
    let outside = &node.outside;
    assert_eq!(
        exchange(outside, "192.0.2.1:30080", megabyte).unwrap(),
        "192.0.2.9",
        "from outside"
    );
    datagram(outside, "192.0.2.1:30053", 1200).unwrap();
    assert_eq!(exchange(outside, "10.244.0.3:8080", megabyte).unwrap(), "192.0.2.9", "routed");
    assert_eq!(exchange(&node.netns, "10.244.0.3:8080", 1000).unwrap(), "192.0.2.1", "the node");
    assert!(node.counter(Event::Delivered) > 0 && node.counter(Event::RepliedOutside) > 0);
    assert_eq!(node.counter(Event::FlowOpened), 5, "each service flow once");
    node.assert_no_drops();
}

#[test]
fn traffic_flows_through_links() {
    if kernel::lacks(kernel::TCX) {
        return;
    }
    traffic_flows(TcAttachment::Tcx, "tcx");
}

#[test]
fn traffic_flows_through_filters() {
    traffic_flows(TcAttachment::Clsact, "clsact");
}

#[test]
fn nobody_there_is_a_refusal_at_once() {
    let mut node = Node::new("refusals", kernel::tc_attachment());
    let (pod, outside) = (&node.pods[0], &node.outside);
    let refused: Result<String, _> = Err(ErrorKind::ConnectionRefused);
    assert_eq!(exchange(pod, "10.96.0.2:80", 0), refused, "no endpoints");
    assert_eq!(exchange(pod, "10.96.0.1:81", 0), refused, "no such port");
    assert_eq!(exchange(pod, "192.0.2.1:30081", 0), refused, "a NodePort without endpoints");
    assert_eq!(exchange(outside, "192.0.2.1:30081", 0), refused, "likewise from outside");
    assert_eq!(datagram(pod, "10.96.0.2:53", 10), Err(ErrorKind::ConnectionRefused), "a datagram");
    assert_eq!(
        datagram(pod, "10.96.0.2:53", 1400),
        Err(ErrorKind::ConnectionRefused),
        "a large one"
    );
    pod.command("busybox", "ping -c 1 -W 2 10.96.0.2");
    assert_eq!(node.counter(Event::Refused), 6);
    assert_eq!(node.counter(Event::EchoAnswered), 1);
}
