//! A first start on an empty store, timed, in directories of its own; taken away afterwards.

use super::report::Figure;
use crate::cluster::Cluster;
use crate::demo::Demo;
use crate::workspace::binary;
use crate::{images, privilege, step};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// From the request.
const PODS_WHAT: &str = "pods Running";

/// Pods that are created at once.
const PODS: usize = 20;

/// After the last change, until memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// Starts a cluster, measures it, takes it away.
pub(super) fn run() -> Result<Vec<Figure>> {
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
    let measured = measure(&cluster);
    let removed = cluster.stop().and_then(|()| cluster.remove());
    let figures = measured?;
    removed?;
    Ok(figures)
}

fn measure(cluster: &Cluster) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let took = |what, of: &str, time: Duration| Figure::of(what, of, "s", &[time.as_secs_f64()]);
    step::perform("start a cluster on an empty store", || {
        const WHAT: &str = "start on an empty store";
        let started = cluster.start()?;
        cluster.wait_api(Some(&started))?;
        figures.push(took(WHAT, "API ready (with kubectl's start)", started.at.elapsed()));
        cluster.wait_node_ready()?;
        figures.push(took(WHAT, "node Ready", started.at.elapsed()));
        Ok(String::new())
    })?;
    step::perform("apply the demo", || {
        let (_, running) = Demo::apply(cluster)?;
        figures.push(took(PODS_WHAT, "the demo's 3 pods", running));
        std::thread::sleep(IDLE);
        Ok(String::new())
    })?;
    let mut memory = Vec::new();
    for program in ["sheave-server", "sheave-agent"] {
        let mebibytes = cluster.resident_bytes(program)? as f64 / f64::from(1 << 20);
        memory.push(Figure::of("resident memory", program, "MiB", &[mebibytes]));
    }
    step::perform(&format!("create {PODS} pods at once"), || {
        figures.push(took(PODS_WHAT, &format!("{PODS} pods at once"), start_pods(cluster)?));
        Ok(String::new())
    })?;
    figures.extend(memory);
    Ok(figures)
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
