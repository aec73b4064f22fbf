//! Names of ten thousand Services, asked for from a pod: of the agent by the Service `kube-dns`, as pods do, and of
//! dnsmasq with the same names on the node. Needs the cluster of `cargo xtask up`.

mod client;
mod dnsmasq;
mod memory;
mod services;

use self::client::Client;
use self::dnsmasq::{Dnsmasq, wait_answer};
use self::memory::Memory;
use self::services::Services;
use super::pods::BenchPods;
use super::report::Figure;
use crate::cluster::Cluster;
use crate::{privilege, process, step};
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Questions a second that leave both servers idle most of the time: what one pod may well ask.
const RATE: u32 = 5000;
const DNS_PORT: u16 = 53;

/// How much is measured.
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
}

/// One of the two that are compared.
struct Server {
    name: &'static str,
    address: SocketAddrV4,
    pid: u32,
}

/// Of one server, a figure a round.
#[derive(Default)]
struct Measured {
    median_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    cpu_us: Vec<f64>,
    most_thousands: Vec<f64>,
    most_cpu_us: Vec<f64>,
    lost: f64,
}

/// Builds what asks.
pub(super) fn build() -> Result<()> {
    step::run("build the program that asks most", &mut client::build_command()).map(drop)
}

/// Measures both servers in each round.
pub(super) fn run(plan: &Plan) -> Result<Vec<Figure>> {
    privilege::require("measuring")?;
    let cluster = super::running_cluster()?;
    build()?;
    let mut services = None;
    step::perform(&format!("create {} Services", services::COUNT), || {
        services = Some(Services::create(&cluster)?);
        Ok(String::new())
    })?;
    let services = services.context("the step above succeeded")?;
    let memory = memory::measure(&cluster)?;
    let pods = BenchPods::start(&cluster)?;
    let client =
        Client::new(pods.process_in("client")?, services.questions(), services.directory())?;
    let name = services::last_name();
    let dnsmasq = Dnsmasq::start(node_address(&cluster)?, &services.hosts(), &name)?;
    let servers = [
        Server {
            name: "Sheave",
            address: dns_address(&cluster)?,
            pid: cluster.daemon("sheave-agent")?,
        },
        Server { name: "dnsmasq", address: dnsmasq.address, pid: dnsmasq.pid() },
    ];
    wait_answer(servers[0].address, &name)?;
    let Plan { rounds, seconds } = plan;
    println!(
        "dnsperf and name-flood in a pod, {rounds} rounds of {seconds} s for each server and load:"
    );
    let mut measured = [Measured::default(), Measured::default()];
    for round in 1..=*rounds {
        step::perform(&format!("round {round}"), || {
            // Neither is always the first.
            for offset in 0..servers.len() {
                let index = (round as usize + offset) % servers.len();
                measure(&client, &servers[index], *seconds, &mut measured[index])?;
            }
            Ok(remark(&servers, &measured))
        })?;
    }
    let after_mib = memory::resident_now_mebibytes(&cluster)?;
    Ok([found(&servers, &measured), found_memory(&memory, after_mib)].concat())
}

fn node_address(cluster: &Cluster) -> Result<Ipv4Addr> {
    let path = r#"{.items[0].status.addresses[?(@.type=="InternalIP")].address}"#;
    cluster.value(&["nodes"], path)?.parse().context("the node's address")
}

fn dns_address(cluster: &Cluster) -> Result<SocketAddrV4> {
    let service = ["service", "kube-dns", "--namespace=kube-system"];
    let address = cluster.value(&service, "{.spec.clusterIP}")?;
    Ok(SocketAddrV4::new(address.parse().context("the address of kube-dns")?, DNS_PORT))
}

/// One server, first with little to do, then with as much as it can.
fn measure(client: &Client, server: &Server, seconds: u32, measured: &mut Measured) -> Result<()> {
    let (seen, cpu_us) = timed(server, || client.ask_at(server.address, RATE, seconds))?;
    let at = |share: f64| {
        let index = (seen.latencies.len() as f64 * share) as usize;
        seen.latencies.get(index).map(|latency| latency.as_secs_f64() * 1e3)
    };
    measured.median_ms.push(at(0.5).context("dnsperf told of no question")?);
    measured.p99_ms.push(at(0.99).context("dnsperf told of no question")?);
    measured.cpu_us.push(cpu_us);
    measured.lost += seen.lost;
    let (seen, cpu_us) = timed(server, || client.ask_most(server.address, seconds))?;
    measured.most_thousands.push(seen.per_second / 1e3);
    measured.most_cpu_us.push(cpu_us);
    measured.lost += seen.lost;
    Ok(())
}

/// With the processor time that the server took for each answer.
fn timed(
    server: &Server,
    ask: impl FnOnce() -> Result<client::Seen>,
) -> Result<(client::Seen, f64)> {
    let before = process::cpu_time(server.pid)?;
    let seen = ask()?;
    let used = process::cpu_time(server.pid)?.saturating_sub(before);
    let cpu_us = used.as_secs_f64() * 1e6 / seen.answered;
    Ok((seen, cpu_us))
}

/// The figures of the last round.
fn remark(servers: &[Server], measured: &[Measured]) -> String {
    let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
    let each = servers.iter().zip(measured).map(|(server, measured)| {
        let (p99_ms, most) = (last(&measured.p99_ms), last(&measured.most_thousands));
        format!("{} {p99_ms:.3} ms, {most:.0} thousand/s", server.name)
    });
    each.collect::<Vec<_>>().join("; ")
}

/// What is told, of whom, and its unit.
type Row = (&'static str, fn(&Measured) -> &[f64], &'static str);

const PACED: [Row; 3] = [
    ("median", |measured| &measured.median_ms, "ms"),
    ("99 of 100 within", |measured| &measured.p99_ms, "ms"),
    ("processor time", |measured| &measured.cpu_us, "us an answer"),
];
const MOST: [Row; 2] = [
    ("answers", |measured| &measured.most_thousands, "thousand a second"),
    ("processor time", |measured| &measured.most_cpu_us, "us an answer"),
];

fn found(servers: &[Server; 2], measured: &[Measured; 2]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let paced = format!("{RATE} questions a second");
    for (load, rows) in [(paced.as_str(), &PACED[..]), ("as many as are answered", &MOST)] {
        for (what, of, unit) in rows {
            let what = format!("{load}: {what}");
            let [own, other] = [of(&measured[0]), of(&measured[1])];
            let figure = Figure::of(&what, servers[0].name, unit, own);
            figures.push(figure.beside(servers[1].name, own, other));
            figures.push(Figure::of(&what, servers[1].name, unit, other));
        }
    }
    let lost = servers.iter().zip(measured).map(|(server, measured)| {
        Figure::of("left unanswered, of all", server.name, "questions", &[measured.lost])
    });
    figures.extend(lost);
    figures
}

fn found_memory(memory: &Memory, after_mib: f64) -> Vec<Figure> {
    let figure = |of, rounds: &[f64]| Figure::of("memory of the agent", of, "MiB", rounds);
    vec![
        figure("without DNS", &memory.without),
        figure("with DNS", &memory.with),
        figure("with DNS, after the load", &[after_mib]),
    ]
}
