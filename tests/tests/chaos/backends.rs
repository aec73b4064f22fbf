//! What may happen to the backends.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sheave_core::engine::Engine;
use sheave_core::model::Update;
use sheave_core::retirement::Grace;
use sheave_dataplane::{Dataplane, Network, TcAttachment, wait_for_readers};
use sheave_tests::lab::{Lab, NODE};
use sheave_tests::services::this_node;

use crate::services::{BACKENDS, manifests_of};
use crate::traffic::Traffic;
use crate::{lab, scenario_length, sleep_until};

/// The complete states that follow each other: `web` always has a backend, `sometimes` has one or none.
fn states(lab: &Lab) -> Vec<Vec<Update>> {
    let states = [
        (&BACKENDS[..], true),
        (&BACKENDS[..1], false),
        (&BACKENDS[..], true),
        (&BACKENDS[1..], false),
    ];
    let path = lab.dir().join("state.yaml");
    let read = |(web, sometimes)| {
        std::fs::write(&path, manifests_of(web, sometimes)).unwrap();
        let (updates, left_out) = sheave_sources::file::read(&path).unwrap();
        assert!(left_out.is_empty(), "{left_out:?}");
        updates
    };
    states.into_iter().map(read).collect()
}

/// Engine and maps of the node, driven as the agent drives them: what must wait until programs have ended
/// waits beside the changes.
struct Driver {
    engine: Engine,
    dataplane: Dataplane,
    waiting: Option<(Grace, JoinHandle<()>)>,
}

impl Driver {
    fn new(lab: &Lab) -> Self {
        let dataplane = lab.node.run(|| Dataplane::open(&lab.config)).unwrap();
        let services = vec![("10.96.0.0".parse().unwrap(), 16)];
        let nat_ports = Some(61_000..=65_535);
        let network = Network { services, nat_ports, ..Network::default() };
        dataplane.set_network(&network).unwrap();
        let mut engine = Engine::new(dataplane.held().unwrap());
        engine.note(this_node(&NODE.to_string()));
        engine.note(Update::HostPorts(vec![]));
        Self { engine, dataplane, waiting: None }
    }

    /// Says how many entries were written.
    fn change_to(&mut self, state: &[Update]) -> usize {
        state.iter().for_each(|update| self.engine.note(update.clone()));
        let writes = self.dataplane.apply(&self.engine.diff()).unwrap();
        if let Some((grace, wait)) = self.waiting.take() {
            if wait.is_finished() {
                let retired = self.engine.end_retirement(grace);
                self.dataplane.retire(&retired).unwrap();
            } else {
                self.waiting = Some((grace, wait));
            }
        }
        if self.waiting.is_none()
            && let Some(grace) = self.engine.begin_retirement()
        {
            self.waiting = Some((grace, std::thread::spawn(wait_for_readers)));
        }
        writes
    }
}

/// Engine and maps are driven directly: files are read at their own pace, which is slower.
#[test]
fn backends_that_come_and_go_fifty_times_a_second_cost_no_connection_that_has_one() {
    const PERIOD: Duration = Duration::from_millis(20);
    let lab = lab("flapping", TcAttachment::Tcx);
    let states = states(&lab);
    let mut driver = Driver::new(&lab);
    driver.change_to(&states[0]);
    let mut traffic = Traffic::start(&lab, scenario_length());
    traffic.ask_sometimes(&lab);
    let begun = Instant::now();
    let (mut changes, mut slowest) = (0, Duration::ZERO);
    while begun.elapsed() < scenario_length() {
        sleep_until(begun + PERIOD * changes);
        changes += 1;
        let now = Instant::now();
        let writes = driver.change_to(&states[changes as usize % states.len()]);
        slowest = slowest.max(now.elapsed());
        assert!(writes > 0, "each state differs from the one before");
    }
    let rate = f64::from(changes) / begun.elapsed().as_secs_f64();
    driver.change_to(&states[0]);
    println!("{changes} changes, {rate:.1} a second, the slowest within {slowest:?}");
    traffic.finish().assert_nothing_lost("backends flapping");
    assert!(rate > 45.0, "{rate:.1} changes a second");
}
