//! One TCP stream from pod to pod: straight to the pod's address, through the Service, and over plain
//! routed veths between the same pods, with the uplink's MTU as a simple network for containers has them,
//! and with that of Sheave's own. Needs the cluster of `cargo xtask up`.

use super::plain::PlainVeths;
use super::pods::{BenchPods, PORT};
use super::report::Figure;
use super::rounds::{self, Comparison, Path, Plan};
use crate::privilege;
use anyhow::Result;

/// Which way the Service's is.
const CLUSTER_IP: usize = 1;

/// Measures every way in each round.
pub(super) fn run(plan: Plan<'_>) -> Result<Vec<Figure>> {
    privilege::require("measuring")?;
    let cluster = super::running_cluster()?;
    let pods = BenchPods::start(&cluster)?;
    let (mtu, mtu_outside) = (pods.mtu()?, pods.mtu_outside()?);
    let plain = PlainVeths::set_up(&pods, 0, mtu_outside)?;
    let plain_wide = PlainVeths::set_up(&pods, 1, mtu)?;
    let prefix = &pods.client_prefix()?;
    let path = |name: &str, server| Path {
        name: name.to_owned(),
        server,
        client: Box::new(move |words| {
            let mut command = privilege::command(&prefix[0]);
            command.args(&prefix[1..]).args(words);
            Ok(command)
        }),
    };
    let paths = [
        path("Sheave, pod address", pods.server()?),
        path("Sheave, ClusterIP", pods.service()?),
        path(&format!("plain veths, MTU {mtu_outside}"), plain.server(PORT)),
        path(&format!("plain veths, MTU {mtu}"), plain_wide.server(PORT)),
    ];
    let others = (0..paths.len()).filter(|index| *index != CLUSTER_IP);
    let comparisons: Vec<Comparison> =
        others.map(|under| Comparison { over: CLUSTER_IP, under, goal: None }).collect();
    rounds::run(plan, "one TCP stream", &paths, &comparisons)
}
