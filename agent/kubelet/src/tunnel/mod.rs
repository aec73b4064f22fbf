//! Requests that are streams: exec, attach and port-forward go on to the runtime's streaming server as
//! they come, bytes unseen; logs are read from their files.

mod logs;
mod splice;

use sheave_push::v1::{self, tunnel_data::Kind};
use tokio::sync::mpsc;
use tokio_stream::Stream;

use crate::context::Shared;
use crate::cri;
use crate::pod::spec::PodUid;

/// Messages that wait for the client; a slow client slows the runtime, not the agent's memory.
const ANSWERS_MAX: usize = 8;

/// Why a request is not served: an HTTP status and what to say with it.
#[derive(Debug)]
struct Refusal {
    status: u32,
    message: String,
}

impl Refusal {
    fn bad_request(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self { status: 404, message: message.into() }
    }

    fn internal(message: impl Into<String>) -> Self {
        Self { status: 500, message: message.into() }
    }
}

impl From<tonic::Status> for Refusal {
    fn from(status: tonic::Status) -> Self {
        match status.code() {
            tonic::Code::NotFound => Self::not_found(status.message()),
            _ => Self::internal(status.message()),
        }
    }
}

/// Answers to the client; sending fails once it is gone.
type Answers = mpsc::Sender<v1::TunnelData>;

fn data(kind: Kind) -> v1::TunnelData {
    v1::TunnelData { kind: Some(kind) }
}

/// Serves a request until either end is done.
pub(crate) fn serve(
    context: Shared,
    request: v1::TunnelRequest,
    from_client: impl Stream<Item = v1::TunnelData> + Send + Unpin + 'static,
) -> mpsc::Receiver<v1::TunnelData> {
    let (answers, received) = mpsc::channel(ANSWERS_MAX);
    tokio::spawn(async move {
        if let Err(refusal) = route(&context, request, from_client, &answers).await {
            let opened = v1::TunnelOpened {
                status: refusal.status,
                headers: Vec::new(),
                message: refusal.message,
            };
            // Nobody is there to be told when this fails.
            let _ = answers.send(data(Kind::Opened(opened))).await;
        }
    });
    received
}

async fn route(
    context: &Shared,
    request: v1::TunnelRequest,
    from_client: impl Stream<Item = v1::TunnelData> + Send + Unpin,
    answers: &Answers,
) -> Result<(), Refusal> {
    use v1::tunnel_request::Kind as Request;
    let uid = PodUid(request.pod_uid.clone());
    let pod = request.pod.clone().unwrap_or_default();
    let upgrade = splice::Upgrade { method: request.method, headers: request.headers };
    let cri = context.cri();
    let url = match request.kind {
        None => return Err(Refusal::bad_request("the request asks for nothing")),
        Some(Request::Logs(wanted)) => {
            return logs::serve(context, &pod, &uid, wanted, answers).await;
        }
        Some(Request::Exec(exec)) => {
            let container_id = running(context, &uid, &exec.container).await?;
            let v1::Exec { command, stdin, stdout, stderr, tty, .. } = exec;
            // The runtime refuses a terminal with a standard error of its own.
            let stderr = stderr && !tty;
            let request =
                cri::v1::ExecRequest { container_id, cmd: command, tty, stdin, stdout, stderr };
            cri.exec(request).await?
        }
        Some(Request::Attach(attach)) => {
            let container_id = running(context, &uid, &attach.container).await?;
            let v1::Attach { stdin, stdout, stderr, tty, .. } = attach;
            let stderr = stderr && !tty;
            cri.attach(cri::v1::AttachRequest { container_id, stdin, tty, stdout, stderr }).await?
        }
        Some(Request::PortForward(forward)) => {
            let pod_sandbox_id = ready_sandbox(context, &uid).await?;
            let port = forward.ports.into_iter().filter_map(|port| i32::try_from(port).ok());
            let port = port.collect();
            cri.port_forward(cri::v1::PortForwardRequest { pod_sandbox_id, port }).await?
        }
    };
    splice::run(&url, upgrade, from_client, answers).await
}

/// The newest running container of that name.
async fn running(context: &Shared, uid: &PodUid, name: &str) -> Result<String, Refusal> {
    let containers = context.cri().list_containers(cri::PodLabels::selector(uid)).await?;
    let attempt = |c: &cri::v1::Container| c.metadata.as_ref().map_or(0, |m| m.attempt);
    let of_name = containers.iter().filter(|container| {
        let is_it = container.metadata.as_ref().is_some_and(|metadata| metadata.name == name);
        is_it && container.state() == cri::v1::ContainerState::ContainerRunning
    });
    let newest = of_name.max_by_key(|container| attempt(container));
    let newest =
        newest.ok_or_else(|| Refusal::not_found(format!("container not found ({name:?})")))?;
    Ok(newest.id.clone())
}

async fn ready_sandbox(context: &Shared, uid: &PodUid) -> Result<String, Refusal> {
    let sandboxes = context.cri().list_sandboxes(cri::PodLabels::selector(uid)).await?;
    let ready = |s: &&cri::v1::PodSandbox| s.state() == cri::v1::PodSandboxState::SandboxReady;
    let newest = sandboxes.iter().filter(ready).max_by_key(|sandbox| sandbox.created_at);
    let newest = newest
        .ok_or_else(|| Refusal::not_found("unable to do port forwarding: pod is not running"))?;
    Ok(newest.id.clone())
}
