//! Routes, device and programs stay, whatever happens to the agent, and come back when somebody takes them.

use std::time::Duration;

use sheave_core::model::Peer;
use sheave_core::pod_network::{Mode, Plan, Surroundings, plan};
use sheave_dataplane::{Existing, apply_routes};
use sheave_tests::peers::{Between, Nodes};
use sheave_tests::site::Site;
use sheave_tests::wait;

use crate::{agent, all_reach_all, tunnelled, two_nodes};

const SOON: Duration = Duration::from_secs(5);

fn routes(nodes: &Nodes, number: u8) -> String {
    let netns = &nodes.node(number).netns;
    let lines = |arguments: &str| {
        let text = netns.command("ip", arguments);
        let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines.join("\n")
    };
    lines("-4 route show proto 83") + "\n" + &lines("-6 route show proto 83")
}

#[test]
fn traffic_goes_on_without_agents_and_a_new_one_takes_over_what_is_there() {
    for between in [Between::Link, Between::Router] {
        let mut nodes = two_nodes("pn-killed", between, [&[], &[]]);
        let before = routes(&nodes, 1);
        assert_eq!(before.lines().count(), 2, "{before}");
        let was = nodes.node(1).ask("/status").unwrap()["podNetwork"].clone();
        nodes.node_mut(1).kill_agent();
        nodes.node_mut(2).kill_agent();
        nodes.nodes.values().for_each(|node| node.assert_nothing_dropped());
        assert_eq!(routes(&nodes, 1), before);
        let device =
            nodes.node(1).netns.command("cat", "/proc/self/net/dev").contains("sheave-vxlan");
        assert!(device);
        crate::reaches(
            &nodes.node(1).pods[&2],
            &nodes.node(2).pod_addresses(3)[0],
            &nodes.node(1).pod_addresses(2)[0],
            "without agents",
        );
        for number in [1, 2] {
            nodes.start(number, &[]);
        }
        assert_eq!(nodes.node(1).ask("/status").unwrap()["podNetwork"], was);
        assert_eq!(routes(&nodes, 1), before);
        assert!(!nodes.node(1).agent_log().contains("was gone"), "nothing was made anew");
        all_reach_all(&nodes);
    }
}

#[test]
fn what_somebody_removes_is_there_again() {
    for between in [Between::Link, Between::Router] {
        let nodes = two_nodes("pn-removed", between, [&[], &[]]);
        let before = routes(&nodes, 1);
        let netns = &nodes.node(1).netns;
        netns.ip("route flush proto 83");
        netns.ip("-6 route flush proto 83");
        wait::until(
            "the routes to be there again",
            SOON,
            || routes(&nodes, 1),
            |now| *now == before,
        );
        let log = nodes.node(1).agent_log();
        assert!(log.contains("the route to 10.244.2.0/24 was gone and is there again"), "{log}");
        netns.ip("link del sheave-vxlan");
        let is_there = || netns.command("ip", "link show").contains("sheave-vxlan");
        wait::until("the device to be there again", SOON, is_there, |there| *there);
        wait::until("its routes too", SOON, || routes(&nodes, 1), |now| now.lines().count() == 2);
        all_reach_all(&nodes);
        // The uplink, which takes all routes by it along.
        netns.ip("link set up0 down");
        netns.ip("link set up0 up");
        let addresses = nodes.addresses(1);
        netns.ip(&format!("addr replace {}/64 dev up0", addresses[1]));
        let gateways = match between {
            Between::Link => ["192.0.2.254", "2001:db8::fe"],
            Between::Router => ["203.0.1.254", "2001:db8:1::fe"],
        };
        gateways
            .iter()
            .for_each(|gateway| netns.ip(&format!("route replace default via {gateway}")));
        wait::until("the routes once more", SOON, || routes(&nodes, 1), |now| *now == before);
        all_reach_all(&nodes);
    }
}

/// As by an agent that starts while its server is away.
#[test]
fn what_is_only_recalled_adds_ways_and_changes_or_removes_none() {
    let mut site = Site::new("pn-recalled");
    let up0 = site.lab.node.run(|| nix::net::if_::if_nametoindex("up0")).unwrap();
    let plan_of = |nodes: &[(&str, &str)]| {
        let peers: Vec<Peer> = nodes
            .iter()
            .map(|(range, address)| Peer {
                name: (*range).into(),
                addresses: vec![address.parse().unwrap()],
                pod_ranges: vec![range.parse().unwrap()],
            })
            .collect();
        let on_link = peers.iter().map(|peer| (peer.addresses[0], up0)).collect();
        let around = Surroundings { on_link, ..Surroundings::default() };
        plan(Mode::Auto, &peers, &around)
    };
    let mut apply = |plan: &Plan, existing| {
        let routes = site.lab.node.run(|| apply_routes(&plan.routes, existing)).unwrap();
        assert!(routes.failed.is_empty(), "{routes:?}");
        let is_other = site.dataplane().set_remotes(plan, 8472, existing).unwrap();
        (routes.added.len(), routes.removed.len(), is_other)
    };
    let held = [("10.244.1.0/24", "192.0.2.11"), ("10.244.2.0/24", "192.0.2.12")];
    assert_eq!(apply(&plan_of(&held), Existing::Follows), (2, 0, true));
    // One node has come last, and another has got the range of one that went.
    let recalled = [("10.244.2.0/24", "192.0.2.12"), ("10.244.1.0/24", "192.0.2.12")];
    assert_eq!(apply(&plan_of(&recalled[..1]), Existing::Stays), (0, 0, false));
    assert_eq!(apply(&plan_of(&recalled), Existing::Stays), (0, 0, false));
    let new = ("10.244.3.0/24", "192.0.2.13");
    assert_eq!(apply(&plan_of(&[new]), Existing::Stays), (1, 0, true));
    assert_eq!(apply(&plan_of(&[new]), Existing::Stays), (0, 0, false));
    assert_eq!(apply(&plan_of(&[new]), Existing::Follows), (0, 2, true));
}

#[test]
fn a_node_that_leaves_is_forgotten_and_one_that_comes_is_reached() {
    let nodes = two_nodes("pn-leaves", Between::Router, [&[], &[]]);
    nodes.serve_with(&[1], "");
    wait::until("the routes to go", SOON, || routes(&nodes, 1), |now| now.trim().is_empty());
    let client = &nodes.node(1).pods[&2];
    assert!(sheave_tests::site::tcp(client, "10.244.2.3:8080", 1).is_err());
    nodes.serve_with(&[1, 2], "");
    wait::until("the routes to come", SOON, || routes(&nodes, 1), |now| now.lines().count() == 2);
    all_reach_all(&nodes);
    assert!(tunnelled(&nodes, 1) > 0);
}

#[test]
fn nothing_is_left_of_it() {
    let mut nodes = Nodes::new("pn-cleanup", Between::Link, 2, &agent());
    let state = |nodes: &Nodes| {
        let netns = &nodes.node(1).netns;
        let links = netns.command("ip", "-brief link show");
        let routes = netns.command("ip", "-4 route show table all");
        let six = netns.command("ip", "-6 route show table all");
        let mut lines: Vec<String> =
            [links, routes, six].iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = state(&nodes);
    nodes.start(1, &["--pod-network", "vxlan"]);
    assert_ne!(state(&nodes), before);
    nodes.node_mut(1).clean_up(&agent());
    wait::until("all to be as before", SOON, || state(&nodes), |now| *now == before);
}
