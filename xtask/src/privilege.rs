//! Root, or the way to it: some steps install packages, make namespaces or load kernel programs.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Fails with one sentence when `what` needs root and there is no way to it.
pub(crate) fn require(what: &str) -> Result<()> {
    if is_root() || crate::workspace::find_program("sudo").is_some() {
        return Ok(());
    }
    bail!(
        "{what} needs root: run the command as root, or install sudo and allow this user to use it"
    )
}

/// Goes on as root: by itself when it is, else as a new process that sudo starts in this one's place.
pub(crate) fn become_root(what: &str) -> Result<()> {
    if is_root() {
        return Ok(());
    }
    require(what)?;
    let myself = std::env::current_exe().context("this program has no name")?;
    Err(command(myself).args(std::env::args_os().skip(1)).exec().into())
}

/// A command that runs as root: directly, or through sudo.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    if is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg(program);
    command
}

/// As [`command`], with environment variables that must arrive also through sudo.
pub(crate) fn command_with_env(program: impl AsRef<OsStr>, variables: &[(&str, &str)]) -> Command {
    if is_root() {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        return command;
    }
    let mut command = Command::new("sudo");
    command.arg("--").arg("env");
    command.args(variables.iter().map(|(name, value)| format!("{name}={value}")));
    command.arg(program);
    command
}
