//! What Sheave's tunnel is compared with: on each of two machines a network namespace behind a veth pair, and
//! between the machines a VXLAN device of the kernel with a static forwarding entry and plain routes. No program of
//! ours, and no netfilter. It goes with the machines.

use anyhow::{Context, Result};
use sheave_lab::Machine;
use std::net::Ipv4Addr;
use std::process::Command;

/// The namespace's name on each machine.
const POD: &str = "pod";

pub(super) struct PlainTunnel {
    client: Machine,
    server: Machine,
}

/// One end of it.
#[derive(Clone, Copy)]
struct End {
    /// 1 or 2.
    number: u8,
    /// The machine's, on the link.
    address: Ipv4Addr,
}

impl PlainTunnel {
    /// Between a client and a server; addresses are the machines' on their link, bytes of MTU as of the interfaces
    /// of pods and of the tunnel.
    pub(super) fn set_up(
        [client, server]: [Machine; 2],
        [client_address, server_address]: [Ipv4Addr; 2],
        pod_mtu: u32,
        tunnel_mtu: u32,
    ) -> Result<Self> {
        let near = End { number: 1, address: client_address };
        let far = End { number: 2, address: server_address };
        for (machine, own, other) in [(&client, near, far), (&server, far, near)] {
            let script = script(own, other, pod_mtu, tunnel_mtu);
            machine.run(&["sh", "-e", "-c", &script])?;
        }
        Ok(Self { client, server })
    }

    /// Where the server's namespace is reached from the client's.
    pub(super) fn server(&self) -> Ipv4Addr {
        pod(2)
    }

    /// A command in the client's namespace.
    pub(super) fn in_client(&self, words: &[String]) -> Result<Command> {
        in_namespace(&self.client, words)
    }

    /// A command in the server's namespace.
    pub(super) fn in_server(&self, words: &[String]) -> Result<Command> {
        in_namespace(&self.server, words)
    }
}

fn in_namespace(machine: &Machine, words: &[String]) -> Result<Command> {
    let mut command = machine.command("nsenter").context("a machine of the lab")?;
    command.args([&format!("--net=/run/netns/{POD}"), "--"]).args(words);
    Ok(command)
}

/// The address of the namespace of an end.
fn pod(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 19, number, 2)
}

/// The address of an end's machine, towards its namespace and in the tunnel.
fn gateway(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 19, number, 1)
}

/// The link-layer address of an end in the tunnel: a local one.
fn mac(number: u8) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

/// What sets up an end.
fn script(own: End, other: End, pod_mtu: u32, tunnel_mtu: u32) -> String {
    let (pod, gateway, mac) = (pod(own.number), gateway(own.number), mac(own.number));
    let (other_pod, other_gateway) = (self::pod(other.number), self::gateway(other.number));
    let (other_mac, address) = (self::mac(other.number), own.address);
    let other_address = other.address;
    format!(
        "ip netns add {POD}
         ip link add plain mtu {pod_mtu} type veth peer name eth0 mtu {pod_mtu} netns {POD}
         ip address add {gateway}/32 dev plain
         ip link set plain up
         ip route add {pod}/32 dev plain
         ip -n {POD} link set lo up
         ip -n {POD} link set eth0 up
         ip -n {POD} address add {pod}/32 dev eth0
         ip -n {POD} route add {gateway}/32 dev eth0
         ip -n {POD} route add default via {gateway} mtu {tunnel_mtu}
         ip link add tunnel address {mac} type vxlan id 1 dstport 8472 local {address} dev eth0 nolearning
         ip link set tunnel mtu {tunnel_mtu} up
         bridge fdb append {other_mac} dev tunnel dst {other_address}
         ip neighbour add {other_gateway} lladdr {other_mac} dev tunnel nud permanent
         ip route add {other_pod}/32 via {other_gateway} dev tunnel onlink
         echo 1 >/proc/sys/net/ipv4/ip_forward"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_knows_the_other_by_its_address_on_the_link() {
        let end = |number, last| End { number, address: Ipv4Addr::new(198, 18, 0, last) };
        let script = script(end(1, 61), end(2, 62), 65_520, 1430);
        for line in [
            "local 198.18.0.61 dev eth0 nolearning",
            "bridge fdb append 02:00:00:00:00:02 dev tunnel dst 198.18.0.62",
            "ip route add 198.19.2.2/32 via 198.19.2.1 dev tunnel onlink",
            "route add default via 198.19.1.1 mtu 1430",
        ] {
            assert!(script.contains(line), "{line}: {script}");
        }
    }
}
