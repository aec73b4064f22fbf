//! How much a node bears: ten thousand Services, a quarter of a million endpoints, in the kernel's own maps.
//! What a change costs is counted and asserted; how long everything takes is printed, and means something in
//! a release build on a machine that does nothing else:
//!
//! ```text
//! cargo test --release --package sheave-tests --test scale -- --test-threads=1 --nocapture
//! ```

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod agent;
mod cluster;

use std::time::{Duration, Instant};

use sheave_core::engine::Engine;
use sheave_core::model::Update;
use sheave_dataplane::{Dataplane, DataplaneConfig, Sizes, wait_for_readers};
use sheave_tests::cgroup::TestCgroup;
use sheave_tests::netns::Netns;
use sheave_tests::node::BpffsDir;
use sheave_tests::services::this_node;

use cluster::Cluster;

/// Changes of one endpoint each.
const CHANGES: usize = 1000;
/// Map entries that a change of one endpoint may cost, whatever there is beside: the backend, its slot, the
/// slot that is filled from the end, and the length in each frontend.
const WRITES_MAX: usize = 8;

/// Maps of a large machine, and who fills them.
struct Node {
    engine: Engine,
    dataplane: Dataplane,
    _bpffs: BpffsDir,
    _netns: Netns,
    _cgroup: TestCgroup,
}

impl Node {
    fn new(name: &str) -> Self {
        let (netns, bpffs, cgroup) = (Netns::new(), BpffsDir::new(), TestCgroup::new(name));
        let config = DataplaneConfig {
            bpffs_dir: bpffs.path.clone(),
            cgroup2_path: Some(cgroup.path().into()),
            sizes: Some(Sizes::for_memory(16 << 30)),
            ..DataplaneConfig::default()
        };
        let dataplane = netns.run(|| Dataplane::open(&config)).unwrap();
        let mut engine = Engine::new(dataplane.held().unwrap());
        engine.note(this_node("192.0.2.1"));
        engine.note(Update::HostPorts(vec![]));
        Self { engine, dataplane, _bpffs: bpffs, _netns: netns, _cgroup: cgroup }
    }

    /// What was noted takes effect. Says how many entries were written.
    fn apply(&mut self) -> usize {
        let diff = self.engine.diff();
        assert_eq!(self.engine.full(), None);
        self.dataplane.apply(&diff).unwrap()
    }

    /// What waits for programs to end, which the agent does beside changes.
    fn retire(&mut self) -> usize {
        let Some(grace) = self.engine.begin_retirement() else { return 0 };
        wait_for_readers();
        self.dataplane.retire(&self.engine.end_retirement(grace)).unwrap()
    }

    /// From nothing: says how many entries were written, and how long that took.
    fn program(&mut self, cluster: &Cluster) -> (usize, Duration) {
        let updates = cluster.updates();
        let begun = Instant::now();
        self.engine.note(Update::Init);
        updates.into_iter().for_each(|update| self.engine.note(update));
        self.engine.note(Update::InitDone);
        let writes = self.apply();
        (writes, begun.elapsed())
    }
}

/// One row of figures.
fn row(what: &str, figure: impl std::fmt::Display, goal: &str) {
    println!("  {what:<58} {figure:>14}   {goal}");
}

fn ms(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

/// Programs a cluster from nothing, then changes one endpoint after the other.
fn measure(name: &str, mut cluster: Cluster, goal_s: u64) {
    let mut node = Node::new(name);
    println!(
        "{name}: {} Services, {} endpoints",
        cluster.services.len(),
        cluster.services.iter().map(|service| service.endpoints).sum::<u32>()
    );
    let (writes, took) = node.program(&cluster);
    row("programmed from nothing in", ms(took), &format!("at most {goal_s} s"));
    row("map entries written", writes, "");
    node.retire();

    let mut latencies = Vec::with_capacity(CHANGES);
    let (mut most, mut total) = (0, 0);
    for number in 0..CHANGES {
        let update = cluster.change(number);
        let begun = Instant::now();
        node.engine.note(update);
        let writes = node.apply();
        latencies.push(begun.elapsed());
        let writes = writes + node.retire();
        assert!(writes > 0, "change {number} is one");
        assert!(writes <= WRITES_MAX, "change {number} cost {writes} writes");
        most = most.max(writes);
        total += writes;
    }
    latencies.sort();
    let at = |share: f64| ms(latencies[((CHANGES as f64 * share) as usize).min(CHANGES - 1)]);
    row("one changed endpoint, from note to live, p50", at(0.5), "");
    row("p99", at(0.99), "at most 5 ms");
    row("slowest", at(1.0), "");
    row("map entries written for it, mean", format!("{:.2}", total as f64 / CHANGES as f64), "");
    row("map entries written for it, most", most, &format!("asserted: at most {WRITES_MAX}"));

    let begun = Instant::now();
    let held = node.dataplane.held().unwrap();
    row("maps read, as at a start", ms(begun.elapsed()), "");
    let mut again = Engine::new(held);
    again.note(this_node("192.0.2.1"));
    again.note(Update::HostPorts(vec![]));
    node.engine = again;
    let (writes, took) = node.program(&cluster);
    row("a restart with nothing new, all said again", ms(took), "");
    assert_eq!(writes, 0, "nothing was new");
    // Generous: a debug build on a busy machine.
    assert!(
        took < Duration::from_secs(goal_s * 30)
            && latencies[CHANGES / 2] < Duration::from_millis(100)
    );
}

#[test]
fn ten_thousand_services() {
    measure("ten-thousand", Cluster::ten_thousand(), 2);
}

#[test]
fn a_quarter_of_a_million_endpoints() {
    measure("quarter-million", Cluster::quarter_million(), 5);
}
