//! One server and the agents of a hundred nodes, which are hollow: processes that keep a stream, a certificate and
//! the agent's model each, and neither run a pod nor write a map. How long a complete state takes to all of them,
//! how long a change of one endpoint does, and what a node costs the server in memory.

mod agents;
mod changes;
mod objects;
mod progress;
mod server;

use self::agents::Agents;
use self::changes::Latencies;
use self::progress::Progress;
use self::server::Server;
use super::report::Figure;
use crate::workspace::{binary, cargo};
use crate::{privilege, process, step};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How many nodes there are.
const NODES: usize = 100;
/// How often a complete state is sent to all of them.
const ROUNDS: usize = 5;
/// Changes of one endpoint each.
const CHANGES: usize = 200;
/// Until what a start or a load needed has been given back.
const IDLE: Duration = Duration::from_secs(5);

/// What is wanted of it.
const COMPLETE_GOAL_S: f64 = 5.0;
const CHANGE_GOAL_MS: f64 = 50.0;
const MEMORY_GOAL_MIB: f64 = 0.3;

/// A figure a round.
#[derive(Default)]
struct Measured {
    /// From before the first agent is started until the server has every node's acknowledgement.
    complete_s: Vec<f64>,
    /// Processor time of the server and of all agents meanwhile.
    server_cpu_s: Vec<f64>,
    agents_cpu_s: Vec<f64>,
    /// Resident memory of the server some time after, and at its most in between.
    with_nodes_mib: Vec<f64>,
    most_mib: Vec<f64>,
}

/// Builds the agents.
pub(super) fn build() -> Result<()> {
    let mut command = cargo();
    command.args(["build", "--release", "--package", "sheave-hollow"]);
    step::run("build the hollow agent", &mut command).map(drop)
}

/// Measures with a server of its own, and takes it away.
pub(super) fn run() -> Result<Vec<Figure>> {
    privilege::become_root("measuring")?;
    if !binary("sheave").exists() {
        bail!("the programs are missing: run `cargo xtask build`");
    }
    build()?;
    let mut server = Server::start()?;
    step::perform(&format!("join {NODES} nodes"), || {
        agents::join(&server, NODES)?;
        Ok("each by `sheave join` with a token".into())
    })?;
    let (services, endpoints) = (objects::SERVICES, objects::ENDPOINTS);
    step::perform(&format!("create {services} Services of {endpoints} endpoints"), || {
        objects::create(&server)?;
        Ok(String::new())
    })?;
    // What it holds from here on is what it needs for objects and nodes.
    server.restart()?;
    std::thread::sleep(IDLE);
    let without_mib = mebibytes(process::resident_bytes(server.pid())?);
    let (mut measured, mut agents) = (Measured::default(), None);
    for round in 1..=ROUNDS {
        // Those of the round before are gone before others come.
        drop(agents.take());
        progress::wait_disconnected(&server)?;
        step::perform(&format!("round {round}: a complete state to all"), || {
            agents = Some(measure_complete(&server, &mut measured)?);
            Ok(measured.remark())
        })?;
    }
    let mut latencies = Latencies::default();
    step::perform(&format!("{CHANGES} changes of one endpoint"), || {
        latencies = changes::measure(&server, CHANGES)?;
        Ok(String::new())
    })?;
    Ok(found(&measured, &latencies, without_mib))
}

/// Starts all agents, and leaves them running.
fn measure_complete(server: &Server, measured: &mut Measured) -> Result<Agents> {
    process::forget_resident_most(server.pid())?;
    let server_before = process::cpu_time(server.pid())?;
    let began = Instant::now();
    let agents = Agents::start(server, NODES)?;
    agents.wait_complete()?;
    let newest = Progress::ask(server)?.newest;
    progress::wait_acknowledged(server, NODES, newest)?;
    measured.complete_s.push(began.elapsed().as_secs_f64());
    let used = process::cpu_time(server.pid())?.saturating_sub(server_before);
    measured.server_cpu_s.push(used.as_secs_f64());
    measured.agents_cpu_s.push(agents.cpu_time()?.as_secs_f64());
    std::thread::sleep(IDLE);
    measured.with_nodes_mib.push(mebibytes(process::resident_bytes(server.pid())?));
    measured.most_mib.push(mebibytes(process::resident_most_bytes(server.pid())?));
    Ok(agents)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

impl Measured {
    /// Of the last round.
    fn remark(&self) -> String {
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        format!(
            "{:.2} s; processor time {:.2} s of the server, {:.2} s of the agents; server {:.1} MiB",
            last(&self.complete_s),
            last(&self.server_cpu_s),
            last(&self.agents_cpu_s),
            last(&self.with_nodes_mib),
        )
    }

    /// MiB a node, by what the server holds more than without nodes.
    fn growth_mib(with_nodes_mib: &[f64], without_mib: f64) -> Vec<f64> {
        with_nodes_mib.iter().map(|with| (with - without_mib) / NODES as f64).collect()
    }
}

fn found(measured: &Measured, latencies: &Latencies, without_mib: f64) -> Vec<Figure> {
    let (services, endpoints) = (objects::SERVICES, objects::ENDPOINTS);
    let complete = format!(
        "{services} Services of {endpoints} endpoints to {NODES} nodes, goal {COMPLETE_GOAL_S} s"
    );
    let complete = |of, rounds: &[f64]| Figure::of(&complete, of, "s", rounds);
    let change = format!("a change of one endpoint to {NODES} nodes, goal {CHANGE_GOAL_MS} ms");
    let change = |of, rounds: &[f64]| Figure::of(&change, of, "ms", rounds);
    let memory = format!("memory of the server, goal {MEMORY_GOAL_MIB} MiB a node");
    let memory = |of, rounds: &[f64]| Figure::of(&memory, of, "MiB", rounds);
    let growth = |mib: &[f64]| Measured::growth_mib(mib, without_mib);
    vec![
        complete("until all have acknowledged", &measured.complete_s),
        complete("processor time, server", &measured.server_cpu_s),
        complete("processor time, all agents", &measured.agents_cpu_s),
        change("known to the push server to all", &latencies.push_ms),
        change("the same, 99 of 100 within", &[changes::p99(&latencies.push_ms)]),
        change("request sent to all", &latencies.whole_ms),
        change("that, 99 of 100 within", &[changes::p99(&latencies.whole_ms)]),
        memory("without nodes", &[without_mib]),
        memory(&format!("with {NODES}"), &measured.with_nodes_mib),
        memory("growth a node", &growth(&measured.with_nodes_mib)),
        memory("growth a node, at its most", &growth(&measured.most_mib)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_by_node() {
        assert_eq!(Measured::growth_mib(&[150.0, 170.0], 120.0), [0.3, 0.5]);
    }
}
