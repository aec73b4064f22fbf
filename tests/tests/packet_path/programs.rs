//! The programs themselves: installed, replaced under running pods, refused, taken away.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use sheave_dataplane::{Dataplane, DataplaneConfig, ProgramsRunning, TcAttachment};
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::kernel;
use sheave_tests::netns::Netns;
use sheave_tests::node::BpffsDir;

use crate::node::Node;
use crate::wire::{PATIENCE, exchange, greeting};

/// The programs at the hooks of the uplink and of a pod, with their ids.
fn attached(node: &Node, how: TcAttachment) -> Vec<String> {
    let mut seen = Vec::new();
    for interface in ["up0", "pod2"] {
        if how == TcAttachment::Tcx {
            let programs = node.netns.run(|| sheave_dataplane::programs_at(interface)).unwrap();
            seen.extend(programs.iter().map(|p| format!("{interface} {} {}", p.name, p.id)));
            continue;
        }
        for side in ["ingress", "egress"] {
            let filters = node.netns.command("tc", &format!("filter show dev {interface} {side}"));
            let ours = filters.lines().filter(|line| line.contains(" id "));
            seen.extend(ours.map(|line| format!("{interface} {line}")));
        }
    }
    seen
}

fn programs_are_replaced(how: TcAttachment, name: &str) {
    let mut node = Node::new(name, how);
    let before = attached(&node, how);
    // A connection that is open all the while.
    let mut stream = node.outside.run(|| TcpStream::connect("192.0.2.1:30080")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    greeting(&mut stream);
    node.dataplane = None;
    node.dataplane = Some(node.netns.run(|| Dataplane::open(&node.config)).unwrap());
    let after = attached(&node, how);
    assert_eq!(before.len(), 3, "{before:?}");
    assert_eq!(after.len(), 3, "no second program beside the first: {after:?}");
    assert!(after.iter().all(|program| !before.contains(program)), "{before:?} {after:?}");
    let mut back = [0; 5];
    stream.write_all(b"still").unwrap();
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"still");
    exchange(&node.pods[0], "10.96.0.1:80", 1000).unwrap();
}

#[test]
fn a_new_agent_replaces_the_programs_of_running_pods() {
    if kernel::lacks(kernel::TCX) {
        return;
    }
    programs_are_replaced(TcAttachment::Tcx, "replace");
}

#[test]
fn a_new_agent_replaces_the_filters_of_running_pods() {
    programs_are_replaced(TcAttachment::Clsact, "replace-clsact");
}

#[test]
fn programs_that_do_not_load_leave_the_old_ones_running_and_say_why() {
    let how = kernel::tc_attachment();
    let mut node = Node::new("refused-load", how);
    let before = attached(&node, how);
    // What a later version might meet: a map that its programs may not use as they do.
    let slots = node.config.bpffs_dir.join("maps/SLOTS");
    std::fs::remove_file(&slots).unwrap();
    let create = "type prog_array key 4 value 4 entries 8 name SLOTS";
    node.netns.command("bpftool", &format!("map create {} {create}", slots.display()));
    node.dataplane = None;
    let opened = node.netns.run(|| Dataplane::open(&node.config)).unwrap();
    match opened.running() {
        ProgramsRunning::Before(reason) => {
            assert!(reason.to_string().contains("pod_ingress"), "{reason}");
        }
        ProgramsRunning::Ours => panic!("the new programs cannot have been loaded"),
    }
    assert_eq!(attached(&node, how), before);
    exchange(&node.pods[0], "10.96.0.1:80", 1000).unwrap();
}

#[test]
fn a_map_of_another_layout_is_named_and_nothing_is_touched() {
    let how = kernel::tc_attachment();
    let mut node = Node::new("layout", how);
    let before = attached(&node, how);
    let flows = node.config.bpffs_dir.join("maps/FLOWS");
    std::fs::remove_file(&flows).unwrap();
    let create = "type lru_hash key 4 value 4 entries 8 name FLOWS";
    node.netns.command("bpftool", &format!("map create {} {create}", flows.display()));
    node.dataplane = None;
    let error = node.netns.run(|| Dataplane::open(&node.config)).unwrap_err().to_string();
    assert!(error.contains("map FLOWS") && error.contains("sheave cleanup"), "{error}");
    assert_eq!(attached(&node, how), before);
}

#[test]
fn what_is_there_is_found() {
    let bpffs = BpffsDir::new();
    let features = sheave_dataplane::Features::probe(&bpffs.path);
    assert_eq!(features.blocking().collect::<Vec<_>>(), Vec::<&sheave_dataplane::Feature>::new());
    let tcx = features.all.iter().find(|feature| feature.name == "tcx links").unwrap();
    let attached = Netns::new().run(|| sheave_dataplane::programs_at("lo"));
    assert_eq!(tcx.present, attached.is_ok());
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let netns = Netns::new();
    let cgroup = TestCgroup::new("missing");
    let open = |config: DataplaneConfig| {
        let error = netns.run(|| Dataplane::open(&config)).unwrap_err();
        sheave_dataplane::cleanup(&config.bpffs_dir).unwrap();
        error.to_string()
    };
    let config = || {
        let bpffs = BpffsDir::new();
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            ..DataplaneConfig::default()
        };
        (bpffs, config)
    };
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { mount_bpffs: false, ..base });
    assert!(error.contains("mount -t bpf"), "{error}");
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { cgroup2_path: Some("/proc".into()), ..base });
    assert!(error.contains("--cgroup2"), "{error}");
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { uplinks: vec!["nothere0".into()], ..base });
    assert!(error.contains("nothere0") && error.contains("--uplink"), "{error}");
    let (_bpffs, base) = config();
    let error = open(DataplaneConfig { uplinks: vec!["lo".into()], ..base });
    assert!(error.contains("not Ethernet"), "{error}");
}

fn cleanup_leaves_nothing(how: TcAttachment, name: &str) {
    let mut node = Node::new(name, how);
    node.dataplane = None;
    let dir = node.config.bpffs_dir.clone();
    let listed = sheave_dataplane::installed(&dir).unwrap();
    let cleaned = node.netns.run(|| sheave_dataplane::cleanup(&dir)).unwrap();
    assert_eq!(cleaned.removed, listed, "what was announced");
    assert!(cleaned.unmounted && !dir.exists());
    assert_eq!(attached(&node, how), Vec::<String>::new());
    assert_eq!(sheave_dataplane::installed(&dir).unwrap(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn cleanup_leaves_nothing_attached_and_nothing_pinned() {
    cleanup_leaves_nothing(TcAttachment::Clsact, "clean-clsact");
    if kernel::has(kernel::TCX) {
        cleanup_leaves_nothing(TcAttachment::Tcx, "clean");
    }
}
