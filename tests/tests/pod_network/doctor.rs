//! What `sheave doctor` says of the tunnel: that it gets through, or to which node it does not, and what must be let
//! through.

use std::net::UdpSocket;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sheave_abi::event::Event;
use sheave_abi::tunnel::{MAC, MAC_SENDER, VNI_ECHO};
use sheave_tests::netns::Netns;
use sheave_tests::peers::{Between, Nodes};
use sheave_tests::wait;

use crate::{agent, two_nodes};

/// What the doctor at a node says of the tunnel to the addresses of the other one, IPv4 first.
fn said(nodes: &Nodes, number: u8) -> Vec<Value> {
    let node = nodes.node(number);
    let mut doctor = Command::new(agent());
    doctor.args(["doctor", "--json", "--bpffs-dir"]).arg(node.bpffs_dir());
    // Whether a machine of tests has all that a node needs does not matter here.
    let output = node.netns.run(|| doctor.output().unwrap());
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = said["findings"].as_array().unwrap().iter();
    findings.filter(|f| f["name"].as_str().unwrap().contains("tunnel")).cloned().collect()
}

fn other(number: u8) -> u8 {
    3 - number
}

/// The tunnel gets through to both addresses.
fn gets_through(nodes: &Nodes, number: u8) {
    let said = said(nodes, number);
    assert_eq!(said.len(), 2, "{said:?}");
    for (finding, address) in said.iter().zip(nodes.addresses(other(number))) {
        assert_eq!(finding["name"], format!("the tunnel to node {address}"));
        assert_eq!(finding["present"], true, "{finding}");
        assert!(finding["tookMs"].as_f64().unwrap() < 1900.0, "{finding}");
    }
}

/// It does not, and both ends and the port are named.
fn is_silent(nodes: &Nodes, number: u8, port: u16) {
    let said = said(nodes, number);
    assert_eq!(said.len(), 2, "{said:?}");
    let ends = nodes.addresses(number).into_iter().zip(nodes.addresses(other(number)));
    for (finding, (here, there)) in said.iter().zip(ends) {
        assert_eq!(finding["conflict"], true, "{finding}");
        let remedy = format!("let UDP port {port} pass between {here} and {there}");
        assert!(finding["remedy"].as_str().unwrap().contains(&remedy), "{finding}");
    }
}

/// Has a node drop what comes, or goes, to a UDP port.
fn drop_udp(nodes: &Nodes, number: u8, hook: &str, port: u16) {
    let node = &nodes.node(number).netns;
    node.command("nft", "add table inet wall");
    node.command(
        "nft",
        &format!("add chain inet wall w {{ type filter hook {hook} priority 0 ; }}"),
    );
    node.command("nft", &format!("add rule inet wall w udp dport {port} drop"));
}

#[test]
fn a_tunnel_that_gets_through_is_found_well_and_nothing_is_counted() {
    let carried: &[&str] = &[];
    let stood_in_for: &[&str] = &["--pod-network", "vxlan", "--client-address", "masquerade"];
    let pairs =
        [(Between::Link, carried), (Between::Router, carried), (Between::Link, stood_in_for)];
    for (between, flags) in pairs {
        let nodes = two_nodes("pn-doctor", between, [flags, flags]);
        for number in [1, 2] {
            gets_through(&nodes, number);
        }
        for number in [1, 2] {
            nodes.node(number).assert_nothing_dropped();
        }
    }
}

#[test]
fn a_tunnel_that_does_not_get_through_is_named_with_both_ends_and_the_port() {
    // What a node's own rules drop on the way out, its socket is refused.
    for (between, hook) in [(Between::Link, "input"), (Between::Router, "output")] {
        let flags: &[&str] = &["--vxlan-port", "4789"];
        let nodes = two_nodes("pn-walled", between, [flags, flags]);
        gets_through(&nodes, 1);
        // Whichever way it is that does not get through, both nodes hear nothing.
        drop_udp(&nodes, 2, hook, 4789);
        for number in [1, 2] {
            let started = Instant::now();
            is_silent(&nodes, number, 4789);
            assert!(started.elapsed() < Duration::from_secs(8), "it takes {:?}", started.elapsed());
        }
        nodes.node(2).netns.command("nft", "delete table inet wall");
        gets_through(&nodes, 1);
    }
}

#[test]
fn nobody_is_asked_where_nothing_is_wrapped() {
    let flags: &[&str] = &["--pod-network", "native"];
    let nodes = two_nodes("pn-plain", Between::Link, [flags, flags]);
    assert_eq!(said(&nodes, 1), Vec::<Value>::new());
}

#[test]
fn a_stranger_is_not_answered() {
    let nodes = two_nodes("pn-nosy", Between::Router, [&[], &[]]);
    let outside = &nodes.outside;
    let vxlan = [[0x08, 0, 0, 0], (VNI_ECHO << 8).to_be_bytes()].concat();
    let mut question = [&vxlan, MAC.as_slice(), &MAC_SENDER, &[0x88, 0xb5]].concat();
    question.resize(8 + 60, 0);
    let before = received(outside);
    let [node, _] = nodes.addresses(1);
    let socket = outside.run(|| UdpSocket::bind("0.0.0.0:0")).unwrap();
    for _ in 0..3 {
        socket.send_to(&question, (node.as_str(), 8472)).unwrap();
    }
    wait::until(
        "the questions to be dropped",
        Duration::from_secs(5),
        || nodes.node(1).counter(Event::TunnelStranger),
        |count| *count == 3,
    );
    assert_eq!(received(outside), before);
}

/// How many UDP datagrams came, for somebody or nobody.
fn received(netns: &Netns) -> String {
    netns.command("nstat", "-a -z -s UdpInDatagrams UdpNoPorts")
}
