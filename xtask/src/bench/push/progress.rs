//! What the server says of how far its nodes are (`/sheave/v1/progress`).

use super::server::Server;
use crate::cluster::wait_for;
use crate::traffic::Ask;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// All of it that is needed here.
#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    /// Generation of the newest change.
    pub(super) newest: u64,
    nodes: Vec<Node>,
    services: Vec<Service>,
}

#[derive(Debug, Deserialize)]
struct Node {
    connected: bool,
    acked: u64,
}

/// Where the newest change of a Service is; times in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    namespace: String,
    name: String,
    pub(super) generation: u64,
    /// When the push server learned of it.
    pub(super) known_at: String,
    /// When the last node's acknowledgement came.
    pub(super) live_at: Option<String>,
}

impl Progress {
    pub(super) fn ask(server: &Server) -> Result<Self> {
        let ask = Ask { method: "GET", path: "/sheave/v1/progress", body: None };
        serde_json::from_value(server.ask(&ask)?).context("/sheave/v1/progress is not as expected")
    }

    pub(super) fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        self.services.iter().find(|one| one.namespace == namespace && one.name == name)
    }

    /// How many nodes are connected and have everything up to a generation.
    fn acknowledged(&self, generation: u64) -> usize {
        self.nodes.iter().filter(|node| node.connected && node.acked >= generation).count()
    }
}

/// Waits until so many nodes have acknowledged everything up to a generation.
pub(super) fn wait_acknowledged(server: &Server, nodes: usize, generation: u64) -> Result<()> {
    wait_for("every node's acknowledgement", LIMIT, || {
        let progress = Progress::ask(server)?;
        Ok((progress.acknowledged(generation) == nodes).then_some(()))
    })
}

/// Waits until no node is connected.
pub(super) fn wait_disconnected(server: &Server) -> Result<()> {
    wait_for("the nodes to be gone", LIMIT, || {
        let progress = Progress::ask(server)?;
        Ok(progress.nodes.iter().all(|node| !node.connected).then_some(()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_that_are_connected_and_have_it_are_counted() {
        let text = r#"{"epoch":"e","newest":9,"nodes":[
            {"name":"a","connected":true,"ready":true,"acked":9,"lagSeconds":null},
            {"name":"b","connected":false,"ready":true,"acked":9,"lagSeconds":null},
            {"name":"c","connected":true,"ready":true,"acked":8,"lagSeconds":0.1}],
            "services":[{"namespace":"push","name":"web-1","generation":9,
                "knownAt":"2026-01-01T00:00:00.000001Z","liveAt":null,"behind":["c"]}],
            "podsHeldBack":0,"podsNotLive":0}"#;
        let progress: Progress = serde_json::from_str(text).unwrap();
        assert_eq!((progress.acknowledged(9), progress.acknowledged(8)), (1, 2));
        let service = progress.service("push", "web-1").unwrap();
        assert_eq!((service.generation, service.live_at.as_ref()), (9, None));
        assert_eq!(progress.service("default", "web-1"), None);
    }
}
