//! What Sheave is compared with: the same two pods, with a second veth pair each and plain routes between
//! them on the host. What a simple network for containers is made of, without any program of ours; the
//! processes, their cgroups and their namespaces are the same, so that only the way differs.

use super::pods::BenchPods;
use crate::cluster::output_of;
use crate::privilege;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddrV4};

/// An end of the way. Addresses are of the range for benchmarks (RFC 2544).
struct End {
    pod: &'static str,
    /// The link's end on the host.
    host_link: &'static str,
    address: Ipv4Addr,
}

const CLIENT: End =
    End { pod: "client", host_link: "sheave-bench-a", address: Ipv4Addr::new(198, 18, 0, 2) };
const SERVER: End =
    End { pod: "server", host_link: "sheave-bench-b", address: Ipv4Addr::new(198, 18, 0, 3) };

/// The link's end in the pod.
const POD_LINK: &str = "plain0";
/// The host's address on both links.
const GATEWAY: &str = "198.18.0.1";

/// The links; taken away when dropped.
pub(super) struct PlainVeths;

impl PlainVeths {
    /// With the MTU of the pods' own links.
    pub(super) fn set_up(pods: &BenchPods<'_>) -> Result<Self> {
        // Left by a run that was killed.
        remove_links();
        let plain = Self;
        let mtu = pods.mtu()?;
        for end in [&CLIENT, &SERVER] {
            let pid = pods.process_in(end.pod)?;
            end.set_up(pid, mtu).with_context(|| format!("a plain link for pod {}", end.pod))?;
        }
        Ok(plain)
    }

    /// The server's pod over its plain link.
    pub(super) fn server(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(SERVER.address, port)
    }
}

impl Drop for PlainVeths {
    fn drop(&mut self) {
        remove_links();
    }
}

impl End {
    fn set_up(&self, pid: u32, mtu: u32) -> Result<()> {
        let Self { host_link, address, .. } = self;
        let inside = |words: &str| {
            let mut command = privilege::command("nsenter");
            command.arg(format!("--net=/proc/{pid}/ns/net")).arg("ip").args(words.split(' '));
            output_of(&mut command).map(|_| ())
        };
        ip(&format!("link add {host_link} type veth peer name {POD_LINK} netns {pid}"))?;
        ip(&format!("link set {host_link} mtu {mtu} up"))?;
        inside(&format!("link set {POD_LINK} mtu {mtu} up"))?;
        inside(&format!("address add {address}/32 dev {POD_LINK}"))?;
        inside(&format!("route add {GATEWAY}/32 dev {POD_LINK} scope link"))?;
        for end in [&CLIENT, &SERVER].iter().filter(|end| end.address != *address) {
            inside(&format!("route add {}/32 via {GATEWAY} dev {POD_LINK}", end.address))?;
        }
        ip(&format!("address add {GATEWAY}/32 dev {host_link} scope link"))?;
        ip(&format!("route add {address}/32 dev {host_link}"))
    }
}

/// With one end of a link its other end, addresses and routes go.
fn remove_links() {
    for end in [&CLIENT, &SERVER] {
        let _ = ip(&format!("link delete dev {}", end.host_link));
    }
}

fn ip(words: &str) -> Result<()> {
    output_of(privilege::command("ip").args(words.split(' '))).map(|_| ())
}
