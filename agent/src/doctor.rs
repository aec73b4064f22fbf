//! `sheave-agent doctor`: what this machine offers and lacks, what that costs, and how to mend it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::Serialize;
use sheave_dataplane::Features;

use crate::config::{DoctorArguments, sibling};

/// One thing that is there or not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    name: String,
    present: bool,
    required: bool,
    cost: String,
    remedy: String,
}

pub(crate) fn run(arguments: &DoctorArguments) -> ExitCode {
    let findings = findings(&arguments.bpffs_dir);
    let is_ready = findings.iter().all(|finding| finding.present || !finding.required);
    if arguments.json {
        println!("{:#}", serde_json::json!({ "ready": is_ready, "findings": findings }));
    } else {
        print(&findings, is_ready);
    }
    if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(findings: &[Finding], is_ready: bool) {
    for Finding { name, present, required, cost, remedy } in findings {
        match (present, required) {
            (true, _) => println!("ok       {name}"),
            (false, true) => println!("MISSING  {name}: {cost}; {remedy}"),
            (false, false) => println!("without  {name}: {cost}; {remedy}"),
        }
    }
    println!(
        "{}",
        if is_ready {
            "This machine can run Sheave."
        } else {
            "This machine cannot run Sheave yet."
        }
    );
}

fn findings(bpffs_dir: &Path) -> Vec<Finding> {
    let features = Features::probe(bpffs_dir).all.into_iter().map(|feature| Finding {
        name: feature.name.into(),
        present: feature.present,
        required: feature.required,
        cost: feature.cost.into(),
        remedy: feature.remedy.into(),
    });
    let programs = [
        (
            "containerd",
            "no pod runs, unless --cri-endpoint names another runtime",
            "install containerd",
        ),
        ("runc", "no pod runs, unless --cri-endpoint names another runtime", "install runc"),
    ];
    let programs = programs.into_iter().map(|(name, cost, remedy)| Finding {
        name: name.into(),
        present: in_path(name).is_some(),
        required: false,
        cost: cost.into(),
        remedy: remedy.into(),
    });
    let siblings = ["sheave-cni", "sheave-pause"].map(|name| Finding {
        name: name.into(),
        present: sibling(name).is_some(),
        required: true,
        cost: "pods cannot be started".into(),
        remedy: "install all programs of one version in one directory".into(),
    });
    features.chain(programs).chain(siblings).collect()
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
