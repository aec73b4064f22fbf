//! `pods/log`: the node's log text, streamed as it comes.

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt;
use http::{Response, StatusCode};
use sheave_api::field::Path;
use sheave_api::{FieldErrors, Status};
use sheave_push::v1;
use tokio_stream::wrappers::ReceiverStream;

use super::container::PodSummary;
use crate::query::Query;
use crate::respond;
use crate::server::ApiServer;

/// `PodLogOptions`, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LogOptions {
    container: Option<String>,
    logs: v1::Logs,
}

impl LogOptions {
    /// # Errors
    /// 400 for what is no number, 422 for numbers that make no sense.
    pub(super) fn parse(query: &Query, pod: &str) -> Result<Self, Status> {
        let logs = v1::Logs {
            container: String::new(),
            follow: query.flag("follow"),
            previous: query.flag("previous"),
            timestamps: query.flag("timestamps"),
            tail_lines: query.integer("tailLines")?,
            limit_bytes: query.integer("limitBytes")?,
            since_seconds: query.integer("sinceSeconds")?,
            since_time: query.get("sinceTime").unwrap_or_default().to_owned(),
        };
        let errors = check(&logs);
        if errors.is_empty() {
            Ok(Self { container: query.get("container").map(str::to_owned), logs })
        } else {
            Err(errors.into_status("", "PodLogOptions", pod))
        }
    }
}

fn check(logs: &v1::Logs) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if let Some(lines) = logs.tail_lines.filter(|lines| *lines < 0) {
        let path = Path::root("tailLines");
        errors.invalid(&path, lines, "must be greater than or equal to 0");
    }
    if let Some(bytes) = logs.limit_bytes.filter(|bytes| *bytes < 1) {
        errors.invalid(&Path::root("limitBytes"), bytes, "must be greater than 0");
    }
    if let Some(seconds) = logs.since_seconds {
        let path = Path::root("sinceSeconds");
        if !logs.since_time.is_empty() {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.forbidden(&path, why);
        } else if seconds < 1 {
            errors.invalid(&path, seconds, "must be greater than 0");
        }
    }
    if !logs.since_time.is_empty() && sheave_api::time::parse(&logs.since_time).is_none() {
        let path = Path::root("sinceTime");
        errors.invalid(&path, logs.since_time.as_str(), "must be a time in RFC 3339");
    }
    errors
}

/// Opens the stream; what the node refuses (no such container yet, no log) is the answer.
pub(super) async fn answer(
    server: &ApiServer,
    pod: &PodSummary,
    options: LogOptions,
) -> Result<Response<Body>, Status> {
    let container = pod.container(options.container.as_deref())?;
    let node = pod.node()?;
    let logs = v1::Logs { container, ..options.logs };
    let request = pod.tunnel_request(v1::tunnel_request::Kind::Logs(logs));
    let tunnel = server.tunnels.open(node, request).await?;
    if tunnel.opened.status != 200 {
        return Err(super::refused(&tunnel.opened));
    }
    let running = server.metrics.tunnel();
    let stopped = server.stopping.clone().cancelled_owned();
    // The node's side of the tunnel stays open as long as this end of it is held.
    let held = tunnel.to_node;
    let text = ReceiverStream::new(tunnel.from_node).take_until(stopped).map(move |piece| {
        let (_running, _held) = (&running, &held);
        piece.map_err(axum::Error::new) as Result<Bytes, axum::Error>
    });
    Ok(respond::text(StatusCode::OK, Body::from_stream(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<LogOptions, Status> {
        LogOptions::parse(&Query::parse(&format!("/log?{query}").parse().unwrap()).unwrap(), "web")
    }

    #[test]
    fn everything_kubectl_sends() {
        let options = parse(
            "container=app&follow=true&previous=false&timestamps=true&tailLines=0&limitBytes=10\
             &sinceTime=2026-01-01T00:00:00Z",
        )
        .unwrap();
        assert_eq!(options.container.as_deref(), Some("app"));
        let logs = options.logs;
        assert!(logs.follow && logs.timestamps && !logs.previous);
        assert_eq!(
            (logs.tail_lines, logs.limit_bytes, logs.since_seconds),
            (Some(0), Some(10), None)
        );
        assert_eq!(logs.since_time, "2026-01-01T00:00:00Z");
    }

    #[test]
    fn nonsense_is_named() {
        let cases = [
            ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
            ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z", "at most one of"),
            ("sinceTime=yesterday", "sinceTime: Invalid value: \"yesterday\""),
        ];
        for (query, expected) in cases {
            let error = parse(query).unwrap_err();
            assert_eq!(error.code, 422, "{query}");
            assert!(error.message.contains(expected), "{query}: {}", error.message);
        }
        assert_eq!(parse("tailLines=ten").unwrap_err().code, 400);
    }
}
