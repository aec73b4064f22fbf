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
use super::table::Table;
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
struct Figures {
    median_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    cpu_us: Vec<f64>,
    most_thousands: Vec<f64>,
    most_cpu_us: Vec<f64>,
    lost: f64,
}

/// Measures both servers in each round.
pub(super) fn run(plan: &Plan) -> Result<()> {
    privilege::require("measuring")?;
    let cluster = super::running_cluster()?;
    step::run("build the program that asks most", &mut client::build_command())?;
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
    let mut figures = [Figures::default(), Figures::default()];
    for round in 1..=*rounds {
        step::perform(&format!("round {round}"), || {
            // Neither is always the first.
            for offset in 0..servers.len() {
                let index = (round as usize + offset) % servers.len();
                measure(&client, &servers[index], *seconds, &mut figures[index])?;
            }
            Ok(remark(&servers, &figures))
        })?;
    }
    print(&servers, &figures, &memory, memory::resident_now_mebibytes(&cluster)?);
    Ok(())
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
fn measure(client: &Client, server: &Server, seconds: u32, figures: &mut Figures) -> Result<()> {
    let (seen, cpu_us) = timed(server, || client.ask_at(server.address, RATE, seconds))?;
    let at = |share: f64| {
        let index = (seen.latencies.len() as f64 * share) as usize;
        seen.latencies.get(index).map(|latency| latency.as_secs_f64() * 1e3)
    };
    figures.median_ms.push(at(0.5).context("dnsperf told of no question")?);
    figures.p99_ms.push(at(0.99).context("dnsperf told of no question")?);
    figures.cpu_us.push(cpu_us);
    figures.lost += seen.lost;
    let (seen, cpu_us) = timed(server, || client.ask_most(server.address, seconds))?;
    figures.most_thousands.push(seen.per_second / 1e3);
    figures.most_cpu_us.push(cpu_us);
    figures.lost += seen.lost;
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
fn remark(servers: &[Server], figures: &[Figures]) -> String {
    let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
    let each = servers.iter().zip(figures).map(|(server, figures)| {
        let (p99_ms, most) = (last(&figures.p99_ms), last(&figures.most_thousands));
        format!("{} {p99_ms:.3} ms, {most:.0} thousand/s", server.name)
    });
    each.collect::<Vec<_>>().join("; ")
}

/// What is told, of whom, and its unit.
type Row = (&'static str, fn(&Figures) -> &[f64], &'static str);

const PACED: [Row; 3] = [
    ("median", |figures| &figures.median_ms, "ms"),
    ("99 of 100 within", |figures| &figures.p99_ms, "ms"),
    ("processor time", |figures| &figures.cpu_us, "us an answer"),
];
const MOST: [Row; 2] = [
    ("answers", |figures| &figures.most_thousands, "thousand a second"),
    ("processor time", |figures| &figures.most_cpu_us, "us an answer"),
];

fn print(servers: &[Server; 2], figures: &[Figures; 2], memory: &Memory, after: f64) {
    let paced = format!("{RATE} questions a second");
    for (heading, rows) in [(paced.as_str(), &PACED[..]), ("as many as are answered", &MOST)] {
        let mut table = Table::new(heading);
        for (what, of, unit) in rows {
            for (server, figures) in servers.iter().zip(figures) {
                table.figures(&format!("{}, {what}", server.name), of(figures), unit);
            }
            table.ratio(&format!("{what}, ratio"), of(&figures[0]), of(&figures[1]));
        }
        print!("\n{table}");
    }
    let mut table = Table::new("memory of the agent");
    table.figures("without DNS", &memory.without, "MiB");
    table.figures("with DNS", &memory.with, "MiB");
    table.figures("with DNS, after the load", &[after], "MiB");
    print!("\n{table}");
    for (server, figures) in servers.iter().zip(figures).filter(|(_, figures)| figures.lost > 0.0) {
        println!("{} left {} questions unanswered", server.name, figures.lost);
    }
}
