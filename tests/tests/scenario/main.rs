//! Scenarios: Kubernetes objects in, what the kernel's maps hold out.
//!
//! A scenario is a directory of `tests/scenarios`. Each of its YAML files, in order of name, is one
//! complete state of the cluster as a source would send it; `maps.txt` is what the maps hold after each,
//! and how many entries were written. `UPDATE_EXPECT=1` writes `maps.txt` anew.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

mod objects;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use sheave_core::ledger::Ledger;
use sheave_core::model::Update;
use sheave_tests::node::{DetachedNode, reconcile};

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
    let mut ledger = Ledger::new();
    let mut seen = String::new();
    for step in sorted(scenario).iter().filter(|path| is_yaml(path)) {
        ledger.note(Update::Init);
        for update in objects::read(step) {
            ledger.note(update);
        }
        ledger.note(Update::InitDone);
        let (writes, held) = reconcile(node.dataplane(), &ledger);
        let name = step.file_name().unwrap().to_string_lossy();
        writeln!(seen, "# {name}: {writes} entries written\n{held}").unwrap();

        // Whatever the step: an agent that starts on these maps has nothing to write.
        node.restart();
        let (writes, _) = reconcile(node.dataplane(), &ledger);
        assert_eq!(writes, 0, "{}: a restart wrote", step.display());
    }
    seen
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
