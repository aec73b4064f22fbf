//! The server end of the node protocol: one view and one stream a node.
//!
//! It follows the objects that nodes act on, encodes each once, keeps a bounded log of the changes, and
//! lets every node's stream read that log at its own pace. A node that reconnects goes on where it
//! acknowledged last, or is sent the complete state when the log no longer reaches back that far.
//!
//! It decides nothing about objects: what nodes report is written through the same client as everything
//! else. It does not know HTTP, TLS or how identities are established; whoever serves it says how a
//! request's node is recognised.

mod encode;
mod follow;
mod log;
mod node_status;
mod pod_cidr;
mod registration;
mod report;
mod service;
mod session;
mod state;
mod tunnel;

use std::sync::Arc;

use sheave_client::{Client, Recorder};
use sheave_push::v1;

pub use service::{NodeName, NodeService};
pub use state::NodeProgress;
pub use tunnel::Tunnel;

/// What the push server is told at start.
#[derive(Clone)]
pub struct PushConfig {
    /// Sent to every node in Welcome; the node's own part of the pod range is filled in.
    pub cluster: v1::ClusterConfig,
    /// Prefix length of one node's part of the IPv4 pod range.
    pub node_prefix_len: u8,
    /// Prefix length of one node's part of the IPv6 pod range.
    pub node_prefix_len_ipv6: u8,
    /// Sent in Welcome.
    pub server_version: String,
    /// The time in RFC 3339 with microseconds, as Leases have it.
    pub now: fn() -> String,
    /// The time in RFC 3339 with seconds, as everything else has it.
    pub now_s: fn() -> String,
}

/// The push server: follows objects from the start, serves nodes as they come. Cheap to clone.
#[derive(Clone)]
pub struct PushServer {
    shared: Arc<Shared>,
}

struct Shared {
    config: PushConfig,
    client: Arc<dyn Client>,
    recorder: Recorder,
    state: state::State,
    tunnels: tunnel::Tunnels,
    /// Held while a node's pod range is chosen and written, so that two nodes never get the same.
    pod_cidrs: tokio::sync::Mutex<()>,
}

impl PushServer {
    /// Starts to follow the objects. Must be called within a tokio runtime.
    pub fn start(client: Arc<dyn Client>, recorder: Recorder, config: PushConfig) -> Self {
        let shared = Arc::new(Shared {
            config,
            client,
            recorder,
            state: state::State::new(),
            tunnels: tunnel::Tunnels::default(),
            pod_cidrs: tokio::sync::Mutex::new(()),
        });
        tokio::spawn(follow::run(Arc::clone(&shared)));
        Self { shared }
    }

    /// The gRPC service, to be added to a tonic router. `node_name` recognises the caller.
    pub fn service(&self, node_name: NodeName) -> v1::node_server::NodeServer<NodeService> {
        v1::node_server::NodeServer::new(NodeService::new(Arc::clone(&self.shared), node_name))
    }

    /// Asks a node to open a tunnel and waits for its answer.
    ///
    /// # Errors
    /// 503 when the node is not connected, 504 when it does not answer in time, and what the node says.
    pub async fn open_tunnel(
        &self,
        node: &str,
        request: v1::TunnelRequest,
    ) -> Result<Tunnel, sheave_api::Status> {
        self.shared.tunnels.open(&self.shared.state, node, request).await
    }

    /// How far each connected node is.
    pub fn progress(&self) -> Vec<NodeProgress> {
        self.shared.state.progress()
    }
}
