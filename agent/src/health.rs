//! `/healthz` and `/livez`, where load balancers look for kube-proxy's.
//!
//! Both say 200 while the agent lives and Services are in effect; `/healthz` says 503 once changes have
//! not been for a while.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::json;

use crate::reconcile::Reconciler;

/// How long changes may fail before the node is reported unhealthy.
const FAILING_MAX: Duration = Duration::from_secs(60);

/// Answers on these listeners, for as long as the runtime lives.
pub(crate) fn serve(listeners: Vec<TcpListener>, reconciler: Arc<Mutex<Reconciler>>) {
    let shared = Arc::clone(&reconciler);
    let app = Router::new()
        .route("/healthz", get(async move || answer(&shared, true)))
        .route("/livez", get(async move || answer(&reconciler, false)));
    for listener in listeners {
        let app = app.clone();
        tokio::spawn(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => drop(axum::serve(listener, app).await),
                Err(error) => tracing::error!(%error, "health checks are not answered"),
            }
        });
    }
}

fn answer(reconciler: &Mutex<Reconciler>, minds_failures: bool) -> impl IntoResponse + use<> {
    let progress = reconciler.lock().progress().clone();
    let failing = progress.failing.filter(|(since, _)| since.elapsed() > FAILING_MAX);
    let status = match failing {
        Some(_) if minds_failures => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let body = json!({
        "lastUpdated": progress.in_effect_at.map(|at| at.to_string()),
        "currentTime": jiff::Timestamp::now().to_string(),
        "failing": failing.map(|(_, why)| why),
    });
    (status, Json(body))
}
