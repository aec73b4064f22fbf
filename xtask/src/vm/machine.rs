//! One boot: QEMU from start to power-off, and what the machine said meanwhile.
//!
//! The machine has two serial lines. The kernel writes to the first, which is kept in a file; on the
//! second `init.sh` says what begins and how it ended, with the test programs' own lines between.

use super::kernel::Kernel;
use crate::outcome::Outcome;
use crate::programs::Program;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A test program that is still running after this long hangs: many times what one takes, for the machine
/// that emulates may have much else to do.
pub(super) const PROGRAM_LIMIT_S: u32 = 1800;
/// A machine that is still running after this long hangs.
const MACHINE_LIMIT_S: u32 = 5400;
const MEMORY_MIB: u32 = 2048;

/// What the kernel is told. A panic is a reboot, and a reboot is the end. The rest leaves out what costs an
/// emulated processor much and the tests nothing: work-arounds for flaws of real processors, zeroing memory
/// twice, a fifth level of page tables, waiting for readers without haste, copying with `rep movs` (112,
/// X86_FEATURE_REP_GOOD).
const KERNEL_ARGUMENTS: &str = "console=ttyS0 loglevel=5 panic=-1 cgroup_no_v1=all \
    mitigations=off init_on_alloc=0 no5lvl rcupdate.rcu_expedited=1 clearcpuid=112";

/// All that QEMU emulates but fast strings of bytes: a real processor moves many at a time, an emulated one each by
/// itself, and the verifier copies its states with them. Without, programs load three times as fast.
const CPU: &str = "max,-erms,-fsrm";

/// Lines of the kernel's that are shown when a machine did not get to its end.
const CONSOLE_TAIL_LINES: usize = 40;

/// What a machine said.
#[derive(Default)]
pub(super) struct Report {
    /// By the test program's name.
    pub(super) outcomes: BTreeMap<String, Outcome>,
    /// Until the first test program began.
    pub(super) boot: Duration,
    /// Whether it got to its end.
    ended: bool,
}

/// Boots the kernel with this root file system and stays until the machine is off. A test program that
/// did not begin has failed. What is said is shown after `name`: several machines may talk at a time.
pub(super) fn boot(
    name: &str,
    kernel: &Kernel,
    initramfs: &Path,
    programs: &[&Program],
) -> Result<Report> {
    let console = kernel.directory.join("console.log");
    let mut command = qemu(kernel, initramfs, &console);
    let mut child = command.spawn().context("cannot start qemu-system-x86_64")?;
    let stdout = child.stdout.take().context("QEMU's standard output")?;
    let mut report = listen(name, BufReader::new(stdout))?;
    let status = child.wait()?;
    if !report.ended || !status.success() {
        let how = match status.code() {
            Some(124 | 137) => format!("was ended after {MACHINE_LIMIT_S} s"),
            _ => format!("ended early, QEMU with {status}"),
        };
        println!("  {name}: the machine {how}; what its kernel said last:\n{}", tail(&console)?);
    }
    for program in programs.iter().map(|program| program.name()) {
        if !report.outcomes.contains_key(&program) {
            println!("  {name}: {program} did not begin");
            report.close(Some((Outcome::named(program), Instant::now())), false);
        }
    }
    Ok(report)
}

fn qemu(kernel: &Kernel, initramfs: &Path, console: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5s", &format!("{MACHINE_LIMIT_S}s"), "qemu-system-x86_64"]);
    // Emulated, also where KVM could be used: a virtual machine often has none that works. With one
    // processor: emulating what several do to the same memory at a time costs each of them.
    command.args(["-accel", "tcg", "-cpu", CPU, "-smp", "1", "-m", &MEMORY_MIB.to_string()]);
    command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
    command.arg("-kernel").arg(kernel.image()).arg("-initrd").arg(initramfs);
    command.args(["-append", KERNEL_ARGUMENTS]);
    command.arg("-serial").arg(format!("file:{}", console.display()));
    command.args(["-serial", "stdio"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

/// Reads the second serial line of the machine `name` to its end.
fn listen(name: &str, mut lines: impl BufRead) -> Result<Report> {
    let mut report = Report::default();
    let booted = Instant::now();
    let mut running: Option<(Outcome, Instant)> = None;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        if let Some(program) = text.strip_prefix("@@ begin ") {
            if report.outcomes.is_empty() {
                report.boot = booted.elapsed();
            }
            println!("  {name}: --- {program}");
            running = Some((Outcome::named(program.to_owned()), Instant::now()));
        } else if let Some(end) = text.strip_prefix("@@ end ") {
            let (status, _) = end.split_once(' ').unwrap_or((end, ""));
            report.close(running.take(), status == "0");
        } else if text == "@@ off" {
            report.ended = true;
        } else {
            println!("  {name}: {text}");
            if let Some((outcome, _)) = &mut running {
                outcome.count(&text);
            }
        }
    }
    // Still open: the machine ended under it.
    report.close(running, false);
    Ok(report)
}

impl Report {
    fn close(&mut self, running: Option<(Outcome, Instant)>, succeeded: bool) {
        let Some((mut outcome, started)) = running else { return };
        outcome.close(succeeded, started.elapsed());
        self.outcomes.insert(outcome.name.clone(), outcome);
    }
}

fn tail(console: &Path) -> Result<String> {
    let text = fs::read(console).with_context(|| console.display().to_string())?;
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(CONSOLE_TAIL_LINES);
    Ok(lines[start..].iter().map(|line| format!("    {line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_counted_by_itself() {
        let said = "@@ begin a unit\r\nSKIPPED: no tcx\r\n\
                    test result: ok. 3 passed; 0 failed; 0 ignored; finished in 1.00s\r\n\
                    @@ end 0 a unit\r\n@@ begin b table\r\nthread panicked\r\n@@ end 134 b table\r\n\
                    @@ off\r\n";
        let report = listen("5.10", said.as_bytes()).unwrap();
        assert!(report.ended);
        let (a, b) = (&report.outcomes["a unit"], &report.outcomes["b table"]);
        assert_eq!((a.passed, a.failed, a.skipped.len(), a.succeeded), (2, 0, 1, true));
        assert_eq!((b.passed, b.failed, b.succeeded), (0, 1, false));
    }

    #[test]
    fn a_machine_that_dies_fails_what_ran() {
        let said = "@@ begin a unit\r\ntest x ... ok\r\n";
        let report = listen("5.10", said.as_bytes()).unwrap();
        assert!(!report.ended);
        assert_eq!(
            (report.outcomes["a unit"].failed, report.outcomes["a unit"].succeeded),
            (1, false)
        );
    }
}
