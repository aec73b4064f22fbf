//! kubectl, run as the administrator of a cluster or of an API server alone.

use crate::command::{self, Said};
use crate::wait;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Whoever has a kubeconfig can be asked.
pub trait Kubectl {
    /// The administrator's kubeconfig.
    fn kubeconfig(&self) -> PathBuf;

    /// Runs kubectl; panics when it fails. Returns what it printed.
    fn kubectl(&self, arguments: &[&str]) -> String {
        let said = self.try_kubectl(arguments);
        assert!(said.ok, "kubectl {}: {}{}", arguments.join(" "), said.stdout, said.stderr);
        said.stdout
    }

    /// Runs kubectl, which must fail; returns its complaint.
    fn kubectl_refused(&self, arguments: &[&str]) -> String {
        let said = self.try_kubectl(arguments);
        assert!(!said.ok, "kubectl {} succeeded: {}", arguments.join(" "), said.stdout);
        said.stderr
    }

    /// Runs kubectl.
    fn try_kubectl(&self, arguments: &[&str]) -> Said {
        self.kubectl_with_input(arguments, "")
    }

    /// Runs kubectl with something on its standard input, for `--filename -`.
    fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Said {
        let kubeconfig = self.kubeconfig();
        let words = [&["kubectl"], arguments].concat();
        command::run(&words, &[("KUBECONFIG", &kubeconfig.to_string_lossy())], input)
    }

    /// A kubectl that keeps running: a watch, a forwarded port.
    fn kubectl_command(&self) -> Command {
        let mut command = Command::new("kubectl");
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// Applies a manifest.
    fn apply(&self, manifest: &str) -> String {
        let said = self.kubectl_with_input(&["apply", "--filename", "-"], manifest);
        assert!(said.ok, "kubectl apply: {}\n{manifest}", said.stderr);
        said.stdout
    }

    /// One value of an object or list, by JSONPath; empty while the object is not there.
    fn value(&self, what: &[&str], path: &str) -> String {
        let output = format!("--output=jsonpath={path}");
        let said = self.try_kubectl(&[&["get"], what, &[&output]].concat());
        if said.ok { said.stdout.trim().to_owned() } else { String::new() }
    }

    /// Waits until a value is the expected one.
    fn wait_value(&self, what: &[&str], path: &str, expected: &str) {
        wait::until(
            &format!("{} {path} to be {expected:?}", what.join(" ")),
            Duration::from_secs(60),
            || self.value(what, path),
            |seen| seen == expected,
        );
    }

    /// Waits until the node is Ready.
    fn wait_node_ready(&self) {
        const PATH: &str = r#"{.items[*].status.conditions[?(@.type=="Ready")].status}"#;
        self.wait_value(&["nodes"], PATH, "True");
    }

    /// Waits until pods of this namespace can be created.
    fn wait_service_account(&self, namespace: &str) {
        let what = ["serviceaccount", "default", "--namespace", namespace];
        self.wait_value(&what, "{.metadata.name}", "default");
    }

    /// Waits until a deployment's pods are all ready.
    fn wait_rollout(&self, deployment: &str) {
        let name = format!("deployment/{deployment}");
        self.kubectl(&["rollout", "status", &name, "--timeout=60s"]);
    }

    /// Waits until a pod is Ready.
    fn wait_pod_ready(&self, pod: &str) {
        const PATH: &str = r#"{.status.conditions[?(@.type=="Ready")].status}"#;
        self.wait_value(&["pod", pod], PATH, "True");
    }

    /// The first port of a Service at its cluster address.
    fn service(&self, name: &str) -> SocketAddr {
        let address = self.value(&["service", name], "{.spec.clusterIP}:{.spec.ports[0].port}");
        address.parse().unwrap_or_else(|_| panic!("the Service {name} is at {address:?}"))
    }
}
