//! exec, attach, portforward: the client's upgraded connection, spliced to the runtime's.
//!
//! The client's upgrade request is repeated to the runtime and the runtime's answer to the client; from
//! then on bytes go both ways, unread and unbuffered beyond a bound. A side that has finished sending
//! closes its half; the other half goes on.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use sheave_api::Status;
use sheave_push::v1::{self, tunnel_request::Kind};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::container::PodSummary;
use super::{Interactive, Tunnel};
use crate::limits::TUNNEL_CHUNK_BYTES;
use crate::query::Query;
use crate::server::{ApiServer, Call};

/// Names the protocols the client offers, one a header (remotecommand subprotocols v1 to v5).
const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");

/// # Errors
/// 400 unless the client asks for SPDY. Clients that try WebSocket first fall back on this answer.
pub(super) fn require_spdy(headers: &HeaderMap) -> Result<(), Status> {
    let wanted = headers.get(UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if wanted.to_ascii_lowercase().starts_with("spdy/3.1") {
        return Ok(());
    }
    Err(Status::bad_request(match wanted {
        "" => {
            "you must specify at least 1 of stdin, stdout, stderr, and upgrade the connection to \
               SPDY/3.1"
                .to_owned()
        }
        other => format!("unable to upgrade to {other:?}: this server streams over SPDY/3.1"),
    }))
}

/// Opens the tunnel and answers with what the runtime answered.
pub(super) async fn answer(
    server: &ApiServer,
    stream: Interactive,
    pod: &PodSummary,
    mut call: Call,
) -> Result<Response<Body>, Status> {
    let kind = request_kind(stream, &call.query, pod)?;
    let node = pod.node()?;
    let request = v1::TunnelRequest {
        method: call.request.method().to_string(),
        headers: upgrade_headers(call.request.headers()),
        ..pod.tunnel_request(kind)
    };
    let tunnel = server.tunnels.open(node, request).await?;
    if tunnel.opened.status != u32::from(StatusCode::SWITCHING_PROTOCOLS.as_u16()) {
        return Err(super::refused(&tunnel.opened));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    copy_headers(&tunnel.opened.headers, response.headers_mut());
    let client = hyper::upgrade::on(&mut call.request);
    let running = server.metrics.tunnel();
    tokio::spawn(async move {
        splice_upgraded(client, tunnel).await;
        drop(running);
    });
    Ok(response)
}

fn request_kind(stream: Interactive, query: &Query, pod: &PodSummary) -> Result<Kind, Status> {
    let container = || pod.container(query.get("container"));
    let (stdin, stdout) = (query.flag("stdin"), query.flag("stdout"));
    let (stderr, tty) = (query.flag("stderr"), query.flag("tty"));
    if stream != Interactive::PortForward && !(stdin || stdout || stderr) {
        let message = "you must specify at least 1 of stdin, stdout, stderr";
        return Err(Status::bad_request(message));
    }
    Ok(match stream {
        Interactive::Exec => {
            let command: Vec<String> = query.all("command").map(str::to_owned).collect();
            if command.is_empty() {
                return Err(Status::bad_request("you must specify at least 1 command"));
            }
            Kind::Exec(v1::Exec { container: container()?, command, stdin, stdout, stderr, tty })
        }
        Interactive::Attach => {
            Kind::Attach(v1::Attach { container: container()?, stdin, stdout, stderr, tty })
        }
        Interactive::PortForward => {
            let ports = query.all("ports").flat_map(|ports| ports.split(','));
            let ports = ports.map(parse_port).collect::<Result<Vec<u32>, Status>>()?;
            Kind::PortForward(v1::PortForward { ports })
        }
    })
}

fn parse_port(text: &str) -> Result<u32, Status> {
    text.parse::<u16>().ok().filter(|port| *port > 0).map(u32::from).ok_or_else(|| {
        Status::bad_request(format!("query parameter ports: {text:?} is no port (1-65535)"))
    })
}

/// What of the client's request the runtime must see.
fn upgrade_headers(headers: &HeaderMap) -> Vec<v1::Header> {
    [CONNECTION, UPGRADE, STREAM_PROTOCOL]
        .iter()
        .flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)))
        .filter_map(|(name, value)| {
            Some(v1::Header { name: name.to_string(), value: value.to_str().ok()?.to_owned() })
        })
        .collect()
}

/// The runtime's answer, apart from what describes a body that a 101 has not.
fn copy_headers(from: &[v1::Header], to: &mut HeaderMap) {
    for v1::Header { name, value } in from {
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) else { continue };
        if name != CONTENT_LENGTH && name != TRANSFER_ENCODING {
            to.append(name, value);
        }
    }
}

async fn splice_upgraded(client: OnUpgrade, tunnel: Tunnel) {
    match client.await {
        Ok(upgraded) => {
            let client: TokioIo<Upgraded> = TokioIo::new(upgraded);
            splice(client, tunnel.from_node, tunnel.to_node).await;
        }
        Err(error) => tracing::debug!(%error, "the client did not upgrade its connection"),
    }
}

/// Copies both ways until both sides have finished sending, or one of them is gone.
async fn splice<C: AsyncRead + AsyncWrite>(
    client: C,
    mut from_node: mpsc::Receiver<Result<Bytes, Status>>,
    to_node: mpsc::Sender<Bytes>,
) {
    let (mut reader, mut writer) = tokio::io::split(client);
    let upward = async move {
        loop {
            let mut chunk = bytes::BytesMut::with_capacity(TUNNEL_CHUNK_BYTES);
            match reader.read_buf(&mut chunk).await {
                // Dropping `to_node` closes this half only.
                Ok(0) => return Ok(()),
                Ok(_) => to_node.send(chunk.freeze()).await.map_err(|_| ())?,
                Err(_) => return Err(()),
            }
        }
    };
    let downward = async move {
        while let Some(chunk) = from_node.recv().await {
            let chunk = chunk.map_err(|_| ())?;
            writer.write_all(&chunk).await.map_err(|_| ())?;
            writer.flush().await.map_err(|_| ())?;
        }
        writer.shutdown().await.map_err(|_| ())
    };
    // An error on either side ends both: what remains is dropped, and the peers see the end.
    let _ = tokio::try_join!(upward, downward);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(upgrade: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(upgrade) = upgrade {
            headers.insert(UPGRADE, upgrade.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_spdy_is_spoken() {
        assert_eq!(require_spdy(&headers(Some("SPDY/3.1"))), Ok(()));
        assert_eq!(require_spdy(&headers(Some("websocket"))).unwrap_err().code, 400);
        assert_eq!(require_spdy(&headers(None)).unwrap_err().code, 400);
    }

    #[test]
    fn the_runtime_sees_the_upgrade_and_no_secret() {
        let mut client = headers(Some("SPDY/3.1"));
        client.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        client.append(STREAM_PROTOCOL, HeaderValue::from_static("v5.channel.k8s.io"));
        client.append(STREAM_PROTOCOL, HeaderValue::from_static("v4.channel.k8s.io"));
        client.insert(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        let sent: Vec<(String, String)> = upgrade_headers(&client)
            .into_iter()
            .map(|header| (header.name, header.value))
            .collect();
        let expected = [
            ("connection", "Upgrade"),
            ("upgrade", "SPDY/3.1"),
            ("x-stream-protocol-version", "v5.channel.k8s.io"),
            ("x-stream-protocol-version", "v4.channel.k8s.io"),
        ];
        assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[tokio::test]
    async fn one_half_closes_while_the_other_goes_on() {
        let (mut client, server) = tokio::io::duplex(64);
        let (node_sends, from_node) = mpsc::channel(4);
        let (to_node, mut node_reads) = mpsc::channel(4);
        let spliced = tokio::spawn(splice(server, from_node, to_node));
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(node_reads.recv().await.unwrap(), "question");
        assert_eq!(node_reads.recv().await, None, "the client's half is closed");
        node_sends.send(Ok(Bytes::from_static(b"answer"))).await.unwrap();
        drop(node_sends);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"answer");
        spliced.await.unwrap();
    }

    #[tokio::test]
    async fn a_broken_tunnel_ends_the_clients_connection() {
        let (mut client, server) = tokio::io::duplex(64);
        let (node_sends, from_node) = mpsc::channel(4);
        let (to_node, _node_reads) = mpsc::channel(4);
        let spliced = tokio::spawn(splice(server, from_node, to_node));
        node_sends.send(Err(Status::internal("gone"))).await.unwrap();
        spliced.await.unwrap();
        let mut rest = Vec::new();
        assert_eq!(client.read_to_end(&mut rest).await.unwrap(), 0);
    }
}
