//! Byte tunnels to a node's runtime: exec, attach, port-forward, logs.
//!
//! The server cannot dial a node, so it asks for a tunnel over the node's stream and pairs the call that
//! comes back with the request by its id. Bytes are passed on without looking at them, with a bounded
//! number of chunks in flight each way.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sheave_api::Status;
use sheave_push::v1::{self, ServerMessage, server_message::Kind, tunnel_data};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::state::State;

/// How long a node may take to answer a request for a tunnel.
const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// Chunks in flight each way.
pub(crate) const IN_FLIGHT_MAX: usize = 16;

/// A tunnel that a node has opened.
pub struct Tunnel {
    /// The node's answer to the request.
    pub opened: v1::TunnelOpened,
    /// Bytes from the node; ends when the node half-closes, with an error when the tunnel broke.
    pub from_node: mpsc::Receiver<Result<Bytes, Status>>,
    /// Bytes to the node; dropping it half-closes.
    pub to_node: mpsc::Sender<Bytes>,
}

/// The call that answers a request, as the RPC service hands it over.
pub(crate) struct Answer {
    pub(crate) inbound: tonic::Streaming<v1::TunnelData>,
    pub(crate) outbound: mpsc::Sender<Result<v1::TunnelData, tonic::Status>>,
}

struct Pending {
    node: String,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
pub(crate) struct Tunnels {
    pending: Mutex<HashMap<String, Pending>>,
}

impl Tunnels {
    pub(crate) async fn open(
        &self,
        state: &State,
        node: &str,
        mut request: v1::TunnelRequest,
    ) -> Result<Tunnel, Status> {
        let direct = state.direct(node).await.ok_or_else(|| {
            Status::new(503, "ServiceUnavailable", format!("node \"{node}\" is not connected"))
        })?;
        // Not to be guessed: whoever names it is who was asked.
        let id = format!("{:032x}", rand::random::<u128>());
        request.id.clone_from(&id);
        let (answer, answered) = oneshot::channel();
        self.pending.lock().insert(id.clone(), Pending { node: node.to_owned(), answer });
        let kind = Kind::TunnelRequest(Box::new(request));
        let message = ServerMessage { generation: 0, kind: Some(kind) };
        let tunnel = async {
            direct.send(message).await.map_err(|_| gone(node))?;
            let answer = answered.await.map_err(|_| gone(node))?;
            establish(node, answer).await
        };
        let result = tokio::time::timeout(OPEN_TIMEOUT, tunnel).await;
        self.pending.lock().remove(&id);
        result.unwrap_or_else(|_| {
            Err(Status::new(504, "Timeout", format!("node \"{node}\" did not answer in time")))
        })
    }

    /// Hands a node's call to who waits for it. False when nobody does, or not for this node.
    pub(crate) fn answer(&self, node: &str, id: &str, answer: Answer) -> bool {
        let mut pending = self.pending.lock();
        if pending.get(id).is_none_or(|waiting| waiting.node != node) {
            return false;
        }
        pending.remove(id).is_some_and(|waiting| waiting.answer.send(answer).is_ok())
    }
}

fn gone(node: &str) -> Status {
    Status::new(503, "ServiceUnavailable", format!("the connection to node \"{node}\" was lost"))
}

async fn establish(node: &str, answer: Answer) -> Result<Tunnel, Status> {
    let Answer { mut inbound, outbound } = answer;
    let opened = match inbound.message().await.map_err(|_| gone(node))?.and_then(|m| m.kind) {
        Some(tunnel_data::Kind::Opened(opened)) => opened,
        Some(tunnel_data::Kind::Error(error)) => return Err(Status::internal(error)),
        _ => return Err(gone(node)),
    };
    let (to_client, from_node) = mpsc::channel(IN_FLIGHT_MAX);
    let (to_node, from_client) = mpsc::channel(IN_FLIGHT_MAX);
    let received = tokio::spawn(receive(node.to_owned(), inbound, to_client));
    tokio::spawn(transmit(from_client, outbound, received));
    Ok(Tunnel { opened, from_node, to_node })
}

async fn receive(
    node: String,
    mut inbound: tonic::Streaming<v1::TunnelData>,
    to_client: mpsc::Sender<Result<Bytes, Status>>,
) {
    loop {
        let message = tokio::select! {
            message = inbound.message() => message,
            // The client hung up: a log that is followed would stay open until its next line.
            () = to_client.closed() => return,
        };
        let item = match message {
            Ok(Some(v1::TunnelData { kind: Some(tunnel_data::Kind::Data(data)) })) => Ok(data),
            Ok(Some(v1::TunnelData { kind: Some(tunnel_data::Kind::Error(error)) })) => {
                Err(Status::internal(error))
            }
            Ok(Some(v1::TunnelData { kind: Some(tunnel_data::Kind::HalfClose(_)) }) | None) => {
                return;
            }
            Ok(Some(_)) => continue,
            Err(_) => Err(gone(&node)),
        };
        let broken = item.is_err();
        if to_client.send(item).await.is_err() || broken {
            return;
        }
    }
}

async fn transmit(
    mut from_client: mpsc::Receiver<Bytes>,
    outbound: mpsc::Sender<Result<v1::TunnelData, tonic::Status>>,
    received: JoinHandle<()>,
) {
    let wrap = |kind| Ok(v1::TunnelData { kind: Some(kind) });
    while let Some(data) = from_client.recv().await {
        if outbound.send(wrap(tunnel_data::Kind::Data(data))).await.is_err() {
            return;
        }
    }
    // The node may be gone already, and then it needs no half-close.
    let _ = outbound.send(wrap(tunnel_data::Kind::HalfClose(v1::HalfClose {}))).await;
    // Holding the call open lets the node finish what it still sends.
    tokio::select! {
        () = outbound.closed() => {}
        _ = received => {}
    }
}
