//! `sheave down`: takes everything away that `sheave up` put on this machine, and nothing else.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::directories::{Cgroups, Directories};
use crate::program;

/// How long the daemons may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(50);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    directories: Directories,
    #[command(flatten)]
    cgroups: Cgroups,
    /// Only list what would be removed.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    program::require_root("removing a cluster")?;
    let directories = &arguments.directories;
    if !arguments.dry_run {
        stop_supervisor(directories)?;
    }
    clean_up_node(arguments)?;
    for dir in [&directories.run_dir, &directories.data_dir] {
        remove_dir(dir, arguments.dry_run)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends `sheave up`, which ends the daemons.
fn stop_supervisor(directories: &Directories) -> Result<()> {
    let Some(pid) = running_supervisor(directories) else { return Ok(()) };
    kill(pid, Signal::SIGTERM).with_context(|| format!("cannot end sheave up (process {pid})"))?;
    let deadline = Instant::now() + STOP_TIMEOUT;
    while running_supervisor(directories).is_some() {
        if Instant::now() > deadline {
            bail!("sheave up (process {pid}) did not end: end it and try again");
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    println!("ended sheave up (process {pid})");
    Ok(())
}

fn running_supervisor(directories: &Directories) -> Option<Pid> {
    let pid: i32 = std::fs::read_to_string(directories.pid_file()).ok()?.trim().parse().ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    // A zombie only waits for its parent; and the id may belong to somebody else by now.
    let alive = field("Name:") == Some("sheave") && !field("State:")?.starts_with('Z');
    alive.then(|| Pid::from_raw(pid))
}

/// Pods, containerd, pins, interfaces, mounts, cgroups: the agent's program made them and removes them.
fn clean_up_node(arguments: &Arguments) -> Result<()> {
    let directories = &arguments.directories;
    let agent = program::sibling("sheave-agent")?;
    let mut command = Command::new(&agent);
    command.arg("cleanup");
    command.arg("--data-dir").arg(directories.agent_data_dir());
    command.arg("--run-dir").arg(&directories.run_dir);
    command.arg("--bpffs-dir").arg(&directories.bpffs_dir);
    command.args(arguments.cgroups.words());
    if arguments.dry_run {
        command.arg("--dry-run");
    }
    let status = command.status().with_context(|| format!("cannot run {}", agent.display()))?;
    if !status.success() {
        bail!("the node was not cleaned up completely; what stands above is still there");
    }
    Ok(())
}

fn remove_dir(dir: &Path, dry_run: bool) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    if dry_run {
        println!("would remove {}", dir.display());
        return Ok(());
    }
    std::fs::remove_dir_all(dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    println!("removed {}", dir.display());
    Ok(())
}
