//! `cargo xtask vm`: boots Debian's kernels in QEMU and runs in each the tests that a kernel decides:
//! every program loaded, every packet table, sockets and packets through real interfaces.
//!
//! Not a distribution: the machine holds a kernel package, busybox, and what the tests need.

pub(crate) mod apt;
mod initramfs;
mod kernel;
mod machine;
mod module;

use crate::outcome::{Outcome, summarize};
use crate::programs::{self, Program};
use crate::workspace::cargo;
use crate::{privilege, step};
use anyhow::{Context, Result, bail};
use clap::Args;
use comfy_table::{Table, presets};
use kernel::{Kernel, Release};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The test programs that run inside, as (package, target).
const PROGRAMS: [Name; 7] = [
    ("sheave-dataplane", programs::UNIT),
    ("sheave-tests", "packet"),
    ("sheave-tests", "sockets"),
    ("sheave-tests", "mounts"),
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

/// Builds what runs inside, boots the kernels, and prints what came out.
pub(crate) fn run(vm: &Vm) -> Result<()> {
    privilege::require("installing packages")?;
    crate::setup::run()?;
    let names = named(&vm.targets)?;
    // All of it, as `cargo xtask test` does: built alone, the agent would be another.
    if companions(&names).contains(&AGENT) {
        crate::build::run()?
    } else {
        crate::ebpf::run()?
    }
    println!("Tests:");
    let built = programs::build(&selection(&names))?;
    let is_wanted = |release: &Release| vm.kernels.is_empty() || vm.kernels.contains(release);
    let kernels: Vec<Release> = Release::ALL.into_iter().filter(is_wanted).collect();
    let begun = Instant::now();
    let outcomes = outcomes(&kernels, &names, &built)?;
    summarize(&outcomes, begun.elapsed())
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

/// Those that run with every test. The others load all programs once for each of many tests, which takes an
/// emulated processor minutes in all: `cargo xtask vm` runs them.
const EVERY_TIME: [&str; 5] = [programs::UNIT, "packet", "sockets", "mounts", "whole_node"];

/// As part of every test: all kernels, with test programs that are built already.
pub(crate) fn every(built: &[Program]) -> Result<Vec<Outcome>> {
    outcomes(&Release::ALL, &named(&EVERY_TIME.map(str::to_owned))?, built)
}

fn outcomes(releases: &[Release], names: &[Name], built: &[Program]) -> Result<Vec<Outcome>> {
    let runs = run_kernels(releases, names, built)?;
    println!("\n{}", table(names, &runs));
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
    if companions.contains(&CNI) {
        let mut build = cargo();
        build.args(["build", "--package", "sheave-cni", "--bin", "sheave-cni"]);
        step::run("build sheave-cni, with debugging", &mut build)?;
    }
    println!("Virtual machines:");
    crate::setup::emulator()?;
    let machines = releases
        .iter()
        .map(|release| Machine::pack(*release, &programs, &companions))
        .collect::<Result<Vec<_>>>()?;
    side_by_side(machines, |machine| machine.run(&programs))
}

/// Does something with all of them, as many at a time as this machine has processors: an emulated one keeps
/// one of those busy.
fn side_by_side<T: Send, R: Send>(
    all: Vec<T>,
    run: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let at_a_time = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut done: Vec<Option<Result<R>>> = all.iter().map(|_| None).collect();
    let queue = Mutex::new(all.into_iter().zip(&mut done));
    let next = || queue.lock().expect("nothing panics while it is held").next();
    std::thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some((item, result)) = next() {
                    *result = Some(run(item));
                }
            });
        }
    });
    done.into_iter().map(|result| result.expect("the queue was emptied")).collect()
}

/// A kernel and the root file system that it is booted with.
struct Machine {
    release: Release,
    kernel: Kernel,
    initramfs: PathBuf,
}

impl Machine {
    fn pack(release: Release, programs: &[&Program], companions: &[&str]) -> Result<Self> {
        let kernel = Kernel::get(release)?;
        let initramfs = kernel.directory.join("initramfs");
        step::perform(&format!("pack the machine of {}", release.name()), || {
            let archive = initramfs::build(&kernel, programs, companions)?;
            let mebibytes = archive.len() >> 20;
            std::fs::write(&initramfs, archive).with_context(|| initramfs.display().to_string())?;
            Ok(format!("{mebibytes} MiB"))
        })?;
        Ok(Self { release, kernel, initramfs })
    }

    fn run(self, programs: &[&Program]) -> Result<KernelRun> {
        let Self { release, kernel, initramfs } = self;
        println!("  {}: kernel {}", release.name(), kernel.version);
        let started = Instant::now();
        let mut report = machine::boot(release.name(), &kernel, &initramfs, programs)?;
        let took = started.elapsed();
        // Large, and made anew each time.
        std::fs::remove_file(&initramfs).with_context(|| initramfs.display().to_string())?;
        println!("  {}: ended after {:.1} s", release.name(), took.as_secs_f64());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_run_once_and_its_result_stays_in_its_place() {
        let squares = side_by_side((0..20).collect(), |number: u32| Ok(number * number)).unwrap();
        assert_eq!(squares, (0..20).map(|number| number * number).collect::<Vec<u32>>());
        let failed = side_by_side(vec![1, 2, 3], |number: u32| match number {
            2 => bail!("not this one"),
            number => Ok(number),
        });
        assert_eq!(failed.unwrap_err().to_string(), "not this one");
    }
}
