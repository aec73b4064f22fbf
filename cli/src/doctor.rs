//! `sheave doctor`: what this machine offers and lacks. The agent's program knows; it is asked.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::ask::Format;
use crate::directories::Directories;
use crate::program;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    directories: Directories,
    /// Lines for people, or everything that was found.
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// Becomes the agent's own check; exits with 1 when something that is needed is missing.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut words: Vec<OsString> = vec!["doctor".into()];
    words.extend(["--bpffs-dir".into(), arguments.directories.bpffs_dir.clone().into()]);
    if arguments.output == Format::Json {
        words.push("--json".into());
    }
    program::become_sibling("sheave-agent", &words)
}
