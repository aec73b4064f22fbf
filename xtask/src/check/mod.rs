//! `cargo xtask check`: what can be said about the code without a cluster and without root. Format,
//! lints, the house's own rules, then the tests that need nothing but a compiler.

mod commands;
mod edges;
mod semantics;
mod tidy;

use crate::step;
use crate::workspace::{NEEDS_ROOT, cargo};
use anyhow::{Result, bail};

/// Runs every check, and the pure tests.
pub(crate) fn run() -> Result<()> {
    look()?;
    // The dataplane carries the kernel programs within itself.
    crate::ebpf::run()?;
    lint()?;
    let mut test = cargo();
    test.args(["test", "--workspace", "--lib", "--bins", "--quiet"]);
    for package in NEEDS_ROOT {
        test.args(["--exclude", package]);
    }
    step::run("pure tests", &mut test)?;
    Ok(())
}

/// Format and the house's rules, for which nothing is built: seconds, and all of them, so that one run tells
/// everything.
pub(crate) fn look() -> Result<()> {
    println!("Checks:");
    let outcomes = [
        step::run("format (mend with `cargo fmt`)", cargo().args(["fmt", "--all", "--check"]))
            .err(),
        rules("crate edges", edges::violations).err(),
        rules("module headers, file lengths, forbidden words", tidy::violations).err(),
        rules("commands in the documents", commands::violations).err(),
        rules("tests that prove what the dataplane does", semantics::violations).err(),
    ];
    let broken: Vec<String> =
        outcomes.into_iter().flatten().map(|error| format!("{error:#}")).collect();
    if broken.is_empty() {
        return Ok(());
    }
    bail!("{}", broken.join("\n"))
}

/// What the compiler and clippy find, for which everything is compiled.
pub(crate) fn lint() -> Result<()> {
    let mut clippy = cargo();
    clippy.args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"]);
    step::run("lints", &mut clippy)?;
    Ok(())
}

/// Runs one set of our own rules; each violation says how to mend it.
fn rules(name: &str, violations: impl FnOnce() -> Result<Vec<String>>) -> Result<()> {
    step::perform(name, || {
        let found = violations()?;
        if found.is_empty() {
            return Ok(String::new());
        }
        bail!("{}", found.join("\n"))
    })?;
    Ok(())
}
