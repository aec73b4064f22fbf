//! `sheave-agent doctor`: what this machine offers and lacks, what works against Sheave on it and on the way to
//! other nodes, what that costs, and how to mend it. It changes nothing.

mod conflicts;
mod tunnel;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde::Serialize;
use serde_json::Value;
use sheave_dataplane::{Dataplane, Features, PACKET_HOOKS, WhyNot, programs_at, uplinks, xdp_at};

use crate::config::{DoctorArguments, sibling};

/// One thing that is as it should be, or not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    name: String,
    /// It is as it should be.
    present: bool,
    /// Without it Sheave does not run.
    required: bool,
    /// It is there and works against Sheave.
    conflict: bool,
    cost: String,
    remedy: String,
    /// How long what was tried took.
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<f64>,
}

impl Finding {
    fn conflict(
        name: impl Into<String>,
        cost: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (name, cost, remedy) = (name.into(), cost.into(), remedy.into());
        Self { name, present: false, required: false, conflict: true, cost, remedy, took_ms: None }
    }

    fn offered(name: &str, present: bool, required: bool, cost: &str, remedy: &str) -> Self {
        let (name, cost, remedy) = (name.into(), cost.into(), remedy.into());
        Self { name, present, required, conflict: false, cost, remedy, took_ms: None }
    }
}

/// Exits with 1 when something that is needed is missing.
pub(crate) fn run(arguments: &DoctorArguments) -> ExitCode {
    let mut findings = offered(&arguments.bpffs_dir);
    findings.extend(conflicts(&arguments.bpffs_dir));
    findings.extend(tunnel::findings(&arguments.bpffs_dir));
    let is_ready = findings.iter().all(|finding| finding.present || !finding.required);
    if arguments.json {
        println!("{:#}", serde_json::json!({ "ready": is_ready, "findings": findings }));
    } else {
        print(&findings, is_ready);
    }
    if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(findings: &[Finding], is_ready: bool) {
    for Finding { name, present, required, conflict, cost, remedy, took_ms } in findings {
        match (present, required, conflict) {
            (true, ..) => match took_ms {
                Some(took_ms) => println!("ok       {name} (answered after {took_ms:.2} ms)"),
                None => println!("ok       {name}"),
            },
            (false, _, true) => println!("WARNING  {name}: {cost}; {remedy}"),
            (false, true, _) => println!("MISSING  {name}: {cost}; {remedy}"),
            (false, false, _) => println!("without  {name}: {cost}; {remedy}"),
        }
    }
    let warnings = findings.iter().filter(|finding| finding.conflict).count();
    let verdict = match (is_ready, warnings) {
        (false, _) => "This machine cannot run Sheave yet.".to_owned(),
        (true, 0) => "This machine can run Sheave.".to_owned(),
        (true, 1) => "This machine can run Sheave; the warning above is worth a look.".to_owned(),
        (true, count) => {
            format!("This machine can run Sheave; the {count} warnings above are worth a look.")
        }
    };
    println!("{verdict}");
}

fn offered(bpffs_dir: &Path) -> Vec<Finding> {
    let features = Features::probe(bpffs_dir).all.into_iter().map(|feature| {
        let (name, cost, remedy) = (feature.name, feature.cost, feature.remedy);
        Finding::offered(name, feature.present, feature.required, cost, remedy)
    });
    let runtime = "no pod runs, unless --cri-endpoint names another runtime";
    let programs = [("containerd", "install containerd"), ("runc", "install runc")];
    let programs = programs.into_iter().map(|(name, remedy)| {
        Finding::offered(name, in_path(name).is_some(), false, runtime, remedy)
    });
    let siblings = ["sheave-cni", "sheave-pause"].map(|name| {
        let remedy = "install all programs of one version in one directory";
        Finding::offered(name, sibling(name).is_some(), true, "pods cannot be started", remedy)
    });
    let drivers = uplinks(bpffs_dir).into_iter().map(|uplink| {
        let served = xdp_at(bpffs_dir, &uplink);
        in_driver(&uplink, served)
    });
    features.chain(programs).chain(siblings).chain(drivers).collect()
}

/// Whether an uplink's driver runs our XDP program, and why not.
fn in_driver(uplink: &str, served: Result<(), Option<WhyNot>>) -> Finding {
    let why = match &served {
        Err(Some(why)) => why.to_string(),
        _ => {
            "the agent did not want it or the driver refused it, `sheave status` says which".into()
        }
    };
    let cost = "clients outside are served by tc alone, which costs more for what is dropped, \
                refused, or sent on to another node";
    Finding::offered(&format!("XDP at {uplink}"), served.is_ok(), false, cost, &why)
}

/// What others have done to this machine. A tool that is not installed has done nothing.
fn conflicts(bpffs_dir: &Path) -> Vec<Finding> {
    let mut found = conflicts::in_settings(|name| {
        let text = std::fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
        Some(text.trim().to_owned())
    });
    for (program, arguments) in [("iptables-save", ""), ("ip6tables-save", "")] {
        found.extend(conflicts::in_iptables(&output(program, arguments)));
    }
    found.dedup_by(|a, b| a.name == b.name);
    found.extend(conflicts::in_nftables(&output("nft", "list tables")));
    let links = serde_json::from_str(&output("ip", "-json -details link show")).unwrap_or_default();
    let routes: Vec<Value> = ["-json route show", "-json -6 route show"]
        .iter()
        .filter_map(|arguments| serde_json::from_str::<Vec<Value>>(&output("ip", arguments)).ok())
        .flatten()
        .collect();
    let uplinks = uplinks(bpffs_dir);
    let maps = Dataplane::inspect(bpffs_dir).ok();
    let pods = maps.as_ref().and_then(|maps| maps.endpoints().ok()).unwrap_or_default();
    let pods: Vec<u32> = pods.iter().map(|(_, pod)| pod.host_ifindex).collect();
    found.extend(conflicts::at_links(&links, &routes, &uplinks, &pods));
    for interface in &uplinks {
        for hook in ["ingress", "egress"] {
            let programs = programs_at(interface).unwrap_or_default().into_iter();
            let here = programs.filter(|program| program.hook == hook);
            let here: Vec<_> = here.map(|program| (program.name, program.id)).collect();
            found.extend(conflicts::at_hook(&format!("{interface} {hook}"), &here, &PACKET_HOOKS));
        }
    }
    let occupancy = maps.and_then(|maps| maps.occupancy().ok()).unwrap_or_default();
    found.extend(conflicts::in_maps(&occupancy));
    found
}

/// What a program prints; nothing when it is not there or fails.
fn output(program: &str, arguments: &str) -> String {
    let run = Command::new(program).args(arguments.split_whitespace()).output();
    let text = run.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    String::from_utf8(text.unwrap_or_default()).unwrap_or_default()
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdp_is_there_or_not_there_with_a_reason_and_is_never_needed() {
        let there = in_driver("eth0", Ok(()));
        assert!(there.present && there.name == "XDP at eth0");
        for (why, words) in [(Some(WhyNot::Taken), "somebody else"), (None, "sheave status")] {
            let away = in_driver("eth0", Err(why));
            assert!(!away.present && !away.required && !away.conflict);
            assert!(away.remedy.contains(words), "{}", away.remedy);
        }
    }
}
