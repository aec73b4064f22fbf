//! `cargo xtask bench`: what Sheave costs and gains, measured on this machine with tools that
//! everybody has. Figures of one run are comparable, because the rounds are interleaved.

mod agent;
mod catalogue;
mod dns;
mod footprint;
mod nodes;
mod packets;
mod placement;
mod plain;
mod pods;
mod programming;
mod proxy;
mod push;
mod report;
mod rest;
mod rounds;
mod service;
mod slice;
mod spread;
mod table;
mod throughput;
mod time;

use self::catalogue::Name;
use self::report::Figure;
use crate::cluster::Cluster;
use anyhow::{Result, bail};
use clap::{Args, Subcommand};

/// What to measure.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    effort: Effort,
}

/// How much is measured.
#[derive(Args)]
struct Effort {
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
    #[command(flatten)]
    choice: service::Choice,
}

impl Effort {
    fn streams(&self) -> rounds::Plan<'_> {
        rounds::Plan { rounds: self.rounds, seconds: self.seconds, congestion: &self.congestion }
    }
}

#[derive(Subcommand)]
enum What {
    #[command(flatten)]
    One(Name),
    /// What `service` starts where its clients and servers are
    #[command(hide = true)]
    ServiceLoad {
        #[command(subcommand)]
        load: service::Load,
    },
    /// Everything, written to docs/benchmarks: figures as JSON, a page, and diagrams
    Report(report::Report),
}

/// Measures, and prints the figures.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let name = match &bench.what {
        None => Name::Throughput,
        Some(What::One(name)) => *name,
        Some(What::ServiceLoad { load }) => return service::load(load, bench.effort.seconds),
        Some(What::Report(report)) => return report::run(report, &bench.effort),
    };
    let figures = measure(name, &bench.effort)?;
    print!("{}", table::Table(&figures));
    Ok(())
}

/// Runs one bench.
fn measure(name: Name, effort: &Effort) -> Result<Vec<Figure>> {
    let (streams, Effort { rounds, seconds, .. }) = (effort.streams(), effort);
    match name {
        Name::Throughput => throughput::run(streams),
        Name::Service => service::run(&effort.choice, streams),
        Name::Nodes => nodes::run(streams),
        Name::Footprint => footprint::run(),
        Name::Push => push::run(),
        Name::Programming => programming::run(effort.choice.services(), *rounds),
        Name::Packets => packets::run(*rounds),
        Name::Dns => dns::run(&dns::Plan { rounds: *rounds, seconds: *seconds }),
    }
}

/// Builds what a bench needs beside the programs of `cargo xtask build`.
fn build(name: Name) -> Result<()> {
    match name {
        Name::Dns => dns::build(),
        Name::Push => push::build(),
        Name::Packets => packets::build().map(drop),
        Name::Throughput | Name::Service | Name::Nodes | Name::Programming | Name::Footprint => {
            Ok(())
        }
    }
}

/// The cluster of `cargo xtask up`.
fn running_cluster() -> Result<Cluster> {
    let cluster = Cluster::standard();
    if cluster.supervisor().is_none() {
        bail!("no cluster runs on this machine: run `cargo xtask up` first");
    }
    Ok(cluster)
}
