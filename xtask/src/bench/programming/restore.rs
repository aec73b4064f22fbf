//! The rules of kube-proxy for the same Services, in a network namespace of their own: how long the kernel's tools take
//! to write all of them, and then a change of one endpoint. What kube-proxy does before (it watches, and collects
//! changes for up to a second) is not in it.

use super::services;
use crate::bench::service::rules::{ServicePort, Surroundings, iptables};
use crate::cluster::output_of;
use crate::workspace::find_program;
use anyhow::{Context, Result, bail};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

const SURROUNDINGS: Surroundings = Surroundings {
    pods: services::PODS,
    services: services::SERVICES,
    node: Ipv4Addr::new(198, 18, 0, 1),
};
const CLUSTER_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 8, 1);
const SERVER: Ipv4Addr = Ipv4Addr::new(198, 19, 1, 3);
/// The endpoint that comes and goes.
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(198, 19, 1, 4);
/// What both ends of the name of the measured Service are.
const MEASURED: &str = "default/measured:stream";

/// Rules of one kind; their namespace goes when this is dropped.
pub(super) struct Rules {
    pub(super) name: &'static str,
    program: PathBuf,
    netns: String,
    ports: Vec<ServicePort>,
    /// Of the port that changes.
    changed: usize,
    /// How long all of them took.
    pub(super) first_s: f64,
    /// How long each change took.
    pub(super) change_ms: Vec<f64>,
}

impl Rules {
    /// All kinds that this machine can have, with so many Services. Says which it cannot, and why.
    pub(super) fn all(services: u32) -> Vec<Self> {
        let kinds = [
            ("iptables-legacy-restore alone", "iptables-legacy-restore"),
            ("iptables-nft-restore alone", "iptables-nft-restore"),
        ];
        let set_up = |(name, program)| {
            let rules = Self::set_up(name, program, services);
            rules.inspect_err(|error| println!("  without {program}: {error:#}")).ok()
        };
        kinds.into_iter().filter_map(set_up).collect()
    }

    fn set_up(name: &'static str, program: &str, services: u32) -> Result<Self> {
        let path = find_program(program);
        let path =
            path.with_context(|| format!("{program} is missing: run `cargo xtask setup`"))?;
        let netns = format!("shv-bench-{program}");
        // Left by a run that was killed.
        let _ = netns_command("delete", &netns);
        netns_command("add", &netns)?;
        let ports = services::ports(services, CLUSTER_IP, SERVER);
        let changed = ports.iter().position(|port| port.name == MEASURED);
        let changed = changed.context("the measured Service has a port for streams")?;
        let change_ms = Vec::new();
        let mut rules =
            Self { name, program: path, netns, ports, changed, first_s: 0.0, change_ms };
        let all = iptables::write(&SURROUNDINGS, &rules.ports);
        rules.first_s = rules.restore(&[], &all)?;
        Ok(rules)
    }

    /// One endpoint more, or less again.
    pub(super) fn change(&mut self) -> Result<()> {
        let port = &mut self.ports[self.changed];
        let other = SocketAddrV4::new(OTHER_SERVER, port.port);
        match port.endpoints.iter().position(|endpoint| *endpoint == other) {
            Some(index) => drop(port.endpoints.remove(index)),
            None => port.endpoints.push(other),
        }
        let change = iptables::write_change(&SURROUNDINGS, &self.ports, self.changed);
        let took_s = self.restore(&["--noflush", "--counters"], &change)?;
        self.change_ms.push(took_s * 1e3);
        Ok(())
    }

    /// Seconds from the start of the program to its end.
    fn restore(&self, words: &[&str], text: &str) -> Result<f64> {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.netns)).arg(&self.program).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn().context("cannot start nsenter")?;
        let mut input = child.stdin.take().context("its input is a pipe")?;
        let wrote = input.write_all(text.as_bytes());
        drop(input);
        let output = child.wait_with_output()?;
        let took_s = began.elapsed().as_secs_f64();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("it ended with {}: {}", output.status, said.lines().next().unwrap_or_default());
        }
        wrote.context("it read only a part of its rules")?;
        Ok(took_s)
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        if let Err(error) = netns_command("delete", &self.netns) {
            eprintln!("a network namespace is left: {error:#}");
        }
    }
}

fn netns_command(verb: &str, name: &str) -> Result<()> {
    output_of(Command::new("ip").args(["netns", verb, name])).map(drop)
}
