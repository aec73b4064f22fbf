//! `sheave up`: a whole cluster on this machine, in the foreground.
//!
//! It starts the control plane and the agent and keeps both running. When it ends, they end; pods and
//! dataplane go on, and the next `sheave up` finds them.

mod flags;

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Api;
use crate::children::{self, Daemon};
use crate::directories::Directories;
use crate::keeper;
use crate::kubeconfig;
use crate::program;
use crate::supervision::{
    POLL_INTERVAL, announce_node, claim, claim_existing, host_name, keep_agent, last_words,
    prepare, refuse_what_agent_refuses,
};

pub(crate) use flags::Arguments;
use flags::{agent_daemon, cluster_ranges, server_daemon};

const API_READY_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    program::require_root("running a cluster")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(supervise(arguments))
}

async fn supervise(arguments: Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let mut stopping = signal(SignalKind::terminate()).context("cannot wait for signals")?;
    let mut interrupted = signal(SignalKind::interrupt()).context("cannot wait for signals")?;
    let directories = &arguments.directories;
    let node_name = arguments.agent.node_name.clone().map_or_else(host_name, Ok)?;
    refuse_joined_node(directories)?;
    let server = server_daemon(&arguments, &node_name)?;
    let agent = agent_daemon(&arguments, &node_name)?;
    // Nothing is made before all of this is settled.
    let claimed = claim_existing(directories)?;
    refuse_taken_port(arguments.api_port)?;
    refuse_what_agent_refuses(&agent, directories, &cluster_ranges(&arguments))?;
    prepare(directories)?;
    let _alone = claimed.map_or_else(|| claim(directories), Ok)?;
    keeper::start(&directories.keeper_socket())?;

    let mut server_child = server.start()?;
    let api = match api_ready(directories, &server, &mut server_child).await {
        Ok(api) => api,
        Err(error) => {
            children::stop(server.name, &mut server_child).await;
            return Err(error);
        }
    };
    println!("API server ready after {} ms", started.elapsed().as_millis());
    let mut agent_child = agent.start()?;

    let is_ready = Cell::new(false);
    let outcome = tokio::select! {
        result = server.keep(&mut server_child) => result,
        result = keep_agent(&agent, &mut agent_child, &is_ready) => result,
        result = announce_node(&api, &node_name, started, &is_ready) => result,
        _ = stopping.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
    };
    children::stop(agent.name, &mut agent_child).await;
    children::stop(server.name, &mut server_child).await;
    outcome.map(|()| ExitCode::SUCCESS)
}

/// A machine is a node of one cluster.
fn refuse_joined_node(directories: &Directories) -> Result<()> {
    let has_joined = directories.agent_data_dir().join("pki/node.crt").exists();
    if has_joined && !directories.data_dir.join("server").exists() {
        bail!(
            "this machine is a node of another cluster: run it with `sheave join URL`, or leave that cluster \
             with `sheave down` first"
        );
    }
    Ok(())
}

fn refuse_taken_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {port} is taken: another program listens on it (`ss -ltnp 'sport = :{port}'` names \
             it); stop it, or choose another port with --api-port"
        ),
        // Whatever else is wrong, the server says.
        _ => Ok(()),
    }
}

/// Waits until the API server answers; gives up at once when its process ends, with its own last words.
async fn api_ready(directories: &Directories, server: &Daemon, child: &mut Child) -> Result<Api> {
    let deadline = Instant::now() + API_READY_TIMEOUT;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("{}", last_words(server, status));
        }
        // Until the server has made its certificates there is no kubeconfig, and that is no error yet.
        if let Ok(access) = kubeconfig::read(&directories.admin_kubeconfig()) {
            let api = Api::new(&access)?;
            if api.get_text("/readyz").await.is_ok_and(|(status, _)| status.is_success()) {
                return Ok(api);
            }
        }
        if Instant::now() > deadline {
            bail!(
                "the API server is not ready after {} s; see {}",
                API_READY_TIMEOUT.as_secs(),
                server.log.display()
            );
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
