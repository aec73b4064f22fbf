//! Whether the cluster's addresses are somebody else's on this machine: a network that an interface of its
//! own leads to, or a route. Pods would take their packets, or the other way round.
//!
//! What Sheave itself has made on the machine is no conflict, so it is told by its interfaces' names; routes
//! that lead to other nodes are looked past by asking before there is a node. Text of /proc is enough: it is
//! read once, at the start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, bail};
use ipnet::IpNet;
use sheave_push::v1;

/// Interfaces of ours begin like this.
const OWN_INTERFACES: [&str; 3] = ["shv", "sheave", "lo"];

/// A range of the cluster, and the flag of the server that chooses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClusterRange {
    /// `--pod-cidr`, `--service-cidr`.
    pub(crate) flag: String,
    pub(crate) range: IpNet,
}

/// As it stands on the command line: `pod-cidr=10.244.0.0/16`.
pub(crate) fn parse_range(text: &str) -> Result<ClusterRange, String> {
    let (flag, range) = text.split_once('=').ok_or("expected FLAG=CIDR")?;
    let range = range.parse().map_err(|_| format!("{range:?} is no CIDR"))?;
    Ok(ClusterRange { flag: format!("--{flag}"), range })
}

/// As the server tells them; what is no CIDR is complained of elsewhere.
pub(crate) fn of_cluster(cluster: &v1::ClusterConfig) -> Vec<ClusterRange> {
    let of = |flag: &'static str, ranges: &[String]| -> Vec<ClusterRange> {
        let parsed = ranges.iter().filter_map(|range| range.parse().ok());
        parsed.map(|range| ClusterRange { flag: flag.to_owned(), range }).collect()
    };
    let pods = of("--pod-cidr", &cluster.pod_cidrs);
    [pods, of("--service-cidr", &cluster.service_cidrs)].concat()
}

/// A network that this machine reaches otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostNetwork {
    net: IpNet,
    interface: String,
}

/// # Errors
/// Names both networks, and what to change.
pub(crate) fn refuse(ranges: &[ClusterRange]) -> Result<()> {
    let mut networks = connected();
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    networks.extend(routes_v4(&read("/proc/thread-self/net/route")));
    networks.extend(routes_v6(&read("/proc/thread-self/net/ipv6_route")));
    match first_overlap(ranges, &networks) {
        None => Ok(()),
        Some(sentence) => bail!("{sentence}"),
    }
}

fn first_overlap(ranges: &[ClusterRange], networks: &[HostNetwork]) -> Option<String> {
    let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
    let is_foreign = |network: &&HostNetwork| {
        !OWN_INTERFACES.iter().any(|own| network.interface.starts_with(own))
    };
    networks.iter().filter(is_foreign).find_map(|HostNetwork { net, interface }| {
        let ClusterRange { flag, range } = ranges.iter().find(|r| overlap(&r.range, net))?;
        Some(format!(
            "the cluster's {flag} {range} overlaps with {net}, which this machine reaches through {interface}: \
             start the control plane with another {flag}, or renumber that network"
        ))
    })
}

/// Networks of the interfaces' own addresses.
fn connected() -> Vec<HostNetwork> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let networks = interfaces.filter_map(|interface| {
        let ip = |storage: &nix::sys::socket::SockaddrStorage| match storage.as_sockaddr_in() {
            Some(v4) => Some(IpAddr::V4(v4.ip())),
            None => storage.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())),
        };
        let net =
            IpNet::with_netmask(ip(interface.address.as_ref()?)?, ip(interface.netmask.as_ref()?)?);
        Some(HostNetwork { net: net.ok()?.trunc(), interface: interface.interface_name })
    });
    networks.collect()
}

/// Of `/proc/net/route`: name, destination and mask in hexadecimal, in the byte order of the machine.
fn routes_v4(text: &str) -> Vec<HostNetwork> {
    let lines = text.lines().skip(1).filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = |index: usize| {
            let value = u32::from_str_radix(words.get(index)?, 16).ok()?;
            Some(IpAddr::V4(Ipv4Addr::from(value.to_ne_bytes())))
        };
        let net = IpNet::with_netmask(address(1)?, address(7)?).ok()?;
        Some(HostNetwork { net, interface: (*words.first()?).to_owned() })
    });
    lines.filter(|route| route.net.prefix_len() > 0).collect()
}

/// Of `/proc/net/ipv6_route`: destination and its prefix length in hexadecimal, and the name at the end.
fn routes_v6(text: &str) -> Vec<HostNetwork> {
    let lines = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let address = u128::from_str_radix(words.first()?, 16).ok()?;
        let prefix_len = u8::from_str_radix(words.get(1)?, 16).ok()?;
        let net = IpNet::new(Ipv6Addr::from_bits(address).into(), prefix_len).ok()?;
        Some(HostNetwork { net, interface: (*words.last()?).to_owned() })
    });
    lines.filter(|route| route.net.prefix_len() > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(net: &str, interface: &str) -> HostNetwork {
        HostNetwork { net: net.parse().unwrap(), interface: interface.to_owned() }
    }

    #[test]
    fn an_overlap_names_both_and_the_flag() {
        let ranges = ["pod-cidr=10.244.0.0/16", "service-cidr=10.96.0.0/16"];
        let ranges = ranges.map(|range| parse_range(range).unwrap());
        let said = |net: &str, interface: &str| {
            first_overlap(&ranges, &[network("192.0.2.0/24", "eth0"), network(net, interface)])
        };
        assert_eq!(
            said("10.244.7.0/24", "eth1").unwrap(),
            "the cluster's --pod-cidr 10.244.0.0/16 overlaps with 10.244.7.0/24, which this machine reaches \
             through eth1: start the control plane with another --pod-cidr, or renumber that network"
        );
        assert!(said("10.0.0.0/8", "tun0").unwrap().contains("overlaps with 10.0.0.0/8"));
        assert!(said("10.96.0.10/32", "eth1").unwrap().contains("--service-cidr 10.96.0.0/16"));
        assert_eq!(said("10.245.0.0/16", "eth1"), None);
        for own in ["shv1a2b", "sheave-vxlan", "lo"] {
            assert_eq!(said("10.244.7.0/24", own), None, "{own}");
        }
    }

    #[test]
    fn routes_are_read_as_the_kernel_writes_them() {
        let text = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        if cfg!(target_endian = "little") {
            assert_eq!(routes_v4(text), [network("192.0.2.0/24", "eth0")]);
        }
        let text = "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 \
                    00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n\
                    00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                    20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n";
        assert_eq!(routes_v6(text), [network("2001:db8::/64", "eth0")]);
    }
}
