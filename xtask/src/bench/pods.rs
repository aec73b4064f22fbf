//! A pod to measure from, in a namespace of its own; taken away when dropped.

use crate::cluster::Cluster;
use anyhow::{Context, Result};

const NAMESPACE: &str = "bench";
const POD: &str = "client";

pub(super) struct ClientPod<'a> {
    cluster: &'a Cluster,
}

impl<'a> ClientPod<'a> {
    pub(super) fn start(cluster: &'a Cluster) -> Result<Self> {
        let namespace = ["--namespace", NAMESPACE];
        // Left by a run that was killed.
        let delete = ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s"];
        cluster.kubectl(&delete)?;
        cluster.kubectl(&["create", "namespace", NAMESPACE])?;
        let client = Self { cluster };
        // Waits by itself: the image's own command is a server.
        let run = ["run", POD, "--image=sheave.local/iperf3:1"];
        cluster.kubectl(&[&namespace[..], &run].concat())?;
        let wait = ["wait", "pod", POD, "--for=condition=Ready", "--timeout=60s"];
        cluster.kubectl(&[&namespace[..], &wait].concat())?;
        Ok(client)
    }

    /// What runs a command in the pod.
    pub(super) fn prefix(&self) -> Result<Vec<String>> {
        let kubeconfig = self.cluster.kubeconfig();
        let kubeconfig = kubeconfig.to_str().context("the kubeconfig's path is not UTF-8")?;
        let words =
            ["kubectl", "--kubeconfig", kubeconfig, "--namespace", NAMESPACE, "exec", POD, "--"];
        Ok(words.map(str::to_owned).to_vec())
    }
}

impl Drop for ClientPod<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.cluster.kubectl(&["delete", "namespace", NAMESPACE]) {
            eprintln!("the namespace {NAMESPACE} is left: {error:#}");
        }
    }
}
