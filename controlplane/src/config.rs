//! The command line of `sheave-server`.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use ipnet::IpNet;
use jiff::SignedDuration;
use sheave_api::AddressRange;
use sheave_apiserver::pki;

use crate::ranges;

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

    /// Addresses that Services get; for dual stack one range of each family, the one that Services have
    /// by default first.
    #[arg(
        long,
        value_name = "CIDR[,CIDR]",
        value_delimiter = ',',
        env = "SHEAVE_SERVICE_CIDR",
        default_value = "10.96.0.0/16"
    )]
    pub(crate) service_cidr: Vec<IpNet>,

    /// Addresses that pods get; for dual stack one range of each family.
    #[arg(
        long,
        value_name = "CIDR[,CIDR]",
        value_delimiter = ',',
        env = "SHEAVE_POD_CIDR",
        default_value = "10.244.0.0/16"
    )]
    pub(crate) pod_cidr: Vec<IpNet>,

    /// Prefix length of each node's part of the pods' IPv4 addresses.
    #[arg(long, env = "SHEAVE_NODE_CIDR_PREFIX", default_value_t = 24)]
    pub(crate) node_cidr_prefix: u8,

    /// Prefix length of each node's part of the pods' IPv6 addresses.
    #[arg(long, env = "SHEAVE_NODE_CIDR_PREFIX_IPV6", default_value_t = 64)]
    pub(crate) node_cidr_prefix_ipv6: u8,

    /// Ports of Services of type NodePort.
    #[arg(long, default_value = "30000-32767", value_parser = parse_port_range)]
    pub(crate) node_port_range: RangeInclusive<u16>,

    /// Addresses for Services of type LoadBalancer without a class, or of class sheave.io/pool: a CIDR or
    /// a range like 192.0.2.10-192.0.2.20; may be given several times.
    #[arg(long, value_name = "RANGE", value_delimiter = ',', env = "SHEAVE_LOAD_BALANCER_POOL")]
    pub(crate) load_balancer_pool: Vec<AddressRange>,

    /// Addresses that Services may name as externalIPs; may be given several times [default: none].
    #[arg(long, value_name = "CIDR", value_delimiter = ',', env = "SHEAVE_EXTERNAL_IP_POOL")]
    pub(crate) external_ip_pool: Vec<IpNet>,

    /// Addresses of the cluster's DNS, at most one of each family; the tenth of each service range if absent.
    #[arg(long, value_name = "ADDRESS[,ADDRESS]", value_delimiter = ',')]
    pub(crate) cluster_dns: Vec<IpAddr>,

    /// Domain of the cluster's names.
    #[arg(long, default_value = "cluster.local")]
    pub(crate) cluster_domain: String,

    /// How long a pod that goes away is kept running until all nodes have acknowledged that its endpoints are
    /// gone, and a new one is not counted as available until its endpoints are there; 0: not at all.
    #[arg(
        long,
        value_name = "DURATION",
        env = "SHEAVE_ENDPOINT_ACKNOWLEDGEMENT_TIMEOUT",
        default_value = "10s",
        value_parser = parse_duration
    )]
    pub(crate) endpoint_acknowledgement_timeout: Duration,

    /// Name of this machine's node, whose agent is given a certificate; the host name if absent.
    #[arg(long, env = "SHEAVE_NODE_NAME")]
    pub(crate) node_name: Option<String>,

    /// How long certificates of the server, of the administrator and of nodes live; they are renewed with a
    /// third of it left, or a month. The default is right but for tests.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = parse_certificate_lifetime,
        env = "SHEAVE_CERTIFICATE_LIFETIME",
        default_value = "365d",
        hide = true
    )]
    pub(crate) certificate_lifetime: Duration,
}

/// Shorter ones would be renewed all the time.
const CERTIFICATE_LIFETIME_MIN: Duration = Duration::from_secs(30);

fn parse_certificate_lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = sheave_join::parse_lifetime(text)?;
    if lifetime < CERTIFICATE_LIFETIME_MIN || lifetime > pki::CERTIFICATE_LIFETIME {
        return Err("expected a time from 30s to 365d".to_owned());
    }
    Ok(lifetime)
}

/// Longer than this nobody waits for a pod to end.
const DURATION_MAX: Duration = Duration::from_secs(600);

fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = match text {
        "0" => Some(Duration::ZERO),
        text => text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok()),
    };
    parsed
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "expected a duration of at most 10 minutes, like 10s, 500ms or 0".to_owned())
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
        ranges::check(self)?;
        let first = self.service_cidr.first().and_then(|range| nth_address(*range, 1));
        first.context("--service-cidr has no room for Services")
    }

    /// Those of them that the Service kube-dns can have: others are of somebody else's server.
    pub(crate) fn dns_service_addresses(&self) -> Vec<IpAddr> {
        let mut addresses = self.dns_addresses();
        addresses.retain(|address| self.service_cidr.iter().any(|range| range.contains(address)));
        addresses
    }

    /// The addresses that pods ask for names, one of each family that Services have.
    pub(crate) fn dns_addresses(&self) -> Vec<IpAddr> {
        if !self.cluster_dns.is_empty() {
            return self.cluster_dns.clone();
        }
        self.service_cidr.iter().filter_map(|range| nth_address(*range, 10)).collect()
    }
}

/// Counted behind the network's own address, which IPv6 does not exclude.
fn nth_address(range: IpNet, n: usize) -> Option<IpAddr> {
    range.hosts().filter(|address| *address != range.network()).nth(n - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str]) -> Config {
        Config::try_parse_from([&["sheave-server"], arguments].concat()).unwrap()
    }

    fn dns(config: &Config) -> Vec<String> {
        config.dns_addresses().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults() {
        let config = config(&[]);
        assert_eq!(config.service_address().unwrap().to_string(), "10.96.0.1");
        assert_eq!(dns(&config), ["10.96.0.10"]);
        assert_eq!(config.node_port_range, 30000..=32767);
        assert!(config.load_balancer_pool.is_empty() && config.external_ip_pool.is_empty());
    }

    #[test]
    fn two_families_and_several_ranges() {
        let config = config(&[
            "--service-cidr=fd00:96::/112,10.96.0.0/16",
            "--pod-cidr=fd00:244::/56,10.244.0.0/16",
            "--load-balancer-pool=192.0.2.10-192.0.2.20",
            "--load-balancer-pool=2001:db8::/112",
        ]);
        assert_eq!(config.service_address().unwrap().to_string(), "fd00:96::1");
        assert_eq!(dns(&config), ["fd00:96::a", "10.96.0.10"]);
        assert_eq!(config.load_balancer_pool.len(), 2);
    }

    #[test]
    fn durations() {
        for (text, ms) in [("10s", 10_000), ("500ms", 500), ("0", 0), ("0s", 0), ("10m", 600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for wrong in ["", "10", "-1s", "11m", "soon"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn port_ranges() {
        assert_eq!(parse_port_range("30000-32767"), Ok(30000..=32767));
        for wrong in ["30000", "2-1", "0-5", "a-b", "1-70000"] {
            assert!(parse_port_range(wrong).is_err(), "{wrong}");
        }
    }
}
