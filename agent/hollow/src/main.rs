//! `sheave-hollow`: an agent without runtime and dataplane, of which a hundred fit on one machine: what a server
//! of a hundred nodes is measured with (`cargo xtask bench push`). Never installed.
//!
//! What it shares with the agent is the agent's own: it takes the agent's place beside `sheave join`, with the
//! agent's flags and the certificate where the agent has it, stays connected, keeps what it is sent in the
//! agent's model, and acknowledges it. No map is written and no pod is run: what it acknowledges is in effect
//! nowhere.

mod node;

use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use sheave_push::v1;
use sheave_sources::{Change, FromClient, NodeFiles, Push, PushConfig, Tunnels};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use crate::node::Node;

/// Those of the agent that `sheave join` gives it.
#[derive(Parser)]
struct Arguments {
    /// `https://host:port` of the server
    #[arg(long)]
    server: String,
    /// Name of the node
    #[arg(long)]
    node_name: String,
    /// What the node says its address is
    #[arg(long)]
    node_ip: Vec<IpAddr>,
    /// The certificate is in `pki/`
    #[arg(long)]
    data_dir: PathBuf,
    /// Nothing is put there
    #[arg(long)]
    run_dir: Option<PathBuf>,
    /// Nothing is put there
    #[arg(long)]
    bpffs_dir: Option<PathBuf>,
    /// Only say whether this machine can be a node, which it always can
    #[arg(long)]
    check: bool,
    /// Nobody's packets are touched: none is refused
    #[arg(long)]
    check_range: Vec<String>,
}

/// Changes that are taken together, at most; the agent's number.
const BATCH_MAX: usize = 4096;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("SHEAVE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    if arguments.check {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(follow(arguments))
}

/// Acknowledges what comes, and says once when the complete state is there.
async fn follow(arguments: Arguments) -> Result<()> {
    let object = node::object(&arguments.node_name, &arguments.node_ip);
    let config = PushConfig {
        server: arguments.server,
        files: NodeFiles::new(arguments.data_dir.join("pki")),
        node_name: arguments.node_name,
        agent_version: concat!(env!("CARGO_PKG_VERSION"), "-hollow").into(),
        node_object: std::sync::Arc::new(move || object.clone()),
        view_file: None,
    };
    let (push, mut changes) = Push::start(config, std::sync::Arc::new(NoPods));
    let mut node = Node::default();
    let mut is_complete = false;
    let mut batch = Vec::new();
    while changes.recv_many(&mut batch, BATCH_MAX).await > 0 {
        for Change { generation, what } in batch.drain(..) {
            node.note(generation, what);
        }
        let Some(generation) = node.known_up_to() else { continue };
        push.ack(generation);
        if !std::mem::replace(&mut is_complete, true) {
            let mut stdout = std::io::stdout();
            writeln!(stdout, "{}", node.summary()).context("nobody listens any more")?;
            stdout.flush().context("nobody listens any more")?;
        }
    }
    bail!("the push stream has ended")
}

/// There is nothing to open a tunnel to.
struct NoPods;

impl Tunnels for NoPods {
    fn open(
        &self,
        _request: v1::TunnelRequest,
        _from_client: FromClient,
    ) -> mpsc::Receiver<v1::TunnelData> {
        let (_, none) = mpsc::channel(1);
        none
    }
}
