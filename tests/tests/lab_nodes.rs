//! Several nodes: they join, their pods reach each other and Services, nothing is shared that should not be, and
//! nothing is left of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sheave_lab::Lab;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::machine::Inventory;
use sheave_tests::nodes::{Nodes, probe};
use sheave_tests::pod_server::{self, WHO_PORT};
use sheave_tests::probe::{Outcome, Probe, Protocol};
use sheave_tests::wait;

const PROBER: &str = env!("CARGO_BIN_EXE_prober");
const SERVER: &str = env!("CARGO_BIN_EXE_pod-server");
/// The kernel takes namespaces apart when it has time.
const GONE_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn three_nodes_come_reach_each_other_and_go_without_a_trace() {
    let before = Inventory::take();
    {
        let began = Instant::now();
        let nodes = Nodes::start(|spec| spec.images.push("names"));
        println!("three nodes are Ready after {:.1} s", began.elapsed().as_secs_f64());
        each_node_is_a_machine_of_its_own(&nodes);
        pods_reach_each_other_and_a_service(&nodes);
    }
    let changes = || Inventory::take().changes_since(&before);
    wait::until("everything to be gone", GONE_LIMIT, changes, Vec::is_empty);
}

#[test]
fn what_a_starter_that_was_killed_has_left_is_found_by_its_name_alone() {
    let before = Inventory::take();
    {
        let nodes = Nodes::start(|spec| spec.nodes = 1);
        let name = nodes.lab.spec().name.clone();
        std::fs::remove_dir_all(nodes.lab.directory()).unwrap();
        assert!(Lab::open(&name).is_err(), "nothing says any more what it was");
        assert!(Lab::down(&name).unwrap(), "and yet it is found");
        assert!(!Lab::down(&name).unwrap(), "once");
    }
    let changes = || Inventory::take().changes_since(&before);
    wait::until("everything to be gone", GONE_LIMIT, changes, Vec::is_empty);
}

fn each_node_is_a_machine_of_its_own(nodes: &Nodes) {
    let mut hooks = BTreeSet::new();
    for number in 1..=3 {
        let node = nodes.node(number);
        assert_eq!(node.run(&["hostname"]).unwrap().trim(), format!("node-{number}"));
        let interfaces = node.run(&["ls", "/sys/class/net"]).unwrap();
        assert!(interfaces.split_whitespace().any(|name| name == "eth0"), "{interfaces}");
        let others = node.run(&["sh", "-c", "cat /proc/[0-9]*/comm"]).unwrap();
        let agents = others.lines().filter(|name| *name == "sheave-agent").count();
        assert_eq!(agents, 1, "it sees its own processes alone");
        // What `sheave doctor` finds is what the agent found.
        node.run(&["sheave", "doctor"]).unwrap();
        let cgroup = node.cgroup2().expect("cgroup v2 is mounted");
        let tree = cgroup.to_str().unwrap();
        let attached = sheave_tests::command::output(&["bpftool", "cgroup", "show", tree]);
        let ids: Vec<&str> =
            attached.lines().skip(1).filter_map(|l| l.split_whitespace().next()).collect();
        assert!(!ids.is_empty(), "{attached}");
        hooks.extend(ids.into_iter().map(str::to_owned));
    }
    assert!(hooks.len() >= 3 * 4, "each has hooks of its own: {hooks:?}");
    let internal = r#"{.items[*].status.addresses[?(@.type=="InternalIP")].address}"#;
    let addresses = nodes.value(&["nodes"], internal);
    let mut expected = Vec::new();
    for number in 1..=3 {
        let name = format!("node-{number}");
        expected.extend([false, true].map(|is_v6| nodes.address(&name, is_v6).to_string()));
    }
    assert_eq!(addresses.split(' ').collect::<Vec<_>>(), expected);
}

fn pods_reach_each_other_and_a_service(nodes: &Nodes) {
    let names = ["one", "two", "three"];
    let pods = (1..).zip(names).map(|(node, name)| pod_server::pod(name, node, SERVER));
    let manifest: String = pods.chain(names.map(|name| pod_server::service(name, ""))).collect();
    nodes.apply(&manifest);
    names.iter().for_each(|name| nodes.wait_pod_ready(name));
    for (number, name) in (1..=3).flat_map(|number| names.map(|name| (number, name))) {
        nodes.wait_live(number, name, 1);
    }
    let pods = names.map(|name| nodes.pod(&format!("app={name}")));
    let services = names.map(|name| nodes.service(name).ip());
    for client in &pods {
        let mut expected = Vec::new();
        let mut probes = Vec::new();
        for (server, service) in pods.iter().zip(services) {
            let direct = server.addresses.iter().map(|address| SocketAddr::new(*address, WHO_PORT));
            for to in direct.chain([SocketAddr::new(service, 81)]) {
                // Through its own Service a pod is shown its gateway.
                let is_itself = client == server && to.ip() == service;
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    probes.push(Probe { protocol, to });
                    expected.push((server.name.clone(), !is_itself));
                }
            }
        }
        let outcomes = probe(nodes.in_pod(client, PROBER), &probes);
        for ((outcome, probe), (name, is_seen)) in outcomes.iter().zip(&probes).zip(&expected) {
            let Outcome::Answered { by, seen } = outcome else {
                panic!("{} to {probe:?}, which is {name}: {outcome:?}", client.name);
            };
            assert_eq!(by, name, "{} to {probe:?}", client.name);
            assert!(
                !is_seen || client.addresses.contains(seen),
                "{} is seen as {seen}",
                client.name
            );
        }
    }
}
