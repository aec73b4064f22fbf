//! What Sheave is compared with, each on a machine of the lab that belongs to no cluster and has the same uplink: a
//! network namespace for each of two pods, links between them, and the rules of kube-proxy where there are some.
//! Everything goes with the machine.

use super::rules::{Surroundings, iptables, nftables};
use super::server::Enter;
use super::services::{self, PODS, SERVICES};
use super::ways::Place;
use anyhow::{Context, Result, bail};
use sheave_lab::Machine;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

/// Of the measured Service, on every peer.
pub(super) const CLUSTER_IP: Ipv4Addr = Ipv4Addr::new(10, 96, 8, 1);
/// The host's end of the links of its pods, where they are routed: Sheave's pods have the same.
const GATEWAY: &str = "169.254.1.1";
/// The pods: a namespace's name, and the last part of its address.
const CLIENT: (&str, u8) = ("client", 2);
const SERVER: (&str, u8) = ("server", 3);

#[derive(Clone)]
pub(super) struct Peer {
    pub(super) place: Place,
    machine: Machine,
    /// On the uplink.
    pub(super) address: Ipv4Addr,
}

/// How long the links of pods may make their packets, in bytes: to each other and to Services, and to others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mtu {
    pub(super) inside: u32,
    pub(super) outside: u32,
}

impl Peer {
    /// Makes pods and links on a machine.
    pub(super) fn set_up(
        place: Place,
        machine: Machine,
        address: Ipv4Addr,
        mtu: Mtu,
    ) -> Result<Self> {
        let peer = Self { place, machine, address };
        let script = match place {
            Place::Bridge => bridge_script(peer.network(), mtu),
            _ => routed_script(peer.network(), mtu),
        };
        peer.machine.run(&["sh", "-e", "-c", &script])?;
        Ok(peer)
    }

    /// The server's pod.
    pub(super) fn server(&self) -> Ipv4Addr {
        pod(self.network(), SERVER.1)
    }

    /// Its pods.
    pub(super) fn range(&self) -> String {
        format!("{}/24", pod(self.network(), 0))
    }

    pub(super) fn in_client(&self) -> Enter {
        self.inside(CLIENT.0)
    }

    pub(super) fn in_server(&self) -> Enter {
        self.inside(SERVER.0)
    }

    /// Whether it is one that kube-proxy's rules are on.
    pub(super) fn has_rules(&self) -> bool {
        matches!(self.place, Place::IptablesLegacy | Place::IptablesNft | Place::Nftables)
    }

    /// Replaces its rules by those for so many Services; nothing for one that has none.
    ///
    /// # Errors
    /// Also when this machine or its kernel cannot: what the program says.
    pub(super) fn load_rules(&self, services: u32) -> Result<()> {
        let surroundings = Surroundings { pods: PODS, services: SERVICES, node: self.address };
        let ports = || services::ports(services, CLUSTER_IP, self.server());
        match self.place {
            Place::IptablesLegacy => {
                let rules = iptables::write(&surroundings, &ports());
                self.feed(&["iptables-legacy-restore"], &rules)
            }
            Place::IptablesNft => {
                let rules = iptables::write(&surroundings, &ports());
                self.feed(&["iptables-nft-restore"], &rules)
            }
            Place::Nftables => {
                self.feed(&["nft", "--file", "-"], &nftables::write(&surroundings, &ports()))
            }
            _ => Ok(()),
        }
    }

    fn inside(&self, namespace: &'static str) -> Enter {
        let machine = self.machine.clone();
        Box::new(move |words| {
            let mut command = machine.command("nsenter")?;
            command.args([&format!("--net=/run/netns/{namespace}"), "--"]).args(words);
            Ok(command)
        })
    }

    /// Runs a program of its machine with this as standard input.
    fn feed(&self, words: &[&str], text: &str) -> Result<()> {
        let mut command: Command = self.machine.command(words[0])?;
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("its input is a pipe")?;
        let wrote = input.write_all(text.as_bytes());
        drop(input);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let first = said.lines().next().unwrap_or("nothing");
            bail!("{} ended with {} and said: {first}", words[0], output.status);
        }
        wrote.with_context(|| format!("{} read only a part of its rules", words[0]))
    }

    /// Of the pods' addresses, the third part.
    fn network(&self) -> u8 {
        self.place as u8 + 1
    }
}

fn pod(network: u8, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 19, network, last)
}

/// Links of their own and routes: as Sheave's pods have them.
fn routed_script(network: u8, mtu: Mtu) -> String {
    let Mtu { inside, outside } = mtu;
    let mut script = String::from("echo 1 >/proc/sys/net/ipv4/ip_forward\n");
    for (name, last) in [CLIENT, SERVER] {
        let (address, range) = (pod(network, last), pod(network, 0));
        script += &format!(
            "ip netns add {name}
             ip link add {name} mtu {inside} type veth peer name eth0 mtu {inside} netns {name}
             ip address add {GATEWAY}/32 dev {name} scope link
             ip link set {name} up
             ip route add {address}/32 dev {name}
             ip -n {name} link set lo up
             ip -n {name} link set eth0 up
             ip -n {name} address add {address}/32 dev eth0
             ip -n {name} route add {range}/24 via {GATEWAY} dev eth0 onlink
             ip -n {name} route add {SERVICES} via {GATEWAY} dev eth0 onlink
             ip -n {name} route add default via {GATEWAY} dev eth0 onlink mtu {outside}\n"
        );
    }
    script
}

/// Two links at a bridge, and no router.
fn bridge_script(network: u8, mtu: Mtu) -> String {
    let inside = mtu.inside;
    let mut script = format!(
        "ip link add br0 mtu {inside} type bridge
         ip link set br0 up
         sysctl --quiet --write --ignore net.bridge.bridge-nf-call-iptables=0\n"
    );
    for (name, last) in [CLIENT, SERVER] {
        let address = pod(network, last);
        script += &format!(
            "ip netns add {name}
             ip link add {name} mtu {inside} type veth peer name eth0 mtu {inside} netns {name}
             ip link set {name} master br0 up
             ip -n {name} link set lo up
             ip -n {name} link set eth0 up
             ip -n {name} address add {address}/24 dev eth0\n"
        );
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    const MTU: Mtu = Mtu { inside: 65_520, outside: 1500 };

    #[test]
    fn routed_pods_have_the_routes_of_sheaves_pods() {
        let script = routed_script(1, MTU);
        for line in [
            "ip link add server mtu 65520 type veth peer name eth0 mtu 65520 netns server",
            "ip route add 198.19.1.3/32 dev server",
            "ip -n client route add 198.19.1.0/24 via 169.254.1.1 dev eth0 onlink",
            "ip -n client route add default via 169.254.1.1 dev eth0 onlink mtu 1500",
        ] {
            assert!(script.lines().any(|other| other.trim() == line), "{line}: {script}");
        }
    }

    #[test]
    fn a_bridge_has_both_pods() {
        let script = bridge_script(2, MTU);
        assert_eq!(script.matches("master br0 up").count(), 2);
        assert!(script.contains("address add 198.19.2.2/24 dev eth0"));
    }
}
