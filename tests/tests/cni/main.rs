//! The CNI plugin as a runtime sees it: the real binary, real namespaces, a real pinned map and program.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod node;
mod pins;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use node::{Node, Pod};
use serde_json::{Value, json};
use sheave_abi::pins::{ENDPOINTS, NAMESPACES};
use sheave_cni::attachment::mac_text;
use sheave_cni::bpf::PodIngress;
use sheave_cni::netns::{self, PodNetns};
use sheave_cni::{classifier, network};

/// Everything the plugin leaves on a node, as the tests count it.
fn assert_nothing_left(node: &Node) {
    assert_eq!(node.host_interfaces(), Vec::<String>::new(), "interfaces");
    assert_eq!(node.records(), Vec::<String>::new(), "addresses");
    assert_eq!(node.link_pins(), Vec::<String>::new(), "pinned links");
    assert_eq!(node.entries(ENDPOINTS), 0, "map entries");
    assert_eq!(node.entries(NAMESPACES), 0, "map entries");
    assert!(!node.run(&["ip", "route"]).contains("shv"), "routes");
}

#[test]
fn add_connects_and_del_leaves_nothing() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    let added = node.cni("ADD", &pod, json!({})).unwrap();
    assert_eq!(added["ips"][0]["address"], "10.244.7.2/32");
    let address: IpAddr = "10.244.7.2".parse().unwrap();

    node.run(&["busybox", "ping", "-c1", "-W1", "10.244.7.2"]);
    pod.run(&["busybox", "ping", "-c1", "-W1", "192.0.2.10"]);
    pod.run(&["busybox", "ping", "-c1", "-W1", "127.0.0.1"]);
    let route = node.run(&["ip", "route", "get", "10.244.7.2"]);
    assert!(route.contains("src 192.0.2.10"), "the node speaks from its address: {route}");
    let neighbours = pod.run(&["ip", "neigh", "show", "169.254.1.1"]);
    assert!(neighbours.contains("PERMANENT"), "nothing is asked by ARP: {neighbours}");

    let endpoint = node.endpoint(address).expect("the pod is in the map");
    let host = &added["interfaces"][0];
    let host = host["name"].as_str().map(|name| node.link(name)).unwrap();
    assert_eq!(endpoint.host_ifindex, host["ifindex"].as_u64().unwrap() as u32);
    assert_eq!(mac_text(endpoint.host_mac), host["address"].as_str().unwrap());
    let inside = pod.link("eth0");
    assert_eq!(mac_text(endpoint.pod_mac), inside["address"].as_str().unwrap());
    assert_eq!(inside["mtu"], 65520, "as wide as a veth takes");
    let route = pod.run(&["ip", "route", "show", "default"]);
    assert!(route.contains("mtu 1400"), "what leaves the node is as wide as the uplink: {route}");

    node.cni("CHECK", &pod, json!({ "prevResult": added })).unwrap();
    node.cni("DEL", &pod, json!({ "prevResult": added })).unwrap();
    assert_nothing_left(&node);
    node.cni("DEL", &pod, json!({})).expect("once more is no error");
}

#[test]
fn what_a_pod_sends_passes_the_pinned_program() {
    let node = Node::new(pins::Verdict::Drop);
    let pod = Pod::new(&node, "a");
    node.cni("ADD", &pod, json!({})).unwrap();
    assert!(
        !pod.try_run(&["busybox", "ping", "-c1", "-W1", "192.0.2.10"]),
        "the program drops everything"
    );
}

/// The way of kernels before 6.6. Attaching again replaces: an ADD that is repeated never doubles it.
#[test]
fn without_tcx_the_program_is_a_filter() {
    let node = Node::new(pins::Verdict::Drop);
    let pod = Pod::new(&node, "a");
    let there = pod.name();
    node.run(&["ip", "link", "add", "h0", "type", "veth", "peer", "name", "eth0", "netns", there]);
    node.run(&["ip", "address", "add", "10.9.9.1/24", "dev", "h0"]);
    node.run(&["ip", "link", "set", "h0", "up"]);
    pod.run(&["ip", "address", "add", "10.9.9.2/24", "dev", "eth0"]);
    pod.run(&["ip", "link", "set", "eth0", "up"]);
    pod.run(&["busybox", "ping", "-c2", "-W1", "10.9.9.1"]);

    let program = PodIngress::open(&node.bpffs()).unwrap();
    let ifindex = node.link("h0")["ifindex"].as_u64().unwrap() as u32;
    for _ in 0..2 {
        let inside = PodNetns::open(&node.netns_path()).unwrap();
        let attached = inside.run(|| {
            network::with_netlink(async |netlink| {
                classifier::attach(&netlink, ifindex, &program).await
            })
        });
        attached.unwrap().unwrap();
    }
    let filters = node.run(&["tc", "filter", "show", "dev", "h0", "ingress"]);
    assert_eq!(filters.matches(classifier::NAME).count(), 1, "{filters}");
    assert!(filters.contains("pref 1") && filters.contains("direct-action"), "{filters}");
    assert!(!pod.try_run(&["busybox", "ping", "-c1", "-W1", "10.9.9.1"]), "all is dropped");
}

#[test]
fn pods_reach_each_other_over_the_host() {
    let node = Node::new(pins::Verdict::Pass);
    node.run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    let (a, b) = (Pod::new(&node, "a"), Pod::new(&node, "b"));
    node.cni("ADD", &a, json!({})).unwrap();
    let to = node.cni("ADD", &b, json!({})).unwrap();
    let to = to["ips"][0]["address"].as_str().unwrap().trim_end_matches("/32").to_owned();
    a.run(&["busybox", "ping", "-c1", "-W1", &to]);
    // What stays on the node is not cut up for the uplink's sake.
    let there = a.run(&["ip", "route", "get", &to]);
    assert!(there.contains("via 169.254.1.1") && !there.contains("mtu"), "{there}");
    let elsewhere = a.run(&["ip", "route", "get", "203.0.113.1"]);
    assert!(elsewhere.contains("mtu 1400"), "{elsewhere}");
}

#[test]
fn both_families() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    let ranges = json!({ "ranges": ["10.244.7.0/24", "fd00:7::/64"], "nodeAddresses": [] });
    let added = node.cni("ADD", &pod, ranges.clone()).unwrap();
    assert_eq!(added["ips"][1]["address"], "fd00:7::2/128");
    assert_eq!(added["ips"][1]["gateway"], "fe80::1");
    node.run(&["busybox", "ping", "-c1", "-W1", "fd00:7::2"]);
    pod.run(&["busybox", "ping", "-c1", "-W1", "2001:db8::10"]);
    let route = pod.run(&["ip", "-6", "route"]);
    let of = |to: &str| route.lines().find(|line| line.starts_with(to)).unwrap_or_default();
    assert!(of("default via fe80::1").contains("mtu 1400"), "{route}");
    assert!(!of("fd00:7::/64 via fe80::1").is_empty(), "{route}");
    assert!(!of("fd00:7::/64").contains("mtu"), "{route}");
    let inside = PodNetns::open(pod.netns_path().as_ref()).unwrap();
    let cookie = inside.run(netns::cookie).unwrap();
    for address in ["10.244.7.2", "fd00:7::2"] {
        assert_eq!(
            node.namespace(address.parse().unwrap()),
            cookie,
            "one client, whichever family"
        );
    }
    let mut previous = ranges.clone();
    previous["prevResult"] = added;
    node.cni("CHECK", &pod, previous).unwrap();
    node.cni("DEL", &pod, ranges).unwrap();
    assert_nothing_left(&node);
}

/// The agent is updated after the plugin.
#[test]
fn maps_of_an_agent_that_knows_no_namespaces_will_do() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    std::fs::remove_file(node.bpffs().join(NAMESPACES)).unwrap();
    node.cni("ADD", &pod, json!({})).unwrap();
    assert!(node.endpoint("10.244.7.2".parse().unwrap()).is_some());
    node.cni("DEL", &pod, json!({})).unwrap();
    assert_eq!(node.entries(ENDPOINTS), 0);
}

#[test]
fn results_have_the_shape_of_the_version_asked_for() {
    let node = Node::new(pins::Verdict::Pass);
    for (version, pod) in [("0.4.0", "a"), ("1.0.0", "b"), ("1.1.0", "c")] {
        let pod = Pod::new(&node, pod);
        let added = node.cni("ADD", &pod, json!({ "cniVersion": version })).unwrap();
        assert_eq!(added["cniVersion"], version);
        let expected = if version == "0.4.0" { json!("4") } else { Value::Null };
        assert_eq!(added["ips"][0]["version"], expected, "{version}");
        let with_mtu = version == "1.1.0";
        let expected = if with_mtu { json!(65520) } else { Value::Null };
        assert_eq!(added["interfaces"][0]["mtu"], expected, "{version}");
        assert_eq!(added["interfaces"][1]["sandbox"], pod.netns_path());
        assert_eq!(added["ips"][0]["interface"], 1);
        let mut default = json!({ "dst": "0.0.0.0/0", "gw": "169.254.1.1" });
        if with_mtu {
            default["mtu"] = json!(1400);
        }
        let same_node = json!({ "dst": "10.244.7.0/24", "gw": "169.254.1.1" });
        assert_eq!(added["routes"], json!([default, same_node]));
    }
    let version = node.command("VERSION", None, &json!({ "cniVersion": "1.1.0" })).unwrap();
    assert_eq!(version["supportedVersions"], json!(["0.4.0", "1.0.0", "1.1.0"]));
}

#[test]
fn errors_have_their_codes() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    let fails = |command, conf| {
        let error = node.cni(command, &pod, conf).unwrap_err();
        (error["code"].as_u64().unwrap(), error["details"].as_str().unwrap().to_owned())
    };
    let cases = [
        ("ADD", json!({ "cniVersion": "0.2.0" }), 1, "plugin supports"),
        ("STATUS", json!({ "cniVersion": "1.0.0" }), 1, "does not allow STATUS"),
        ("ADD", json!({ "ipam": { "type": "x" } }), 2, "ipam: not supported"),
        ("ADD", json!({ "brigde": "x" }), 2, "brigde: unknown field"),
        (
            "CHECK",
            json!({ "prevResult": { "interfaces": [{ "name": "eth0" }] } }),
            3,
            "has no interface eth0",
        ),
        ("GUESS", json!({}), 4, "GUESS"),
        ("ADD", json!({ "ranges": ["10.244.7.9/24"] }), 7, "10.244.7.0/24 was meant?"),
        ("ADD", json!({ "mtu": 1 }), 7, "mtu: Invalid value: 1"),
        ("CHECK", json!({}), 7, "prevResult: Required value"),
        ("GC", json!({ "cniVersion": "1.1.0" }), 7, "cni.dev/valid-attachments: Required value"),
        ("ADD", json!({ "dataDir": "/dev/null/x" }), 5, "cannot make /dev/null/x"),
        ("ADD", json!({ "bpffsDir": "/nowhere" }), 11, "start sheave-agent"),
    ];
    for (command, conf, code, part) in cases {
        let (found, details) = fails(command, conf.clone());
        assert_eq!(found, code, "{command} {conf}: {details}");
        assert!(details.contains(part), "{command} {conf}: {details}");
    }
    let gone = Pod::named_only(&node, "gone");
    let error = node.cni("ADD", &gone, json!({})).unwrap_err();
    assert_eq!(error["code"], 3, "{error}");
    assert_nothing_left(&node);
}

#[test]
fn status_says_what_is_missing() {
    let node = Node::new(pins::Verdict::Pass);
    let conf = json!({ "cniVersion": "1.1.0" });
    node.command("STATUS", None, &conf).unwrap();
    for (field, value, part) in [
        ("bpffsDir", "/nowhere", "/nowhere/maps/ENDPOINTS is not pinned"),
        ("dataDir", "/proc/x", "address store: cannot make /proc/x"),
    ] {
        let error = node.command("STATUS", None, &json!({ "cniVersion": "1.1.0", field: value }));
        let error = error.unwrap_err();
        assert_eq!(error["code"], 50, "{error}");
        assert!(error["details"].as_str().unwrap().contains(part), "{error}");
    }
}

#[test]
fn an_exhausted_range_is_a_clear_error_and_makes_nothing() {
    let node = Node::new(pins::Verdict::Pass);
    let small = json!({ "ranges": ["10.244.7.0/29"] });
    let pods: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| Pod::new(&node, name)).into();
    for pod in &pods {
        node.cni("ADD", pod, small.clone()).unwrap();
    }
    let one_more = Pod::new(&node, "f");
    let error = node.cni("ADD", &one_more, small.clone()).unwrap_err();
    assert_eq!(error["code"], 11);
    assert!(error["details"].as_str().unwrap().starts_with("ranges: 10.244.7.0/29 is exhausted"));
    assert_eq!(node.host_interfaces().len(), 5);
    node.cni("DEL", &pods[1], small.clone()).unwrap();
    let added = node.cni("ADD", &one_more, small).unwrap();
    assert_eq!(added["ips"][0]["address"], "10.244.7.3/32", "the one that b had");
}

#[test]
fn a_full_disk_is_said_and_makes_nothing() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    let disk = node::FullDisk::new(&node);
    let conf = json!({ "dataDir": disk.path() });
    let error = node.cni("ADD", &pod, conf.clone()).unwrap_err();
    assert_eq!(error["code"], 5, "{error}");
    let details = error["details"].as_str().unwrap();
    let file = format!("address store: cannot write {}", disk.path().join("test").display());
    assert!(details.starts_with(&file) && details.contains("No space left on device"), "{error}");
    assert!(
        details.ends_with("free some space there, the pod is tried again by itself"),
        "{error}"
    );
    assert_eq!(disk.files(), ["lock"]);
    assert_nothing_left(&node);

    disk.make_room();
    node.cni("ADD", &pod, conf.clone()).unwrap();
    node.cni("DEL", &pod, conf).unwrap();
}

#[test]
fn a_failure_half_way_is_taken_back() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    pod.run(&["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"]);
    let error = node.cni("ADD", &pod, json!({})).unwrap_err();
    assert!(error["details"].as_str().unwrap().contains("File exists"), "{error}");
    assert_nothing_left(&node);

    // Fails late, when links, program and neighbour are there: that address is not the node's.
    pod.run(&["ip", "link", "del", "eth0"]);
    node.cni("ADD", &pod, json!({ "nodeAddresses": ["203.0.113.1"] })).unwrap_err();
    assert_nothing_left(&node);
}

#[test]
fn del_works_when_the_namespace_is_gone() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    node.cni("ADD", &pod, json!({})).unwrap();
    let pod = pod.without_namespace();
    node.cni("DEL", &pod, json!({})).unwrap();
    assert_nothing_left(&node);
}

#[test]
fn check_sees_what_changed() {
    let node = Node::new(pins::Verdict::Pass);
    let pod = Pod::new(&node, "a");
    let added = node.cni("ADD", &pod, json!({})).unwrap();
    let previous = json!({ "prevResult": added });
    pod.run(&["ip", "route", "del", "default"]);
    let error = node.cni("CHECK", &pod, previous.clone()).unwrap_err();
    assert!(error["details"].as_str().unwrap().contains("no default route via 169.254.1.1"));
    pod.run(&["ip", "address", "flush", "dev", "eth0"]);
    let error = node.cni("CHECK", &pod, previous.clone()).unwrap_err();
    assert!(error["details"].as_str().unwrap().contains("lost its address 10.244.7.2"), "{error}");
    let again = node.cni("ADD", &pod, json!({})).unwrap_err();
    assert!(again["details"].as_str().unwrap().contains("DEL it first"), "{again}");
}

#[test]
fn gc_removes_what_is_not_valid_and_nothing_else() {
    let node = Node::new(pins::Verdict::Pass);
    let (kept, stale) = (Pod::new(&node, "kept"), Pod::new(&node, "stale"));
    for pod in [&kept, &stale] {
        node.cni("ADD", pod, json!({})).unwrap();
    }
    let valid = json!([{ "containerID": kept.container_id(), "ifname": "eth0" }]);
    let conf = json!({ "cniVersion": "1.1.0", "cni.dev/valid-attachments": valid });
    node.command("GC", None, &conf).unwrap();
    assert_eq!(
        (node.host_interfaces().len(), node.records().len(), node.entries(ENDPOINTS)),
        (1, 1, 1)
    );
    node.run(&["busybox", "ping", "-c1", "-W1", "10.244.7.2"]);
}

#[test]
fn twenty_pods_at_once_are_quick_and_distinct() {
    let node = Node::new(pins::Verdict::Pass);
    let pods: Vec<_> = (0..20).map(|n| Pod::new(&node, &format!("p{n}"))).collect();
    let started = Instant::now();
    let addresses: Vec<String> = std::thread::scope(|scope| {
        let add = |pod| {
            let added = node.cni("ADD", pod, json!({})).unwrap();
            added["ips"][0]["address"].as_str().unwrap().to_owned()
        };
        let threads: Vec<_> = pods.iter().map(|pod| scope.spawn(move || add(pod))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let took = started.elapsed();
    println!("20 ADDs at once: {took:?}");
    assert_eq!(addresses.iter().collect::<BTreeSet<_>>().len(), 20);
    assert_eq!(node.entries(ENDPOINTS), 20);
    // Their share of the three seconds that 20 pods may need, on a busy machine.
    assert!(took < Duration::from_millis(1500), "took {took:?}");

    std::thread::scope(|scope| {
        for pod in &pods {
            scope.spawn(|| node.cni("DEL", pod, json!({})).unwrap());
        }
    });
    assert_nothing_left(&node);
}

/// Killed at any moment, an ADD leaves nothing that DEL, or GC for a runtime that lost its memory, cannot
/// take away, and never a second owner for an address.
#[test]
fn killed_adds_leak_nothing() {
    let node = Node::new(pins::Verdict::Pass);
    let undisturbed = Pod::new(&node, "u");
    let started = Instant::now();
    node.cni("ADD", &undisturbed, json!({})).unwrap();
    let whole = started.elapsed();

    let (mut finished, rounds) = (0, 40);
    for round in 0..rounds {
        let pod = Pod::new(&node, &format!("k{round}"));
        let was_done = node.killed_add(&pod, whole * 2 * round / rounds);
        finished += u32::from(was_done);
        match round % 3 {
            0 => drop(node.cni("DEL", &pod, json!({})).unwrap()),
            // The runtime tries again before it gives up; too early is an error, which changes nothing.
            1 if !was_done => {
                let _ = node.cni("ADD", &pod, json!({}));
                node.cni("DEL", &pod, json!({})).unwrap();
            }
            _ => {}
        }
    }
    assert!((1..rounds).contains(&finished), "some were killed, some not: {finished}");
    let conf = json!({ "cniVersion": "1.1.0", "cni.dev/valid-attachments": [] });
    node.command("GC", None, &conf).unwrap();
    assert_nothing_left(&node);
}
