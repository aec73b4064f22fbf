//! `sheave-agent`: the node daemon. It wires sources, dataplane and kubelet; everything else is in them.

mod agent;
mod announcing;
mod answers;
mod cleanup;
mod cni;
mod config;
mod control;
mod doctor;
mod footprint;
mod health;
mod health_checks;
mod host_ports;
mod inspect;
mod lock;
mod machine;
mod memory;
mod metrics;
mod name_changes;
mod names;
mod network;
mod node_ports;
mod overlap;
mod pod_network;
mod pods;
mod reconcile;
mod refusal;
mod run;
mod socket_hooks;
mod sysctl;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use config::{Cli, Command};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    memory::set_up();
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("SHEAVE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let done = match cli.command {
        None => run::run(cli.run),
        Some(Command::Doctor(arguments)) => return doctor::run(&arguments),
        Some(Command::Cleanup(arguments)) => cleanup::run(&arguments),
        Some(Command::Inspect(arguments)) => inspect::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sheave-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}
