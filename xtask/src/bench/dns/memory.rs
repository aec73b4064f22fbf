//! What the agent holds with its DNS, and what without: it is started anew for each, pods keep running.

use crate::cluster::Cluster;
use crate::step;
use anyhow::Result;
use std::time::Duration;

/// How often each is started.
const ROUNDS: usize = 3;
/// Until what the start needed has been given back.
const IDLE: Duration = Duration::from_secs(5);

/// In MiB, a figure a round.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) without: Vec<f64>,
    pub(super) with: Vec<f64>,
}

/// Leaves a cluster that is as before.
pub(super) fn measure(cluster: &Cluster) -> Result<Memory> {
    let mut memory = Memory::default();
    for round in 1..=ROUNDS {
        step::perform(&format!("memory of the agent, round {round}"), || {
            let without = resident_mebibytes(cluster, &["--dns-port", "0"])?;
            let with = resident_mebibytes(cluster, &[])?;
            memory.without.push(without);
            memory.with.push(with);
            Ok(format!("{without:.1} MiB without DNS, {with:.1} MiB with it"))
        })?;
    }
    Ok(memory)
}

/// Now.
pub(super) fn resident_now_mebibytes(cluster: &Cluster) -> Result<f64> {
    Ok(cluster.resident_bytes("sheave-agent")? as f64 / f64::from(1 << 20))
}

fn resident_mebibytes(cluster: &Cluster, words: &[&str]) -> Result<f64> {
    cluster.stop()?;
    let started = cluster.start_with(words)?;
    cluster.wait_api(Some(&started))?;
    cluster.wait_node_ready()?;
    std::thread::sleep(IDLE);
    resident_now_mebibytes(cluster)
}
