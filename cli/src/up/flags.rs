//! The flags of `sheave up`, and which of the two daemons each is for.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Result;
use ipnet::IpNet;

use crate::children::Daemon;
use crate::directories::{Cgroups, Directories};
use crate::program;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) directories: Directories,
    /// Port of the API server.
    #[arg(long, default_value_t = 6443)]
    pub(super) api_port: u16,
    /// Name of this machine's node [default: the host name].
    #[arg(long, value_name = "NAME")]
    pub(super) node_name: Option<String>,
    /// Address of this machine that nodes and clients use, at most one a family, the API server's first
    /// [default: the one of the default route].
    #[arg(long, value_name = "ADDRESS")]
    pub(super) node_ip: Vec<IpAddr>,
    /// Interface that leads outside; may be given several times [default: the one of the default route].
    #[arg(long, value_name = "INTERFACE")]
    pub(super) uplink: Vec<String>,
    /// Serve NodePorts on these addresses of this machine: CIDRs, or `primary` for the node's own; may be
    /// given several times [default: primary].
    #[arg(long, value_name = "CIDR")]
    pub(super) node_port_addresses: Vec<String>,
    /// Let clients outside reach cluster IPs through this node's uplinks: whoever can send packets for the
    /// service range here reaches every Service.
    #[arg(long)]
    pub(super) external_cluster_ip: bool,
    /// Whether clients outside are also served in the uplinks' drivers: auto, native or off [default: auto].
    #[arg(long, value_name = "MODE")]
    pub(super) xdp: Option<String>,
    /// Addresses that Services get; for dual stack one range of each family [default: 10.96.0.0/16].
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub(super) service_cidr: Vec<IpNet>,
    /// Addresses that pods get; for dual stack one range of each family [default: 10.244.0.0/16].
    #[arg(long, value_name = "CIDR[,CIDR]", value_delimiter = ',')]
    pub(super) pod_cidr: Vec<IpNet>,
    /// Addresses of the cluster's DNS [default: the tenth of each service range].
    #[arg(long, value_name = "ADDRESS[,ADDRESS]", value_delimiter = ',')]
    pub(super) cluster_dns: Vec<IpAddr>,
    /// Domain of the cluster's names [default: cluster.local].
    #[arg(long, value_name = "DOMAIN")]
    pub(super) cluster_domain: Option<String>,
    /// Port at which DNS is served on the node's addresses; 0: not at all [default: 10053].
    #[arg(long, value_name = "PORT")]
    pub(super) dns_port: Option<u16>,
    /// Port of /healthz, /livez and /metrics on the node's addresses and 127.0.0.1 [default: 10256].
    #[arg(long, value_name = "PORT")]
    pub(super) health_port: Option<u16>,
    /// Who answers for a domain that the machine's resolvers do not know, like corp.example=192.0.2.53; may be
    /// given several times.
    #[arg(long, value_name = "DOMAIN=ADDRESS[:PORT]")]
    pub(super) dns_stub_domain: Vec<String>,
    /// Image archives that are imported when missing [default: DATA_DIR/agent/images].
    #[arg(long, value_name = "DIR")]
    pub(super) image_dir: Option<PathBuf>,
    /// Use this container runtime instead of a containerd of our own.
    #[arg(long, value_name = "SOCKET")]
    pub(super) cri_endpoint: Option<PathBuf>,
    #[command(flatten)]
    pub(super) cgroups: Cgroups,
}

/// The control plane.
pub(super) fn server_daemon(arguments: &Arguments, node_name: &str) -> Result<Daemon> {
    Ok(Daemon {
        name: "server",
        program: program::sibling("sheave-server")?,
        arguments: server_words(arguments, node_name),
        log: arguments.directories.log("server"),
    })
}

fn server_words(arguments: &Arguments, node_name: &str) -> Vec<OsString> {
    let directories = &arguments.directories;
    let mut words = flags([
        ("--data-dir", directories.data_dir.clone().into()),
        ("--bind", format!("0.0.0.0:{}", arguments.api_port).into()),
        ("--node-name", node_name.into()),
    ]);
    if let Some(address) = arguments.node_ip.first() {
        words.extend(["--advertise-address".into(), address.to_string().into()]);
    }
    words.extend(given([
        ("--service-cidr", joined(&arguments.service_cidr)),
        ("--pod-cidr", joined(&arguments.pod_cidr)),
        ("--cluster-dns", joined(&arguments.cluster_dns)),
        ("--cluster-domain", arguments.cluster_domain.clone()),
    ]));
    words
}

/// The node.
pub(super) fn agent_daemon(arguments: &Arguments, node_name: &str) -> Result<Daemon> {
    Ok(Daemon {
        name: "agent",
        program: program::sibling("sheave-agent")?,
        arguments: agent_words(arguments, node_name),
        log: arguments.directories.log("agent"),
    })
}

fn agent_words(arguments: &Arguments, node_name: &str) -> Vec<OsString> {
    let directories = &arguments.directories;
    let server = format!("https://127.0.0.1:{}", arguments.api_port);
    let mut words = flags([
        ("--data-dir", directories.agent_data_dir().into()),
        ("--run-dir", directories.run_dir.clone().into()),
        ("--bpffs-dir", directories.bpffs_dir.clone().into()),
        ("--server", server.into()),
        ("--node-name", node_name.into()),
    ]);
    for address in &arguments.node_ip {
        words.extend(["--node-ip".into(), address.to_string().into()]);
    }
    for uplink in &arguments.uplink {
        words.extend(["--uplink".into(), uplink.into()]);
    }
    for addresses in &arguments.node_port_addresses {
        words.extend(["--node-port-addresses".into(), addresses.into()]);
    }
    if arguments.external_cluster_ip {
        words.push("--external-cluster-ip".into());
    }
    words.extend(given([
        ("--xdp", arguments.xdp.clone()),
        ("--dns-port", arguments.dns_port.map(|port| port.to_string())),
        ("--health-port", arguments.health_port.map(|port| port.to_string())),
    ]));
    for domain in &arguments.dns_stub_domain {
        words.extend(["--dns-stub-domain".into(), domain.into()]);
    }
    if let Some(dir) = &arguments.image_dir {
        words.extend(["--image-dir".into(), dir.into()]);
    }
    if let Some(socket) = &arguments.cri_endpoint {
        words.extend(["--cri-endpoint".into(), socket.into()]);
    }
    words.extend(arguments.cgroups.words());
    words
}

fn flags<const N: usize>(flags: [(&str, OsString); N]) -> Vec<OsString> {
    flags.into_iter().flat_map(|(name, value)| [name.into(), value]).collect()
}

/// Those that have a value; others have the daemon's default.
fn given<const N: usize>(flags: [(&str, Option<String>); N]) -> Vec<OsString> {
    let given = flags.into_iter().filter_map(|(name, value)| Some([name.into(), value?.into()]));
    given.flatten().collect()
}

/// As one value; none of none.
fn joined(values: &[impl ToString]) -> Option<String> {
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(","))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Up {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn what_is_given_reaches_the_daemon_that_it_is_for() {
        let words = "up --service-cidr 10.96.0.0/16,fd00:96::/112 --pod-cidr 10.1.0.0/16 \
                     --cluster-dns 10.96.0.3 --cluster-domain corp.example --dns-port 53 --health-port 9 \
                     --xdp off --node-ip 192.0.2.1 --node-ip 2001:db8::1";
        let Up { arguments } = Up::parse_from(words.split_whitespace());
        let joined = |words: Vec<OsString>| words.join(OsStr::new(" ")).into_string().unwrap();
        let server = joined(server_words(&arguments, "n"));
        for flags in [
            "--service-cidr 10.96.0.0/16,fd00:96::/112 --pod-cidr 10.1.0.0/16 --cluster-dns 10.96.0.3 \
             --cluster-domain corp.example",
            "--advertise-address 192.0.2.1 ",
        ] {
            assert!(server.contains(flags), "{server}");
        }
        let agent = joined(agent_words(&arguments, "n"));
        for flags in
            ["--node-ip 192.0.2.1 --node-ip 2001:db8::1", "--xdp off --dns-port 53 --health-port 9"]
        {
            assert!(agent.contains(flags), "{agent}");
        }
        let Up { arguments } = Up::parse_from(["up"]);
        assert!(
            !joined(agent_words(&arguments, "n")).contains("--dns-port"),
            "the agent's default"
        );
    }
}
