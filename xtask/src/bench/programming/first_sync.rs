//! An agent's first sync: it is started on a kernel without anything of it, and recalls nothing.

use super::restore::Rules;
use crate::bench::agent::Agent;
use crate::bench::report::Figure;
use crate::cluster::Cluster;
use crate::process;
use anyhow::Result;
use std::time::Duration;

/// Until what the sync needed has been given back.
const IDLE: Duration = Duration::from_secs(5);

/// A figure a sync.
#[derive(Default)]
pub(super) struct FirstSyncs {
    /// From the start of the agent's process until its maps hold everything.
    sync_s: Vec<f64>,
    /// Its processor time until then.
    cpu_s: Vec<f64>,
    /// Its resident memory some time later, and at its most.
    resident_mib: Vec<f64>,
    most_mib: Vec<f64>,
}

impl FirstSyncs {
    /// Starts the cluster's daemons again, on the same store. Says what it saw.
    pub(super) fn measure(&mut self, cluster: &Cluster) -> Result<String> {
        cluster.stop()?;
        cluster.clean_node()?;
        let started = cluster.start()?;
        cluster.wait_api(Some(&started))?;
        let agent = Agent::of(cluster);
        agent.wait_in_effect()?;
        let pid = cluster.daemon("sheave-agent")?;
        let cpu_s = process::cpu_time(pid)?.as_secs_f64();
        let sync_s = (agent.in_effect_micros()? - process::started_micros(pid)?) / 1e6;
        std::thread::sleep(IDLE);
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let resident_mib = mebibytes(process::resident_bytes(pid)?);
        self.sync_s.push(sync_s);
        self.cpu_s.push(cpu_s);
        self.resident_mib.push(resident_mib);
        self.most_mib.push(mebibytes(process::resident_most_bytes(pid)?));
        Ok(format!("{sync_s:.2} s, processor time {cpu_s:.2} s, {resident_mib:.1} MiB"))
    }

    /// Beside how long the rules took that were there first.
    pub(super) fn figures(&self, rules: &[Rules]) -> Vec<Figure> {
        const SYNC: &str = "first sync, from nothing";
        const MEMORY: &str = "memory of the agent after its first sync";
        let mut figures =
            vec![Figure::of(SYNC, "Sheave, from the agent's start", "s", &self.sync_s)];
        let restored =
            rules.iter().map(|rules| Figure::of(SYNC, rules.name, "s", &[rules.first_s]));
        figures.extend(restored);
        figures.push(Figure::of(
            "the agent's processor time until its first sync",
            "sheave-agent",
            "s",
            &self.cpu_s,
        ));
        figures.push(Figure::of(MEMORY, "resident", "MiB", &self.resident_mib));
        figures.push(Figure::of(MEMORY, "at its most", "MiB", &self.most_mib));
        figures
    }
}
