//! One TCP stream from a pod to a pod of another node, in a lab of two nodes that is started for it: by a route,
//! beside a stream from node to node; and through Sheave's tunnel, beside the kernel's own VXLAN between two
//! machines of the lab that belong to no cluster. What is compared has the same link, processor and MTU.

mod pods;
mod tunnel;

use self::pods::Pods;
pub(super) use self::pods::mtu_of;
use self::tunnel::PlainTunnel;
use super::pods::PORT;
use super::report::Figure;
use super::rounds::{self, Comparison, Path, Plan};
use crate::cluster::wait_for;
use crate::{lab, privilege, step};
use anyhow::{Context, Result};
use sheave_lab::{Lab, Machine};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const NAME: &str = "bench";
const START_LIMIT: Duration = Duration::from_secs(10);
/// Of the throughput from node to node: the goal for pods that a route leads to.
const NATIVE_GOAL: f64 = 0.95;
/// Of that of the kernel's VXLAN: the goal for pods that the tunnel leads to.
const VXLAN_GOAL: f64 = 1.0;

/// A lab that goes when this is dropped.
struct BenchLab(Lab);

impl BenchLab {
    /// Two nodes, and two machines that belong to no cluster.
    fn start(pod_network: &str) -> Result<Self> {
        // Left by a run that was killed.
        Lab::down(NAME)?;
        let mut spec = lab::spec(NAME)?;
        (spec.nodes, spec.clients) = (2, 2);
        spec.node_arguments = vec!["--pod-network".into(), pod_network.into()];
        match Lab::up(spec, |_, _| ()) {
            Ok(lab) => Ok(Self(lab)),
            Err(error) => {
                Lab::down(NAME)?;
                Err(error.into())
            }
        }
    }

    /// The address of a machine on the link.
    fn address(&self, machine: &str) -> Result<Ipv4Addr> {
        let place = self.0.plan().machines().find(|place| place.name == machine);
        let addresses = place.map(|place| place.addresses.as_slice()).unwrap_or_default();
        let v4 = addresses.iter().find_map(|address| match address {
            IpAddr::V4(v4) => Some(*v4),
            IpAddr::V6(_) => None,
        });
        v4.with_context(|| format!("{machine} has no IPv4 address"))
    }
}

impl Drop for BenchLab {
    fn drop(&mut self) {
        if let Err(error) = Lab::down(NAME) {
            eprintln!("the lab {NAME} is left: {error}; run `cargo xtask lab --name {NAME} down`");
        }
    }
}

/// An iperf3 that listens on a machine until this is dropped.
struct Listener(Child);

impl Listener {
    /// `enter` is what makes a command where the server is to be.
    fn start(enter: impl Fn(&[String]) -> Result<Command>) -> Result<Self> {
        let words = ["iperf3", "--server", "--port", &PORT.to_string()].map(str::to_owned);
        let mut command = enter(&words)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let listener = Self(command.spawn().context("cannot start iperf3")?);
        let port = format!(":{PORT}");
        wait_for("iperf3 to listen", START_LIMIT, || {
            let words = ["ss", "-Hltn", &format!("sport = {port}")].map(str::to_owned);
            let listening = crate::cluster::output_of(&mut enter(&words)?)?;
            Ok(listening.contains(&port).then_some(()))
        })?;
        Ok(listener)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // What it has started on the machine ends with the lab.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures both ways, each in a lab of its own.
pub(super) fn run(plan: Plan<'_>) -> Result<Vec<Figure>> {
    privilege::become_root("a lab")?;
    println!("Pods by a route, beside the nodes themselves:");
    let mut figures = native(plan)?;
    println!("\nPods through the tunnel, beside the kernel's VXLAN:");
    figures.extend(vxlan(plan)?);
    Ok(figures)
}

fn native(plan: Plan<'_>) -> Result<Vec<Figure>> {
    let (lab, pods) = start("native")?;
    let (client, server) = (lab.0.node(1)?, lab.0.node(2)?);
    let (bare_client, bare_server) = (lab.0.client(1)?, lab.0.client(2)?);
    let _listeners = [
        Listener::start(|words| on_machine(&server, words))?,
        Listener::start(|words| on_machine(&bare_server, words))?,
    ];
    let path = |name: &str, server, client| Path { name: name.to_owned(), server, client };
    let paths = [
        path(
            "Sheave, pod to pod",
            pods.server(),
            Box::new(|words: &[String]| pods.in_client(words)) as _,
        ),
        path(
            "node to node",
            at(lab.address("node-2")?),
            Box::new(|words: &[String]| on_machine(&client, words)),
        ),
        path(
            "other machines",
            at(lab.address("client-2")?),
            Box::new(|words: &[String]| on_machine(&bare_client, words)),
        ),
    ];
    let comparisons = [
        Comparison { over: 0, under: 1, goal: Some(NATIVE_GOAL) },
        Comparison { over: 0, under: 2, goal: None },
    ];
    rounds::run(plan, "one TCP stream between nodes", &paths, &comparisons)
}

fn vxlan(plan: Plan<'_>) -> Result<Vec<Figure>> {
    let (lab, pods) = start("vxlan")?;
    let machines = [lab.0.client(1)?, lab.0.client(2)?];
    let addresses = [lab.address("client-1")?, lab.address("client-2")?];
    let (pod_mtu, tunnel_mtu) = (pods.mtu()?, pods.tunnel_mtu()?);
    let tunnel = PlainTunnel::set_up(machines, addresses, pod_mtu, tunnel_mtu)?;
    println!("  MTU {tunnel_mtu} of both tunnels, {pod_mtu} of all pods' interfaces");
    let _listener = Listener::start(|words| tunnel.in_server(words))?;
    let paths = [
        Path {
            name: "Sheave's VXLAN".to_owned(),
            server: pods.server(),
            client: Box::new(|words| pods.in_client(words)),
        },
        Path {
            name: "kernel's VXLAN".to_owned(),
            server: at(tunnel.server()),
            client: Box::new(|words| tunnel.in_client(words)),
        },
    ];
    let comparison = Comparison { over: 0, under: 1, goal: Some(VXLAN_GOAL) };
    rounds::run(plan, "one TCP stream through a tunnel", &paths, &[comparison])
}

fn start(pod_network: &str) -> Result<(BenchLab, Pods)> {
    let mut started = None;
    step::perform(&format!("start a lab of two nodes, --pod-network {pod_network}"), || {
        let lab = BenchLab::start(pod_network)?;
        let pods = Pods::start(&lab.0)?;
        started = Some((lab, pods));
        Ok(String::new())
    })?;
    started.context("the step above succeeded")
}

fn at(address: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(address, PORT)
}

fn on_machine(machine: &Machine, words: &[String]) -> Result<Command> {
    let (program, arguments) = words.split_first().context("a program's name")?;
    let mut command = machine.command(program)?;
    command.args(arguments);
    Ok(command)
}
