//! `sheave-server`: the control plane of a cluster in one process. Only wiring.

mod addresses;
mod config;
mod membership;
mod node_tunnels;
mod ranges;
mod remedy;
mod renewal;
mod start;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let started = Instant::now();
    let config = config::Config::parse();
    let filter = EnvFilter::try_from_env("SHEAVE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match start::run(&config, started) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sheave-server: {}", remedy::sentence(&error));
            ExitCode::FAILURE
        }
    }
}
