//! One TCP stream from pod to pod: straight to the pod's address, through the Service, and over
//! plain routed veths without Sheave. Needs the cluster of `cargo xtask up`.

use super::plain::PlainVeths;
use super::pods::BenchPods;
use crate::cluster::{Cluster, output_of};
use crate::{privilege, step, traffic};
use anyhow::{Result, bail};
use std::net::SocketAddrV4;
use std::time::Duration;

/// The server closes its side of the last stream before it takes the next.
const BETWEEN: Duration = Duration::from_millis(300);

/// The same for every path, whatever this machine's default: one that paces by estimates (BBR) measures its
/// estimates. Every kernel has it, and every container may use it.
const CONGESTION: &str = "reno";

/// A way from a client to a server.
struct Path {
    name: &'static str,
    /// What runs a command where the client is.
    client_prefix: Vec<String>,
    server: SocketAddrV4,
    /// A measurement a round.
    gbit_s: Vec<f64>,
}

/// Measures `rounds` times, every path in each round.
pub(super) fn run(rounds: u32, seconds: u32) -> Result<()> {
    privilege::require("measuring")?;
    let cluster = Cluster::standard();
    if cluster.supervisor().is_none() {
        bail!("no cluster runs on this machine: run `cargo xtask up` first");
    }
    let pods = BenchPods::start(&cluster)?;
    let plain = PlainVeths::set_up(pods.mtu()?)?;
    let pod = pods.client_prefix()?;
    let path =
        |name, client_prefix, server| Path { name, client_prefix, server, gbit_s: Vec::new() };
    let mut paths = [
        path("pod to pod address", pod.clone(), pods.server()?),
        path("pod to ClusterIP", pod, pods.service()?),
        path("plain routed veths", plain.client_prefix(), plain.server()),
    ];
    println!("iperf3, one TCP stream ({CONGESTION}), {rounds} rounds of {seconds} s each:");
    for round in 1..=rounds {
        step::perform(&format!("round {round}"), || measure_round(&mut paths, round, seconds))?;
    }
    print!("\n{}", table(&paths));
    Ok(())
}

/// Measures each path once. The order turns from round to round, so that none is always the first
/// after a pause.
fn measure_round(paths: &mut [Path], round: u32, seconds: u32) -> Result<String> {
    let count = paths.len();
    let mut remarks = Vec::new();
    for offset in 0..count {
        let path = &mut paths[(round as usize + offset) % count];
        let value = measure(path, seconds)?;
        path.gbit_s.push(value);
        remarks.push(format!("{} {value:.1}", path.name));
        std::thread::sleep(BETWEEN);
    }
    Ok(remarks.join(", "))
}

fn measure(path: &Path, seconds: u32) -> Result<f64> {
    let mut command = privilege::command(&path.client_prefix[0]);
    command.args(&path.client_prefix[1..]);
    command.args(traffic::iperf3_words(path.server, seconds));
    command.args(["--congestion", CONGESTION]);
    let report = output_of(&mut command)?;
    traffic::received_gbit_s(&report)
}

fn table(paths: &[Path]) -> String {
    let mut text = format!("{:<20} {:>8} {:>8} {:>8}  Gbit/s\n", "", "median", "min", "max");
    for path in paths {
        let [min, median, max] = spread(&path.gbit_s);
        text.push_str(&format!("{:<20} {median:>8.2} {min:>8.2} {max:>8.2}\n", path.name));
    }
    let [direct, service, plain] = [0, 1, 2].map(|index| spread(&paths[index].gbit_s)[1]);
    text.push_str(&format!("\nClusterIP / pod address        {:.3}\n", service / direct));
    text.push_str(&format!("ClusterIP / plain veths        {:.3}\n", service / plain));
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
