//! One node's stream: Welcome, the complete state or what changed since, then changes as they come.
//!
//! The stream pulls from the shared log at the pace at which the node reads; nothing queues up for a slow
//! node, which is sent the complete state again once the log has moved on without it.

use std::sync::Arc;
use std::time::Duration;

use sheave_push::v1::{self, ServerMessage, server_message::Kind};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tonic::Status;

use crate::Shared;
use crate::log::Since;

/// A node that was removed is told for so long what becomes of its pods.
const REMOVED_GRACE: Duration = Duration::from_secs(60);

pub(crate) type Out = mpsc::Sender<Result<ServerMessage, Status>>;

/// The receiving end is gone: the node hung up.
pub(crate) struct HungUp;

/// Where one stream stands.
pub(crate) struct Feed {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Arc<str>,
    pub(crate) out: Out,
}

impl Feed {
    /// Sends state until the node hangs up. `hello` says what the node holds from before; `welcomed` is told
    /// once other messages may be sent.
    pub(crate) async fn run(
        self,
        hello: &v1::Hello,
        node_pod_cidrs: Vec<String>,
        welcomed: oneshot::Sender<()>,
    ) {
        let mut changed = self.shared.state.subscribe();
        if changed.wait_for(|generation| *generation > 0).await.is_err() {
            return;
        }
        // A node that hangs up ends the stream: there is nothing else to do about it.
        let _ = self.feed(hello, node_pod_cidrs, welcomed, changed).await;
    }

    async fn feed(
        &self,
        hello: &v1::Hello,
        node_pod_cidrs: Vec<String>,
        welcomed: oneshot::Sender<()>,
        mut changed: watch::Receiver<u64>,
    ) -> Result<(), HungUp> {
        let state = &self.shared.state;
        let same_life = hello.resume_epoch == state.epoch();
        let resume = same_life.then(|| state.since(&self.node, hello.resume_generation));
        let resumed = matches!(resume, Some(Since::Changes(..)));
        self.send(0, Kind::Welcome(self.welcome(resumed, node_pod_cidrs))).await?;
        // Who does not listen has gone meanwhile.
        let _ = welcomed.send(());
        let mut seen = if resumed { hello.resume_generation } else { self.send_complete().await? };
        let mut removed = None;
        loop {
            // Marked before reading, so that a change in between wakes us again.
            changed.borrow_and_update();
            match state.since(&self.node, seen) {
                Since::Changes(changes, newest) => {
                    for change in changes {
                        match &change.kind {
                            Kind::NodeGone(_) => removed = Some(Instant::now() + REMOVED_GRACE),
                            Kind::Node(_) => removed = None,
                            _ => {}
                        }
                        self.out.send(Ok(change.into())).await.map_err(|_| HungUp)?;
                    }
                    seen = newest;
                }
                Since::TooOld => seen = self.send_complete().await?,
            }
            tokio::select! {
                changed = changed.changed() => changed.map_err(|_| HungUp)?,
                () = self.out.closed() => return Err(HungUp),
                () = tokio::time::sleep_until(removed.unwrap_or_else(Instant::now)), if removed.is_some() => {
                    let status = Status::permission_denied("this node was removed from the cluster");
                    // It calls again, and is told more, or is let in if it has joined again.
                    let _ = self.out.send(Err(status)).await;
                    return Err(HungUp);
                }
            }
        }
    }

    /// Returns the generation of the state sent.
    async fn send_complete(&self) -> Result<u64, HungUp> {
        let snapshot = self.shared.state.snapshot(&self.node);
        let generation = snapshot.generation;
        self.send(0, Kind::InitBegin(v1::InitBegin {})).await?;
        for kind in snapshot.kinds() {
            self.send(0, kind).await?;
        }
        self.send(generation, Kind::InitDone(v1::InitDone {})).await?;
        Ok(generation)
    }

    async fn send(&self, generation: u64, kind: Kind) -> Result<(), HungUp> {
        let message = ServerMessage { generation, kind: Some(kind) };
        self.out.send(Ok(message)).await.map_err(|_| HungUp)
    }

    fn welcome(&self, resumed: bool, node_pod_cidrs: Vec<String>) -> v1::Welcome {
        let config = &self.shared.config;
        v1::Welcome {
            epoch: self.shared.state.epoch().to_owned(),
            resumed,
            cluster: Some(v1::ClusterConfig { node_pod_cidrs, ..config.cluster.clone() }),
            server_version: config.server_version.clone(),
        }
    }
}
