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
const PROGRAMS: [(&str, &str); 5] = [
    ("sheave-dataplane", programs::UNIT),
    ("sheave-tests", "packet"),
    ("sheave-tests", "sockets"),
    ("sheave-tests", "packet_path"),
    ("sheave-tests", "whole_node"),
];

#[derive(Args)]
pub(crate) struct Vm {
    /// Kernels by their series; all when none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<Release>,
}

/// Builds what runs inside, boots the kernels one after the other, and prints what came out.
pub(crate) fn run(vm: &Vm) -> Result<()> {
    privilege::require("installing packages")?;
    crate::setup::run()?;
    crate::ebpf::run()?;
    println!("Tests:");
    let mut agent = cargo();
    agent.args(["build", "--release", "--package", "sheave-agent", "--bin", "sheave-agent"]);
    step::run("build the agent", &mut agent)?;
    let built = programs::build(&selection())?;
    let kernels = if vm.kernels.is_empty() { &Release::ALL[..] } else { &vm.kernels };
    let runs = run_kernels(kernels, &built)?;
    println!("\n{}", table(&runs));
    let broken = runs.iter().flat_map(|run| &run.outcomes).filter(|outcome| !outcome.succeeded);
    let broken: Vec<&str> = broken.map(|outcome| outcome.name.as_str()).collect();
    if broken.is_empty() {
        return Ok(());
    }
    bail!("these failed: {}", broken.join(", "))
}

/// What cargo is to build.
fn selection() -> Vec<&'static str> {
    let mut selection = vec!["--lib"];
    for (package, target) in PROGRAMS {
        selection.extend(["--package", package]);
        if target != programs::UNIT {
            selection.extend(["--test", target]);
        }
    }
    selection
}

/// As part of every test: all kernels, with the test programs that are built already.
pub(crate) fn outcomes(built: &[Program]) -> Result<Vec<Outcome>> {
    let runs = run_kernels(&Release::ALL, built)?;
    println!("\n{}", table(&runs));
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

fn run_kernels(releases: &[Release], built: &[Program]) -> Result<Vec<KernelRun>> {
    let programs = PROGRAMS
        .iter()
        .map(|(package, target)| {
            let found =
                built.iter().find(|built| built.package == *package && built.target == *target);
            found.with_context(|| format!("{package} has no test program {target}"))
        })
        .collect::<Result<Vec<&Program>>>()?;
    println!("Virtual machines:");
    crate::setup::emulator()?;
    let mut runs = Vec::new();
    for release in releases {
        runs.push(run_kernel(*release, &programs)?);
    }
    Ok(runs)
}

fn run_kernel(release: Release, programs: &[&Program]) -> Result<KernelRun> {
    let kernel = Kernel::get(release)?;
    let initramfs = kernel.directory.join("initramfs");
    step::perform(&format!("pack the machine of {}", release.name()), || {
        let archive = initramfs::build(&kernel, programs)?;
        let mebibytes = archive.len() >> 20;
        std::fs::write(&initramfs, archive).with_context(|| initramfs.display().to_string())?;
        Ok(format!("{mebibytes} MiB"))
    })?;
    println!("\n  --- kernel {} ({})", release.name(), kernel.version);
    let started = Instant::now();
    let mut report = machine::boot(&kernel, &initramfs, programs)?;
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
fn table(runs: &[KernelRun]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    let mut header = vec!["passed/failed/skipped".to_owned(), "boot".to_owned()];
    header.extend(PROGRAMS.map(|(package, target)| format!("{package} {target}")));
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
