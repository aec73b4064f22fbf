//! `cargo xtask build`: kernel programs, the pause program, then the four binaries in release.

use crate::step;
use crate::workspace::{INSTALLED, PROGRAMS, binary, cargo, target_dir};
use anyhow::{Context, Result};

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
    install_pause()?;
    for name in INSTALLED {
        let path = binary(name);
        let bytes =
            path.metadata().with_context(|| format!("{} is not there", path.display()))?.len();
        println!("    {} ({:.1} MiB)", path.display(), bytes as f64 / f64::from(1 << 20));
    }
    Ok(())
}

/// Puts the pause program beside the agent, which looks for it there. Moved, not written over: pods
/// of a running cluster execute the old one.
fn install_pause() -> Result<()> {
    let installed = binary("sheave-pause");
    let partial = installed.with_extension("partial");
    let built = target_dir().join("pause/pause");
    std::fs::copy(&built, &partial).with_context(|| format!("copy {}", built.display()))?;
    std::fs::rename(&partial, &installed).with_context(|| format!("{}", installed.display()))
}

fn pause_command() -> std::process::Command {
    let mut command = cargo();
    command.args(["build", "--profile", "pause", "--package", "sheave-pause"]);
    command.args(["--features", "program", "--bin", "pause"]);
    command
}
