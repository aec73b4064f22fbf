//! `cargo xtask fuzz`: searches for inputs that break a promise of what is pure, guided by the coverage that
//! each reaches (libFuzzer), and keeps those that reached something new in `fuzz/corpus`, as few as do.
//!
//! Works with the stable compiler: the coverage counters are a pass of LLVM. Without a sanitizer of memory,
//! which there is little for in code without pointers.

use crate::step;
use crate::workspace::{cargo, root, target_dir};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Longest input, in bytes: long enough for some hundred steps, short enough to read.
const LEN_MAX: u32 = 800;

/// What to search, and for how long.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// What is fed with anything
    target: Target,
    /// How long
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// Messages to the DNS server
    Dns,
    /// Packets at all hooks
    Packets,
    /// Services and endpoints that come, change and go
    Services,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Packets => "packets",
            Self::Services => "services",
        }
    }
}

/// Searches, and keeps what was found.
pub(crate) fn run(fuzz: &Fuzz) -> Result<()> {
    let name = fuzz.target.name();
    let host = host()?;
    println!("Search for inputs that break {name}:");
    step::run("build with coverage counters", &mut build_command(&host))?;
    let program =
        target_dir().join("fuzz").join(&host).join("release").join(format!("fuzz-{name}"));
    let corpus = root().join("fuzz/corpus").join(name);
    let scratch = target_dir().join("fuzz/corpus").join(name);
    let found = root().join("fuzz/found");
    for dir in [&corpus, &scratch, &found] {
        std::fs::create_dir_all(dir).with_context(|| format!("{}", dir.display()))?;
    }
    let mut search = Command::new(&program);
    search.arg(format!("-max_total_time={}", fuzz.seconds)).arg(format!("-max_len={LEN_MAX}"));
    search.arg(format!("-artifact_prefix={}/{name}-", found.display()));
    search.args(["-print_final_stats=1"]).args([&scratch, &corpus]);
    // It shows its own progress, a line a find.
    if !search.status().context("cannot start the search")?.success() {
        bail!(
            "a promise is broken: the input is in {}; move it to {} when it is mended, so that the \
             tests try it for ever",
            found.display(),
            corpus.display()
        );
    }
    keep(&program, &scratch, &corpus)
}

/// The fewest inputs that reach as much as all do take the place of the corpus; what once broke something
/// (any other name than a hash) stays.
fn keep(program: &Path, scratch: &Path, corpus: &Path) -> Result<()> {
    let merged = scratch.with_extension("merged");
    let _ = std::fs::remove_dir_all(&merged);
    std::fs::create_dir_all(&merged)?;
    let mut merge = Command::new(program);
    // What is reached counts, not how often: a quarter of the inputs, and the tests try each of them.
    merge.args(["-merge=1", "-use_counters=0"]).arg(format!("-max_len={LEN_MAX}"));
    merge.args([merged.as_path(), corpus, scratch]);
    step::run("keep the fewest inputs that reach as much", &mut merge)?;
    for file in files(corpus)?.into_iter().filter(|file| is_hash(file)) {
        std::fs::remove_file(file)?;
    }
    for file in files(&merged)? {
        let name = file.file_name().context("a file has a name")?;
        std::fs::copy(&file, corpus.join(name))?;
    }
    println!("  {} inputs are in {}", files(corpus)?.len(), corpus.display());
    Ok(())
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    dir.read_dir()?.map(|entry| Ok(entry?.path())).collect()
}

fn is_hash(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Target triple of this machine: named, so that build scripts and macros get no counters.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root()).output();
    let output = output.context("cannot start rustc")?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc says no host")?.to_owned())
}

fn build_command(host: &str) -> Command {
    let flags = [
        "--cfg fuzzing -Cpasses=sancov-module",
        "-Cllvm-args=-sanitizer-coverage-level=4",
        "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
        "-Cllvm-args=-sanitizer-coverage-pc-table",
        "-Cllvm-args=-sanitizer-coverage-trace-compares",
        "-Cdebug-assertions -Coverflow-checks",
    ];
    let mut command = cargo();
    command.env("RUSTFLAGS", flags.join(" "));
    command.args(["build", "--release", "--package", "sheave-fuzz", "--features", "search"]);
    command.args(["--target", host, "--target-dir"]).arg(target_dir().join("fuzz"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_a_search_keeps_are_told_from_those_that_people_name() {
        assert!(is_hash(Path::new("corpus/0123456789abcdef0123456789abcdef01234567")));
        assert!(!is_hash(Path::new("corpus/port-used-again")));
    }
}
