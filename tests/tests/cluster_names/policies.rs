//! What a pod's resolv.conf says by its dnsPolicy and dnsConfig, and what short names lead to by it.

use std::path::Path;

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;

use crate::resolvers::{self, Answer, Resolver};

const WEB: &str = "10.96.7.1";
const OTHER_WEB: &str = "10.96.7.2";
const KUBERNETES: &str = "10.96.0.1";

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: few-dots}
spec:
  terminationGracePeriodSeconds: 0
  dnsConfig: {options: [{name: ndots, value: '1'}], searches: [other.svc.cluster.local]}
  containers: [{name: libc, image: 'sheave.local/resolvers:1'}]
---
apiVersion: v1
kind: Pod
metadata: {name: own-words}
spec:
  terminationGracePeriodSeconds: 0
  dnsPolicy: None
  dnsConfig:
    nameservers: [10.96.0.10]
    searches: [other.svc.cluster.local]
    options: [{name: ndots, value: '2'}]
  containers: [{name: libc, image: 'sheave.local/resolvers:1'}]
---
apiVersion: v1
kind: Pod
metadata: {name: node-words}
spec:
  terminationGracePeriodSeconds: 0
  dnsPolicy: Default
  containers: [{name: libc, image: 'sheave.local/resolvers:1'}]
---
apiVersion: v1
kind: Pod
metadata: {name: node-network}
spec:
  terminationGracePeriodSeconds: 0
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  containers: [{name: libc, image: 'sheave.local/resolvers:1'}]
";

/// In a cluster of both families, IPv4 first.
pub(crate) fn check(cluster: &Cluster) {
    cluster.apply(PODS);
    for pod in ["few-dots", "own-words", "node-words", "node-network"] {
        cluster.wait_pod_ready(pod);
    }
    for pod in ["libc", "node-network"] {
        let text = resolv_conf(cluster, pod);
        assert_eq!(servers(&text), ["10.96.0.10", "fd00:96::a"], "{pod}");
        let search = "search default.svc.cluster.local svc.cluster.local cluster.local";
        assert!(text.contains(search) && text.contains("options ndots:5\n"), "{pod}: {text}");
        finds(cluster, pod, "web", Some(WEB));
        finds(cluster, pod, "web.other", Some(OTHER_WEB));
        finds(cluster, pod, "web.other.svc", Some(OTHER_WEB));
        finds(cluster, pod, "web.other.svc.cluster.local", Some(OTHER_WEB));
        // With a dot at its end it is no short name.
        finds(cluster, pod, "web.", None);
        // As many dots as ndots: it is asked as it is before anything is appended.
        finds(cluster, pod, "a.name.with.many.dots.outside.test", Some("192.0.2.8"));
        finds(cluster, pod, "no.name.with.many.dots.outside.test", None);
    }

    finds(cluster, "few-dots", "web", Some(WEB));
    finds(cluster, "few-dots", "kubernetes.default.svc.cluster.local", Some(KUBERNETES));
    // One dot is enough to be asked as it is; glibc goes on to the search path after that, musl does not.
    ask(cluster, "few-dots", "web.other", Resolver::GlibcV4, Some(OTHER_WEB));
    ask(cluster, "few-dots", "web.other", Resolver::MuslV4, None);

    let text = resolv_conf(cluster, "own-words");
    assert_eq!(servers(&text), ["10.96.0.10"]);
    assert!(text.contains("search other.svc.cluster.local\n"), "{text}");
    assert!(text.contains("options ndots:2\n"), "{text}");
    finds(cluster, "own-words", "web", Some(OTHER_WEB));
    finds(cluster, "own-words", "kubernetes", None);
    finds(cluster, "own-words", "kubernetes.default.svc.cluster.local", Some(KUBERNETES));

    let of_node = ["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"];
    let of_node = of_node.map(Path::new).into_iter().find(|path| path.exists());
    let of_node = of_node.map(|path| std::fs::read_to_string(path).expect("it is there"));
    let of_node = servers(&of_node.unwrap_or_default());
    assert_eq!(servers(&resolv_conf(cluster, "node-words")), of_node);
    ask(cluster, "node-words", "web.default.svc.cluster.local", Resolver::GlibcV4, None);
}

fn resolv_conf(cluster: &Cluster, pod: &str) -> String {
    resolvers::run(cluster, pod, "cat /etc/resolv.conf").text
}

/// The name servers of a resolv.conf, in order; no resolver reads more than three.
pub(crate) fn servers(resolv_conf: &str) -> Vec<String> {
    let servers = resolv_conf.lines().filter_map(|line| line.strip_prefix("nameserver "));
    servers.take(3).map(|server| server.trim().to_owned()).collect()
}

/// Both libraries find the address, or that there is no such name.
fn finds(cluster: &Cluster, pod: &str, name: &str, address: Option<&str>) {
    for resolver in [Resolver::GlibcV4, Resolver::MuslV4] {
        ask(cluster, pod, name, resolver, address);
    }
}

fn ask(cluster: &Cluster, pod: &str, name: &str, resolver: Resolver, address: Option<&str>) {
    let answer = resolver.read(&resolvers::run(cluster, pod, &resolver.command(name)));
    let expected = match address {
        Some(address) => Answer::Addresses([address.parse().expect("an address")].into()),
        None => Answer::NoSuchName,
    };
    assert_eq!(answer, expected, "{name} in {pod} by {resolver:?}");
}
