//! The agent's socket: questions of `sheave` on this node, as JSON over HTTP. Root alone may ask.

use std::os::unix::net::UnixListener;

use anyhow::{Context, Result};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use sheave_dataplane::MapError;

use crate::status::Answers;

type Answer = fn(&Answers) -> Result<Value, MapError>;

/// Answers for as long as the runtime lives.
pub(crate) fn serve(listener: UnixListener, answers: Answers) -> Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener).context("cannot use the socket")?;
    let route = |answer: Answer| {
        let answers = answers.clone();
        get(async move || respond(answers, answer).await)
    };
    let app = Router::new()
        .route("/services", route(Answers::services))
        .route("/counters", route(Answers::counters))
        .route("/status", route(Answers::status));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(())
}

async fn respond(answers: Answers, answer: Answer) -> Response {
    let refused = |why: String| (StatusCode::INTERNAL_SERVER_ERROR, why).into_response();
    match tokio::task::spawn_blocking(move || answer(&answers)).await {
        Ok(Ok(value)) => Json(value).into_response(),
        Ok(Err(error)) => refused(error.to_string()),
        Err(error) => refused(error.to_string()),
    }
}
