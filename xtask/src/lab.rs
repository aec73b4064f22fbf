//! `cargo xtask lab`: several nodes on this machine, to be looked at, broken and mended by hand.

use std::os::unix::process::CommandExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use comfy_table::presets::NOTHING;
use sheave_lab::{Lab, Layout, Spec};

use crate::workspace::{binary, target_dir};
use crate::{images, privilege};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Which lab; there may be several at a time.
    #[arg(long, default_value = "lab", global = true)]
    name: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a lab: the first node is control plane too, the others join it
    Up(Up),
    /// Run a command on a machine: a node by name or number, client-1, or wire, where the links are
    Exec {
        /// The machine.
        machine: String,
        /// The command, by default a shell.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Let nothing pass to or from a machine, which does not notice
    Cut { machine: String },
    /// Let everything pass again
    Heal { machine: String },
    /// Kill a node's agent, or another of its programs, with SIGKILL
    Kill {
        machine: String,
        #[arg(default_value = "sheave-agent")]
        program: String,
    },
    /// Stop a machine as when its power fails
    Stop { machine: String },
    /// Start a machine that was stopped, with the disk that it had
    Start { machine: String },
    /// Show the machines and how they are
    Status,
    /// Take the lab away
    Down,
}

#[derive(clap::Args)]
struct Up {
    /// Machines of the cluster
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// Machines that belong to no cluster
    #[arg(long, default_value_t = 1)]
    external_clients: usize,
    /// MTU of all links
    #[arg(long, default_value_t = 1500)]
    mtu: u32,
    /// Two links with a router in between, odd nodes on the one and even nodes on the other
    #[arg(long)]
    routed: bool,
    /// No IPv6
    #[arg(long)]
    ipv4_only: bool,
    /// One more argument for `sheave up` alone, such as --server-argument=--external-cluster-ip
    #[arg(long = "server-argument", value_name = "WORD", allow_hyphen_values = true)]
    server_arguments: Vec<String>,
    /// One more argument for every node's `sheave up` or `sheave join`
    #[arg(long = "node-argument", value_name = "WORD", allow_hyphen_values = true)]
    node_arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    privilege::become_root("a lab")?;
    let name = arguments.name.as_str();
    match &arguments.command {
        Command::Up(order) => up(name, order),
        Command::Exec { machine, words } => exec(&Lab::open(name)?, machine, words),
        Command::Cut { machine } => Ok(Lab::open(name)?.cut(machine)?),
        Command::Heal { machine } => Ok(Lab::open(name)?.heal(machine)?),
        Command::Kill { machine, program } => Ok(Lab::open(name)?.kill(machine, program)?),
        Command::Stop { machine } => Ok(Lab::open(name)?.stop(machine)?),
        Command::Start { machine } => Ok(Lab::open(name)?.start(machine)?),
        Command::Status => status(&Lab::open(name)?),
        Command::Down => {
            let began = Instant::now();
            match Lab::down(name)? {
                true => {
                    println!("The lab {name} is gone ({:.1} s).", began.elapsed().as_secs_f64())
                }
                false => println!("There is no lab {name}."),
            }
            Ok(())
        }
    }
}

/// A cluster on this machine would meddle with the lab's sockets.
pub(crate) fn refuse_beside_one() -> Result<()> {
    match Lab::names().first() {
        None => Ok(()),
        Some(name) => bail!(
            "the lab {name} is on this machine, and a cluster beside it would meddle with its sockets: run \
             `cargo xtask lab --name {name} down` first"
        ),
    }
}

/// A lab with the programs and images of this checkout.
pub(crate) fn spec(name: &str) -> Result<Spec> {
    if !binary("sheave").exists() {
        bail!("the programs are missing: run `cargo xtask build`");
    }
    if !images::archive_dir().join("hello-1.tar").exists() {
        images::run()?;
    }
    Ok(Spec::new(name, target_dir().join("release"), images::archive_dir()))
}

fn up(name: &str, order: &Up) -> Result<()> {
    let mut spec = spec(name)?;
    spec.nodes = order.nodes;
    spec.clients = order.external_clients;
    spec.mtu = order.mtu;
    spec.layout = if order.routed { Layout::Routed } else { Layout::OneLink };
    spec.dual_stack = !order.ipv4_only;
    spec.server_arguments.clone_from(&order.server_arguments);
    spec.node_arguments.clone_from(&order.node_arguments);
    let told = |what: &str, at: Duration| println!("  {:5.1} s  {what}", at.as_secs_f64());
    let lab = Lab::up(spec, told).map_err(|error| {
        let more = "what is there of it can be looked at with `cargo xtask lab status` and `cargo xtask lab \
                    exec node-1 -- cat /var/log/sheave.log`; `cargo xtask lab down` takes it away";
        anyhow::Error::from(error).context(more)
    })?;
    println!();
    status(&lab)?;
    let last = lab.plan().nodes.last().map_or("node-1", |node| node.name.as_str());
    println!(
        "
Go on with:
  export KUBECONFIG={}
  kubectl get nodes
  cargo xtask lab exec {last} -- sheave services    (as on that machine; without a command: a shell)
  cargo xtask lab cut {last}                        (heal, kill, stop and start likewise)
  cargo xtask lab down",
        lab.kubeconfig().display()
    );
    Ok(())
}

/// Becomes the command, with this terminal.
fn exec(lab: &Lab, machine: &str, words: &[String]) -> Result<()> {
    let shell = ["sh".to_owned()];
    let words = if words.is_empty() { &shell } else { words };
    let mut command = lab.machine(machine)?.command(&words[0])?;
    Err(command.args(&words[1..]).exec()).with_context(|| format!("cannot run {}", words[0]))
}

fn status(lab: &Lab) -> Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING).set_header(["MACHINE", "LINK", "ADDRESSES", "STATE"]);
    for place in lab.plan().machines() {
        let machine = lab.machine(&place.name)?;
        let state = match () {
            () if !machine.is_running() => "stopped",
            () if lab.is_cut(&place.name)? => "cut off",
            () => "running",
        };
        let addresses: Vec<_> = place.addresses.iter().map(ToString::to_string).collect();
        let link = format!("link{}", place.link);
        table.add_row([place.name.as_str(), &link, &addresses.join(" "), state]);
    }
    println!("{table}");
    println!("Load balancer addresses: {}", lab.plan().pool.join(", "));
    match lab.kubectl(&["get", "nodes", "--output=wide"]) {
        Ok(nodes) => println!("\n{}", nodes.trim_end()),
        Err(error) => println!("\nThe API server does not answer: {error}"),
    }
    Ok(())
}
