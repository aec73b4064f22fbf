//! `cargo xtask up`: from a checkout to a cluster that serves. Run again, it brings a running
//! cluster up to date: daemons whose program changed are restarted, pods and traffic go on.

use crate::cluster::{Cluster, output_of};
use crate::demo::Demo;
use crate::report::Report;
use crate::workspace::{INSTALLED, binary, target_dir};
use crate::{build, images, lab, privilege, setup, step, traffic};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::time::Instant;

/// How long each iperf3 run takes.
const IPERF3_SECONDS: u32 = 3;

/// Sets up, builds, starts, shows.
pub(crate) fn run() -> Result<()> {
    privilege::require("running a cluster")?;
    lab::refuse_beside_one()?;
    let begun = Instant::now();
    setup::run()?;
    build::run()?;
    images::run()?;
    println!("Cluster:");
    let cluster = Cluster::standard();
    let mut seen = Report::new();
    start_or_update(&cluster, &mut seen)?;
    try_demo(&cluster, &mut seen)?;
    for program in ["sheave-server", "sheave-agent"] {
        seen.note_memory(program, cluster.resident_bytes(program)?);
    }
    println!("\n{}\n", seen);
    println!(
        "Ready after {:.0} s. The cluster keeps running. To go on:\n",
        begun.elapsed().as_secs_f64()
    );
    println!("  export KUBECONFIG={}", readable_kubeconfig(&cluster)?.display());
    println!("  kubectl get pods --all-namespaces --output wide");
    println!("  {} services", binary("sheave").display());
    println!("\n`cargo xtask up` brings it up to date, `cargo xtask down` takes it away.");
    Ok(())
}

fn start_or_update(cluster: &Cluster, seen: &mut Report) -> Result<()> {
    let programs = fingerprint()?;
    if cluster.supervisor().is_some() {
        if std::fs::read_to_string(fingerprint_file()).is_ok_and(|running| running == programs) {
            step::unneeded("sheave up", "runs, and is up to date");
            cluster.wait_api(None)?;
            return cluster.wait_node_ready();
        }
        step::perform("stop the daemons, whose programs changed (pods keep running)", || {
            cluster.stop().map(|()| String::new())
        })?;
    }
    step::perform("start the cluster", || {
        let started = cluster.start()?;
        cluster.wait_api(Some(&started))?;
        seen.note_duration("API ready", started.at.elapsed());
        cluster.wait_node_ready()?;
        seen.note_duration("node Ready", started.at.elapsed());
        Ok(String::new())
    })?;
    std::fs::write(fingerprint_file(), programs)?;
    Ok(())
}

fn try_demo(cluster: &Cluster, seen: &mut Report) -> Result<()> {
    let mut applied = None;
    step::perform("apply examples/hello.yaml with kubectl", || {
        applied = Some(Demo::apply(cluster)?);
        Ok(String::new())
    })?;
    let (demo, pods_running) = applied.context("the step above succeeded")?;
    seen.note_duration("pods Running after apply", pods_running);
    step::perform("ask the Service", || {
        let service = demo.web()?;
        seen.note(&format!("host to ClusterIP {service}"), demo.ask_from_host(service)?);
        seen.note(&format!("pod to ClusterIP {service}"), demo.ask_from_pod(service)?);
        for node_port in demo.node_ports()? {
            seen.note(&format!("host to NodePort {node_port}"), demo.ask_from_host(node_port)?);
        }
        Ok(String::new())
    })?;
    step::perform("measure with iperf3", || {
        let targets = [("pod", demo.iperf3_pod()?), ("ClusterIP", demo.iperf3_service()?)];
        for (what, server) in targets {
            let gbit_s = traffic::iperf3(server, IPERF3_SECONDS)?;
            seen.note(&format!("iperf3 to {what} {server}"), format!("{gbit_s:.1} Gbit/s"));
        }
        Ok(String::new())
    })?;
    Ok(())
}

/// What identifies the programs that run: their paths and contents.
fn fingerprint() -> Result<String> {
    let mut lines = String::new();
    for name in INSTALLED {
        let path = binary(name);
        let content = std::fs::read(&path).with_context(|| format!("{}", path.display()))?;
        let digest: String =
            Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push_str(&format!("{digest}  {}\n", path.display()));
    }
    Ok(lines)
}

/// The fingerprint of the programs that the running cluster was started with.
fn fingerprint_file() -> PathBuf {
    target_dir().join("up.sha256")
}

/// The kubeconfig for the user who typed the command: the original for root, a copy for others.
fn readable_kubeconfig(cluster: &Cluster) -> Result<PathBuf> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    if privilege::is_root() {
        return Ok(cluster.kubeconfig());
    }
    let content = output_of(privilege::command("cat").arg(cluster.kubeconfig()))?;
    let copy = target_dir().join("admin.kubeconfig");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&copy)?;
    file.write_all(content.as_bytes())?;
    Ok(copy)
}
