//! The other programs: they lie beside this one.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

/// The path of a program beside this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("this program's own path is unknown")?;
    let path = own.with_file_name(name);
    if !path.exists() {
        bail!(
            "{} is missing: {name} belongs beside sheave; install both from the same build",
            path.display()
        );
    }
    Ok(path)
}

/// Replaces this process by a sibling. Returns only when that fails.
pub(crate) fn become_sibling(name: &str, arguments: &[OsString]) -> Result<ExitCode> {
    let path = sibling(name)?;
    let never: Result<Infallible> = Err(Command::new(&path).args(arguments).exec().into());
    never.map(|never| match never {}).with_context(|| format!("cannot run {}", path.display()))
}

/// Fails with a sentence that says what to do unless this process is root's.
pub(crate) fn require_root(what: &str) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("{what} needs root: run it with sudo");
    }
    Ok(())
}
