//! Questions to this node's agent, over its Unix socket.

use std::path::Path;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// GET of a path; the answer as JSON.
pub(crate) async fn get(socket: &Path, path: &str) -> Result<Value> {
    let stream = UnixStream::connect(socket).await.with_context(|| {
        format!(
            "the agent does not answer at {}: is it running (`sheave up`), and are you root?",
            socket.display()
        )
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request =
        http::Request::get(path).header(http::header::HOST, "agent").body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    connection.abort();
    if !status.is_success() {
        bail!("the agent refused {path}: {}", String::from_utf8_lossy(&body));
    }
    serde_json::from_slice(&body).with_context(|| format!("the agent's answer to {path}"))
}
