//! A pod on each of two nodes of a lab. They go with it.

use super::at;
use crate::cluster::{output_of, wait_for};
use anyhow::{Context, Result};
use serde_json::Value;
use sheave_lab::{Lab, Machine};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Both run iperf3's server, which is the image's command; the client's is idle.
const MANIFEST: &str = include_str!("pods.yaml");
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Sheave's tunnel on a node.
const TUNNEL: &str = "sheave-vxlan";

pub(super) struct Pods {
    node: Machine,
    /// Of the client, by which its processes are found.
    uid: String,
    server: Ipv4Addr,
}

impl Pods {
    pub(super) fn start(lab: &Lab) -> Result<Self> {
        let manifest = lab.directory().join("pods.yaml");
        std::fs::write(&manifest, MANIFEST)?;
        let file = manifest.to_str().context("the lab's path is not UTF-8")?;
        // The namespace's service account is made in its own time.
        wait_for("the pods to be taken", READY_LIMIT, || {
            Ok(Some(lab.kubectl(&["apply", "--filename", file])?))
        })?;
        lab.kubectl(&["wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s"])?;
        let pod = |name: &str| -> Result<Value> {
            let json = lab.kubectl(&["get", "pod", name, "--output=json"])?;
            Ok(serde_json::from_str(&json)?)
        };
        let uid = pod("client")?["metadata"]["uid"].as_str().context("a uid")?.to_owned();
        let server = pod("server")?["status"]["podIP"].as_str().context("an address")?.parse()?;
        Ok(Self { node: lab.node(1)?, uid, server })
    }

    pub(super) fn server(&self) -> SocketAddrV4 {
        at(self.server)
    }

    /// A command as a process of the client's pod, with this machine's files.
    pub(super) fn in_client(&self, words: &[String]) -> Result<Command> {
        let (program, arguments) = words.split_first().context("a program's name")?;
        let mut command = self.node.pod_command(&self.uid, Path::new(program))?;
        command.args(arguments);
        Ok(command)
    }

    /// Of the pods' interfaces.
    pub(super) fn mtu(&self) -> Result<u32> {
        let words = ["ip", "-json", "link", "show", "dev", "eth0"].map(str::to_owned);
        mtu_of(&output_of(&mut self.in_client(&words)?)?)
    }

    /// Of the tunnel between the nodes.
    pub(super) fn tunnel_mtu(&self) -> Result<u32> {
        mtu_of(&self.node.run(&["ip", "-json", "link", "show", "dev", TUNNEL])?)
    }
}

/// Of what `ip -json link show` says.
pub(in crate::bench) fn mtu_of(links: &str) -> Result<u32> {
    let links: Value = serde_json::from_str(links)?;
    let mtu = links[0]["mtu"].as_u64().context("the link has no MTU")?;
    Ok(u32::try_from(mtu)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mtu_is_that_of_the_link_that_was_asked_for() {
        assert_eq!(mtu_of(r#"[{"ifname":"eth0","mtu":1430}]"#).unwrap(), 1430);
        assert!(mtu_of("[]").is_err());
    }
}
