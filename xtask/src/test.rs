//! `cargo xtask test`: sets up, builds, checks, then runs every test program there is and says what
//! came out. Programs that need root, and share the machine's network, run one test at a time.

use crate::cluster::Cluster;
use crate::workspace::{NEEDS_ROOT, cargo, root};
use crate::{build, check, images, privilege, setup, step};
use anyhow::{Context, Result, bail};
use cargo_metadata::{Artifact, Message, TargetKind};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A test program that is still running after this long hangs.
const PROGRAM_LIMIT_S: u32 = 1200;

/// What a test prints, at the start of a line, when it could not test what it is for.
const SKIPPED: &str = "SKIPPED: ";

/// Runs everything; fails when any test fails.
pub(crate) fn run() -> Result<()> {
    privilege::require("testing the dataplane")?;
    if Cluster::standard().supervisor().is_some() {
        bail!(
            "a cluster runs on this machine: the tests start their own, run `cargo xtask down` first"
        );
    }
    let begun = Instant::now();
    setup::run()?;
    build::run()?;
    images::run()?;
    check::lint()?;
    println!("Tests:");
    let programs = build_programs()?;
    let mut outcomes = Vec::new();
    for program in &programs {
        outcomes.push(program.run()?);
    }
    outcomes.push(run_doc_tests()?);
    summarize(&outcomes, begun.elapsed())
}

/// One executable full of tests.
struct Program {
    package: String,
    target: String,
    executable: PathBuf,
    /// The package's directory: tests find their files relative to it.
    directory: PathBuf,
    needs_root: bool,
}

/// What came out of one executable.
#[derive(Default)]
struct Outcome {
    name: String,
    passed: u32,
    failed: u32,
    /// Reasons of tests that tested nothing.
    skipped: Vec<String>,
    /// Whether the runner said what came out.
    has_result: bool,
    /// The executable as a whole: false also when it crashed or hung.
    succeeded: bool,
    took: Duration,
}

fn build_programs() -> Result<Vec<Program>> {
    let mut messages = Vec::new();
    step::perform("build the tests", || {
        let mut command = cargo();
        command.args(["test", "--workspace", "--no-run", "--message-format=json", "--quiet"]);
        let output = command.output().context("cannot start cargo")?;
        if !output.status.success() {
            // Cargo renders what the compiler says into the messages.
            for message in Message::parse_stream(output.stdout.as_slice()).flatten() {
                if let Message::CompilerMessage(message) = message {
                    eprintln!("{message}");
                }
            }
            bail!("the tests do not compile: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        messages = output.stdout;
        Ok(String::new())
    })?;
    let mut programs: Vec<Program> = Message::parse_stream(messages.as_slice())
        .filter_map(|message| match message {
            Ok(Message::CompilerArtifact(artifact)) => program_of(artifact),
            _ => None,
        })
        .collect();
    programs.sort_by_key(|program| (program.rank(), program.name()));
    Ok(programs)
}

fn program_of(artifact: Artifact) -> Option<Program> {
    if !artifact.profile.test {
        return None;
    }
    let executable = artifact.executable?.into_std_path_buf();
    let directory = artifact.manifest_path.parent()?.to_owned().into_std_path_buf();
    let package = artifact.package_id.repr.clone();
    // `path+file:///checkout/agent/core#sheave-core@0.1.0`
    let package = package.rsplit('#').next()?.split('@').next()?.to_owned();
    let is_unit = !artifact.target.kind.contains(&TargetKind::Test);
    let needs_root = NEEDS_ROOT.contains(&package.as_str());
    let target = if is_unit { "unit".to_owned() } else { artifact.target.name };
    Some(Program { package, target, executable, directory, needs_root })
}

impl Program {
    fn name(&self) -> String {
        format!("{} {}", self.package, self.target)
    }

    /// The cheap first: a broken unit explains a broken cluster, not the other way round.
    fn rank(&self) -> u8 {
        match () {
            () if self.target.starts_with("cluster_") => 3,
            // Compares the machine before and after, so nothing may run after it.
            () if self.target == "down" => 4,
            () if self.needs_root => 2,
            () if self.target == "unit" => 0,
            () => 1,
        }
    }

    fn run(&self) -> Result<Outcome> {
        println!("\n  --- {}", self.name());
        // As cargo does: some tests look for their files by it.
        let directory = self.directory.to_str().context("the checkout's path is not UTF-8")?;
        let variables = [("CARGO_MANIFEST_DIR", directory), ("RUST_BACKTRACE", "1")];
        let limit = format!("{PROGRAM_LIMIT_S}s");
        let mut command = if self.needs_root {
            privilege::command_with_env("timeout", &variables)
        } else {
            let mut command = Command::new("timeout");
            command.envs(variables);
            command
        };
        command.args(["--kill-after=10s", &limit]).arg(&self.executable);
        if self.needs_root {
            // One that brings its own main may ignore it.
            command.arg("--test-threads=1");
        }
        command.current_dir(&self.directory).env_remove("LD_LIBRARY_PATH");
        observe(self.name(), &mut command)
    }
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
    let mut outcome = Outcome { name, ..Outcome::default() };
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
    outcome.succeeded = status.success();
    if !outcome.has_result {
        // A program with a main of its own, or one that crashed, is one test.
        outcome.passed += u32::from(outcome.succeeded);
        outcome.failed += u32::from(!outcome.succeeded);
    }
    outcome.took = started.elapsed();
    if status.code() == Some(124) {
        println!("  {} was ended after {PROGRAM_LIMIT_S} s", outcome.name);
    }
    Ok(outcome)
}

impl Outcome {
    /// Takes in a line of the test program's output.
    fn count(&mut self, line: &str) {
        if let Some(reason) = line.strip_prefix(SKIPPED) {
            self.skipped.push(reason.to_owned());
        }
        // test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
        let Some(result) = line.strip_prefix("test result: ") else { return };
        self.has_result = true;
        for part in result.split(['.', ';']) {
            let Some((count, what)) = part.trim().split_once(' ') else { continue };
            let Ok(count) = count.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" if count > 0 => self.skipped.push(format!("{count} ignored")),
                _ => {}
            }
        }
    }
}

fn summarize(outcomes: &[Outcome], took: Duration) -> Result<()> {
    println!("\nSummary:");
    for outcome in outcomes {
        let verdict = if outcome.succeeded { "ok    " } else { "FAILED" };
        println!(
            "  {verdict} {:<44} {:>4} passed {:>3} failed {:>3} skipped {:>7.1} s",
            outcome.name,
            outcome.passed,
            outcome.failed,
            outcome.skipped.len(),
            outcome.took.as_secs_f64()
        );
        for reason in &outcome.skipped {
            println!("           skipped: {reason}");
        }
    }
    let passed: u32 = outcomes.iter().map(|outcome| outcome.passed).sum();
    let failed: u32 = outcomes.iter().map(|outcome| outcome.failed).sum();
    let skipped: usize = outcomes.iter().map(|outcome| outcome.skipped.len()).sum();
    let broken: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.succeeded)
        .map(|outcome| outcome.name.as_str())
        .collect();
    println!(
        "\n{passed} passed, {failed} failed, {skipped} skipped, in {} test programs, {:.0} s",
        outcomes.len(),
        took.as_secs_f64()
    );
    if broken.is_empty() {
        return Ok(());
    }
    bail!("these failed: {}", broken.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted_from_the_runners_own_lines() {
        let mut outcome = Outcome::default();
        outcome.count("test a ... ok");
        outcome.count(
            "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; \
             finished in 1.02s",
        );
        outcome.count("SKIPPED: no IPv6 on this machine");
        assert_eq!((outcome.passed, outcome.failed), (12, 1));
        assert_eq!(outcome.skipped, ["2 ignored", "no IPv6 on this machine"]);
    }

    #[test]
    fn a_program_that_dies_is_a_failed_test() {
        let outcome = observe("dies".to_owned(), Command::new("sh").args(["-c", "kill -9 $$"]));
        let outcome = outcome.unwrap();
        assert!(!outcome.succeeded);
        assert_eq!((outcome.passed, outcome.failed), (0, 1));
    }
}
