//! Two pods to measure between, and a Service before one of them, in a namespace of their own; taken away
//! when dropped.

use crate::cluster::{Cluster, output_of};
use crate::privilege;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddrV4};

const NAMESPACE: &str = "bench";
/// Where iperf3 listens.
pub(super) const PORT: u16 = 5201;

/// Equal shares of the processor for both ends, so that other work on the machine slows them alike.
const MANIFEST: &str = include_str!("pods.yaml");

pub(super) struct BenchPods<'a> {
    cluster: &'a Cluster,
}

impl<'a> BenchPods<'a> {
    pub(super) fn start(cluster: &'a Cluster) -> Result<Self> {
        // Left by a run that was killed.
        let delete = ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s"];
        cluster.kubectl(&delete)?;
        let manifest =
            std::env::temp_dir().join(format!("sheave-bench-{}.yaml", std::process::id()));
        std::fs::write(&manifest, MANIFEST)?;
        let file = manifest.to_str().context("the temporary directory's path is not UTF-8")?;
        let applied = cluster.kubectl(&["apply", "--filename", file]);
        std::fs::remove_file(&manifest)?;
        applied?;
        let pods = Self { cluster };
        pods.kubectl(&["wait", "pods", "--all", "--for=condition=Ready", "--timeout=60s"])?;
        Ok(pods)
    }

    /// What runs a command in the client's pod.
    pub(super) fn client_prefix(&self) -> Result<Vec<String>> {
        let kubeconfig = self.cluster.kubeconfig();
        let kubeconfig = kubeconfig.to_str().context("the kubeconfig's path is not UTF-8")?;
        let words = [
            "kubectl",
            "--kubeconfig",
            kubeconfig,
            "--namespace",
            NAMESPACE,
            "exec",
            "client",
            "--",
        ];
        Ok(words.map(str::to_owned).to_vec())
    }

    /// The server by its pod's address.
    pub(super) fn server(&self) -> Result<SocketAddrV4> {
        self.address("pod", "{.status.podIP}")
    }

    /// The server by its Service.
    pub(super) fn service(&self) -> Result<SocketAddrV4> {
        self.address("service", "{.spec.clusterIP}")
    }

    /// Of the pods' interfaces: what they send each other.
    pub(super) fn mtu(&self) -> Result<u32> {
        let mtu = self.kubectl(&["exec", "client", "--", "cat", "/sys/class/net/eth0/mtu"])?;
        mtu.trim().parse().context("the client's MTU")
    }

    /// Of the pods' default route: what they send to other machines.
    pub(super) fn mtu_outside(&self) -> Result<u32> {
        let pid = self.process_in("client")?;
        let mut command = privilege::command("nsenter");
        command.arg(format!("--net=/proc/{pid}/ns/net"));
        let routes = output_of(command.args(["ip", "-json", "route", "show", "default"]))?;
        let routes: serde_json::Value = serde_json::from_str(&routes)?;
        let mtu =
            routes[0]["metrics"][0]["mtu"].as_u64().context("the default route has no MTU")?;
        Ok(u32::try_from(mtu)?)
    }

    /// A process of this machine that is in the pod's network namespace.
    pub(super) fn process_in(&self, pod: &str) -> Result<u32> {
        let link = self.kubectl(&["exec", pod, "--", "readlink", "/proc/self/ns/net"])?;
        let wanted = link.trim().trim_start_matches("net:[").trim_end_matches(']');
        let mut list = privilege::command("lsns");
        let all = output_of(list.args(["--type", "net", "--noheadings", "--output", "NS,PID"]))?;
        let mut rows = all.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row.first() == Some(&wanted));
        let pid = row.and_then(|row| row.get(1)?.parse().ok());
        pid.with_context(|| format!("no process in the network namespace of pod {pod}"))
    }

    fn address(&self, kind: &str, path: &str) -> Result<SocketAddrV4> {
        let output = format!("--output=jsonpath={path}");
        let address: Ipv4Addr = self.kubectl(&["get", kind, "server", &output])?.parse()?;
        Ok(SocketAddrV4::new(address, PORT))
    }

    fn kubectl(&self, words: &[&str]) -> Result<String> {
        self.cluster.kubectl(&[&["--namespace", NAMESPACE], words].concat())
    }
}

impl Drop for BenchPods<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.kubectl(&["delete", "namespace", NAMESPACE]) {
            eprintln!("the namespace {NAMESPACE} is left: {error:#}");
        }
    }
}
