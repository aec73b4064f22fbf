//! The XDP program at an uplink: attached where it may be, replaced under the traffic, taken away; and where
//! it is not, why not.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sheave_dataplane::{Dataplane, DataplaneConfig, Served, Sizes, WhyNot, XdpMode};
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::netns::Netns;
use sheave_tests::node::BpffsDir;
use sheave_tests::veth::load_foreign_program;

use crate::wire::exchange;
use crate::xdp;

/// Id and name of the program in the driver of an interface.
fn program(netns: &Netns, interface: &str) -> Option<(u64, String)> {
    let text = netns.command("ip", &format!("-json -details link show dev {interface}"));
    let links: serde_json::Value = serde_json::from_str(&text).unwrap();
    let xdp = &links[0]["xdp"];
    // 1: in the driver.
    let program = xdp["prog"].as_object().filter(|_| xdp["mode"] == 1)?;
    Some((program["id"].as_u64()?, program["name"].as_str().unwrap_or_default().to_owned()))
}

/// A dataplane at `up0` of a namespace, and nothing else.
struct Installed {
    netns: Netns,
    config: DataplaneConfig,
    bpffs: BpffsDir,
    _cgroup: TestCgroup,
}

impl Installed {
    fn new(name: &str) -> Self {
        let (netns, bpffs, cgroup) = (Netns::new(), BpffsDir::new(), TestCgroup::new(name));
        netns.ip("link add up0 type veth peer name cl0");
        netns.ip("link set up0 up");
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            uplinks: vec!["up0".into()],
            sizes: Some(Sizes::for_memory(0)),
            ..DataplaneConfig::default()
        };
        Self { netns, config, bpffs, _cgroup: cgroup }
    }

    /// As an agent does that is started with this mode; says what serves the uplink.
    fn open(&self, xdp: XdpMode) -> Result<(), WhyNot> {
        let config = DataplaneConfig { xdp, ..self.config.clone() };
        let served: Served = self.netns.run(|| Dataplane::open(&config)).unwrap().served().clone();
        served["up0"].clone()
    }

    fn program(&self) -> Option<String> {
        program(&self.netns, "up0").map(|(_, name)| name)
    }
}

#[test]
fn it_is_there_while_it_is_wanted() {
    let node = Installed::new("xdp-wanted");
    let why = node.open(XdpMode::Auto).unwrap_err();
    assert!(matches!(&why, WhyNot::Costs { driver, .. } if driver == "veth"), "{why}");
    assert_eq!(node.program(), None);
    assert_eq!(node.open(XdpMode::Native), Ok(()));
    assert_eq!(node.program().as_deref(), Some("uplink_xdp"));
    assert!(node.bpffs.path.join("links/xdp/up0").exists());
    // It stays when the agent goes, and goes when another does not want it.
    assert_eq!(node.open(XdpMode::Off), Err(WhyNot::Off));
    assert_eq!(node.program(), None);
    assert_eq!(node.open(XdpMode::Native), Ok(()));
    // An interface that has gone and come back.
    node.netns.ip("link delete up0");
    node.netns.ip("link add up0 type veth peer name cl0");
    assert_eq!(node.open(XdpMode::Native), Ok(()));
    assert_eq!(node.program().as_deref(), Some("uplink_xdp"));
    node.netns.run(|| sheave_dataplane::cleanup(&node.bpffs.path)).unwrap();
    assert_eq!(node.program(), None);
    assert!(!node.bpffs.path.exists());
}

#[test]
fn where_it_cannot_be_tc_serves_and_the_reason_is_told() {
    let node = Installed::new("xdp-cannot");
    // More than veth takes with XDP.
    node.netns.ip("link set up0 mtu 9000");
    node.netns.ip("link set cl0 mtu 9000");
    let why = node.open(XdpMode::Native).unwrap_err();
    assert!(matches!(&why, WhyNot::Refused { mtu: 9000, .. }), "{why}");
    node.netns.ip("link set up0 mtu 1500");
    node.netns.ip("link set cl0 mtu 1500");
    // A program of somebody else's, which stays.
    let pin = node.bpffs.path.join("others");
    load_foreign_program(&pin);
    node.netns.ip(&format!("link set dev up0 xdpdrv pinned {}", pin.display()));
    assert_eq!(node.open(XdpMode::Native), Err(WhyNot::Taken));
    assert_eq!(node.program().as_deref(), Some("others"));
    node.netns.ip("link set dev up0 xdpdrv off");
    node.netns.ip(&format!("link set dev up0 xdpgeneric pinned {}", pin.display()));
    assert_eq!(node.open(XdpMode::Native), Err(WhyNot::Taken));
    node.netns.ip("link set dev up0 xdpgeneric off");
    assert_eq!(node.open(XdpMode::Native), Ok(()));
    // A driver without.
    let add = |kind: &&str| {
        let words = ["link", "add", "up1", "type", kind];
        node.netns.run(|| Command::new("ip").args(words).status().unwrap().success())
    };
    let kind = ["dummy", "bridge"].into_iter().find(add).expect("a driver without XDP");
    let config = DataplaneConfig {
        uplinks: vec!["up0".into(), "up1".into()],
        xdp: XdpMode::Native,
        ..node.config.clone()
    };
    let served = node.netns.run(|| Dataplane::open(&config)).unwrap().served().clone();
    assert_eq!(served["up0"], Ok(()));
    let why = served["up1"].clone().unwrap_err();
    assert!(matches!(&why, WhyNot::NoNativeMode { driver } if driver == kind), "{why}");
    assert_eq!(program(&node.netns, "up1"), None, "nor in generic mode");
}

#[test]
fn it_is_replaced_at_once_under_the_traffic() {
    let mut node = xdp::node("xdp-replaced");
    let mut before = program(&node.netns, "up0").unwrap();
    let (ended, exchanged) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let (ended, exchanged, outside) = (&ended, &exchanged, &node.outside);
        scope.spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                exchange(outside, "192.0.2.1:30080", 10_000).unwrap();
                assert!(exchange(outside, "192.0.2.1:30081", 0).is_err(), "nobody is there");
                exchanged.fetch_add(1, Ordering::Relaxed);
            }
        });
        for round in 0..5 {
            let opened = node.netns.run(|| Dataplane::open(&node.config)).unwrap();
            assert_eq!(opened.served()["up0"], Ok(()), "round {round}");
            let after = program(&node.netns, "up0").unwrap();
            assert!(after.0 != before.0 && after.1 == before.1, "{before:?} {after:?}");
            before = after;
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(exchanged.into_inner() > 5);
    node.assert_no_drops();
}

#[test]
fn a_version_that_does_not_load_leaves_the_program_that_runs() {
    let node = xdp::node("xdp-refused-load");
    let before = program(&node.netns, "up0").unwrap();
    let slots = node.config.bpffs_dir.join("maps/SLOTS");
    std::fs::remove_file(&slots).unwrap();
    let create = "type prog_array key 4 value 4 entries 8 name SLOTS";
    node.netns.command("bpftool", &format!("map create {} {create}", slots.display()));
    node.netns.run(|| Dataplane::open(&node.config)).unwrap();
    assert_eq!(program(&node.netns, "up0"), Some(before));
    assert!(exchange(&node.outside, "192.0.2.1:30081", 0).is_err());
}
