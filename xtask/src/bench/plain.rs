//! What Sheave is compared with: two network namespaces, a veth pair each, and routes between them
//! on the host. What a simple network for containers is made of, without any program of ours.

use crate::cluster::output_of;
use crate::privilege;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Child, Stdio};

const PORT: u16 = 5201;

/// An end of the path. Addresses are of the range for benchmarks (RFC 2544).
struct End {
    namespace: &'static str,
    /// The link's end on the host; inside it is eth0.
    host_link: &'static str,
    address: Ipv4Addr,
}

const CLIENT: End = End {
    namespace: "sheave-bench-a",
    host_link: "sheave-bench-a",
    address: Ipv4Addr::new(198, 18, 0, 2),
};
const SERVER: End = End {
    namespace: "sheave-bench-b",
    host_link: "sheave-bench-b",
    address: Ipv4Addr::new(198, 18, 0, 3),
};

/// The host's address on both links.
const GATEWAY: &str = "198.18.0.1";

/// Both namespaces and an iperf3 server in one; all is taken away when dropped.
pub(super) struct PlainVeths {
    server: Option<Child>,
}

impl PlainVeths {
    /// `mtu` is the pods', so that only the way differs.
    pub(super) fn set_up(mtu: u32) -> Result<Self> {
        // Left by a run that was killed.
        remove_namespaces();
        let mut plain = Self { server: None };
        for end in [&CLIENT, &SERVER] {
            end.set_up(mtu).context("making namespaces to compare with")?;
        }
        let mut server = privilege::command("ip");
        server.args(["netns", "exec", SERVER.namespace, "iperf3", "--server"]);
        server.args(["--port", &PORT.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        plain.server = Some(server.spawn().context("starting iperf3")?);
        Ok(plain)
    }

    /// The server as the client reaches it.
    pub(super) fn server(&self) -> SocketAddrV4 {
        SocketAddrV4::new(SERVER.address, PORT)
    }

    /// What runs a command at the client's end.
    pub(super) fn client_prefix(&self) -> Vec<String> {
        ["ip", "netns", "exec", CLIENT.namespace].map(str::to_owned).to_vec()
    }
}

impl Drop for PlainVeths {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            // Through sudo a signal to the child must come from root as well.
            let _ = output_of(privilege::command("kill").arg(server.id().to_string()));
            let _ = server.wait();
        }
        remove_namespaces();
    }
}

impl End {
    fn set_up(&self, mtu: u32) -> Result<()> {
        let Self { namespace, host_link, address } = self;
        ip(&format!("netns add {namespace}"))?;
        ip(&format!("link add {host_link} type veth peer name eth0 netns {namespace}"))?;
        ip(&format!("link set {host_link} mtu {mtu}"))?;
        ip(&format!("-n {namespace} link set eth0 mtu {mtu}"))?;
        ip(&format!("-n {namespace} address add {address}/32 dev eth0"))?;
        ip(&format!("-n {namespace} link set lo up"))?;
        ip(&format!("-n {namespace} link set eth0 up"))?;
        ip(&format!("-n {namespace} route add {GATEWAY}/32 dev eth0 scope link"))?;
        ip(&format!("-n {namespace} route add default via {GATEWAY} dev eth0"))?;
        ip(&format!("address add {GATEWAY}/32 dev {host_link} scope link"))?;
        ip(&format!("link set {host_link} up"))?;
        ip(&format!("route add {address}/32 dev {host_link}"))
    }
}

/// With a namespace its end of the link goes, and with that the other end, addresses and routes.
fn remove_namespaces() {
    for end in [&CLIENT, &SERVER] {
        let _ = ip(&format!("netns delete {}", end.namespace));
        // The kernel takes a namespace down in its own time; the link must be gone before the next.
        let _ = ip(&format!("link delete dev {}", end.host_link));
    }
}

fn ip(words: &str) -> Result<()> {
    output_of(privilege::command("ip").args(words.split(' '))).map(|_| ())
}
