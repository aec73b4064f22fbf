//! A first start on an empty store, timed, in directories of its own; taken away afterwards.

use crate::cluster::Cluster;
use crate::demo::Demo;
use crate::report::Report;
use crate::workspace::binary;
use crate::{images, privilege, step};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// Pods that are created at once.
const PODS: usize = 20;

/// After the last change, until memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// Starts a cluster, measures it, takes it away.
pub(super) fn run() -> Result<()> {
    privilege::require("running a cluster")?;
    if Cluster::standard().supervisor().is_some() {
        bail!(
            "a cluster runs on this machine: run `cargo xtask down` first, a first start is measured"
        );
    }
    if !binary("sheave").exists() || !images::archive_dir().exists() {
        bail!(
            "the programs or images are not built: run `cargo xtask build` and `cargo xtask images`"
        );
    }
    let cluster = Cluster::for_measuring();
    cluster.remove()?;
    let mut report = Report::new();
    let measured = measure(&cluster, &mut report);
    let removed = cluster.stop().and_then(|()| cluster.remove());
    measured?;
    removed?;
    println!("\n{report}");
    Ok(())
}

fn measure(cluster: &Cluster, report: &mut Report) -> Result<()> {
    step::perform("start a cluster on an empty store", || {
        let started = cluster.start()?;
        cluster.wait_api(Some(&started))?;
        report.note_duration("API ready (kubectl's own start included)", started.at.elapsed());
        cluster.wait_node_ready()?;
        report.note_duration("node Ready", started.at.elapsed());
        Ok(String::new())
    })?;
    step::perform("apply the demo", || {
        let (_, running) = Demo::apply(cluster)?;
        report.note_duration("the demo's 3 pods Running after apply", running);
        std::thread::sleep(IDLE);
        Ok(String::new())
    })?;
    for program in ["sheave-server", "sheave-agent"] {
        report.note_memory(program, cluster.resident_bytes(program)?);
    }
    step::perform(&format!("create {PODS} pods at once"), || {
        report.note_duration(&format!("{PODS} pods Running after create"), start_pods(cluster)?);
        Ok(String::new())
    })?;
    Ok(())
}

fn start_pods(cluster: &Cluster) -> Result<Duration> {
    let namespace = ["--namespace", "many"];
    cluster.kubectl(&["create", "namespace", "many"])?;
    let started = Instant::now();
    let replicas = format!("--replicas={PODS}");
    let create = ["create", "deployment", "many", "--image=sheave.local/hello:1", &replicas];
    cluster.kubectl(&[&namespace[..], &create].concat())?;
    cluster.wait_pods_running("many", PODS)?;
    Ok(started.elapsed())
}
