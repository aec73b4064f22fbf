//! The agent's socket: questions of `sheave` on this node, as JSON over HTTP. Root alone may ask.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result};
use axum::body::Body;
use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::answers::{Answers, Unanswered, flows};

/// Lines on their way to one who follows; more wait as records, which are bounded too.
const LINES_MAX: usize = 16;

/// Answers for as long as the runtime lives.
pub(crate) fn serve(listener: UnixListener, answers: Answers) -> Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener).context("cannot use the socket")?;
    let app = Router::new().fallback(async move |uri: Uri| respond(answers.clone(), uri).await);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}

async fn respond(answers: Answers, uri: Uri) -> Response {
    let refused = |status, why: String| (status, why).into_response();
    let query = match query(&uri) {
        Ok(query) => query,
        Err(error) => return refused(StatusCode::BAD_REQUEST, error),
    };
    if uri.path() == "/flows" {
        return follow(answers, query).await;
    }
    let path = uri.path().to_owned();
    let answered = tokio::task::spawn_blocking(move || answers.answer(&path, &query)).await;
    match answered {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(error)) => unanswered(&error),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

fn unanswered(error: &Unanswered) -> Response {
    let status = match error {
        Unanswered::Unknown(_) => StatusCode::NOT_FOUND,
        Unanswered::Invalid(_) => StatusCode::BAD_REQUEST,
        Unanswered::AgentAway | Unanswered::Map(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    (status, error.to_string()).into_response()
}

/// Lines for as long as whoever asked listens.
async fn follow(answers: Answers, query: BTreeMap<String, String>) -> Response {
    let following = tokio::task::spawn_blocking(move || flows::follow(&answers, &query)).await;
    let mut lines = match following {
        Ok(Ok(lines)) => lines,
        Ok(Err(error)) => return unanswered(&error),
        Err(error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
        }
    };
    let (sender, receiver) = mpsc::channel::<Result<String, Infallible>>(LINES_MAX);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                // Also when nothing happens: the last one who listens ends the reading.
                () = sender.closed() => return,
                line = lines.next() => {
                    let Some(line) = line else { return };
                    if sender.send(Ok(line)).await.is_err() {
                        return;
                    }
                }
            }
        }
    });
    Body::from_stream(ReceiverStream::new(receiver)).into_response()
}

/// The arguments of a question.
pub(crate) fn query(uri: &Uri) -> Result<BTreeMap<String, String>, String> {
    let query = Query::try_from_uri(uri).map_err(|error| error.to_string())?;
    Ok(query.0)
}
