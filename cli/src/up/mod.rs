//! `sheave up`: a whole cluster on this machine, in the foreground.
//!
//! It starts the control plane and the agent and keeps both running. When it ends, they end; pods and
//! dataplane go on, and the next `sheave up` finds them.

mod flags;

use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use tokio::process::Child;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Api;
use crate::children::{self, Daemon};
use crate::directories::Directories;
use crate::keeper;
use crate::kubeconfig;
use crate::program;

pub(crate) use flags::Arguments;
use flags::{agent_daemon, server_daemon};

/// How often a daemon that starts is asked whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
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
    let node_name = arguments.node_name.clone().map_or_else(host_name, Ok)?;
    let server = server_daemon(&arguments, &node_name)?;
    let agent = agent_daemon(&arguments, &node_name)?;
    // Nothing is made before all of this is settled.
    let claimed = directories.pid_file().exists().then(|| claim(directories)).transpose()?;
    refuse_taken_port(arguments.api_port)?;
    refuse_what_agent_refuses(&agent)?;
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

fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname().context("this machine has no host name")?;
    let name = name.into_string().ok().context("the host name is not UTF-8: use --node-name")?;
    Ok(name.to_lowercase())
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

/// The agent looks at the machine before anything is made on it.
fn refuse_what_agent_refuses(agent: &Daemon) -> Result<()> {
    let output = std::process::Command::new(&agent.program)
        .arg("--check")
        .args(&agent.arguments)
        .env("SHEAVE_LOG", "error")
        .output()
        .with_context(|| format!("cannot run {}", agent.program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.trim().trim_start_matches("sheave-agent: "));
    }
    Ok(())
}

fn prepare(directories: &Directories) -> Result<()> {
    let log = directories.log("server");
    let log_dir = log.parent().unwrap_or(&directories.data_dir);
    for dir in [&directories.data_dir, &directories.run_dir, log_dir] {
        std::fs::create_dir_all(dir).with_context(|| {
            format!(
                "cannot make {}: choose other places with --data-dir and --run-dir",
                dir.display()
            )
        })?;
    }
    Ok(())
}

/// Makes sure that no other `sheave up` works with these directories, for as long as the lock lives.
fn claim(directories: &Directories) -> Result<Flock<File>> {
    let path = directories.pid_file();
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => bail!(
            "a cluster already runs with {}: end that `sheave up` first, or choose another --run-dir \
             and --data-dir",
            directories.run_dir.display()
        ),
        Err((_, errno)) => {
            return Err(errno).with_context(|| format!("cannot lock {}", path.display()));
        }
    };
    lock.set_len(0)?;
    writeln!(lock, "{}", std::process::id())?;
    Ok(lock)
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

/// Keeps the agent running, unless it refuses this machine at its first start: then so do we, and say what
/// it said.
async fn keep_agent(agent: &Daemon, child: &mut Child, is_ready: &Cell<bool>) -> Result<()> {
    let status = child.wait().await.context("lost sight of the agent")?;
    // An exit is a refusal; a signal is an accident, after which it is started again.
    if !is_ready.get() && status.code().is_some() {
        bail!("{}", last_words(agent, status));
    }
    agent.keep(child).await
}

/// Why a daemon did not start, in its own words: the last line of its log.
fn last_words(daemon: &Daemon, status: ExitStatus) -> String {
    let text = std::fs::read_to_string(&daemon.log).unwrap_or_default();
    let last = text.lines().last().unwrap_or_default();
    let prefix = format!("sheave-{}: ", daemon.name);
    match last.strip_prefix(&prefix) {
        Some(sentence) => sentence.to_owned(),
        None => format!("the {} ended ({status}); see {}", daemon.name, daemon.log.display()),
    }
}

/// Says once that the node is Ready, then waits for ever.
async fn announce_node(
    api: &Api,
    node_name: &str,
    started: Instant,
    is_ready: &Cell<bool>,
) -> Result<()> {
    let path = format!("/api/v1/nodes/{node_name}");
    loop {
        if let Ok(node) = api.get(&path).await {
            let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
            if conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
                is_ready.set(true);
                println!("Node {node_name} Ready after {} ms", started.elapsed().as_millis());
                return std::future::pending().await;
            }
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}
