//! Scenarios: Kubernetes objects in, what the kernel's maps hold out.
//!
//! A scenario is a directory of `tests/scenarios`. Each of its YAML files, in order of name, is one
//! complete state of the cluster as a source would send it; `maps.txt` is what the maps hold after each,
//! how many entries were written, and who wanted what another has. `UPDATE_EXPECT=1` writes `maps.txt`
//! anew.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod objects;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sheave_core::dump::{protocol_name, socket_addr};
use sheave_core::engine::Engine;
use sheave_core::ledger::Ledger;
use sheave_core::model::Update;
use sheave_core::plan::{Conflict, PortKey, PortKind};
use sheave_tests::node::{DetachedNode, reconcile, step};

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn sorted(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml")
}

fn play(scenario: &Path) -> String {
    let mut node = DetachedNode::new();
    let mut engine = Engine::new(node.dataplane().held().unwrap());
    let mut seen = String::new();
    for path in sorted(scenario).iter().filter(|path| is_yaml(path)) {
        let mut ledger = Ledger::new();
        let said = [Update::Init].into_iter().chain(objects::read(path)).chain([Update::InitDone]);
        for update in said {
            engine.note(update.clone());
            ledger.note(update);
        }
        let writes = step(node.dataplane(), &mut engine);
        let name = path.file_name().unwrap().to_string_lossy();
        let held = node.dataplane().held().unwrap();
        writeln!(seen, "# {name}: {writes} entries written\n{held}").unwrap();
        for conflict in engine.conflicts() {
            writeln!(seen, "{}\n", refused(&conflict)).unwrap();
        }

        // Whatever the step: an agent that starts on these maps has nothing to write.
        node.restart();
        let (writes, _) = reconcile(node.dataplane(), &ledger);
        assert_eq!(writes, 0, "{}: a restart wrote", path.display());
    }
    seen
}

fn refused(conflict: &Conflict) -> String {
    let name = |port: &PortKey| {
        let kind = match port.kind {
            PortKind::Service => "Service",
            PortKind::HostPort(_) => "Pod",
        };
        format!("{kind} {}/{}", port.service.namespace, port.service.name)
    };
    let at = socket_addr(conflict.key.addr, conflict.key.port);
    let protocol = protocol_name(conflict.key.protocol);
    format!("{at}/{protocol} is {}'s; refused to {}", name(&conflict.kept), name(&conflict.refused))
}

#[test]
fn maps_hold_what_each_scenario_says() {
    let mut wrong = Vec::new();
    let scenarios = sorted(&scenarios());
    assert!(!scenarios.is_empty());
    for scenario in scenarios {
        let expected_path = scenario.join("maps.txt");
        let seen = play(&scenario);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expected_path, &seen).unwrap();
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if seen != expected {
            wrong.push(format!(
                "{}:\n--- expected\n{expected}--- seen\n{seen}",
                scenario.file_name().unwrap().to_string_lossy()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_EXPECT=1 accepts what was seen", wrong.join("\n"));
}
