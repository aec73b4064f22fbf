//! `sheave cleanup`: takes away what the agent put on this machine, after the agent has ended. The agent's
//! program knows what that is; it is asked. (`sheave down` also ends the daemons and removes all data.)

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::directories::{Cgroups, Directories};
use crate::program;

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

/// Becomes the agent's own cleanup.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    program::require_root("cleaning up")?;
    let directories = &arguments.directories;
    let mut words: Vec<OsString> = vec!["cleanup".into()];
    words.extend(["--data-dir".into(), directories.agent_data_dir().into()]);
    words.extend(["--run-dir".into(), directories.run_dir.clone().into()]);
    words.extend(["--bpffs-dir".into(), directories.bpffs_dir.clone().into()]);
    words.extend(arguments.cgroups.words());
    if arguments.dry_run {
        words.push("--dry-run".into());
    }
    program::become_sibling("sheave-agent", &words)
}
