//! What Sheave is compared with: the same two pods, with another veth pair each and plain routes between
//! them on the host. What a simple network for containers is made of, without any program of ours; the
//! processes, their cgroups and their namespaces are the same, so that only the way differs.

use super::pods::BenchPods;
use crate::cluster::output_of;
use crate::privilege;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddrV4};

/// The host's address on all links.
const GATEWAY: &str = "198.18.255.1";

/// The pods of a way, and their last octets there.
const PODS: [(&str, u8); 2] = [("client", 2), ("server", 3)];

/// A way between the two pods; its links are taken away when it is dropped.
pub(super) struct PlainVeths {
    /// Tells it from others of this run.
    number: u8,
}

impl PlainVeths {
    /// With an MTU for both links.
    pub(super) fn set_up(pods: &BenchPods<'_>, number: u8, mtu: u32) -> Result<Self> {
        let plain = Self { number };
        // Left by a run that was killed.
        plain.remove_links();
        for (pod, last) in PODS {
            let pid = pods.process_in(pod)?;
            let set_up = plain.set_up_end(pid, last, mtu);
            set_up.with_context(|| format!("a plain link for pod {pod}"))?;
        }
        Ok(plain)
    }

    /// The server's pod over its plain link.
    pub(super) fn server(&self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.address(PODS[1].1), port)
    }

    /// Of the range for benchmarks (RFC 2544).
    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, last)
    }

    /// The link's end on the host.
    fn host_link(&self, last: u8) -> String {
        format!("shv-bench-{}-{last}", self.number)
    }

    fn set_up_end(&self, pid: u32, last: u8, mtu: u32) -> Result<()> {
        let (host_link, address) = (self.host_link(last), self.address(last));
        let pod_link = format!("plain{}", self.number);
        let inside = |words: &str| {
            let mut command = privilege::command("nsenter");
            command.arg(format!("--net=/proc/{pid}/ns/net")).arg("ip").args(words.split(' '));
            output_of(&mut command).map(|_| ())
        };
        ip(&format!("link add {host_link} type veth peer name {pod_link} netns {pid}"))?;
        ip(&format!("link set {host_link} mtu {mtu} up"))?;
        inside(&format!("link set {pod_link} mtu {mtu} up"))?;
        inside(&format!("address add {address}/32 dev {pod_link}"))?;
        for (_, other) in PODS.iter().filter(|(_, other)| *other != last) {
            let other = self.address(*other);
            inside(&format!("route add {other}/32 via {GATEWAY} dev {pod_link} onlink"))?;
        }
        ip(&format!("address add {GATEWAY}/32 dev {host_link} scope link"))?;
        ip(&format!("route add {address}/32 dev {host_link}"))
    }

    /// With one end of a link its other end, addresses and routes go.
    fn remove_links(&self) {
        for (_, last) in PODS {
            let _ = ip(&format!("link delete dev {}", self.host_link(last)));
        }
    }
}

impl Drop for PlainVeths {
    fn drop(&mut self) {
        self.remove_links();
    }
}

fn ip(words: &str) -> Result<()> {
    output_of(privilege::command("ip").args(words.split(' '))).map(|_| ())
}
