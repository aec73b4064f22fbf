//! The command line of `sheave-server`.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::Parser;
use ipnet::IpNet;

/// The control plane of a Sheave cluster: API server, scheduler, controllers, node protocol.
#[derive(Clone, Debug, Parser)]
#[command(name = "sheave-server", version)]
pub(crate) struct Config {
    /// Directory of this installation; the server keeps its state below `server/`.
    #[arg(long, env = "SHEAVE_DATA_DIR", default_value = "/var/lib/sheave")]
    pub(crate) data_dir: PathBuf,

    /// Address and port to listen on, for clients and for nodes.
    #[arg(long, env = "SHEAVE_BIND", default_value = "0.0.0.0:6443")]
    pub(crate) bind: SocketAddr,

    /// Address under which nodes and pods reach this server; found from the default route if absent.
    #[arg(long, env = "SHEAVE_ADVERTISE_ADDRESS")]
    pub(crate) advertise_address: Option<IpAddr>,

    /// Addresses that Services get.
    #[arg(long, default_value = "10.96.0.0/16")]
    pub(crate) service_cidr: IpNet,

    /// Addresses that pods get.
    #[arg(long, default_value = "10.244.0.0/16")]
    pub(crate) pod_cidr: IpNet,

    /// Prefix length of each node's part of the pod addresses.
    #[arg(long, env = "SHEAVE_NODE_CIDR_PREFIX", default_value_t = 24)]
    pub(crate) node_cidr_prefix: u8,

    /// Ports of Services of type NodePort.
    #[arg(long, default_value = "30000-32767", value_parser = parse_port_range)]
    pub(crate) node_port_range: RangeInclusive<u16>,

    /// Address of the cluster's DNS; the tenth service address if absent.
    #[arg(long)]
    pub(crate) cluster_dns: Option<IpAddr>,

    /// Domain of the cluster's names.
    #[arg(long, default_value = "cluster.local")]
    pub(crate) cluster_domain: String,

    /// Name of this machine's node, whose agent is given a certificate; the host name if absent.
    #[arg(long, env = "SHEAVE_NODE_NAME")]
    pub(crate) node_name: Option<String>,
}

fn parse_port_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let range = text.split_once('-').and_then(|(first, last)| {
        Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
    });
    match range {
        Some((first, last)) if 0 < first && first <= last => Ok(first..=last),
        _ => Err("expected two ports between 1 and 65535, like 30000-32767".to_owned()),
    }
}

impl Config {
    /// The first service address: the API server as a Service.
    ///
    /// # Errors
    /// When a range is too small for what must fit, or two ranges overlap.
    pub(crate) fn service_address(&self) -> anyhow::Result<IpAddr> {
        let Some(address) = self.service_cidr.hosts().next() else {
            anyhow::bail!("--service-cidr {} has no room for Services", self.service_cidr);
        };
        anyhow::ensure!(
            self.service_cidr.prefix_len() <= 28 || !matches!(self.service_cidr, IpNet::V4(_)),
            "--service-cidr {} is too small: the prefix may be /28 at most",
            self.service_cidr
        );
        let overlap = self.service_cidr.contains(&self.pod_cidr.network())
            || self.pod_cidr.contains(&self.service_cidr.network());
        anyhow::ensure!(
            !overlap,
            "--service-cidr {} and --pod-cidr {} overlap: choose ranges apart from each other",
            self.service_cidr,
            self.pod_cidr
        );
        anyhow::ensure!(
            self.pod_cidr.prefix_len() <= self.node_cidr_prefix,
            "--node-cidr-prefix {} is larger than --pod-cidr {}: choose a longer prefix",
            self.node_cidr_prefix,
            self.pod_cidr
        );
        Ok(address)
    }

    /// The address of the cluster's DNS.
    pub(crate) fn dns_address(&self) -> Option<IpAddr> {
        self.cluster_dns.or_else(|| self.service_cidr.hosts().nth(9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> Config {
        Config::try_parse_from([&["sheave-server"], arguments].concat()).unwrap()
    }

    #[test]
    fn defaults() {
        let config = config(&[]);
        assert_eq!(config.service_address().unwrap().to_string(), "10.96.0.1");
        assert_eq!(config.dns_address().unwrap().to_string(), "10.96.0.10");
        assert_eq!(config.node_port_range, 30000..=32767);
    }

    #[test]
    fn ranges_that_cannot_work_are_refused() {
        let message =
            |arguments: &[&str]| config(arguments).service_address().unwrap_err().to_string();
        let overlap = message(&["--service-cidr", "10.244.8.0/24"]);
        assert!(overlap.contains("overlap"), "{overlap}");
        let small = message(&["--service-cidr", "10.96.0.0/30"]);
        assert!(small.contains("too small"), "{small}");
        let nodes = message(&["--node-cidr-prefix", "8"]);
        assert!(nodes.contains("--node-cidr-prefix"), "{nodes}");
    }

    #[test]
    fn port_ranges() {
        assert_eq!(parse_port_range("30000-32767"), Ok(30000..=32767));
        for wrong in ["30000", "2-1", "0-5", "a-b", "1-70000"] {
            assert!(parse_port_range(wrong).is_err(), "{wrong}");
        }
    }
}
