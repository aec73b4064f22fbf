//! Every developer command. One module a command; `cargo xtask help` lists them.
//!
//! Not a library: nothing may depend on this crate, and what it knows about Sheave it knows from
//! the outside, as a user does (binaries, files, kubectl).

mod bench;
mod build;
mod check;
mod cluster;
mod demo;
mod down;
mod ebpf;
mod fuzz;
mod images;
mod lab;
mod outcome;
mod privilege;
mod process;
mod programs;
mod report;
mod schema;
mod setup;
mod step;
mod test;
mod traffic;
mod up;
mod vm;
mod watch;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, run, check, test and measure Sheave")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building, running and testing need: packages and bpf-linker. Does nothing twice
    Setup,
    /// Build the kernel programs
    BuildEbpf {
        /// The packet programs log what they do with each packet, which makes them slow; the agent that
        /// loads them passes it on to its own log
        #[arg(long)]
        log: bool,
    },
    /// Write the table of Kubernetes messages that the API server decodes by
    Schema,
    /// Build the kernel programs, the pause program and the four binaries, in release
    Build,
    /// Build the container images of the demo and the tests
    Images,
    /// From a checkout to a running cluster with a demo; brings a running one up to date
    Up,
    /// Take the cluster away again
    Down,
    /// Several nodes on this machine, each with its own network, containerd and agent: up, exec, cut, down
    Lab(lab::Arguments),
    /// Check format, lints, the house's rules, and run the tests that need no root
    Check,
    /// Set up, build, check, then run every test
    Test,
    /// Run the tests of the dataplane in virtual machines, on Debian's kernels from 5.10 to the newest
    Vm(vm::Vm),
    /// Search for inputs that break what is pure, and keep what reached something new
    Fuzz(fuzz::Fuzz),
    /// Measure throughput, or what is named; `report` measures everything and writes docs/benchmarks
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Setup => setup::run().and_then(|()| setup::emulator()),
        Command::Schema => schema::run(workspace::root()),
        Command::BuildEbpf { log: true } => ebpf::run_logging(),
        Command::BuildEbpf { log: false } => ebpf::run(),
        Command::Build => build::run(),
        Command::Images => images::run_all(),
        Command::Up => up::run(),
        Command::Down => down::run(),
        Command::Lab(arguments) => lab::run(&arguments),
        Command::Check => check::run(),
        Command::Test => test::run(),
        Command::Vm(vm) => vm::run(&vm),
        Command::Fuzz(fuzz) => fuzz::run(&fuzz),
        Command::Bench(bench) => bench::run(&bench),
    }
}
