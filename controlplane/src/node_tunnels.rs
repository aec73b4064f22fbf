//! The API server's way to the nodes: the push server's tunnels, and what it knows of their progress.

use async_trait::async_trait;
use sheave_api::Status;
use sheave_apiserver::Progress;
use sheave_apiserver::streaming::{NodeTunnels, Tunnel};
use sheave_push::v1::TunnelRequest;
use sheave_pushserver::PushServer;

/// How far the nodes are.
pub(crate) struct PushProgress(pub(crate) PushServer);

impl Progress for PushProgress {
    fn progress(&self) -> String {
        self.0.progress().to_string()
    }

    fn metrics(&self) -> String {
        self.0.metrics()
    }
}

/// Opens tunnels over the nodes' own connections.
pub(crate) struct PushTunnels(pub(crate) PushServer);

#[async_trait]
impl NodeTunnels for PushTunnels {
    async fn open(&self, node: &str, request: TunnelRequest) -> Result<Tunnel, Status> {
        let sheave_pushserver::Tunnel { opened, from_node, to_node } =
            self.0.open_tunnel(node, request).await?;
        Ok(Tunnel { opened, from_node, to_node })
    }
}
