//! What `sheave up` and `sheave join` have in common: one supervisor a set of directories, an agent that is
//! asked before anything is made and kept running, and the news that the node is Ready.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use tokio::process::Child;

use crate::api::Api;
use crate::children::Daemon;
use crate::directories::Directories;

/// How often a daemon that starts is asked whether it is ready.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How long that is asked so often, and how often from then on.
const SOON: Duration = Duration::from_secs(5);
const LATE_POLL_INTERVAL: Duration = Duration::from_secs(2);

pub(crate) fn host_name() -> Result<String> {
    let name = nix::unistd::gethostname().context("this machine has no host name")?;
    let name = name.into_string().ok().context("the host name is not UTF-8: use --node-name")?;
    Ok(name.to_lowercase())
}

/// The agent looks at the machine before anything is made on it. `ranges` are the cluster's, each with the
/// flag that chooses it: on a machine that is no node yet, they must be nobody else's.
pub(crate) fn refuse_what_agent_refuses(
    agent: &Daemon,
    directories: &Directories,
    ranges: &[String],
) -> Result<()> {
    let is_node = directories.agent_data_dir().join("view").exists();
    let checked = ranges.iter().filter(|_| !is_node);
    let output = std::process::Command::new(&agent.program)
        .arg("--check")
        .args(&agent.arguments)
        .args(checked.flat_map(|range| ["--check-range", range]))
        .env("SHEAVE_LOG", "error")
        .output()
        .with_context(|| format!("cannot run {}", agent.program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}", said.trim().trim_start_matches("sheave-agent: "));
    }
    Ok(())
}

pub(crate) fn prepare(directories: &Directories) -> Result<()> {
    let log = directories.log("agent");
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

/// The same as [`claim`] where there may be another supervisor; nothing is made where there is none.
pub(crate) fn claim_existing(directories: &Directories) -> Result<Option<Flock<File>>> {
    directories.pid_file().exists().then(|| claim(directories)).transpose()
}

/// Makes sure that no other supervisor works with these directories, for as long as the lock lives.
pub(crate) fn claim(directories: &Directories) -> Result<Flock<File>> {
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
            "a cluster already runs with {}: end that `sheave up` or `sheave join` first, or choose another \
             --run-dir and --data-dir",
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

/// Keeps the agent running, unless it refuses this machine at its first start: then so do we, and say what
/// it said.
pub(crate) async fn keep_agent(
    agent: &Daemon,
    child: &mut Child,
    is_ready: &Cell<bool>,
) -> Result<()> {
    let status = child.wait().await.context("lost sight of the agent")?;
    // An exit is a refusal; a signal is an accident, after which it is started again.
    if !is_ready.get() && status.code().is_some() {
        bail!("{}", last_words(agent, status));
    }
    agent.keep(child).await
}

/// Why a daemon did not start, in its own words: the last line of its log.
pub(crate) fn last_words(daemon: &Daemon, status: ExitStatus) -> String {
    let text = std::fs::read_to_string(&daemon.log).unwrap_or_default();
    let last = text.lines().last().unwrap_or_default();
    let prefix = format!("sheave-{}: ", daemon.name);
    match last.strip_prefix(&prefix) {
        Some(sentence) => sentence.to_owned(),
        None => format!("the {} ended ({status}); see {}", daemon.name, daemon.log.display()),
    }
}

/// Says once that the node is Ready, then waits for ever.
pub(crate) async fn announce_node(
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
        // A node that is not Ready soon may not be for days, and its server has others to answer.
        let is_soon = started.elapsed() < SOON;
        tokio::time::sleep(if is_soon { POLL_INTERVAL } else { LATE_POLL_INTERVAL }).await;
    }
}
