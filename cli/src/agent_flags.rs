//! The flags of a node's agent, as far as `sheave up` and `sheave join` have them, and how it is run.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Result;

use crate::children::Daemon;
use crate::directories::{Cgroups, Directories};
use crate::program;

#[derive(clap::Args)]
pub(crate) struct AgentFlags {
    /// Name of this machine's node [default: the host name].
    #[arg(long, value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// Address of this machine that nodes and clients use, at most one a family [default: the one of the
    /// default route].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) node_ip: Vec<IpAddr>,
    /// Interface that leads outside; may be given several times [default: the one of the default route].
    #[arg(long, value_name = "INTERFACE")]
    uplink: Vec<String>,
    /// Label of the node, written when it registers first; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    node_label: Vec<String>,
    /// Serve NodePorts on these addresses of this machine: CIDRs, or `primary` for the node's own; may be
    /// given several times [default: primary].
    #[arg(long, value_name = "CIDR")]
    node_port_addresses: Vec<String>,
    /// Let clients outside reach cluster IPs through this node's uplinks: whoever can send packets for the
    /// service range here reaches every Service.
    #[arg(long)]
    external_cluster_ip: bool,
    /// Whether clients outside are also served in the uplinks' drivers: auto, native or off [default: auto].
    #[arg(long, value_name = "MODE")]
    xdp: Option<String>,
    /// How pods of other nodes are reached: auto, native or vxlan [default: auto, by routes where nodes share a
    /// link, else through a tunnel].
    #[arg(long, value_name = "HOW")]
    pod_network: Option<String>,
    /// UDP port of packets between nodes that share no link, the same on all of them [default: 8472].
    #[arg(long, value_name = "PORT")]
    vxlan_port: Option<u16>,
    /// Whose address a pod of another node sees as its client's, when that is outside of the cluster: auto, keep or
    /// masquerade [default: auto, the client's own unless --pod-network is native].
    #[arg(long, value_name = "WHOSE")]
    client_address: Option<String>,
    /// MTU of what pods send to other machines [default: the uplink's].
    #[arg(long, value_name = "BYTES")]
    pod_mtu: Option<u32>,
    /// Port at which DNS is served on the node's addresses; 0: not at all [default: 10053].
    #[arg(long, value_name = "PORT")]
    dns_port: Option<u16>,
    /// Port of /healthz, /livez and /metrics on the node's addresses and 127.0.0.1 [default: 10256].
    #[arg(long, value_name = "PORT")]
    health_port: Option<u16>,
    /// Who answers for a domain that the machine's resolvers do not know, like corp.example=192.0.2.53; may be
    /// given several times.
    #[arg(long, value_name = "DOMAIN=ADDRESS[:PORT]")]
    dns_stub_domain: Vec<String>,
    /// cgroup v2 directory whose processes reach Services by their sockets [default: the root, so that all of
    /// this machine's do].
    #[arg(long, value_name = "DIR")]
    cgroup2_path: Option<PathBuf>,
    /// Image archives that are imported when missing [default: DATA_DIR/agent/images].
    #[arg(long, value_name = "DIR")]
    image_dir: Option<PathBuf>,
    /// Use this container runtime instead of a containerd of our own.
    #[arg(long, value_name = "SOCKET")]
    cri_endpoint: Option<PathBuf>,
    #[command(flatten)]
    cgroups: Cgroups,
}

impl AgentFlags {
    /// The node, in these directories, of the control plane at this URL.
    pub(crate) fn daemon(
        &self,
        directories: &Directories,
        server: &str,
        node_name: &str,
    ) -> Result<Daemon> {
        Ok(Daemon {
            name: "agent",
            program: program::sibling("sheave-agent")?,
            arguments: self.words(directories, server, node_name),
            log: directories.log("agent"),
        })
    }

    pub(crate) fn words(
        &self,
        directories: &Directories,
        server: &str,
        node_name: &str,
    ) -> Vec<OsString> {
        let mut words = flags([
            ("--data-dir", directories.agent_data_dir().into()),
            ("--run-dir", directories.run_dir.clone().into()),
            ("--bpffs-dir", directories.bpffs_dir.clone().into()),
            ("--server", server.into()),
            ("--node-name", node_name.into()),
        ]);
        words.extend(repeated("--node-ip", &self.node_ip));
        words.extend(repeated("--uplink", &self.uplink));
        words.extend(repeated("--node-label", &self.node_label));
        words.extend(repeated("--node-port-addresses", &self.node_port_addresses));
        if self.external_cluster_ip {
            words.push("--external-cluster-ip".into());
        }
        words.extend(given([
            ("--xdp", self.xdp.clone()),
            ("--pod-network", self.pod_network.clone()),
            ("--vxlan-port", self.vxlan_port.map(|port| port.to_string())),
            ("--client-address", self.client_address.clone()),
            ("--pod-mtu", self.pod_mtu.map(|bytes| bytes.to_string())),
            ("--dns-port", self.dns_port.map(|port| port.to_string())),
            ("--health-port", self.health_port.map(|port| port.to_string())),
        ]));
        words.extend(repeated("--dns-stub-domain", &self.dns_stub_domain));
        let paths = [
            ("--cgroup2-path", &self.cgroup2_path),
            ("--image-dir", &self.image_dir),
            ("--cri-endpoint", &self.cri_endpoint),
        ];
        for (flag, path) in paths {
            words.extend(path.iter().flat_map(|path| [flag.into(), path.into()]));
        }
        words.extend(self.cgroups.words());
        words
    }
}

pub(crate) fn flags<const N: usize>(flags: [(&str, OsString); N]) -> Vec<OsString> {
    flags.into_iter().flat_map(|(name, value)| [name.into(), value]).collect()
}

/// Those that have a value; others have the daemon's default.
pub(crate) fn given<const N: usize>(flags: [(&str, Option<String>); N]) -> Vec<OsString> {
    let given = flags.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()]));
    given.flatten().collect()
}

fn repeated(flag: &str, values: &[impl ToString]) -> Vec<OsString> {
    values.iter().flat_map(|value| [flag.into(), value.to_string().into()]).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Node {
        #[command(flatten)]
        directories: Directories,
        #[command(flatten)]
        agent: AgentFlags,
    }

    fn words(line: &str) -> String {
        let Node { directories, agent } = Node::parse_from(line.split_whitespace());
        let words = agent.words(&directories, "https://192.0.2.1:6443", "n");
        words.join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn what_is_given_reaches_the_agent() {
        let agent = words(
            "node --dns-port 53 --health-port 9 --xdp off --node-ip 192.0.2.1 --node-ip 2001:db8::1 \
             --node-label a=b --cgroup2-path /c",
        );
        for flags in [
            "--server https://192.0.2.1:6443 --node-name n ",
            "--node-ip 192.0.2.1 --node-ip 2001:db8::1",
            "--node-label a=b",
            "--xdp off --dns-port 53 --health-port 9",
            "--cgroup2-path /c",
        ] {
            assert!(agent.contains(flags), "{agent}");
        }
        assert!(!words("node").contains("--dns-port"), "the agent's default");
    }
}
