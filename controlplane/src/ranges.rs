//! Whether what the command line says of addresses and names can work, and work together.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use ipnet::IpNet;
use sheave_api::{AddressRange, name};

use crate::config::Config;

/// Prefix bits left for Services, at least: a dozen addresses.
const SERVICE_BITS_MIN: u8 = 4;
/// A node's part may be this small: two addresses are not the pods' own, one is the node's.
const NODE_BITS_MIN: u8 = 2;

/// # Errors
/// Names the flag that is wrong, and what would do.
pub(crate) fn check(config: &Config) -> Result<()> {
    one_a_family("--service-cidr", &config.service_cidr)?;
    one_a_family("--pod-cidr", &config.pod_cidr)?;
    for range in &config.service_cidr {
        let prefix_len_max = range.max_prefix_len() - SERVICE_BITS_MIN;
        ensure!(
            range.prefix_len() <= prefix_len_max,
            "--service-cidr {range} is too small: the prefix may be /{prefix_len_max} at most"
        );
    }
    for range in &config.pod_cidr {
        check_node_prefix(config, range)?;
    }
    let domain = &config.cluster_domain;
    ensure!(
        name::dns1123_subdomain(domain).is_ok(),
        "--cluster-domain {domain:?} is no domain: labels of a-z, 0-9 and '-' with dots between them are \
         expected, like cluster.local"
    );
    let [v4, v6] = [IpAddr::is_ipv4, IpAddr::is_ipv6]
        .map(|is_of| config.cluster_dns.iter().filter(|address| is_of(address)).count());
    ensure!(
        v4 <= 1 && v6 <= 1,
        "--cluster-dns names several addresses of a family: one can be given"
    );
    apart(config)
}

fn one_a_family(flag: &str, ranges: &[IpNet]) -> Result<()> {
    let all: Vec<_> = ranges.iter().map(ToString::to_string).collect();
    ensure!(!ranges.is_empty(), "{flag} names no range");
    let distinct = ranges.len() == 1
        || (ranges.len() == 2 && ranges[0].addr().is_ipv4() != ranges[1].addr().is_ipv4());
    ensure!(
        distinct,
        "{flag} {}: one range, or one IPv4 range and one IPv6 range, can be given",
        all.join(",")
    );
    Ok(())
}

fn check_node_prefix(config: &Config, range: &IpNet) -> Result<()> {
    let (flag, prefix_len) = match range {
        IpNet::V4(_) => ("--node-cidr-prefix", config.node_cidr_prefix),
        IpNet::V6(_) => ("--node-cidr-prefix-ipv6", config.node_cidr_prefix_ipv6),
    };
    ensure!(
        range.prefix_len() <= prefix_len,
        "{flag} {prefix_len} is larger than --pod-cidr {range}: choose a longer prefix"
    );
    let prefix_len_max = range.max_prefix_len() - NODE_BITS_MIN;
    ensure!(
        prefix_len <= prefix_len_max,
        "{flag} {prefix_len} leaves no room for pods: the prefix may be /{prefix_len_max} at most"
    );
    Ok(())
}

/// No address may have two meanings.
fn apart(config: &Config) -> Result<()> {
    let networks =
        |flag: &'static str, ranges: &[IpNet]| -> Vec<(&'static str, String, AddressRange)> {
            ranges.iter().map(|range| (flag, range.to_string(), (*range).into())).collect()
        };
    let mut all = networks("--service-cidr", &config.service_cidr);
    all.extend(networks("--pod-cidr", &config.pod_cidr));
    all.extend(networks("--external-ip-pool", &config.external_ip_pool));
    let pool = config.load_balancer_pool.iter();
    all.extend(pool.map(|range| ("--load-balancer-pool", range.to_string(), *range)));
    for (index, (flag, text, range)) in all.iter().enumerate() {
        for (other_flag, other_text, other) in &all[index + 1..] {
            // Twice the same is merely said twice.
            let harmless = flag == other_flag && *flag == "--external-ip-pool";
            ensure!(
                harmless || !range.overlaps(other),
                "{flag} {text} and {other_flag} {other_text} overlap: choose ranges apart from each other"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn refusal(arguments: &[&str]) -> String {
        let config = Config::try_parse_from([&["sheave-server"], arguments].concat()).unwrap();
        check(&config).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn ranges_that_cannot_work_are_refused() {
        for (arguments, expected) in [
            (&[][..], "fine"),
            (&["--service-cidr", "10.244.8.0/24"], "overlap"),
            (&["--service-cidr", "10.96.0.0/30"], "too small: the prefix may be /28 at most"),
            (&["--service-cidr", "fd00::/126"], "too small: the prefix may be /124 at most"),
            (&["--service-cidr", "10.1.0.0/16,10.2.0.0/16"], "one IPv4 range and one IPv6 range"),
            (&["--node-cidr-prefix", "8"], "--node-cidr-prefix 8 is larger than --pod-cidr"),
            (&["--node-cidr-prefix", "31"], "leaves no room for pods"),
            (&["--pod-cidr", "fd00::/72"], "--node-cidr-prefix-ipv6 64 is larger than"),
            (&["--load-balancer-pool", "10.96.0.9-10.96.0.10"], "--load-balancer-pool 10.96.0.9"),
            (
                &["--load-balancer-pool", "192.0.2.0/28", "--external-ip-pool", "192.0.2.8/29"],
                "--external-ip-pool 192.0.2.8/29 and --load-balancer-pool",
            ),
            (&["--external-ip-pool", "192.0.2.0/24,192.0.2.0/28"], "fine"),
            (
                &["--cluster-domain", "Corp..example"],
                "--cluster-domain \"Corp..example\" is no domain",
            ),
            (&["--cluster-domain", "corp.example"], "fine"),
            (&["--cluster-dns", "10.96.0.3,fd00::3"], "fine"),
            (&["--cluster-dns", "10.96.0.3,10.96.0.4"], "--cluster-dns names several addresses"),
            (&["--load-balancer-pool", "192.0.2.0/28,192.0.2.4/32"], "overlap"),
        ] {
            let found = refusal(arguments);
            assert!(found.contains(expected), "{arguments:?}: {found}");
        }
    }
}
