//! `cargo xtask vm`: boots Debian's kernels in QEMU and runs in each the tests that a kernel decides:
//! every program loaded, every packet table, sockets and packets through real interfaces.
//!
//! Not a distribution: the machine holds a kernel package, busybox, and what the tests need.

pub(crate) mod apt;
mod initramfs;
mod kernel;
mod machine;
mod module;

use crate::outcome::Outcome;
use crate::programs::{self, Program};
use crate::workspace::cargo;
use crate::{privilege, step};
use anyhow::{Context, Result, bail};
use clap::Args;
use comfy_table::{Table, presets};
use kernel::{Kernel, Release};
use std::time::{Duration, Instant};

/// The test programs that run inside, as (package, target).
const PROGRAMS: [Name; 6] = [
    ("sheave-dataplane", programs::UNIT),
    ("sheave-tests", "packet"),
    ("sheave-tests", "sockets"),
    ("sheave-tests", "packet_path"),
    ("sheave-tests", "cni"),
    ("sheave-tests", "whole_node"),
];

/// Programs of ours that tests run, below the directory that cargo builds into.
const SOCKET_CLIENT: &str = "debug/socket-client";
const CNI: &str = "debug/sheave-cni";
const AGENT: &str = "release/sheave-agent";

#[derive(Args)]
pub(crate) struct Vm {
    /// Kernels by their series; all when none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<Release>,
    /// Runs this test program alone, by its target; may be given several times
    #[arg(long = "only", value_name = "TEST")]
    targets: Vec<String>,
}

/// A test program by package and target.
type Name = (&'static str, &'static str);

/// Builds what runs inside, boots the kernels one after the other, and prints what came out.
pub(crate) fn run(vm: &Vm) -> Result<()> {
    privilege::require("installing packages")?;
    crate::setup::run()?;
    crate::ebpf::run()?;
    let names = named(&vm.targets)?;
    println!("Tests:");
    let built = programs::build(&selection(&names))?;
    let kernels = if vm.kernels.is_empty() { &Release::ALL[..] } else { &vm.kernels };
    let runs = run_kernels(kernels, &names, &built)?;
    println!("\n{}", table(&names, &runs));
    let broken = runs.iter().flat_map(|run| &run.outcomes).filter(|outcome| !outcome.succeeded);
    let broken: Vec<&str> = broken.map(|outcome| outcome.name.as_str()).collect();
    if broken.is_empty() {
        return Ok(());
    }
    bail!("these failed: {}", broken.join(", "))
}

/// The programs with these targets; all when none is named.
fn named(targets: &[String]) -> Result<Vec<Name>> {
    let is_wanted = |(_, target): &Name| targets.is_empty() || targets.iter().any(|t| t == target);
    let names: Vec<Name> = PROGRAMS.into_iter().filter(is_wanted).collect();
    let unknown = targets.iter().find(|target| !names.iter().any(|(_, known)| known == target));
    match unknown {
        None => Ok(names),
        Some(target) => {
            let known = PROGRAMS.map(|(_, target)| target).join(", ");
            bail!("no test program {target} runs in the machines: there are {known}")
        }
    }
}

/// Programs of ours that these tests run.
fn companions(names: &[Name]) -> Vec<&'static str> {
    let run_by = |(_, target): &Name| match *target {
        "sockets" => vec![SOCKET_CLIENT],
        "cni" => vec![CNI],
        "whole_node" => vec![SOCKET_CLIENT, AGENT],
        _ => vec![],
    };
    names.iter().flat_map(run_by).collect()
}

/// What cargo is to build.
fn selection(names: &[Name]) -> Vec<&'static str> {
    let mut selection = vec!["--lib"];
    for (package, target) in names {
        selection.extend(["--package", package]);
        if *target != programs::UNIT {
            selection.extend(["--test", target]);
        }
    }
    selection
}

/// What runs with every test: the agent loads and attaches all programs, and every kind of client has its
/// traffic. The others load the programs once a test, which takes the verifier of an emulated processor a
/// minute each: `cargo xtask vm` runs them.
const EVERY_TIME: [Name; 1] = [("sheave-tests", "whole_node")];

/// As part of every test: all kernels, with a test program that is built already.
pub(crate) fn outcomes(built: &[Program]) -> Result<Vec<Outcome>> {
    let runs = run_kernels(&Release::ALL, &EVERY_TIME, built)?;
    println!("\n{}", table(&EVERY_TIME, &runs));
    Ok(runs.into_iter().flat_map(|run| run.outcomes).collect())
}

/// What one kernel made of the tests.
struct KernelRun {
    release: Release,
    version: String,
    /// From the start of QEMU until the first test program began.
    boot: Duration,
    outcomes: Vec<Outcome>,
}

fn run_kernels(releases: &[Release], names: &[Name], built: &[Program]) -> Result<Vec<KernelRun>> {
    let programs = names
        .iter()
        .map(|(package, target)| {
            let found =
                built.iter().find(|built| built.package == *package && built.target == *target);
            found.with_context(|| format!("{package} has no test program {target}"))
        })
        .collect::<Result<Vec<&Program>>>()?;
    let companions = companions(names);
    for (companion, name, profile) in
        [(AGENT, "sheave-agent", "release"), (CNI, "sheave-cni", "dev")]
    {
        if companions.contains(&companion) {
            let mut build = cargo();
            build.args(["build", "--profile", profile, "--package", name, "--bin", name]);
            step::run(&format!("build {name}"), &mut build)?;
        }
    }
    println!("Virtual machines:");
    crate::setup::emulator()?;
    let mut runs = Vec::new();
    for release in releases {
        runs.push(run_kernel(*release, &programs, &companions)?);
    }
    Ok(runs)
}

fn run_kernel(release: Release, programs: &[&Program], companions: &[&str]) -> Result<KernelRun> {
    let kernel = Kernel::get(release)?;
    let initramfs = kernel.directory.join("initramfs");
    step::perform(&format!("pack the machine of {}", release.name()), || {
        let archive = initramfs::build(&kernel, programs, companions)?;
        let mebibytes = archive.len() >> 20;
        std::fs::write(&initramfs, archive).with_context(|| initramfs.display().to_string())?;
        Ok(format!("{mebibytes} MiB"))
    })?;
    println!("\n  --- kernel {} ({})", release.name(), kernel.version);
    let started = Instant::now();
    let mut report = machine::boot(&kernel, &initramfs, programs)?;
    // Large, and made anew each time.
    std::fs::remove_file(&initramfs).with_context(|| initramfs.display().to_string())?;
    println!("  kernel {} ended after {:.1} s", release.name(), started.elapsed().as_secs_f64());
    let mut outcomes = Vec::new();
    for program in programs {
        let name = program.name();
        let mut outcome = report.outcomes.remove(&name).unwrap_or_default();
        outcome.name = format!("kernel {} {name}", release.name());
        if release == Release::Latest {
            outcome.refuse_skips();
        }
        outcomes.push(outcome);
    }
    Ok(KernelRun { release, version: kernel.version, boot: report.boot, outcomes })
}

/// Kernels in rows, test programs in columns.
fn table(names: &[Name], runs: &[KernelRun]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    let mut header = vec!["passed/failed/skipped".to_owned(), "boot".to_owned()];
    header.extend(names.iter().map(|(package, target)| format!("{package} {target}")));
    table.set_header(header);
    for run in runs {
        let mut row = vec![
            format!("{} ({})", run.release.name(), run.version),
            format!("{:.1} s", run.boot.as_secs_f64()),
        ];
        row.extend(run.outcomes.iter().map(|outcome| {
            let (passed, failed) = (outcome.passed, outcome.failed);
            let (skipped, seconds) = (outcome.skipped.len(), outcome.took.as_secs_f64());
            format!("{passed}/{failed}/{skipped} {seconds:.1} s")
        }));
        table.add_row(row);
    }
    table
}
