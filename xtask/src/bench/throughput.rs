//! One TCP stream from pod to pod: straight to the pod's address, through the Service, and over plain
//! routed veths between the same pods, with the uplink's MTU as a simple network for containers has them,
//! and with that of Sheave's own. Needs the cluster of `cargo xtask up`.

use super::placement::Placement;
use super::plain::PlainVeths;
use super::pods::{BenchPods, PORT};
use super::table::Table;
use crate::cluster::output_of;
use crate::{privilege, step, traffic};
use anyhow::Result;
use std::net::SocketAddrV4;
use std::time::Duration;

/// The server closes its side of the last stream before it takes the next.
const BETWEEN: Duration = Duration::from_millis(300);

/// The same for every way, whatever this machine's default: one that paces by estimates (BBR) measures its
/// estimates. Every kernel has it, and every container may use it.
pub(super) const CONGESTION: &str = "reno";

/// A way from the client to the server.
struct Path {
    name: String,
    server: SocketAddrV4,
}

/// How many, and which the Service's is.
const PATHS: usize = 4;
const CLUSTER_IP: usize = 1;

/// Where both ends run, and what was measured there: a row a round, a column a path.
struct Setting {
    placement: Placement,
    gbit_s: Vec<[f64; PATHS]>,
}

/// What is measured, and how often.
pub(super) struct Plan<'a> {
    pub(super) rounds: u32,
    pub(super) seconds: u32,
    pub(super) congestion: &'a str,
}

/// Measures every way in each round.
pub(super) fn run(plan: &Plan<'_>) -> Result<()> {
    privilege::require("measuring")?;
    let cluster = super::running_cluster()?;
    let pods = BenchPods::start(&cluster)?;
    let (mtu, mtu_outside) = (pods.mtu()?, pods.mtu_outside()?);
    let plain = PlainVeths::set_up(&pods, 0, mtu_outside)?;
    let plain_wide = PlainVeths::set_up(&pods, 1, mtu)?;
    let client = pods.client_prefix()?;
    let path = |name: &str, server| Path { name: name.to_owned(), server };
    let paths = [
        path("pod address", pods.server()?),
        path("ClusterIP", pods.service()?),
        path(&format!("plain veths, MTU {mtu_outside}"), plain.server(PORT)),
        path(&format!("plain veths, MTU {mtu}"), plain_wide.server(PORT)),
    ];
    let placements = Placement::all()?.into_iter();
    let mut settings: Vec<Setting> =
        placements.map(|placement| Setting { placement, gbit_s: Vec::new() }).collect();
    let Plan { rounds, seconds, congestion } = plan;
    println!("iperf3, one TCP stream ({congestion}), {rounds} rounds of {seconds} s each way:");
    for round in 1..=*rounds {
        step::perform(&format!("round {round}"), || {
            let mut remarks = Vec::new();
            for Setting { placement, gbit_s } in &mut settings {
                let row = measure_paths(&paths, placement, &client, round, plan)?;
                remarks.push(row.map(|value| format!("{value:.1}")).join(" "));
                gbit_s.push(row);
            }
            Ok(remarks.join(", "))
        })?;
    }
    for setting in &settings {
        print!("\n{}", table(setting, &paths));
    }
    Ok(())
}

/// Measures each way once. The order turns from round to round, so that none is always the first
/// after a pause.
fn measure_paths(
    paths: &[Path; PATHS],
    placement: &Placement,
    client: &[String],
    round: u32,
    plan: &Plan<'_>,
) -> Result<[f64; PATHS]> {
    let mut row = [0.0; PATHS];
    for offset in 0..paths.len() {
        let path = (round as usize + offset) % paths.len();
        row[path] = measure(client, paths[path].server, placement, plan)?;
        std::thread::sleep(BETWEEN);
    }
    Ok(row)
}

fn measure(
    client: &[String],
    server: SocketAddrV4,
    placement: &Placement,
    plan: &Plan<'_>,
) -> Result<f64> {
    let mut command = privilege::command(&client[0]);
    command.args(&client[1..]);
    command.args(traffic::iperf3_words(server, plan.seconds));
    command.args(placement.iperf3_words());
    command.args(["--congestion", plan.congestion]);
    let report = output_of(&mut command)?;
    traffic::received_gbit_s(&report)
}

fn table(setting: &Setting, paths: &[Path; PATHS]) -> Table {
    let mut table = Table::new(setting.placement.name);
    let column = |index: usize| setting.gbit_s.iter().map(|row| row[index]).collect::<Vec<_>>();
    for (index, path) in paths.iter().enumerate() {
        table.figures(&path.name, &column(index), "Gbit/s");
    }
    for (reference, path) in paths.iter().enumerate().filter(|(index, _)| *index != CLUSTER_IP) {
        let name = format!("ClusterIP / {}", path.name);
        table.ratio(&name, &column(CLUSTER_IP), &column(reference));
    }
    table
}
