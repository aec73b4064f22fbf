//! Segments of several nodes on one wire that a test owns: what one puts out, the others get.

use std::time::Duration;

use super::*;

const STEP: Duration = Duration::from_millis(20);

struct Wire {
    now: Instant,
    nodes: Vec<Segment>,
    /// Nodes that are dead, or stand still.
    off: BTreeSet<usize>,
    /// Nodes that live, and are not connected.
    cut: BTreeSet<usize>,
    frames: Vec<(usize, Vec<u8>)>,
    heartbeats: Vec<Vec<u8>>,
}

fn key() -> ClusterKey {
    ClusterKey::derive(b"0123456789abcdef").unwrap()
}

fn link(node: usize) -> Link {
    Link { index: 1, mac: mac(node) }
}

fn mac(node: usize) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, node as u8 + 1])
}

fn addresses() -> BTreeSet<IpAddr> {
    ["192.0.2.50", "192.0.2.51", "2001:db8::50"].map(|text| text.parse().unwrap()).into()
}

impl Wire {
    fn new(nodes: usize) -> Self {
        let now = Instant::now();
        let mut wire = Self {
            now,
            nodes: vec![],
            off: BTreeSet::new(),
            cut: BTreeSet::new(),
            frames: vec![],
            heartbeats: vec![],
        };
        for node in 0..nodes {
            let segment = wire.start(node, 100 + node as u64);
            wire.nodes.push(segment);
        }
        wire
    }

    fn start(&self, node: usize, boot: u64) -> Segment {
        let mut segment = Segment::new(&format!("n{node}"), "eth0", boot, self.now);
        segment.set_link(Some(link(node)), self.now);
        segment.desire(&addresses(), Some(&key()), self.now);
        segment
    }

    fn step(&mut self) {
        self.now += STEP;
        let mut sent = Vec::new();
        for node in (0..self.nodes.len()).filter(|node| !self.off.contains(node)) {
            self.nodes[node].step(self.now);
            sent.extend(self.nodes[node].take_output().into_iter().map(|output| (node, output)));
        }
        for (from, output) in sent.into_iter().filter(|(from, _)| !self.cut.contains(from)) {
            let others = (0..self.nodes.len()).filter(|to| *to != from);
            for to in others.filter(|to| !self.off.contains(to) && !self.cut.contains(to)) {
                match &output {
                    Output::Heartbeat(packet) => {
                        // Both address families carry it.
                        self.nodes[to].heartbeat(packet, self.now);
                        self.nodes[to].heartbeat(packet, self.now);
                    }
                    Output::Frame(frame) if frame[12] == 8 => self.nodes[to].arp(frame, self.now),
                    Output::Frame(frame) => self.nodes[to].ndp(frame, self.now),
                    Output::Join(_) | Output::Leave(_) => {}
                }
            }
            match output {
                Output::Heartbeat(packet) => self.heartbeats.push(packet),
                Output::Frame(frame) => self.frames.push((from, frame)),
                Output::Join(_) | Output::Leave(_) => {}
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        (0..ms / 20).for_each(|_| self.step());
    }

    /// The node that announces an address; exactly one.
    fn owner(&self, address: &str) -> usize {
        let address = address.parse().unwrap();
        let live = (0..self.nodes.len())
            .filter(|node| !self.off.contains(node) && !self.cut.contains(node));
        let owners: Vec<usize> =
            live.filter(|node| self.nodes[*node].claims.holds(address)).collect();
        assert_eq!(owners.len(), 1, "{address}: {owners:?}");
        owners[0]
    }

    fn owners(&self) -> [usize; 3] {
        ["192.0.2.50", "192.0.2.51", "2001:db8::50"].map(|address| self.owner(address))
    }
}

#[test]
fn each_address_has_one_owner_and_another_when_that_dies() {
    let mut wire = Wire::new(4);
    wire.pass(1000);
    let before = wire.owners();
    wire.pass(5000);
    assert_eq!(wire.owners(), before);

    let dead = before[0];
    wire.off.insert(dead);
    wire.frames.clear();
    let died = wire.now;
    let mut took = None;
    while took.is_none() {
        wire.step();
        took = wire.frames.iter().find(|(_, frame)| frame.ends_with(&[192, 0, 2, 50])).map(|f| f.0);
        assert!(wire.now - died < Duration::from_millis(1100), "nobody took over");
    }
    assert_eq!(wire.owner("192.0.2.50"), took.unwrap());
    for (owner, before) in wire.owners().into_iter().zip(before) {
        assert!(owner == before || before == dead, "only what the dead had moves");
    }

    // It only stood still, and goes on as one that comes back.
    wire.off.clear();
    wire.pass(1500);
    assert_ne!(wire.owner("192.0.2.50"), dead, "not settled yet");
    wire.pass(1500);
    assert_eq!(wire.owners(), before);
}

#[test]
fn who_was_cut_off_yields_and_waits() {
    let mut wire = Wire::new(4);
    wire.pass(3000);
    let before = wire.owners();
    let cut = before[0];
    wire.cut.insert(cut);
    wire.pass(3000);
    assert_eq!(wire.nodes[cut].claims.held().count(), 3, "all are its own, as far as it can see");
    let meanwhile = wire.owners();
    wire.cut.clear();
    wire.pass(400);
    assert_eq!(wire.owners(), meanwhile);
    wire.pass(3000);
    assert_eq!(wire.owners(), before);
}

#[test]
fn an_agent_that_is_started_again_at_once_keeps_its_addresses() {
    let mut wire = Wire::new(3);
    wire.pass(4000);
    let before = wire.owners();
    let owner = before[0];
    let taken: u64 = wire.nodes.iter().map(|node| node.counters.taken).sum();
    wire.off.insert(owner);
    wire.pass(400);
    wire.nodes[owner] = wire.start(owner, 999);
    wire.off.clear();
    wire.pass(1000);
    assert_eq!(wire.owners(), before);
    wire.pass(3000);
    assert_eq!(wire.owners(), before);
    let others = wire.nodes.iter().enumerate().filter(|(node, _)| *node != owner);
    let others: u64 = others.map(|(_, node)| node.counters.taken).sum();
    let held = before.iter().filter(|at| **at == owner).count() as u64;
    assert_eq!(others, taken - held, "nobody else took anything");
}

#[test]
fn a_recording_played_back_brings_nobody_back() {
    let mut wire = Wire::new(3);
    wire.pass(4000);
    let dead = wire.owner("192.0.2.50");
    let recorded = std::mem::take(&mut wire.heartbeats);
    wire.off.insert(dead);
    for _ in 0..20 {
        wire.pass(100);
        for packet in &recorded {
            let now = wire.now;
            wire.nodes.iter_mut().for_each(|node| node.heartbeat(packet, now));
        }
    }
    assert_ne!(wire.owner("192.0.2.50"), dead);
    let live = (0..3).find(|node| *node != dead).unwrap();
    assert_eq!(wire.nodes[live].membership.live().count(), 1);
    assert!(wire.nodes[live].counters.heartbeats_repeated > 100);
}

#[test]
fn another_clusters_heartbeats_are_counted_and_change_nothing() {
    let mut wire = Wire::new(2);
    let other = ClusterKey::derive(b"another cluster's").unwrap();
    let now = wire.now;
    wire.nodes[1].desire(&addresses(), Some(&other), now);
    wire.pass(3000);
    assert_eq!(wire.nodes[0].membership.live().count(), 0);
    assert!(wire.nodes[0].counters.heartbeats_unsigned > 10);
    assert!(wire.nodes[0].claims.held().count() == 3, "a node without company announces");
    let now = wire.now;
    wire.nodes[0].heartbeat(b"", now);
    wire.nodes[0].heartbeat(&[0xff; 1500], now);
    assert_eq!(wire.nodes[0].counters.heartbeats_malformed, 2);
}

#[test]
fn a_link_that_goes_down_gives_everything_up_and_waits_when_it_is_back() {
    let mut wire = Wire::new(2);
    wire.pass(4000);
    let owner = wire.owner("192.0.2.50");
    let now = wire.now;
    wire.nodes[owner].set_link(None, now);
    assert_eq!(wire.nodes[owner].claims.held().count(), 0);
    assert_eq!(wire.nodes[owner].step(now), None, "nothing to do");
    assert!(!wire.nodes[owner].wants_frames(true) && !wire.nodes[owner].wants_heartbeats());
    wire.pass(1500);
    let other = 1 - owner;
    assert_eq!(wire.owner("192.0.2.50"), other);
    let now = wire.now;
    wire.nodes[owner].set_link(Some(link(owner)), now);
    wire.pass(1500);
    assert_eq!(wire.owner("192.0.2.50"), other);
    wire.pass(1500);
    assert_eq!(wire.owner("192.0.2.50"), owner);
}

#[test]
fn only_requests_for_what_is_announced_here_are_answered() {
    let mut wire = Wire::new(1);
    wire.pass(1000);
    let segment = &mut wire.nodes[0];
    segment.take_output();
    let client = MacAddr([2, 0, 0, 0, 0, 9]);
    let request = |target: [u8; 4], sender: [u8; 4]| {
        let mut frame = vec![0xff; 6];
        frame.extend_from_slice(&client.0);
        frame.extend_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame.extend_from_slice(&client.0);
        frame.extend_from_slice(&sender);
        frame.extend_from_slice(&[0; 6]);
        frame.extend_from_slice(&target);
        frame
    };
    let now = wire.now;
    segment.arp(&request([192, 0, 2, 99], [192, 0, 2, 9]), now);
    assert!(segment.take_output().is_empty());
    segment.arp(&request([192, 0, 2, 50], [192, 0, 2, 9]), now);
    assert_eq!(segment.take_output().len(), 1);
    // A host that wants to know whether the address is free (RFC 5227, 2.1.1).
    segment.arp(&request([192, 0, 2, 50], [0, 0, 0, 0]), now);
    assert_eq!(segment.take_output().len(), 1);
    // One that takes it: defended a little later, not answered.
    segment.arp(&request([192, 0, 2, 50], [192, 0, 2, 50]), now);
    assert!(segment.take_output().is_empty());
    segment.arp(&[0; 20], now);
    let counters = segment.counters.clone();
    assert_eq!((counters.requests_answered, counters.frames_malformed), (2, 1));
    wire.frames.clear();
    wire.pass(1100);
    assert_eq!(wire.nodes[0].counters.defended, 1);
}

#[test]
fn groups_are_joined_for_what_is_announced_and_shared_ones_left_last() {
    let now = Instant::now();
    let mut segment = Segment::new("n0", "eth0", 1, now);
    segment.set_link(Some(link(0)), now);
    let both = ["2001:db8::50", "2001:db8:1::50"].map(|text| text.parse().unwrap());
    segment.desire(&both.into(), None, now);
    segment.step(now);
    let groups = |segment: &mut Segment| -> Vec<Output> {
        let of_groups = |output: &Output| matches!(output, Output::Join(_) | Output::Leave(_));
        segment.take_output().into_iter().filter(of_groups).collect()
    };
    let group: Ipv6Addr = "ff02::1:ff00:50".parse().unwrap();
    assert_eq!(groups(&mut segment), [Output::Join(group), Output::Join(group)]);
    segment.desire(&[both[0]].into(), None, now);
    assert!(groups(&mut segment).is_empty());
    segment.desire(&[].into(), None, now);
    assert_eq!(groups(&mut segment), [Output::Leave(group)]);
}

#[test]
fn a_new_link_layer_address_is_announced() {
    let mut wire = Wire::new(1);
    wire.pass(5000);
    wire.frames.clear();
    let now = wire.now;
    wire.nodes[0].set_link(Some(Link { index: 1, mac: mac(7) }), now);
    wire.pass(100);
    assert!(!wire.frames.is_empty());
    assert!(wire.frames.iter().all(|(_, frame)| frame[6..12] == mac(7).0));
}

/// The bound is generous, for a debug build on a busy machine; in a release build it is some milliseconds.
#[test]
fn a_hundred_nodes_with_a_thousand_addresses_are_decided_at_once() {
    use crate::heartbeat::{Heartbeat, Report};
    let mut now = Instant::now();
    let addresses: BTreeSet<IpAddr> =
        (0..1000_u32).map(|n| std::net::Ipv4Addr::from(0x0a64_0000 + n).into()).collect();
    let mut segment = Segment::new("us", "eth0", 1, now);
    segment.set_link(Some(link(0)), now);
    segment.desire(&addresses, Some(&key()), now);
    for node in 0..100 {
        let candidacies = addresses.iter().map(|address| (*address, None)).collect();
        let parts = Report { heard: [1].into(), addresses: candidacies }.split("node-100");
        let count = parts.len() as u16;
        for (part, report) in parts.into_iter().enumerate() {
            let (part, sequence) = (part as u16, part as u64 + 1);
            let node_name = format!("node-{node}");
            let heartbeat = Heartbeat {
                node: node_name,
                boot: 100 + node,
                sequence,
                generation: 1,
                part,
                parts: count,
                report,
            };
            segment.heartbeat(&heartbeat.encode(&key()), now);
        }
    }
    now += Duration::from_millis(550);
    let began = Instant::now();
    segment.step(now);
    let took = began.elapsed();
    let held = segment.claims.held().count();
    assert!((1..40).contains(&held), "one in 101 is ours: {held}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    println!("decided in {} ms", took.as_millis());
}
