//! The example application `examples/hello.yaml`: applied with kubectl, asked, measured.

use crate::cluster::Cluster;
use crate::traffic::{self, Answer};
use crate::workspace::root;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

const NAMESPACE: &str = "hello";
const DEPLOYMENTS: [&str; 2] = ["hello", "iperf3"];
/// Pods of both deployments together.
const PODS: usize = 3;
/// Enough requests that two pods chosen at random are both seen, but for one time in half a million.
const REQUESTS: usize = 20;

/// The application on a running cluster.
pub(crate) struct Demo<'a> {
    cluster: &'a Cluster,
}

impl<'a> Demo<'a> {
    /// Applies the example; returns it with the time until all of its pods were Running.
    pub(crate) fn apply(cluster: &'a Cluster) -> Result<(Self, Duration)> {
        let file = root().join("examples/hello.yaml");
        let file = file.to_str().context("the checkout's path is not UTF-8")?;
        let started = Instant::now();
        cluster.kubectl(&["apply", "--filename", file])?;
        cluster.wait_pods_running(NAMESPACE, PODS)?;
        let running = started.elapsed();
        for deployment in DEPLOYMENTS {
            let name = format!("deployment/{deployment}");
            cluster
                .kubectl(&["rollout", "status", &name, "--namespace", NAMESPACE, "--timeout=60s"])
                .map_err(|error| error.context(cluster.log_tails()))?;
        }
        Ok((Self { cluster }, running))
    }

    /// The web server's Service, by its cluster address.
    pub(crate) fn web(&self) -> Result<SocketAddrV4> {
        Ok(SocketAddrV4::new(self.cluster_ip("hello")?, 80))
    }

    /// The iperf3 server's Service, by its cluster address.
    pub(crate) fn iperf3_service(&self) -> Result<SocketAddrV4> {
        Ok(SocketAddrV4::new(self.cluster_ip("iperf3")?, 5201))
    }

    /// The iperf3 server's pod.
    pub(crate) fn iperf3_pod(&self) -> Result<SocketAddrV4> {
        let address = self.get(&["pods", "--selector=app=iperf3"], "{.items[0].status.podIP}")?;
        Ok(SocketAddrV4::new(address.parse()?, 5201))
    }

    /// The web server at the node's address and at the host's own loopback.
    pub(crate) fn node_ports(&self) -> Result<[SocketAddrV4; 2]> {
        let port: u16 = self
            .get(&["service", "hello-outside"], "{.spec.ports[0].nodePort}")?
            .parse()
            .context("the Service has no node port")?;
        const PATH: &str = r#"{.items[0].status.addresses[?(@.type=="InternalIP")].address}"#;
        let address: Ipv4Addr = self.cluster.value(&["nodes"], PATH)?.parse()?;
        Ok([SocketAddrV4::new(address, port), SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)])
    }

    /// Asks again and again from this host; says how many pods answered and how fast.
    pub(crate) fn ask_from_host(&self, server: SocketAddrV4) -> Result<String> {
        let answers =
            (0..REQUESTS).map(|_| traffic::http_get(server)).collect::<Result<Vec<Answer>>>()?;
        let pods: BTreeSet<&str> = answers.iter().map(|answer| answer.body.as_str()).collect();
        let mut durations: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
        durations.sort();
        let median_ms = durations[durations.len() / 2].as_secs_f64() * 1e3;
        Ok(format!("{REQUESTS} answers from {} pods, median {median_ms:.1} ms", pods.len()))
    }

    /// Asks once from a pod, through `kubectl exec`.
    pub(crate) fn ask_from_pod(&self, server: SocketAddrV4) -> Result<String> {
        // Not wget: that of Debian's static busybox crashes when it looks up an address.
        let request =
            format!(r"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 3 {} {}", server.ip(), server.port());
        let words =
            ["exec", "--namespace", NAMESPACE, "deployment/iperf3", "--", "sh", "-c", &request];
        let answer = self.cluster.kubectl(&words)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        match body.trim() {
            name if name.starts_with("hello-") => Ok(format!("answer from {name}")),
            other => bail!("{server} answered {other:?} to a pod, which is no pod's name"),
        }
    }

    fn cluster_ip(&self, service: &str) -> Result<Ipv4Addr> {
        let address = self.get(&["service", service], "{.spec.clusterIP}")?;
        address
            .parse()
            .with_context(|| format!("the Service {service} has the address {address:?}"))
    }

    fn get(&self, what: &[&str], path: &str) -> Result<String> {
        self.cluster.value(&[what, &["--namespace", NAMESPACE]].concat(), path)
    }
}
