//! One TCP stream from pod to pod: straight to the pod's address, through the Service, and over plain
//! routed veths between the same pods. Needs the cluster of `cargo xtask up`.

use super::plain::PlainVeths;
use super::pods::{BenchPods, PORT};
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
    name: &'static str,
    server: SocketAddrV4,
    /// A measurement a round.
    gbit_s: Vec<f64>,
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
    let plain = PlainVeths::set_up(&pods)?;
    let client = pods.client_prefix()?;
    let path = |name, server| Path { name, server, gbit_s: Vec::new() };
    let mut paths = [
        path("pod to pod address", pods.server()?),
        path("pod to ClusterIP", pods.service()?),
        path("plain routed veths", plain.server(PORT)),
    ];
    let Plan { rounds, seconds, congestion } = plan;
    println!("iperf3, one TCP stream ({congestion}), {rounds} rounds of {seconds} s each:");
    for round in 1..=*rounds {
        let name = format!("round {round}");
        step::perform(&name, || measure_round(&mut paths, &client, round, plan))?;
    }
    print!("\n{}", table(&paths));
    Ok(())
}

/// Measures each way once. The order turns from round to round, so that none is always the first
/// after a pause.
fn measure_round(
    paths: &mut [Path],
    client: &[String],
    round: u32,
    plan: &Plan<'_>,
) -> Result<String> {
    let count = paths.len();
    let mut remarks = Vec::new();
    for offset in 0..count {
        let path = &mut paths[(round as usize + offset) % count];
        let value = measure(client, path.server, plan)?;
        path.gbit_s.push(value);
        remarks.push(format!("{} {value:.1}", path.name));
        std::thread::sleep(BETWEEN);
    }
    Ok(remarks.join(", "))
}

fn measure(client: &[String], server: SocketAddrV4, plan: &Plan<'_>) -> Result<f64> {
    let mut command = privilege::command(&client[0]);
    command.args(&client[1..]);
    command.args(traffic::iperf3_words(server, plan.seconds));
    command.args(["--congestion", plan.congestion]);
    let report = output_of(&mut command)?;
    traffic::received_gbit_s(&report)
}

fn table(paths: &[Path]) -> String {
    let mut text = format!("{:<20} {:>8} {:>8} {:>8}  Gbit/s\n", "", "median", "min", "max");
    for path in paths {
        let [min, median, max] = spread(&path.gbit_s);
        text.push_str(&format!("{:<20} {median:>8.2} {min:>8.2} {max:>8.2}\n", path.name));
    }
    let (medians, lowest, highest) = ("medians", "lowest", "highest round");
    text.push_str(&format!("\n{:<24} {medians:>8} {lowest:>8} {highest:>8}\n", "ratio of"));
    for (name, reference) in [("pod address", 0), ("plain veths", 2)] {
        // Within a round, so that what disturbs all of it counts for none.
        let ratios: Vec<f64> =
            paths[1].gbit_s.iter().zip(&paths[reference].gbit_s).map(|(a, b)| a / b).collect();
        let [min, _, max] = spread(&ratios);
        let median = spread(&paths[1].gbit_s)[1] / spread(&paths[reference].gbit_s)[1];
        let name = format!("ClusterIP / {name}");
        text.push_str(&format!("{name:<24} {median:>8.3} {min:>8.3} {max:>8.3}\n"));
    }
    text
}

/// Smallest, median, largest.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    };
    [sorted[0], median, sorted[sorted.len() - 1]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), [1.0, 2.5, 4.0]);
        assert_eq!(spread(&[1.0]), [1.0, 1.0, 1.0]);
    }
}
