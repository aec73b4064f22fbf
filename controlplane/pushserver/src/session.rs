//! One node's stream: Welcome, the complete state or what changed since, then changes as they come.
//!
//! The stream pulls from the shared log at the pace at which the node reads; nothing queues up for a slow
//! node, which is sent the complete state again once the log has moved on without it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sheave_push::v1::{self, ServerMessage, server_message::Kind};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tonic::Status;

use crate::log::{Change, Since};
use crate::membership::{self, Seen};
use crate::state::Presence;
use crate::{Caller, Shared};

/// A node that was removed is told for so long what becomes of its pods.
const REMOVED_GRACE: Duration = Duration::from_secs(60);

pub(crate) type Out = mpsc::Sender<Result<ServerMessage, Status>>;

/// Why a stream ends.
enum Over {
    /// The node hung up, or the server ends: there is nothing else to do about it.
    HungUp,
    /// What the node is told. It calls again, and is told more, or is let in if it has joined again.
    Refused(Status),
}

/// One node's stream.
pub(crate) struct Feed {
    pub(crate) shared: Arc<Shared>,
    pub(crate) caller: Caller,
    /// By which the state knows it.
    pub(crate) session: u64,
    pub(crate) out: Out,
}

impl Feed {
    /// Sends state until the node hangs up, is a node no more, or has another stream. `hello` says what the
    /// node holds from before; `welcomed` is told once other messages may be sent.
    pub(crate) async fn run(
        self,
        hello: &v1::Hello,
        node_pod_cidrs: Vec<String>,
        welcomed: oneshot::Sender<()>,
        mut presence: Presence,
    ) {
        let over = tokio::select! {
            over = self.feed(hello, node_pod_cidrs, welcomed) => over,
            () = presence.over() => {
                if self.shared.state.is_connected(&self.caller.node) {
                    let status = Status::aborted("another connection of this node has taken its place");
                    // Nobody waits for one that does not read.
                    let _ = self.out.try_send(Err(status));
                }
                return;
            }
        };
        if let Err(Over::Refused(status)) = over {
            tracing::info!(node = self.caller.node, %status, "a node's connection is ended");
            // It is not heard any more either.
            self.shared.state.disconnect(&self.caller.node, self.session);
            // It may have hung up meanwhile.
            let _ = self.out.send(Err(status)).await;
        }
    }

    async fn feed(
        &self,
        hello: &v1::Hello,
        node_pod_cidrs: Vec<String>,
        welcomed: oneshot::Sender<()>,
    ) -> Result<Infallible, Over> {
        let (state, node) = (&self.shared.state, self.caller.node.as_str());
        let mut changed = state.subscribe();
        changed.wait_for(|generation| *generation > 0).await.map_err(|_| Over::HungUp)?;
        let same_life = hello.resume_epoch == state.epoch();
        let resume = same_life.then(|| state.since(node, hello.resume_generation));
        let resumed = matches!(resume, Some(Since::Changes(..)));
        let welcome = Box::new(self.welcome(resumed, node_pod_cidrs));
        self.send(0, Kind::Welcome(welcome)).await?;
        // Who does not listen has gone meanwhile.
        let _ = welcomed.send(());
        let mut seen = if resumed { hello.resume_generation } else { self.send_complete().await? };
        let mut removed = None;
        loop {
            // Marked before reading, so that a change in between wakes us again.
            changed.borrow_and_update();
            seen = match state.since(node, seen) {
                Since::Changes(changes, newest) => {
                    self.send_changes(changes, &mut removed).await?;
                    newest
                }
                Since::TooOld => self.send_complete().await?,
            };
            tokio::select! {
                changed = changed.changed() => changed.map_err(|_| Over::HungUp)?,
                () = self.out.closed() => return Err(Over::HungUp),
                () = tokio::time::sleep_until(removed.unwrap_or_else(Instant::now)), if removed.is_some() => {
                    let status = Status::permission_denied("this node was removed from the cluster");
                    return Err(Over::Refused(status));
                }
            }
        }
    }

    /// Sends what changed. `removed`: until when a node that was removed is told that things are gone, and
    /// nothing else.
    async fn send_changes(
        &self,
        changes: Vec<Change>,
        removed: &mut Option<Instant>,
    ) -> Result<(), Over> {
        let is_own = |change: &Change| matches!(change.kind, Kind::Node(_) | Kind::NodeGone(_));
        let mut is_unregistered = false;
        if changes.iter().any(is_own) {
            match self.look().await? {
                Seen::Member(_) => *removed = None,
                Seen::Unregistered => is_unregistered = true,
                Seen::Deleted => {
                    removed.get_or_insert_with(|| Instant::now() + REMOVED_GRACE);
                }
                Seen::Another => return Err(self.refused(Seen::Another)),
            }
        }
        for mut change in changes {
            if removed.is_some() {
                if !is_gone(&change.kind) {
                    continue;
                }
                // Not to be resumed behind what is left out.
                change.generation = 0;
            }
            self.out.send(Ok(change.into())).await.map_err(|_| Over::HungUp)?;
        }
        if is_unregistered { Err(self.refused(Seen::Unregistered)) } else { Ok(()) }
    }

    /// Returns the generation of the state sent. It is for nodes of the cluster alone: that the Node was deleted
    /// is not among the changes that follow if it was before.
    async fn send_complete(&self) -> Result<u64, Over> {
        let snapshot = self.shared.state.snapshot(&self.caller.node);
        let generation = snapshot.generation;
        match self.look().await? {
            Seen::Member(_) => {}
            seen => return Err(self.refused(seen)),
        }
        self.send(0, Kind::InitBegin(v1::InitBegin {})).await?;
        for kind in snapshot.kinds() {
            self.send(0, kind).await?;
        }
        self.send(generation, Kind::InitDone(v1::InitDone {})).await?;
        Ok(generation)
    }

    async fn look(&self) -> Result<Seen, Over> {
        let seen = membership::look(&self.shared, &self.caller).await;
        seen.map_err(|status| Over::Refused(Status::unavailable(status.message)))
    }

    /// Why the node must call again.
    fn refused(&self, seen: Seen) -> Over {
        Over::Refused(match seen.into_member(&self.caller) {
            Ok(_) => {
                Status::aborted("the Node object of this node was deleted: it registers again")
            }
            Err(status) => Status::permission_denied(status.message),
        })
    }

    async fn send(&self, generation: u64, kind: Kind) -> Result<(), Over> {
        let message = ServerMessage { generation, kind: Some(kind) };
        self.out.send(Ok(message)).await.map_err(|_| Over::HungUp)
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

/// That something is no more: what a machine that was removed may still hear.
fn is_gone(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::ServiceGone(_)
            | Kind::EndpointSliceGone(_)
            | Kind::PodGone(_)
            | Kind::ConfigMapGone(_)
            | Kind::SecretGone(_)
            | Kind::NodeGone(_)
            | Kind::PeerGone(_)
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::json;
    use sheave_api::{ObjectKey, resource};
    use sheave_client::{Client, DeleteOptions, Recorder};
    use sheave_registry::{Registry, RegistryConfig};
    use sheave_store::EmbeddedStore;

    use super::*;
    use crate::log::CHANGES_MAX;
    use crate::{IssuedCertificate, NodeCertificates, PushConfig, PushServer};

    const NODE: &str = "vm-2";

    struct NoCertificates;

    impl NodeCertificates for NoCertificates {
        fn issue(&self, _: &str, _: &str) -> Result<IssuedCertificate, sheave_api::Status> {
            Err(sheave_api::Status::internal("none"))
        }
    }

    /// A server that has seen this node, whose certificate has the key `a`.
    struct Plane {
        client: Arc<dyn Client>,
        shared: Arc<Shared>,
        _dir: tempfile::TempDir,
    }

    impl Plane {
        async fn start() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Arc::new(EmbeddedStore::open(&dir.path().join("store")).unwrap());
            let client: Arc<dyn Client> =
                Registry::open(RegistryConfig::default(), store).await.unwrap();
            let now = || sheave_api::time::seconds(jiff::Timestamp::now());
            let config = PushConfig {
                cluster: v1::ClusterConfig::default(),
                node_prefix_len: 24,
                node_prefix_len_ipv6: 64,
                acknowledgement_timeout: Duration::ZERO,
                server_version: "test".into(),
                now,
                now_s: now,
            };
            let recorder = Recorder::start(Arc::clone(&client), now);
            let push = PushServer::start(Arc::clone(&client), recorder, config);
            push.admit_nodes("own".into(), Arc::new(NoCertificates));
            let keys = json!({ "sheave.io/certificate-keys": "a" });
            let node = json!({ "metadata": { "name": NODE, "annotations": keys } });
            client.create(&resource::NODES, "", node).await.unwrap();
            let plane = Self { client, shared: push.shared, _dir: dir };
            plane.until_known(true).await;
            plane
        }

        async fn until_known(&self, is_there: bool) {
            let mut changed = self.shared.state.subscribe();
            loop {
                let mut kinds = self.shared.state.snapshot(NODE).kinds();
                let is_complete = *changed.borrow_and_update() > 0;
                if is_complete && kinds.any(|k| matches!(k, Kind::Node(_))) == is_there {
                    return;
                }
                changed.changed().await.unwrap();
            }
        }

        async fn delete_node(&self) {
            let key = ObjectKey::cluster(NODE);
            self.client.delete(&resource::NODES, &key, DeleteOptions::default()).await.unwrap();
            self.until_known(false).await;
        }

        /// A stream that holds one message that was not read.
        fn feed(&self) -> mpsc::Receiver<Result<ServerMessage, Status>> {
            let (out, unread) = mpsc::channel(1);
            let (direct, _) = mpsc::channel(1);
            let presence = self.shared.state.connect(NODE, 1, direct);
            let caller = Caller { node: NODE.into(), key: Some("a".into()) };
            let feed = Feed { shared: Arc::clone(&self.shared), caller, session: 1, out };
            let (welcomed, _) = oneshot::channel();
            tokio::spawn(async move {
                feed.run(&v1::Hello::default(), Vec::new(), welcomed, presence).await;
            });
            unread
        }

        fn change_service(&self, number: usize) {
            let encoded = Bytes::from(number.to_string());
            self.shared.state.apply_service(ObjectKey::new("default", "web"), encoded, None);
        }
    }

    /// What is sent, up to a kind or the end.
    async fn read(
        unread: &mut mpsc::Receiver<Result<ServerMessage, Status>>,
        last: fn(&Kind) -> bool,
    ) -> (Vec<Kind>, Option<Status>) {
        let mut kinds = Vec::new();
        loop {
            let message = tokio::time::timeout(Duration::from_secs(10), unread.recv()).await;
            match message.expect("something is said soon") {
                Some(Ok(message)) => {
                    let kind = message.kind.unwrap();
                    let is_last = last(&kind);
                    kinds.push(kind);
                    if is_last {
                        return (kinds, None);
                    }
                }
                Some(Err(status)) => return (kinds, Some(status)),
                None => return (kinds, None),
            }
        }
    }

    #[tokio::test]
    async fn a_node_that_is_removed_before_its_first_state_gets_none() {
        let plane = Plane::start().await;
        plane.delete_node().await;
        let (kinds, refused) = read(&mut plane.feed(), |_| false).await;
        assert!(matches!(kinds.as_slice(), [Kind::Welcome(_)]), "{kinds:?}");
        assert_eq!(refused.unwrap().code(), tonic::Code::PermissionDenied);
    }

    #[tokio::test]
    async fn a_removal_that_the_log_does_not_hold_any_more_is_seen_all_the_same() {
        let plane = Plane::start().await;
        let mut unread = plane.feed();
        let (_, refused) = read(&mut unread, |kind| matches!(kind, Kind::InitDone(_))).await;
        assert!(refused.is_none());
        // It reads no more, and the log moves on.
        plane.change_service(0);
        plane.change_service(1);
        tokio::task::yield_now().await;
        plane.delete_node().await;
        (2..CHANGES_MAX + 3).for_each(|number| plane.change_service(number));
        let (kinds, refused) = read(&mut unread, |kind| matches!(kind, Kind::InitDone(_))).await;
        assert!(!kinds.iter().any(|kind| matches!(kind, Kind::InitBegin(_))), "{}", kinds.len());
        assert_eq!(refused.unwrap().code(), tonic::Code::PermissionDenied);
    }
}
