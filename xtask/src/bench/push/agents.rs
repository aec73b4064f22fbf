//! Hollow agents: nodes that join by `sheave join`, a hollow agent in the agent's place beside it, and then run
//! that agent alone, one process a node.

use super::objects;
use super::server::Server;
use crate::process;
use crate::workspace::binary;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Machines that join at a time.
const JOINING: usize = 8;
const JOIN_LIMIT: Duration = Duration::from_secs(60);
const COMPLETE_LIMIT: Duration = Duration::from_secs(120);
/// The first of the nodes' addresses; nothing is ever sent there (RFC 2544).
const FIRST_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 19, 0, 0);

/// Processes that are killed when this is dropped.
pub(super) struct Agents {
    processes: Vec<Child>,
    /// The line that each says when it is complete, with its number.
    said: mpsc::Receiver<(usize, String)>,
}

/// Makes `count` nodes with a certificate each; none of them runs afterwards.
pub(super) fn join(server: &Server, count: usize) -> Result<()> {
    let sheave = programs(server.directory())?;
    let token = server.token()?;
    let numbers: Vec<usize> = (1..=count).collect();
    for several in numbers.chunks(JOINING) {
        let started = several.iter().map(|number| Joining::start(server, &sheave, &token, *number));
        let started = started.collect::<Result<Vec<_>>>()?;
        for joining in started {
            joining.finish()?;
        }
    }
    Ok(())
}

/// `sheave` with a hollow agent beside it.
fn programs(directory: &Path) -> Result<PathBuf> {
    let programs = directory.join("programs");
    std::fs::create_dir_all(&programs)?;
    for (program, name) in [("sheave", "sheave"), ("sheave-hollow", "sheave-agent")] {
        let copied = std::fs::copy(binary(program), programs.join(name));
        copied.with_context(|| format!("copy {}", binary(program).display()))?;
    }
    Ok(programs.join("sheave"))
}

/// A `sheave join`, killed when dropped.
struct Joining {
    process: Child,
    name: String,
    log: PathBuf,
}

impl Joining {
    fn start(server: &Server, sheave: &Path, token: &str, number: usize) -> Result<Self> {
        let name = name(number);
        let directory = node_directory(server, number);
        let run_dir = directory.join("run");
        std::fs::create_dir_all(&run_dir)?;
        let log = directory.join("join.log");
        let output = File::create(&log)?;
        let mut command = Command::new(sheave);
        command.args(["join", &server.url(), "--token", token, "--node-name", &name]);
        command.args(["--node-ip", &node_address(number).to_string()]);
        command.arg("--data-dir").arg(&directory).arg("--run-dir").arg(&run_dir);
        command.arg("--bpffs-dir").arg(directory.join("bpf"));
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let process = command.spawn().context("cannot start sheave join")?;
        Ok(Self { process, name, log })
    }

    /// Waits until it says that the node is Ready, and ends it.
    fn finish(mut self) -> Result<()> {
        let deadline = Instant::now() + JOIN_LIMIT;
        loop {
            let said = std::fs::read_to_string(&self.log)?;
            if said.contains(" Ready after ") {
                break;
            }
            let ended = self.process.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("{} does not become Ready: {}", self.name, said.trim());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        // Its agent is told to end by its death.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Agents {
    /// One process a node that has joined.
    pub(super) fn start(server: &Server, count: usize) -> Result<Self> {
        let (sender, said) = mpsc::channel();
        let mut agents = Self { processes: Vec::with_capacity(count), said };
        for number in 1..=count {
            let mut process = spawn(server, number)?;
            let stdout = process.stdout.take().context("its output is a pipe")?;
            agents.processes.push(process);
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut line = String::new();
                // One that says nothing is missed by who waits.
                if BufReader::new(stdout).read_line(&mut line).is_ok() {
                    let _ = sender.send((number, line));
                }
            });
        }
        Ok(agents)
    }

    /// Waits until each has said that it has all there is.
    pub(super) fn wait_complete(&self) -> Result<()> {
        let expected = expected(self.processes.len());
        let deadline = Instant::now() + COMPLETE_LIMIT;
        for count in 0..self.processes.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            let (number, line) = self.said.recv_timeout(left).with_context(|| {
                format!("{count} of {} agents have the complete state", self.processes.len())
            })?;
            let line = line.trim();
            ensure!(line == expected, "{} has {line:?}, not {expected:?}", name(number));
        }
        Ok(())
    }

    /// Of all of them, since they were started.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        self.processes.iter().map(|agent| process::cpu_time(agent.id())).sum()
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        for agent in &mut self.processes {
            let _ = agent.kill();
        }
        for agent in &mut self.processes {
            let _ = agent.wait();
        }
    }
}

fn spawn(server: &Server, number: usize) -> Result<Child> {
    let directory = node_directory(server, number);
    let log = File::create(directory.join("hollow.log"))?;
    let mut command = Command::new(binary("sheave-hollow"));
    command.args(["--server", &server.url(), "--node-name", &name(number)]);
    command.args(["--node-ip", &node_address(number).to_string()]);
    command.arg("--data-dir").arg(directory.join("agent"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    command.spawn().context("cannot start a hollow agent")
}

/// What an agent of so many has to say once it is complete. The two Services that every cluster has are there
/// too: that of the API server, with one endpoint, and that of DNS, with those of its nodes.
fn expected(nodes: usize) -> String {
    let (services, endpoints) = (objects::SERVICES, objects::SERVICES * objects::ENDPOINTS);
    format!(
        "complete services={} slices={} endpoints={} peers={}",
        services + 2,
        services + 1,
        endpoints + 1,
        nodes - 1
    )
}

fn name(number: usize) -> String {
    format!("hollow-{number:03}")
}

fn node_directory(server: &Server, number: usize) -> PathBuf {
    server.directory().join("nodes").join(name(number))
}

fn node_address(number: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(FIRST_ADDRESS) + number as u32)
}
