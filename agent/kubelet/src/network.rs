//! The files that name resolution in a pod reads: hosts and resolv.conf.

use std::fmt::Write;

use crate::config::ClusterDns;
use crate::pod::spec::{DnsPolicy, PodSpec};

/// Name servers, search domains and options, in resolv.conf's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Addresses, in the order in which they are asked.
    pub servers: Vec<String>,
    /// Domains that short names are looked for in.
    pub searches: Vec<String>,
    /// Such as `ndots:5`.
    pub options: Vec<String>,
}

/// Limits of resolv.conf as pods may use it.
const SERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;

impl Resolver {
    /// Reads a resolv.conf (resolv.conf(5)); what is none of its words is passed over.
    pub fn parse(text: &str) -> Self {
        let mut resolver = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => resolver.servers.extend(words.next()),
                Some("search" | "domain") => resolver.searches = words.collect(),
                Some("options") => resolver.options.extend(words),
                _ => {}
            }
        }
        resolver
    }
}

/// What a pod's resolv.conf says. `node` is the machine's own.
pub(crate) fn resolver(spec: &PodSpec, cluster: &ClusterDns, node: &Resolver) -> Resolver {
    let from_cluster = match spec.dns_policy {
        DnsPolicy::ClusterFirst => !spec.host_network,
        DnsPolicy::ClusterFirstWithHostNet => true,
        DnsPolicy::Default | DnsPolicy::None => false,
    };
    let mut resolver = if spec.dns_policy == DnsPolicy::None {
        Resolver::default()
    } else if from_cluster && !cluster.servers.is_empty() {
        let domain = &cluster.domain;
        let mut searches = vec![
            format!("{}.svc.{domain}", spec.key.namespace),
            format!("svc.{domain}"),
            domain.clone(),
        ];
        searches.extend(node.searches.iter().cloned());
        Resolver {
            servers: cluster.servers.iter().map(ToString::to_string).collect(),
            searches,
            options: vec!["ndots:5".into()],
        }
    } else {
        node.clone()
    };
    for server in &spec.dns.servers {
        push_new(&mut resolver.servers, server);
    }
    for search in &spec.dns.searches {
        push_new(&mut resolver.searches, search);
    }
    for option in &spec.dns.options {
        let name = |option: &str| option.split(':').next().unwrap_or_default().to_owned();
        resolver.options.retain(|known| name(known) != name(option));
        resolver.options.push(option.clone());
    }
    resolver.servers.truncate(SERVERS_MAX);
    resolver.searches.truncate(SEARCHES_MAX);
    resolver
}

fn push_new(list: &mut Vec<String>, item: &String) {
    if !list.contains(item) {
        list.push(item.clone());
    }
}

/// A pod's hosts file. On the host network it is the machine's, with the pod's aliases.
pub(crate) fn hosts(
    spec: &PodSpec,
    pod_ips: &[String],
    cluster_domain: &str,
    node_hosts: &str,
) -> String {
    let mut file = String::from("# Kubernetes-managed hosts file");
    if spec.host_network {
        file.push_str(" (host network).\n");
        file.push_str(node_hosts);
        if !file.ends_with('\n') {
            file.push('\n');
        }
    } else {
        file.push_str(
            ".\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\n\
             fe00::2\tip6-allrouters\n",
        );
        for ip in pod_ips {
            // Writing to a String cannot fail.
            let _ = match &spec.subdomain {
                Some(subdomain) => writeln!(
                    file,
                    "{ip}\t{host}.{subdomain}.{ns}.svc.{cluster_domain}\t{host}",
                    host = spec.hostname,
                    ns = spec.key.namespace
                ),
                None => writeln!(file, "{ip}\t{}", spec.hostname),
            };
        }
    }
    if !spec.host_aliases.is_empty() {
        file.push_str("\n# Entries added by HostAliases.\n");
        for alias in &spec.host_aliases {
            let _ = writeln!(file, "{}\t{}", alias.ip, alias.hostnames.join("\t"));
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: serde_json::Value) -> PodSpec {
        let mut spec = spec;
        spec["containers"] = serde_json::json!([]);
        let pod = serde_json::json!({"metadata": {"namespace": "ns", "name": "p", "uid": "u"},
            "spec": spec});
        crate::pod::decode::decode(pod.to_string().as_bytes()).unwrap().0
    }

    #[test]
    fn resolver_follows_the_policy() {
        let node = Resolver::parse("nameserver 1.1.1.1\nsearch corp\noptions timeout:1\n");
        let cluster = ClusterDns {
            servers: vec!["10.96.0.10".parse().unwrap()],
            domain: "cluster.local".into(),
        };
        let r = resolver(&pod(serde_json::json!({})), &cluster, &node);
        assert_eq!(r.servers, ["10.96.0.10"]);
        assert_eq!(
            r.searches,
            ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"]
        );
        assert_eq!(r.options, ["ndots:5"]);
        assert_eq!(
            resolver(&pod(serde_json::json!({"dnsPolicy": "Default"})), &cluster, &node),
            node
        );
        assert_eq!(resolver(&pod(serde_json::json!({"hostNetwork": true})), &cluster, &node), node);
        let own = serde_json::json!({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}]}});
        let r = resolver(&pod(own), &cluster, &node);
        assert_eq!(
            (r.servers, r.options),
            (vec!["9.9.9.9".into()], vec!["ndots:2".into(), "edns0".into()])
        );
    }

    #[test]
    fn hosts_names_the_pod() {
        let spec = pod(serde_json::json!({"subdomain": "s", "hostAliases":
            [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}]}));
        let file = hosts(&spec, &["10.244.0.5".into()], "cluster.local", "");
        assert!(file.contains("\n10.244.0.5\tp.s.ns.svc.cluster.local\tp\n"), "{file}");
        assert!(file.ends_with("1.2.3.4\ta\tb\n"), "{file}");
        let spec = pod(serde_json::json!({"hostNetwork": true}));
        assert!(hosts(&spec, &[], "d", "127.0.0.1 localhost").ends_with("127.0.0.1 localhost\n"));
    }
}
