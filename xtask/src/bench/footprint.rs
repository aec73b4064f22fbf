//! A first start on an empty store, timed, in directories of its own; what the daemons cost at rest, without pods and
//! with some; starts on what is there then; and how large the programs are. All of it is taken away afterwards.

use super::agent::Agent;
use super::report::Figure;
use super::rest;
use crate::cluster::Cluster;
use crate::demo::Demo;
use crate::workspace::{INSTALLED, binary};
use crate::{images, privilege, step};
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// From the request.
const PODS_WHAT: &str = "pods Running";

/// Pods that are created at once.
const PODS: usize = 20;

/// How often the daemons are started again.
const STARTS: usize = 5;
const DAEMONS: [&str; 2] = ["sheave-server", "sheave-agent"];

/// After the last change, until a daemon is at rest.
const IDLE: Duration = Duration::from_secs(5);

/// Starts a cluster, measures it, takes it away.
pub(super) fn run() -> Result<Vec<Figure>> {
    privilege::become_root("running a cluster")?;
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
    let (mut figures, mut pods) = (Vec::new(), Vec::new());
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
    at_rest(cluster, "no pods", &mut figures)?;
    step::perform("apply the demo", || {
        let (_, running) = Demo::apply(cluster)?;
        pods.push(took(PODS_WHAT, "the demo's 3 pods", running));
        Ok(String::new())
    })?;
    at_rest(cluster, "3 pods", &mut figures)?;
    step::perform(&format!("create {PODS} pods at once"), || {
        pods.push(took(PODS_WHAT, &format!("{PODS} pods at once"), start_pods(cluster)?));
        Ok(String::new())
    })?;
    figures.extend(pods);
    figures.extend(start_again(cluster)?);
    figures.extend(sizes()?);
    Ok(figures)
}

fn at_rest(cluster: &Cluster, when: &str, figures: &mut Vec<Figure>) -> Result<()> {
    step::perform(&format!("watch the daemons at rest, {when}"), || {
        std::thread::sleep(IDLE);
        let daemon = |program| Ok((program, cluster.daemon(program)?));
        let daemons = DAEMONS.into_iter().map(daemon).collect::<Result<Vec<_>>>()?;
        figures.extend(rest::watch(&daemons, when)?);
        Ok(String::new())
    })
    .map(drop)
}

/// On a store with objects, and on maps that are full: pods keep running.
fn start_again(cluster: &Cluster) -> Result<Vec<Figure>> {
    let agent = Agent::of(cluster);
    let (mut api_s, mut agent_s) = (Vec::new(), Vec::new());
    for start in 1..=STARTS {
        step::perform(&format!("start again, {start} of {STARTS}"), || {
            cluster.stop()?;
            let started = cluster.start()?;
            cluster.wait_api(Some(&started))?;
            api_s.push(started.at.elapsed().as_secs_f64());
            agent.wait_in_effect()?;
            agent_s.push(started.at.elapsed().as_secs_f64());
            Ok(String::new())
        })?;
    }
    let what = format!("start again, with {} pods", PODS + 3);
    Ok(vec![
        Figure::of(&what, "API ready (with kubectl's start)", "s", &api_s),
        Figure::of(&what, "the agent's maps in effect", "s", &agent_s),
    ])
}

/// As they are shipped.
fn sizes() -> Result<Vec<Figure>> {
    let size = |program: &&str| {
        let path = binary(program);
        let bytes = path.metadata().with_context(|| path.display().to_string())?.len();
        let mebibytes = bytes as f64 / f64::from(1 << 20);
        Ok(Figure::of("size of the programs", program, "MiB", &[mebibytes]))
    };
    INSTALLED.iter().map(size).collect()
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
