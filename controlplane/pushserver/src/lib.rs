//! The server end of the node protocol: one view and one stream a node.
//!
//! It follows the objects that nodes act on, encodes each once, keeps a bounded log of the changes, and
//! lets every node's stream read that log at its own pace. A node that reconnects goes on where it
//! acknowledged last, or is sent the complete state when the log no longer reaches back that far.
//!
//! It decides nothing about objects: what nodes report is written through the same client as everything
//! else. It does not know HTTP, TLS or how identities are established; whoever serves it says how a
//! request's node is recognised.

mod acks;
mod encode;
mod endpoints;
mod follow;
mod histogram;
mod log;
mod membership;
mod node_status;
mod outcomes;
mod pod_cidr;
mod propagation;
mod registration;
mod report;
mod service;
mod session;
mod state;
mod tunnel;
mod waiting;

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sheave_client::{Client, Recorder};
use sheave_join::{JoinAnswer, JoinRequest, Standing};
use sheave_push::v1;

pub use membership::{Caller, IssuedCertificate, NodeCertificates};
pub use service::NodeService;
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
    /// How long a pod that goes away waits for the nodes to acknowledge that its endpoints are gone, and a
    /// new one that they are there; zero: it does not.
    pub acknowledgement_timeout: Duration,
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
    /// Empty where nobody can join, and nodes are known by other means.
    membership: OnceLock<membership::Membership>,
    pod_cidrs: parking_lot::Mutex<pod_cidr::PodCidrs>,
}

impl PushServer {
    /// Starts to follow the objects. Must be called within a tokio runtime.
    pub fn start(client: Arc<dyn Client>, recorder: Recorder, config: PushConfig) -> Self {
        let pod_cidrs = pod_cidr::PodCidrs::new(
            &config.cluster.pod_cidrs,
            config.node_prefix_len,
            config.node_prefix_len_ipv6,
        );
        let wait_max = Some(config.acknowledgement_timeout).filter(|wait_max| !wait_max.is_zero());
        let shared = Arc::new(Shared {
            config,
            client,
            recorder,
            state: state::State::new(wait_max),
            tunnels: tunnel::Tunnels::default(),
            membership: OnceLock::new(),
            pod_cidrs: parking_lot::Mutex::new(pod_cidrs),
        });
        tokio::spawn(follow::run(Arc::clone(&shared)));
        tokio::spawn(outcomes::run(Arc::clone(&shared)));
        Self { shared }
    }

    /// Lets machines join, and nodes renew their certificates. From now on a certificate counts only for a
    /// node that has joined; `own_node` is that of the server's own machine, which need not.
    pub fn admit_nodes(&self, own_node: String, certificates: Arc<dyn NodeCertificates>) {
        let members = membership::Membership::new(own_node, certificates);
        if self.shared.membership.set(members).is_err() {
            tracing::error!("who admits nodes is settled already");
        }
    }

    /// The gRPC service, to be added to a tonic router. `caller` recognises who calls, from what the TLS
    /// layer left in the request's extensions.
    pub fn service<C: Into<Caller> + 'static>(
        &self,
        caller: fn(&tonic::Extensions) -> Option<C>,
    ) -> v1::node_server::NodeServer<NodeService> {
        let caller =
            Box::new(move |extensions: &tonic::Extensions| caller(extensions).map(C::into));
        v1::node_server::NodeServer::new(NodeService::new(Arc::clone(&self.shared), caller))
    }

    /// Lets a machine join that shows a token.
    ///
    /// # Errors
    /// 401 for the token, 409 for a name that is taken, 429 for too many wrong tokens, each with the remedy.
    pub async fn join(
        &self,
        request: JoinRequest,
        from: IpAddr,
    ) -> Result<JoinAnswer, sheave_api::Status> {
        membership::join(&self.shared, request, from).await
    }

    /// How the cluster sees the holder of a valid certificate.
    ///
    /// # Errors
    /// When objects cannot be read.
    pub async fn standing(&self, caller: &Caller) -> Result<Standing, sheave_api::Status> {
        membership::standing(&self.shared, caller).await
    }

    /// # Errors
    /// 403 when the node was removed, with the remedy.
    pub async fn require_member(&self, caller: &Caller) -> Result<(), sheave_api::Status> {
        membership::require_member(&self.shared, caller).await.map(drop)
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

    /// How far each node is, and since when each Service's newest change is in effect on all of them.
    pub fn progress(&self) -> serde_json::Value {
        self.shared.state.progress()
    }

    /// In the Prometheus text format.
    pub fn metrics(&self) -> String {
        self.shared.state.metrics()
    }
}
