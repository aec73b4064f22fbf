//! `cargo xtask test`: sets up, builds, checks, then runs every test program there is and says what
//! came out. Programs that need root, and share the machine's network, run one test at a time.

use crate::cluster::Cluster;
use crate::outcome::{Outcome, summarize};
use crate::programs::{self, Program};
use crate::workspace::{cargo, root};
use crate::{build, check, images, lab, privilege, setup, vm};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// A test program that is still running after this long hangs.
const PROGRAM_LIMIT_S: u32 = 1200;

/// Runs everything; fails when any test fails.
pub(crate) fn run() -> Result<()> {
    privilege::require("testing the dataplane")?;
    if Cluster::standard().supervisor().is_some() {
        bail!(
            "a cluster runs on this machine: the tests start their own, run `cargo xtask down` first"
        );
    }
    lab::refuse_beside_one()?;
    let begun = Instant::now();
    // What takes seconds first.
    check::look()?;
    setup::run()?;
    build::run()?;
    crate::ebpf::run_logging()?;
    images::run_all()?;
    check::lint()?;
    println!("Tests:");
    let programs = programs::build(&["--workspace"])?;
    let mut outcomes = Vec::new();
    for program in &programs {
        outcomes.push(run_program(program)?);
    }
    outcomes.push(run_doc_tests()?);
    outcomes.extend(vm::every(&programs)?);
    summarize(&outcomes, begun.elapsed())
}

fn run_program(program: &Program) -> Result<Outcome> {
    println!("\n  --- {}", program.name());
    // As cargo does: some tests look for their files by it.
    let directory = program.directory.to_str().context("the checkout's path is not UTF-8")?;
    let variables = [("CARGO_MANIFEST_DIR", directory), ("RUST_BACKTRACE", "1")];
    let limit = format!("{PROGRAM_LIMIT_S}s");
    let mut command = if program.needs_root {
        privilege::command_with_env("timeout", &variables)
    } else {
        let mut command = Command::new("timeout");
        command.envs(variables);
        command
    };
    command.args(["--kill-after=10s", &limit]).arg(&program.executable);
    if program.needs_root {
        // One that brings its own main may ignore it.
        command.arg("--test-threads=1");
    }
    command.current_dir(&program.directory).env_remove("LD_LIBRARY_PATH");
    observe(program.name(), &mut command)
}

fn run_doc_tests() -> Result<Outcome> {
    println!("\n  --- examples in the documentation");
    let mut command = cargo();
    command.args(["test", "--workspace", "--doc", "--quiet"]).current_dir(root());
    observe("documentation".to_owned(), &mut command)
}

/// Runs a test program, prints what it prints, and counts.
fn observe(name: String, command: &mut Command) -> Result<Outcome> {
    let started = Instant::now();
    let mut outcome = Outcome::named(name);
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("cannot start {}", outcome.name))?;
    // The command keeps copies of the pipe's writing end; the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        print!("  {text}");
        outcome.count(text.trim_end());
        line.clear();
    }
    let status = child.wait()?;
    outcome.close(status.success(), started.elapsed());
    if status.code() == Some(124) {
        println!("  {} was ended after {PROGRAM_LIMIT_S} s", outcome.name);
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_dies_is_a_failed_test() {
        let outcome = observe("dies".to_owned(), Command::new("sh").args(["-c", "kill -9 $$"]));
        let outcome = outcome.unwrap();
        assert!(!outcome.succeeded);
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
    }
}
