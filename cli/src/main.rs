//! `sheave`: the command people type.
//!
//! It wires: the daemons are programs of their own beside it, started by `server`, `agent` and `up`;
//! everything else asks the API server or the agent's socket and prints what they say.

mod agent_flags;
mod agent_socket;
mod announcing;
mod api;
mod ask;
mod backends;
mod children;
mod cleanup;
mod connections;
mod directories;
mod dns;
mod doctor;
mod down;
mod drops;
mod explain;
mod flows;
mod https;
mod join;
mod keeper;
mod kubeconfig;
mod program;
mod progress;
mod services;
mod status;
mod supervision;
mod table;
mod token;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Kubernetes-compatible clusters on plain Linux machines, with Services in eBPF.
#[derive(Parser)]
#[command(name = "sheave", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole cluster on this machine: control plane and node.
    Up(Box<up::Arguments>),
    /// Make this machine a node of a cluster whose control plane is elsewhere, and run it.
    Join(Box<join::Arguments>),
    /// Make, list and revoke the tokens that let other machines join.
    Token(token::Arguments),
    /// Take everything away that `up` or `join` put on this machine.
    Down(down::Arguments),
    /// Run the control plane; flags are those of sheave-server (see `sheave server --help`).
    #[command(disable_help_flag = true)]
    Server {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a node's agent; flags are those of sheave-agent (see `sheave agent --help`).
    #[command(disable_help_flag = true)]
    Agent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Show the nodes, and what runs on them.
    Status(status::Arguments),
    /// Show the Services as this node's kernel has them.
    Services(services::Arguments),
    /// Show who answers for Services on this node.
    Backends(backends::Arguments),
    /// Show the connections to Services that are translated at this moment.
    Connections(connections::Arguments),
    /// Show what was dropped or refused, and what to do about it.
    Drops(drops::Arguments),
    /// Show what happens to flows, as it happens.
    Flows(flows::Arguments),
    /// Say which backend a connection would get, and why.
    Explain(explain::Arguments),
    /// Look names up as pods do.
    Dns(dns::Arguments),
    /// Take away what the agent put on this machine, or list it with --dry-run.
    Cleanup(cleanup::Arguments),
    /// Check what this machine offers: kernel features, mounts, programs.
    Doctor(doctor::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Up(arguments) => up::run(*arguments),
        Command::Join(arguments) => join::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Down(arguments) => down::run(&arguments),
        Command::Server { arguments } => program::become_sibling("sheave-server", &arguments),
        Command::Agent { arguments } => program::become_sibling("sheave-agent", &arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Services(arguments) => services::run(&arguments),
        Command::Backends(arguments) => backends::run(&arguments),
        Command::Connections(arguments) => connections::run(&arguments),
        Command::Drops(arguments) => drops::run(&arguments),
        Command::Flows(arguments) => flows::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Dns(arguments) => dns::run(&arguments),
        Command::Cleanup(arguments) => cleanup::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("sheave: {error:#}");
            ExitCode::FAILURE
        }
    }
}
