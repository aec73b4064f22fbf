//! Our programs among those of others at an uplink: where they were told to stand, also when that changes.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use sheave_dataplane::{
    Dataplane, DataplaneConfig, ProgramOrder, Sizes, TcAttachment, programs_at,
};
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::netns::Netns;
use sheave_tests::node::BpffsDir;

/// One dataplane at `up0` of the namespace.
struct Installed {
    config: DataplaneConfig,
    _bpffs: BpffsDir,
    _cgroup: TestCgroup,
}

impl Installed {
    fn new(name: &str, netns: &Netns, order: ProgramOrder) -> Self {
        let (bpffs, cgroup) = (BpffsDir::new(), TestCgroup::new(name));
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            uplinks: vec!["up0".into()],
            tc_attachment: Some(TcAttachment::Tcx),
            program_order: order,
            sizes: Some(Sizes::for_memory(0)),
            ..DataplaneConfig::default()
        };
        let installed = Self { config, _bpffs: bpffs, _cgroup: cgroup };
        installed.open(netns);
        installed
    }

    fn open(&self, netns: &Netns) {
        netns.run(|| Dataplane::open(&self.config)).unwrap();
    }
}

/// Ids of the programs at a side of the uplink, in the order in which they run.
fn ids(netns: &Netns, hook: &str) -> Vec<u32> {
    let all = netns.run(|| programs_at("up0")).unwrap();
    all.into_iter().filter(|program| program.hook == hook).map(|program| program.id).collect()
}

#[test]
fn ours_stand_where_they_were_told_to() {
    let netns = Netns::new();
    netns.ip("link add up0 type veth peer name cl0");
    netns.ip("link set up0 up");
    // Another dataplane is as foreign as any other software.
    let _other = Installed::new("order-a", &netns, ProgramOrder::Last);
    let others = ["ingress", "egress"].map(|hook| ids(&netns, hook)[0]);

    let mut ours = Installed::new("order-b", &netns, ProgramOrder::First);
    for (hook, other) in ["ingress", "egress"].into_iter().zip(others) {
        let all = ids(&netns, hook);
        assert_eq!((all.len(), all[1]), (2, other), "{hook}: ours first");
    }
    ours.config.program_order = ProgramOrder::Last;
    ours.open(&netns);
    for (hook, other) in ["ingress", "egress"].into_iter().zip(others) {
        let all = ids(&netns, hook);
        assert_eq!((all.len(), all[0]), (2, other), "{hook}: ours moved behind, and none is left");
    }
    let before = ids(&netns, "ingress");
    ours.open(&netns);
    let after = ids(&netns, "ingress");
    assert_eq!(before[0], after[0], "the other one is never touched");
    assert_eq!(after.len(), 2);
}
