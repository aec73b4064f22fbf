//! The flags of `sheave up`, and which of the two daemons each is for.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use ipnet::IpNet;
use jiff::SignedDuration;

use crate::agent_flags::{AgentFlags, flags, given};
use crate::children::Daemon;
use crate::directories::Directories;
use crate::program;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) directories: Directories,
    /// Port of the API server.
    #[arg(long, default_value_t = 6443)]
    pub(super) api_port: u16,
    /// Address by which other machines reach the API server [default: the IPv4 one of --node-ip, or of
    /// the default route].
    #[arg(long, value_name = "ADDRESS", value_parser = parse_ipv4)]
    pub(super) advertise_address: Option<IpAddr>,
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
    /// How long a pod that goes away is kept running until all nodes have acknowledged that its endpoints are
    /// gone, and a new one is not counted as available until its endpoints are there; 0: not at all
    /// [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = parse_acknowledgement_timeout)]
    pub(super) endpoint_acknowledgement_timeout: Option<String>,
    #[command(flatten)]
    pub(super) agent: AgentFlags,
}

fn parse_ipv4(text: &str) -> Result<IpAddr, String> {
    match text.parse() {
        Ok(address @ IpAddr::V4(_)) => Ok(address),
        _ => Err("an IPv4 address is expected, as the API server listens on IPv4 alone".to_owned()),
    }
}

/// What the server takes, as it was written: a mistake is told before anything is made.
fn parse_acknowledgement_timeout(text: &str) -> Result<String, String> {
    let parsed = match text {
        "0" => Some(Duration::ZERO),
        text => text.parse::<SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok()),
    };
    match parsed {
        Some(timeout) if timeout <= Duration::from_secs(600) => Ok(text.to_owned()),
        _ => Err("expected a duration of at most 10 minutes, like 10s, 500ms or 0".to_owned()),
    }
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
    let mut of_node = arguments.agent.node_ip.iter().copied();
    // The server listens on IPv4.
    let advertised = arguments.advertise_address.or_else(|| of_node.find(IpAddr::is_ipv4));
    words.extend(given([
        ("--advertise-address", advertised.map(|address| address.to_string())),
        ("--service-cidr", joined(&arguments.service_cidr)),
        ("--pod-cidr", joined(&arguments.pod_cidr)),
        ("--cluster-dns", joined(&arguments.cluster_dns)),
        ("--cluster-domain", arguments.cluster_domain.clone()),
        ("--endpoint-acknowledgement-timeout", arguments.endpoint_acknowledgement_timeout.clone()),
    ]));
    words
}

/// The node.
pub(super) fn agent_daemon(arguments: &Arguments, node_name: &str) -> Result<Daemon> {
    let server = format!("https://127.0.0.1:{}", arguments.api_port);
    arguments.agent.daemon(&arguments.directories, &server, node_name)
}

/// Addresses of the cluster that must be nobody else's on this machine; the server's defaults where nothing is
/// given.
pub(super) fn cluster_ranges(arguments: &Arguments) -> Vec<String> {
    let of = |flag: &str, given: &[IpNet], default: &str| -> Vec<String> {
        match given {
            [] => vec![format!("{flag}={default}")],
            given => given.iter().map(|range| format!("{flag}={range}")).collect(),
        }
    };
    let pods = of("pod-cidr", &arguments.pod_cidr, "10.244.0.0/16");
    [pods, of("service-cidr", &arguments.service_cidr, "10.96.0.0/16")].concat()
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

    fn server(line: &str) -> String {
        let Up { arguments } = Up::parse_from(line.split_whitespace());
        server_words(&arguments, "n").join(OsStr::new(" ")).into_string().unwrap()
    }

    #[test]
    fn what_is_given_reaches_the_server() {
        let words = server(
            "up --service-cidr 10.96.0.0/16,fd00:96::/112 --pod-cidr 10.1.0.0/16 --cluster-dns 10.96.0.3 \
             --cluster-domain corp.example --endpoint-acknowledgement-timeout 1m30s --node-ip 192.0.2.1 \
             --node-ip 2001:db8::1",
        );
        for flags in [
            "--service-cidr 10.96.0.0/16,fd00:96::/112 --pod-cidr 10.1.0.0/16 --cluster-dns 10.96.0.3 \
             --cluster-domain corp.example --endpoint-acknowledgement-timeout 1m30s",
            "--advertise-address 192.0.2.1 ",
        ] {
            assert!(words.contains(flags), "{words}");
        }
        let words = server("up --node-ip 2001:db8::1 --node-ip 192.0.2.1");
        assert!(words.contains("--advertise-address 192.0.2.1"), "it listens on IPv4: {words}");
        assert!(Up::try_parse_from(["up", "--advertise-address", "2001:db8::1"]).is_err());
        assert!(!words.contains("timeout"), "the server has its own default: {words}");
        let words = server("up --node-ip 192.0.2.1 --advertise-address 198.51.100.1");
        assert!(words.contains("--advertise-address 198.51.100.1"), "{words}");
    }

    #[test]
    fn how_long_nodes_are_waited_for_is_as_the_server_takes_it() {
        let flag = "--endpoint-acknowledgement-timeout";
        for text in ["0", "0s", "500ms", "1m30s", "10m"] {
            let words = server(&format!("up {flag} {text}"));
            assert!(words.ends_with(&format!("{flag} {text}")), "{words}");
        }
        for text in ["", "10", "-1s", "11m", "soon"] {
            let refused = Up::try_parse_from(["up", &format!("{flag}={text}")]).err().unwrap();
            let said = refused.to_string();
            assert!(said.contains(flag) && said.contains("at most 10 minutes"), "{text}: {said}");
        }
    }
}
