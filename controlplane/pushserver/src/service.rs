//! The RPC service: who calls, and what each message of a node leads to.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::Stream;
use sheave_push::v1::{self, agent_message::Kind as Said};
use sheave_push::{PROTOCOL_VERSION, TUNNEL_ID_KEY};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::membership::{self, Seen};
use crate::session::Feed;
use crate::state::Presence;
use crate::tunnel::{Answer, IN_FLIGHT_MAX};
use crate::{Caller, Shared, registration, report};

/// Messages to a node that it has not read yet; more wait in the shared log.
const UNREAD_MAX: usize = 64;

/// Recognises the node that calls.
pub(crate) type WhoCalls = Box<dyn Fn(&tonic::Extensions) -> Option<Caller> + Send + Sync>;

/// `sheave.node.v1.Node`.
pub struct NodeService {
    shared: Arc<Shared>,
    who_calls: WhoCalls,
    next_session: AtomicU64,
}

impl NodeService {
    pub(crate) fn new(shared: Arc<Shared>, who_calls: WhoCalls) -> Self {
        Self { shared, who_calls, next_session: AtomicU64::new(1) }
    }

    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        (self.who_calls)(request.extensions()).ok_or_else(|| {
            Status::permission_denied("only nodes may call this: use a node's client certificate")
        })
    }
}

type Outbound<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl v1::node_server::Node for NodeService {
    type SyncStream = Outbound<v1::ServerMessage>;
    type TunnelStream = Outbound<v1::TunnelData>;

    async fn sync(
        &self,
        request: Request<Streaming<v1::AgentMessage>>,
    ) -> Result<Response<Self::SyncStream>, Status> {
        let caller = self.caller(&request)?;
        let mut inbound = request.into_inner();
        let hello = hello(&caller.node, &mut inbound).await?;
        let pod_cidrs =
            registration::register(&self.shared, &caller, &hello.node).await.map_err(refusal)?;
        let session = self.next_session.fetch_add(1, Ordering::Relaxed);
        let (out, unread) = mpsc::channel(UNREAD_MAX);
        let (direct, mut direct_messages) = mpsc::channel(IN_FLIGHT_MAX);
        let presence = self.shared.state.connect(&caller.node, session, direct);
        tracing::info!(node = caller.node, agent = hello.agent_version, "node connected");

        let (welcomed, welcome) = oneshot::channel();
        let direct_out = out.clone();
        tokio::spawn(async move {
            // Somebody may have waited for the node: what is first said to it is Welcome all the same.
            if welcome.await.is_err() {
                return;
            }
            while let Some(message) = direct_messages.recv().await {
                if direct_out.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        });
        let feed = Feed { shared: Arc::clone(&self.shared), caller: caller.clone(), session, out };
        let own = presence.clone();
        // A node that has said its last word is sent what is under way, and no more.
        tokio::spawn(async move { feed.run(&hello, pod_cidrs, welcomed, own).await });
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            listen(&shared, &caller, session, presence, inbound).await;
            shared.state.disconnect(&caller.node, session);
            tracing::info!(node = caller.node, "node disconnected");
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(unread))))
    }

    async fn tunnel(
        &self,
        request: Request<Streaming<v1::TunnelData>>,
    ) -> Result<Response<Self::TunnelStream>, Status> {
        let caller = self.caller(&request)?;
        membership::require_member(&self.shared, &caller).await.map_err(refusal)?;
        let id = request.metadata().get(TUNNEL_ID_KEY).and_then(|v| v.to_str().ok());
        let id =
            id.ok_or_else(|| Status::invalid_argument("metadata sheave-tunnel-id is missing"))?;
        let id = id.to_owned();
        let (outbound, unread) = mpsc::channel(IN_FLIGHT_MAX);
        let answer = Answer { inbound: request.into_inner(), outbound };
        if !self.shared.tunnels.answer(&caller.node, &id, answer) {
            return Err(Status::not_found("nobody waits for this tunnel any more"));
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(unread))))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::CertificateRequest>,
    ) -> Result<Response<v1::Certificate>, Status> {
        let caller = self.caller(&request)?;
        let v1::CertificateRequest { request } = request.into_inner();
        let issued = membership::renew(&self.shared, &caller, &request).await.map_err(refusal)?;
        let authority = issued.authority;
        Ok(Response::new(v1::Certificate { certificate: issued.certificate, authority }))
    }
}

/// That a node was removed is told apart from what may go right another time.
fn refusal(status: sheave_api::Status) -> Status {
    match status.code {
        403 => Status::permission_denied(status.message),
        _ => Status::failed_precondition(status.message),
    }
}

async fn hello(node: &str, inbound: &mut Streaming<v1::AgentMessage>) -> Result<v1::Hello, Status> {
    let Some(Said::Hello(hello)) = inbound.message().await?.and_then(|m| m.kind) else {
        return Err(Status::invalid_argument("the first message must be Hello"));
    };
    if hello.node_name != node {
        return Err(Status::permission_denied(format!(
            "the certificate belongs to node \"{node}\", not \"{}\"",
            hello.node_name
        )));
    }
    if hello.protocol_version != PROTOCOL_VERSION {
        return Err(Status::failed_precondition(format!(
            "this server speaks version {PROTOCOL_VERSION} of the node protocol, the agent version {}: \
             upgrade the older of the two",
            hello.protocol_version
        )));
    }
    Ok(hello)
}

/// Takes a node's messages until it hangs up, another stream takes the place of this one, or its name is
/// another machine's.
async fn listen(
    shared: &Shared,
    caller: &Caller,
    session: u64,
    mut presence: Presence,
    mut inbound: Streaming<v1::AgentMessage>,
) {
    let take_all = async {
        while let Ok(Some(message)) = inbound.message().await {
            let is_heard = match message.kind {
                Some(Said::Ack(ack)) => {
                    shared.state.ack(&caller.node, session, ack.generation);
                    true
                }
                Some(kind) => take(shared, caller, kind).await,
                None => true,
            };
            if !is_heard {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        // What is half written is left so: the newer stream says it again.
        () = presence.over() => {}
        () = take_all => {}
    }
}

/// False for who is not this node any more. One whose Node was deleted may still say that its pods have ended.
async fn take(shared: &Shared, caller: &Caller, kind: Said) -> bool {
    let taken = match membership::look(shared, caller).await {
        Ok(Seen::Another) => return false,
        Ok(_) => report::take(shared, &caller.node, kind).await,
        Err(status) => Err(status),
    };
    if let Err(status) = taken {
        tracing::warn!(node = caller.node, %status, "what the node reported could not be written");
    }
    true
}
