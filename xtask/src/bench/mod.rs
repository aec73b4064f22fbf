//! `cargo xtask bench`: what Sheave costs and gains, measured on this machine with tools that
//! everybody has. Figures of one run are comparable, because the rounds are interleaved.

mod dns;
mod footprint;
mod nodes;
mod placement;
mod plain;
mod pods;
mod push;
mod report;
mod rounds;
mod spread;
mod table;
mod throughput;

use crate::cluster::Cluster;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};

/// What to measure.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    /// Rounds; each measures everything that is compared once
    #[arg(long, global = true, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long each measurement takes
    #[arg(long, global = true, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// TCP's congestion control, the same for every path; containers may use reno and the kernel's
    /// default
    #[arg(long, global = true, default_value = rounds::CONGESTION)]
    congestion: String,
}

#[derive(Subcommand)]
enum What {
    /// How fast a first cluster is there, how fast pods start, how much memory the daemons hold
    Footprint,
    /// Throughput between pods of two nodes, beside the nodes' own and beside the kernel's VXLAN alone
    Nodes,
    /// How fast a server tells the agents of a hundred nodes, which are hollow, and what memory that takes
    Push,
    /// How fast names of ten thousand Services are answered to a pod, beside dnsmasq, and what memory that takes
    Dns,
}

/// Measures.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let Bench { rounds, seconds, congestion, .. } = bench;
    let streams = rounds::Plan { rounds: *rounds, seconds: *seconds, congestion };
    let figures = match bench.what {
        None => throughput::run(streams),
        Some(What::Nodes) => nodes::run(streams),
        Some(What::Footprint) => footprint::run(),
        Some(What::Push) => push::run(),
        Some(What::Dns) => dns::run(&dns::Plan { rounds: *rounds, seconds: *seconds }),
    }?;
    print!("{}", table::Table(&figures));
    Ok(())
}

/// The cluster of `cargo xtask up`.
fn running_cluster() -> Result<Cluster> {
    let cluster = Cluster::standard();
    if cluster.supervisor().is_none() {
        bail!("no cluster runs on this machine: run `cargo xtask up` first");
    }
    Ok(cluster)
}
