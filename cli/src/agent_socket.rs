//! Questions to this node's agent, over its Unix socket.

use std::io::{Error, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

/// What came of a question.
pub(crate) enum Got {
    /// The answer.
    Answer(Value),
    /// Nobody listens at the socket.
    Away(Error),
}

/// GET of a path; the answer as JSON.
pub(crate) async fn get(socket: &Path, question: &str) -> Result<Got> {
    let stream = match connect(socket).await? {
        Ok(stream) => stream,
        Err(away) => return Ok(Got::Away(away)),
    };
    let body = send(stream, question).await?.collect().await?.to_bytes();
    let value = serde_json::from_slice(&body)
        .with_context(|| format!("the agent's answer to {question}"))?;
    Ok(Got::Answer(value))
}

/// GET of a path whose answer goes on: each line as it comes, until the answer ends or `print` cannot.
/// Returns the error when nobody listens at the socket.
pub(crate) async fn follow(
    socket: &Path,
    question: &str,
    print: &dyn Fn(&str) -> std::io::Result<()>,
) -> Result<Option<Error>> {
    let stream = match connect(socket).await? {
        Ok(stream) => stream,
        Err(away) => return Ok(Some(away)),
    };
    let mut body = send(stream, question).await?;
    let mut waiting = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(bytes) = frame.context("the agent has ended")?.into_data() else { continue };
        waiting.extend_from_slice(&bytes);
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            if print(String::from_utf8_lossy(&line[..end]).as_ref()).is_err() {
                return Ok(None);
            }
        }
    }
    Ok(None)
}

async fn connect(socket: &Path) -> Result<std::result::Result<UnixStream, Error>> {
    match UnixStream::connect(socket).await {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            bail!("{} is root's: run this with sudo", socket.display())
        }
        other => Ok(other),
    }
}

/// The body of the answer, as it comes.
async fn send(stream: UnixStream, question: &str) -> Result<Incoming> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::get(question)
        .header(http::header::HOST, "agent")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status().is_success() {
        return Ok(answer.into_body());
    }
    let body = answer.into_body().collect().await?.to_bytes();
    bail!("{}", String::from_utf8_lossy(&body))
}
