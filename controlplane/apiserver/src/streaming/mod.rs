//! What hangs below a pod and is no object: logs, exec, attach, port-forward.
//!
//! All of it is a tunnel to the pod's node. The bytes of an upgraded connection are passed on without
//! looking at them: the runtime's streaming server speaks SPDY/3.1 with the client.

mod container;
mod log;
mod upgrade;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::Response;
use sheave_api::{ObjectKey, Status};
use sheave_push::v1;
use sheave_registry::{Action, Identity, ResourceVersion, Target};
use tokio::sync::mpsc;

use crate::server::{ApiServer, Call};
use crate::verbs::ObjectPath;
use container::PodSummary;

/// The way to the nodes.
#[async_trait]
pub trait NodeTunnels: Send + Sync + 'static {
    /// Asks a node to open a tunnel and waits for its answer.
    ///
    /// # Errors
    /// 503 when the node is not connected, 504 when it does not answer, or what the node says.
    async fn open(&self, node: &str, request: v1::TunnelRequest) -> Result<Tunnel, Status>;
}

/// An open tunnel. Bounded both ways: who sends waits for who reads.
pub struct Tunnel {
    /// The node's answer to the request.
    pub opened: v1::TunnelOpened,
    /// Bytes from the node; ends when the node half-closes, with an error when the tunnel broke.
    pub from_node: mpsc::Receiver<Result<Bytes, Status>>,
    /// Bytes to the node; dropping it half-closes.
    pub to_node: mpsc::Sender<Bytes>,
}

/// A subresource of pods that is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Text from the node.
    Log,
    /// Both ways, over an upgraded connection.
    Interactive(Interactive),
}

/// A stream over an upgraded connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interactive {
    Exec,
    Attach,
    PortForward,
}

impl Stream {
    /// By name below `pods`.
    pub(crate) fn of(subresource: &str) -> Option<Self> {
        match subresource {
            "log" => Some(Self::Log),
            "exec" => Some(Self::Interactive(Interactive::Exec)),
            "attach" => Some(Self::Interactive(Interactive::Attach)),
            "portforward" => Some(Self::Interactive(Interactive::PortForward)),
            _ => None,
        }
    }

    /// Reading logs is `get`; everything else acts on the pod, whatever the HTTP method.
    fn verb(self) -> &'static str {
        match self {
            Self::Log => "get",
            Self::Interactive(_) => "create",
        }
    }
}

/// Answers a stream request: authorized, for a pod that exists.
pub(crate) async fn answer(
    server: &ApiServer,
    stream: Stream,
    path: &ObjectPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    authorize(server, &call.identity, stream, path)?;
    match stream {
        Stream::Log => {
            let options = log::LogOptions::parse(&call.query, &path.key.name)?;
            let pod = summary(server, path).await?;
            log::answer(server, &pod, options).await
        }
        Stream::Interactive(interactive) => {
            upgrade::require_spdy(call.request.headers())?;
            let pod = summary(server, path).await?;
            upgrade::answer(server, interactive, &pod, call).await
        }
    }
}

fn authorize(
    server: &ApiServer,
    identity: &Identity,
    stream: Stream,
    path: &ObjectPath,
) -> Result<(), Status> {
    let ObjectKey { namespace, name } = path.key.clone();
    let action = Action {
        verb: stream.verb(),
        resource: path.kind.group_resource(),
        subresource: path.subresource.unwrap_or_default().to_owned(),
        namespace,
        name,
    };
    server.registry.authorize(identity, &action)
}

/// The pod, authorized above: whoever may exec need not be able to read the object.
async fn summary(server: &ApiServer, path: &ObjectPath) -> Result<PodSummary, Status> {
    let target = Target { kind: path.kind, key: &path.key, subresource: None };
    let itself = Identity::control_plane();
    let pod = server.registry.get(&itself, target, ResourceVersion::Unset).await?;
    serde_json::from_slice(&pod.json)
        .map_err(|error| Status::internal(format!("stored pod cannot be read: {error}")))
}

/// The node said no: its words, under a code that a client can get.
fn refused(opened: &v1::TunnelOpened) -> Status {
    let code = u16::try_from(opened.status).ok().filter(|code| (400..600).contains(code));
    let (code, reason) = match code {
        Some(code @ 400) => (code, "BadRequest"),
        Some(code @ 404) => (code, "NotFound"),
        Some(code @ 503) => (code, "ServiceUnavailable"),
        Some(code) => (code, "InternalError"),
        None => (500, "InternalError"),
    };
    Status::new(code, reason, opened.message.clone())
}
