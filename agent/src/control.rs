//! The agent's socket: questions of `sheave` on this node, as JSON over HTTP. Root alone may ask.

use std::collections::BTreeMap;
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result};
use axum::extract::Query;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};

use crate::answers::{Answers, Unanswered};

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
    let path = uri.path().to_owned();
    let answered = tokio::task::spawn_blocking(move || answers.answer(&path, &query)).await;
    match answered {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(error)) => {
            let status = match &error {
                Unanswered::Unknown(_) => StatusCode::NOT_FOUND,
                Unanswered::Invalid(_) => StatusCode::BAD_REQUEST,
                Unanswered::AgentAway | Unanswered::Map(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refused(status, error.to_string())
        }
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// The arguments of a question.
pub(crate) fn query(uri: &Uri) -> Result<BTreeMap<String, String>, String> {
    let query = Query::try_from_uri(uri).map_err(|error| error.to_string())?;
    Ok(query.0)
}
