//! One TCP stream from pod to pod: straight to the pod's address, through the Service, and over plain
//! routed veths between the same pods, with the uplink's MTU as a simple network for containers has them,
//! and with that of Sheave's own. Needs the cluster of `cargo xtask up`.

use super::placement::Placement;
use super::plain::PlainVeths;
use super::pods::{BenchPods, PORT};
use super::spread::Spread;
use crate::cluster::{Cluster, output_of};
use crate::{privilege, step, traffic};
use anyhow::{Result, bail};
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
    let cluster = Cluster::standard();
    if cluster.supervisor().is_none() {
        bail!("no cluster runs on this machine: run `cargo xtask up` first");
    }
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

fn table(setting: &Setting, paths: &[Path; PATHS]) -> String {
    let mut text = format!(
        "{:<36} {:>8} {:>8} {:>8}\n",
        setting.placement.name, "median", "lowest", "highest"
    );
    let mut line = |name: &str, figures: Vec<f64>, remark: fn(&Spread) -> String| {
        if let Some(spread) = Spread::of(&figures) {
            let Spread { median, min, max, .. } = spread;
            let remark = remark(&spread);
            text.push_str(&format!("  {name:<34} {median:>8.3} {min:>8.3} {max:>8.3}{remark}\n"));
        }
    };
    for (index, path) in paths.iter().enumerate() {
        let figures = setting.gbit_s.iter().map(|row| row[index]).collect();
        line(&path.name, figures, |_| "  Gbit/s".to_owned());
    }
    for (reference, path) in paths.iter().enumerate().filter(|(index, _)| *index != CLUSTER_IP) {
        // Within a round, so that what disturbs all of it counts for none.
        let ratios = setting.gbit_s.iter().map(|row| row[CLUSTER_IP] / row[reference]).collect();
        line(&format!("ClusterIP / {}", path.name), ratios, |spread| {
            format!("  95%: {:.3} to {:.3}", spread.sure.0, spread.sure.1)
        });
    }
    text
}
