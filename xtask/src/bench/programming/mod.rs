//! From a write at the API server to its effect, with few Services and with many: until the kernel's maps have it, and
//! until a connection succeeds. Beside it what kube-proxy's rules take for the same change, the restore alone. And an
//! agent's first sync: from its start on an empty kernel until the maps hold everything.

mod first_sync;
mod restore;
mod web;

use self::first_sync::FirstSyncs;
use self::restore::Rules;
use self::web::{Change, Web};
use super::agent::Agent;
use super::proxy::{Proxy, for_each};
use super::report::Figure;
use super::service::services;
use crate::cluster::Cluster;
use crate::process::{self, Activity};
use crate::workspace::binary;
use crate::{images, lab, privilege, step};
use anyhow::{Context, Result, bail};
use std::time::Duration;

/// How often an agent is started on an empty kernel.
const SYNCS: u32 = 3;
/// Until what many new Services have set off has come to rest.
const SETTLING: Duration = Duration::from_secs(3);

/// With so many Services, one number after the other; so many changes for each.
pub(super) fn run(counts: &[u32], changes: u32) -> Result<Vec<Figure>> {
    privilege::become_root("measuring")?;
    lab::refuse_beside_one()?;
    if Cluster::standard().supervisor().is_some() {
        bail!("a cluster runs on this machine: run `cargo xtask down` first");
    }
    if !binary("sheave").exists() || !images::archive_dir().exists() {
        bail!(
            "the programs or images are not built: run `cargo xtask build` and `cargo xtask images`"
        );
    }
    let cluster = Cluster::for_measuring();
    cluster.remove()?;
    let measured = measure(&cluster, counts, changes);
    let removed = cluster.stop().and_then(|()| cluster.remove());
    let figures = measured?;
    removed?;
    Ok(figures)
}

fn measure(cluster: &Cluster, counts: &[u32], changes: u32) -> Result<Vec<Figure>> {
    let mut counts = counts.to_vec();
    counts.sort_unstable();
    counts.dedup();
    step::perform("start a cluster", || {
        let started = cluster.start()?;
        cluster.wait_api(Some(&started))?;
        cluster.wait_node_ready()?;
        Ok(String::new())
    })?;
    let mut web = None;
    step::perform("make the Service that is changed", || {
        web = Some(Web::create(cluster, &Proxy::start(&cluster.kubeconfig())?)?);
        Ok(String::new())
    })?;
    let web = web.context("the step above succeeded")?;
    let (mut figures, mut made) = (Vec::new(), 0);
    for services in counts {
        step::perform(&format!("{services} Services"), || {
            let proxy = Proxy::start(&cluster.kubeconfig())?;
            for_each(made..services - 1, |number| web::make_other(&proxy, number))?;
            made = made.max(services - 1);
            Ok(String::new())
        })?;
        let mut syncs = FirstSyncs::default();
        for sync in 1..=SYNCS {
            step::perform(&format!("{services} Services, first sync {sync} of {SYNCS}"), || {
                syncs.measure(cluster)
            })?;
        }
        std::thread::sleep(SETTLING);
        let mut rules = Rules::all(services);
        let measured = measure_changes(cluster, &web, &mut rules, changes, services)?;
        let found = [measured, syncs.figures(&rules)].concat();
        figures.extend(found.into_iter().map(|figure| figure.with_services(services)));
    }
    // Each quantity with all its numbers of Services.
    let mut order: Vec<String> = Vec::new();
    for figure in &figures {
        if !order.contains(&figure.what) {
            order.push(figure.what.clone());
        }
    }
    figures.sort_by_key(|figure| order.iter().position(|what| *what == figure.what));
    Ok(figures)
}

/// One change after the other: Sheave's, then that of each kind of rules.
fn measure_changes(
    cluster: &Cluster,
    web: &Web,
    rules: &mut [Rules],
    changes: u32,
    services: u32,
) -> Result<Vec<Figure>> {
    const WHAT: &str = "a changed endpoint, from the write to its effect";
    let (agent, proxy) = (Agent::of(cluster), Proxy::start(&cluster.kubeconfig())?);
    let (mut live_ms, mut connected_ms) = (Vec::new(), Vec::new());
    let mut cpu = Duration::ZERO;
    step::perform(&format!("{services} Services, {changes} changes"), || {
        for _ in 0..changes {
            let change = web.change(&proxy)?;
            live_ms.extend(live(&agent, &change)?);
            connected_ms.push((change.connected_us - change.sent_us) / 1e3);
            rules.iter_mut().try_for_each(Rules::change)?;
        }
        // Once more, without questions that cost the agent something.
        let pid = cluster.daemon("sheave-agent")?;
        let before = total(pid)?;
        (0..changes).try_for_each(|_| web.change(&proxy).map(drop))?;
        cpu = total(pid)?.saturating_sub(before);
        Ok(String::new())
    })?;
    // Each was made ready and unmade again.
    let cpu_us = cpu.as_secs_f64() * 1e6 / f64::from(2 * changes);
    if live_ms.is_empty() {
        bail!("the agent has said of no change when it was in effect: others came after each");
    }
    let mut connected = Figure::of(WHAT, "Sheave, first connection", "ms", &connected_ms);
    for rules in rules.iter() {
        connected = connected.beside(rules.name, &connected_ms, &rules.change_ms);
    }
    let restored = rules.iter().map(|rules| Figure::of(WHAT, rules.name, "ms", &rules.change_ms));
    let mut figures = vec![Figure::of(WHAT, "Sheave, in the map", "ms", &live_ms), connected];
    figures.extend(restored);
    figures.push(Figure::of(
        "the agent's processor time for a change",
        "sheave-agent",
        "us",
        &[cpu_us],
    ));
    Ok(figures)
}

/// Milliseconds from the write until the agent's maps held it, by what the agent says. `None` when they were written
/// once more before it was asked.
fn live(agent: &Agent, change: &Change) -> Result<Option<f64>> {
    let live_us = agent.in_effect_micros()?;
    let is_its = change.sent_us < live_us && live_us <= change.connected_us;
    Ok(is_its.then_some((live_us - change.sent_us) / 1e3))
}

/// Of all threads of a process.
fn total(pid: u32) -> Result<Duration> {
    let threads = process::activity(pid)?;
    Ok(threads.values().map(|Activity { cpu, .. }| *cpu).sum())
}
