//! Bridges and the router: a machine of its own that no node knows, so that the outer machine's network gets
//! nothing but one interface, by which people reach the lab.

use std::io::Write as _;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Stdio};

use crate::error::LabError;
use crate::machine::Machine;
use crate::plan::{Network, Place, Plan};
use crate::run;
use crate::spec::Spec;

/// The machine's name.
pub(crate) const NAME: &str = "wire";
/// What a machine's interface is called there.
const UPLINK: &str = "eth0";
/// States of a bridge's port (IEEE 802.1D, `BR_STATE_*`): one that passes nothing, and one that all.
const DISABLED: u8 = 0;
const FORWARDING: u8 = 3;

/// Claims a network by making the interface that leads to it. Two labs never get the same one.
pub(crate) fn claim_network() -> Result<Network, LabError> {
    let mut last = None;
    for number in 0..=u8::MAX {
        let network = Network(number);
        let name = network.interface();
        let words = ["link", "add", &name, "type", "veth", "peer", "name", &peer(network)];
        match run::output(Command::new("ip").args(words)) {
            Ok(_) => return Ok(network),
            Err(error @ LabError::Io { .. }) => return Err(error),
            Err(LabError::Program { said, .. }) if !said.contains("exists") => {
                let why = format!("no veth can be made here: {said}");
                return Err(LabError::Spec { field: "lab", why });
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("there are numbers"))
}

/// Gives up the claim, and with it the way there.
pub(crate) fn release_network(network: Network) {
    // With the bridge's namespace it may be gone already.
    let _ = run::output(Command::new("ip").args(["link", "delete", &network.interface()]));
}

fn peer(network: Network) -> String {
    format!("sheave-here{}", network.0)
}

/// The wire of a lab.
pub(crate) struct Wire<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) spec: &'a Spec,
    pub(crate) plan: &'a Plan,
    pub(crate) network: Network,
}

impl Wire<'_> {
    /// Bridges, the router's addresses on them, and the outer machine's interface.
    pub(crate) fn lay(&self) -> Result<(), LabError> {
        let Self { network, spec, plan, .. } = self;
        let mut inside = String::new();
        for (link, addresses) in plan.routers.iter().enumerate() {
            let bridge = bridge(link);
            inside += &format!(
                "link add {bridge} mtu {} type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
                 link set {bridge} up\n",
                spec.mtu
            );
            inside += &self.addresses(&bridge, addresses);
        }
        ip_in(self.machine, &inside)?;
        for (key, value) in [("ipv4/ip_forward", "1"), ("ipv6/conf/all/forwarding", "1")] {
            let script = format!("echo {value} > /proc/sys/net/{key}");
            self.machine.run(&["sh", "-c", &script])?;
        }
        let file = self.machine.network()?;
        let here = network.interface();
        let mut outside = format!(
            "link set {} netns /proc/{}/fd/{}\nlink set {here} mtu {} up\n",
            peer(*network),
            std::process::id(),
            file.as_raw_fd(),
            spec.mtu
        );
        outside += &self.addresses(&here, &plan.here);
        // To other links by the router.
        for addresses in plan.routers.iter().skip(1) {
            for (to, via) in addresses.iter().zip(&plan.routers[0]) {
                let prefix = Network::prefix(spec.layout, *to);
                outside +=
                    &format!("route add {}/{prefix} via {via} dev {here}\n", base(*to, prefix));
            }
        }
        ip(&outside)?;
        ip_in(self.machine, &plug(&peer(*network), 0, spec.mtu))
    }

    /// Connects a machine that runs.
    pub(crate) fn connect(&self, machine: &Machine, place: &Place) -> Result<(), LabError> {
        let file = machine.network()?;
        let (port, mtu) = (port(&place.name), self.spec.mtu);
        // Named by this process' descriptor: a process id would be looked up where `ip` runs.
        let there = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        // The kernel takes the network of a machine that was stopped apart in its own time, links and all. Mostly
        // there is none.
        let _ = ip_in(self.machine, &format!("link delete {port}\n"));
        let mut wire = format!(
            "link add {port} mtu {mtu} type veth peer name {UPLINK} mtu {mtu} netns {there}\n"
        );
        wire += &plug(&port, place.link, mtu);
        ip_in(self.machine, &wire)?;
        let mut inside = self.addresses(UPLINK, &place.addresses);
        inside += &format!("link set {UPLINK} up\n");
        for router in &self.plan.routers[place.link] {
            inside += &format!("route add default via {router} dev {UPLINK}\n");
        }
        ip_in(machine, &inside)
    }

    /// Lets nothing pass to or from a machine, which does not notice: its link stays up.
    pub(crate) fn cut(&self, place: &Place) -> Result<(), LabError> {
        self.set_port(place, DISABLED)
    }

    /// As before.
    pub(crate) fn heal(&self, place: &Place) -> Result<(), LabError> {
        self.set_port(place, FORWARDING)
    }

    /// Whether anything passes to a machine.
    pub(crate) fn is_cut(&self, place: &Place) -> bool {
        let said = self.machine.run(&["bridge", "link", "show", "dev", &port(&place.name)]);
        !said.is_ok_and(|text| text.contains("state forwarding"))
    }

    fn set_port(&self, place: &Place, state: u8) -> Result<(), LabError> {
        let (port, state) = (port(&place.name), state.to_string());
        let words = ["bridge", "link", "set", "dev", &port, "state", &state];
        self.machine.run(&words).map(drop)
    }

    fn addresses(&self, interface: &str, addresses: &[IpAddr]) -> String {
        let add = |address: &IpAddr| {
            let prefix = Network::prefix(self.spec.layout, *address);
            // Nobody else has it: it can be used at once.
            let nodad = if address.is_ipv6() { " nodad" } else { "" };
            format!("address add {address}/{prefix} dev {interface}{nodad}\n")
        };
        addresses.iter().map(add).collect()
    }
}

fn bridge(link: usize) -> String {
    format!("link{link}")
}

/// The port of a machine.
fn port(machine: &str) -> String {
    format!("to-{machine}")
}

/// Puts an interface on a link.
fn plug(port: &str, link: usize, mtu: u32) -> String {
    format!("link set {port} mtu {mtu} master {} up\n", bridge(link))
}

fn base(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::from(std::net::Ipv4Addr::from(
            u32::from(v4) & (u32::MAX << (32 - u32::from(prefix))),
        )),
        IpAddr::V6(v6) => {
            let mask = u128::MAX << (128 - u32::from(prefix));
            IpAddr::from(std::net::Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

/// Many changes of the outer machine's network at once.
fn ip(batch: &str) -> Result<(), LabError> {
    batched(Command::new("ip"), batch)
}

/// Likewise in a machine's network, and with the outer machine's processes in sight.
fn ip_in(machine: &Machine, batch: &str) -> Result<(), LabError> {
    let file = machine.network()?;
    let network = format!("--net=/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let mut command = Command::new("nsenter");
    command.args([network.as_str(), "--", "ip"]);
    batched(command, batch)
}

fn batched(mut command: Command, batch: &str) -> Result<(), LabError> {
    command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(LabError::io("run ip"))?;
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let written = stdin.write_all(batch.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().map_err(LabError::io("wait for ip"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(LabError::Program { command: format!("ip -batch, of\n{batch}"), said });
    }
    written.map_err(LabError::io("tell ip"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_begins_where_its_bits_do() {
        let base = |address: &str, prefix| base(address.parse().unwrap(), prefix).to_string();
        assert_eq!(base("198.18.0.129", 25), "198.18.0.128");
        assert_eq!(base("fd00:1ab:0:1::1", 64), "fd00:1ab:0:1::");
    }
}
