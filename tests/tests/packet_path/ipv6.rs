//! The same over IPv6.

use std::io::ErrorKind;

use sheave_abi::event::Event;
use sheave_tests::kernel;

use crate::node::Node;
use crate::wire::{datagram, exchange};

const CLUSTER_IP: &str = "[fd00:10:96::1]:80";
const NODE_PORT: &str = "[2001:db8:2::1]:30080";
const MEGABYTE: usize = 1 << 20;

#[test]
fn ipv6_traffic_flows() {
    let mut node = Node::new("ipv6", kernel::tc_attachment());
    let (pod, outside) = (&node.pods[0], &node.outside);
    let exchange = |netns, address| exchange(netns, address, MEGABYTE).unwrap();
    assert_eq!(exchange(pod, "[fd00:10:244::3]:8080"), "fd00:10:244::2", "pod to pod");
    assert_eq!(exchange(pod, CLUSTER_IP), "fd00:10:244::2", "to a ClusterIP");
    assert_eq!(exchange(pod, NODE_PORT), "fd00:10:244::2", "to a NodePort");
    assert_eq!(exchange(outside, NODE_PORT), "2001:db8:2::9", "from outside");
    assert_eq!(exchange(outside, "[fd00:10:244::3]:8080"), "2001:db8:2::9", "routed");
    datagram(pod, "[fd00:10:96::1]:53", 1200).unwrap();
    datagram(outside, "[2001:db8:2::1]:30053", 1200).unwrap();
    pod.command("busybox", "ping -c 1 -W 2 fd00:10:244::3");
    outside.command("busybox", "ping -c 1 -W 2 fd00:10:244::3");
    assert!(node.counter(Event::Delivered) > 0 && node.counter(Event::RepliedOutside) > 0);
    assert_eq!(node.counter(Event::FlowOpened), 5, "each service flow once");
    node.assert_no_drops();
}

#[test]
fn a_pod_reaches_itself_through_its_own_service() {
    let mut node = Node::new("hairpin", kernel::tc_attachment());
    let backend = &node.pods[1];
    assert_eq!(exchange(backend, "10.96.0.1:80", MEGABYTE).unwrap(), "169.254.1.1");
    assert_eq!(exchange(backend, CLUSTER_IP, MEGABYTE).unwrap(), "fe80::1");
    node.assert_no_drops();
}

#[test]
fn nobody_there_is_a_refusal_at_once_over_ipv6_too() {
    let mut node = Node::new("refusals6", kernel::tc_attachment());
    let (pod, outside) = (&node.pods[0], &node.outside);
    let refused: Result<String, _> = Err(ErrorKind::ConnectionRefused);
    assert_eq!(exchange(pod, "[fd00:10:96::2]:80", 0), refused, "no endpoints");
    assert_eq!(exchange(pod, "[fd00:10:96::1]:81", 0), refused, "no such port");
    assert_eq!(exchange(outside, "[2001:db8:2::1]:30081", 0), refused, "from outside");
    for len in [10, 1400] {
        let answer = datagram(pod, "[fd00:10:96::2]:53", len);
        assert_eq!(answer, Err(ErrorKind::ConnectionRefused), "a datagram of {len} bytes");
    }
    pod.command("busybox", "ping -c 1 -W 2 fd00:10:96::2");
    assert_eq!(node.counter(Event::Refused), 5);
    assert_eq!(node.counter(Event::EchoAnswered), 1);
}

#[test]
fn a_pod_and_the_node_find_each_other_as_neighbours() {
    let node = Node::new("neighbours", kernel::tc_attachment());
    let pod = &node.pods[0];
    let knows = |netns: &sheave_tests::netns::Netns, device: &str, address: &str| {
        netns.command("ip", &format!("-6 neigh show dev {device}")).contains(address)
    };
    assert!(!knows(pod, "eth0", "fe80::1") && !knows(&node.netns, "pod2", "fd00:10:244::2"));
    node.netns.command("busybox", "ping -c 1 -W 2 fd00:10:244::2");
    assert!(knows(&node.netns, "pod2", "fd00:10:244::2 lladdr 02:00:00:00:00:02"));
    pod.command("busybox", "ping -c 1 -W 2 2001:db8:2::1");
    assert!(knows(pod, "eth0", "fe80::1 lladdr 02:00:00:00:01:02"));
}
