//! `cargo xtask bench`: what Sheave costs and gains, measured on this machine with tools that
//! everybody has. Figures of one run are comparable, because the rounds are interleaved.

mod footprint;
mod plain;
mod pods;
mod throughput;

use anyhow::Result;
use clap::{Args, Subcommand};

/// What to measure.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    /// Rounds; each measures every path once
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// How long each measurement takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
}

#[derive(Subcommand)]
enum What {
    /// How fast a first cluster is there, how fast pods start, how much memory the daemons hold
    Footprint,
}

/// Measures.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench.what {
        None => throughput::run(bench.rounds, bench.seconds),
        Some(What::Footprint) => footprint::run(),
    }
}
