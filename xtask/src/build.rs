//! `cargo xtask build`: kernel programs, the pause program, then the four binaries in release.

use crate::step;
use crate::workspace::{PROGRAMS, binary, cargo, target_dir};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Builds everything that a node runs.
pub(crate) fn run() -> Result<()> {
    crate::ebpf::run()?;
    println!("Programs:");
    step::run("build the pause program", &mut pause_command())?;
    let mut build = cargo();
    build.args(["build", "--release"]);
    for (package, name) in PROGRAMS {
        build.args(["--package", package, "--bin", name]);
    }
    step::run("build sheave, sheave-server, sheave-agent, sheave-cni", &mut build)?;
    for (_, name) in PROGRAMS {
        let path = binary(name);
        let bytes =
            path.metadata().with_context(|| format!("{} is not there", path.display()))?.len();
        println!("    {} ({:.1} MiB)", path.display(), bytes as f64 / f64::from(1 << 20));
    }
    Ok(())
}

/// The program that holds a pod's namespaces.
pub(crate) fn pause_binary() -> PathBuf {
    target_dir().join("pause/pause")
}

fn pause_command() -> std::process::Command {
    let mut command = cargo();
    command.args(["build", "--profile", "pause", "--package", "sheave-pause"]);
    command.args(["--features", "program", "--bin", "pause"]);
    command
}
