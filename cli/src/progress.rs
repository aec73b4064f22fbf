//! How far the nodes are, as the control plane tells it: since when each Service's newest change is in effect
//! on every node, and which node others wait for.
//!
//! Commands that say it do so beside what this node knows by itself, and are silent where the API server
//! cannot be asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::api::Api;
use crate::kubeconfig;
use crate::table::{list, text};

const PATH: &str = "/sheave/v1/progress";
/// What this node knows by itself does not wait longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// By `namespace/name` of the Service, and by name of the node.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    services: BTreeMap<String, String>,
    nodes: BTreeMap<String, String>,
}

impl Progress {
    /// Nothing when there is nobody to ask, or one may not.
    pub(crate) fn ask(kubeconfig: &Path) -> Self {
        let ask = || -> anyhow::Result<Value> {
            let api = Api::new(&kubeconfig::read(kubeconfig)?)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { tokio::time::timeout(PATIENCE, api.get(PATH)).await? })
        };
        ask().map(|answer| Self::of(&answer)).unwrap_or_default()
    }

    /// The answer, in words.
    pub(crate) fn of(answer: &Value) -> Self {
        let service = |service: &Value| {
            (format!("{}/{}", text(service, "namespace"), text(service, "name")), live(service))
        };
        let node = |node: &Value| (text(node, "name"), lag(node));
        Self {
            services: list(answer, "services").iter().map(service).collect(),
            nodes: list(answer, "nodes").iter().map(node).collect(),
        }
    }

    pub(crate) fn is_known(&self) -> bool {
        !self.nodes.is_empty()
    }

    /// Since when a Service's newest change is live everywhere, or who has yet to take it up.
    pub(crate) fn service(&self, service: &str) -> String {
        self.services.get(service).cloned().unwrap_or_else(|| "-".into())
    }

    /// How far a node is.
    pub(crate) fn node(&self, node: &str) -> String {
        self.nodes.get(node).cloned().unwrap_or_else(|| "-".into())
    }
}

fn live(service: &Value) -> String {
    let behind: Vec<&str> = list(service, "behind").iter().filter_map(Value::as_str).collect();
    match (service["liveAt"].as_str(), behind.is_empty()) {
        (Some(at), _) => format!("{}Z", at.split('.').next().unwrap_or(at).trim_end_matches('Z')),
        (None, false) => format!("not on {}", behind.join(", ")),
        (None, true) => "-".into(),
    }
}

fn lag(node: &Value) -> String {
    match (node["connected"] == true, node["lagSeconds"].as_f64()) {
        (true, None) => "up to date".into(),
        (true, Some(seconds)) => format!("{seconds:.1}s behind"),
        (false, None) => "not connected".into(),
        (false, Some(seconds)) => format!("not connected, {seconds:.1}s behind"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn services_and_nodes_are_told_in_words() {
        let progress = Progress::of(&json!({
            "services": [
                { "namespace": "a", "name": "live", "liveAt": "2026-01-01T00:00:01.5Z", "behind": [] },
                { "namespace": "a", "name": "late", "liveAt": null, "behind": ["n2", "n3"] },
            ],
            "nodes": [
                { "name": "n1", "connected": true, "lagSeconds": null },
                { "name": "n2", "connected": true, "lagSeconds": 1.25 },
                { "name": "n3", "connected": false, "lagSeconds": 40.0 },
            ],
        }));
        assert_eq!(progress.service("a/live"), "2026-01-01T00:00:01Z");
        assert_eq!(progress.service("a/late"), "not on n2, n3");
        assert_eq!(progress.service("a/other"), "-");
        assert_eq!(progress.node("n1"), "up to date");
        assert_eq!(progress.node("n2"), "1.2s behind");
        assert_eq!(progress.node("n3"), "not connected, 40.0s behind");
        assert!(progress.is_known() && !Progress::default().is_known());
    }

    #[test]
    fn without_a_server_nothing_is_known() {
        assert_eq!(Progress::ask(Path::new("/nonexistent")), Progress::default());
    }
}
