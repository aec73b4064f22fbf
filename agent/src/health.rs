//! `/healthz` and `/livez`, where load balancers look for kube-proxy's.
//!
//! `/livez` says 200 while changes are in effect soon after they come. `/healthz` also says 503 while this
//! node is being taken out of the cluster: what asks it from outside should send new connections elsewhere.
//! Nothing here waits for the maps: it answers however long a change takes.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sheave_sources::Connection;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// How long a change may wait to be in effect before the node is reported unhealthy.
const WAITING_MAX: Duration = Duration::from_secs(60);

/// How this node does. Shared by all who answer for it.
#[derive(Debug)]
pub(crate) struct Health(Mutex<State>);

#[derive(Clone, Debug)]
struct State {
    /// When the maps last held what they should.
    in_effect_at: Option<jiff::Timestamp>,
    /// Since when a change waits to be in effect; the first one waits from the start.
    waiting_since: Option<Instant>,
    /// Why it still waits, if that is known.
    why: Option<String>,
    /// The node is being deleted, or marked to be.
    is_leaving: bool,
}

impl Health {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            in_effect_at: None,
            waiting_since: Some(Instant::now()),
            why: None,
            is_leaving: false,
        })))
    }

    /// A change has come.
    pub(crate) fn waits(&self) {
        self.0.lock().waiting_since.get_or_insert_with(Instant::now);
    }

    /// Everything that has come is in effect.
    pub(crate) fn in_effect(&self) {
        let mut state = self.0.lock();
        state.in_effect_at = Some(jiff::Timestamp::now());
        (state.waiting_since, state.why) = (None, None);
    }

    /// What has come could not be put into effect.
    pub(crate) fn failed(&self, why: String) {
        self.0.lock().why = Some(why);
    }

    /// Whether this node is being taken out of the cluster.
    pub(crate) fn leaving(&self, is_leaving: bool) {
        let mut state = self.0.lock();
        if std::mem::replace(&mut state.is_leaving, is_leaving) != is_leaving {
            tracing::info!(is_leaving, "whether this node is leaving the cluster has changed");
        }
    }

    /// A machine that the server takes for no node is leaving, until it is told of its Node again. Ends with
    /// the connection's source.
    pub(crate) async fn mind_refusals(
        self: Arc<Self>,
        mut connection: watch::Receiver<Connection>,
    ) {
        while connection.changed().await.is_ok() {
            if matches!(*connection.borrow_and_update(), Connection::Refused(_)) {
                self.leaving(true);
            }
        }
    }

    /// True while changes come into effect.
    pub(crate) fn is_programming(&self) -> bool {
        self.0.lock().is_programming()
    }

    fn answer(&self, minds_leaving: bool) -> (StatusCode, Value) {
        let state = self.0.lock().clone();
        let is_programming = state.is_programming();
        let is_well = is_programming && !(minds_leaving && state.is_leaving);
        let mut body = json!({
            "lastUpdated": state.in_effect_at.map(|at| at.to_string()),
            "currentTime": jiff::Timestamp::now().to_string(),
        });
        if minds_leaving {
            body["nodeEligible"] = json!(!state.is_leaving);
        }
        if !is_programming {
            let why = "changes have waited too long to be in effect".to_owned();
            body["failing"] = json!(state.why.unwrap_or(why));
        }
        (if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
    }
}

impl State {
    fn is_programming(&self) -> bool {
        self.waiting_since.is_none_or(|since| since.elapsed() <= WAITING_MAX)
    }
}

/// Answers on these listeners, for as long as the runtime lives.
pub(crate) fn serve(listeners: Vec<TcpListener>, health: Arc<Health>, metrics: &Metrics) {
    let shared = Arc::clone(&health);
    let app = Router::new()
        .route("/healthz", get(async move || respond(shared.answer(true))))
        .route("/livez", get(async move || respond(health.answer(false))));
    let app = metrics.serve_beside(app);
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

fn respond((status, body): (StatusCode, Value)) -> impl IntoResponse + use<> {
    (status, [("x-content-type-options", "nosniff")], Json(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(health: &Health) -> (u16, u16) {
        (health.answer(true).0.as_u16(), health.answer(false).0.as_u16())
    }

    fn long_ago() -> Instant {
        Instant::now().checked_sub(WAITING_MAX + Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn a_node_that_leaves_lives_but_wants_no_more() {
        let health = Health::new();
        health.in_effect();
        assert_eq!(codes(&health), (200, 200));
        health.leaving(true);
        assert_eq!(codes(&health), (503, 200));
        assert_eq!(health.answer(true).1["nodeEligible"], false);
        assert!(health.is_programming(), "its Services go on");
        health.leaving(false);
        assert_eq!(codes(&health), (200, 200));
    }

    #[tokio::test]
    async fn a_machine_that_the_server_refuses_wants_no_more_until_it_is_a_node_again() {
        let health = Health::new();
        health.in_effect();
        let (announce, connection) = watch::channel(Connection::Up("v".into()));
        let minding = tokio::spawn(Arc::clone(&health).mind_refusals(connection));
        for (now, expected) in [
            (Connection::Away("gone".into()), (200, 200)),
            (Connection::Refused("removed".into()), (503, 200)),
            (Connection::Away("gone".into()), (503, 200)),
            (Connection::Up("v".into()), (503, 200)),
        ] {
            announce.send_replace(now.clone());
            // As long as it takes to be seen: there is no other task.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            assert_eq!(codes(&health), expected, "{now:?}");
        }
        health.leaving(false);
        assert_eq!(codes(&health), (200, 200), "its Node came");
        drop(announce);
        minding.await.unwrap();
    }

    #[test]
    fn a_change_that_waits_too_long_is_told_with_its_reason() {
        let health = Health::new();
        health.0.lock().waiting_since = Some(long_ago());
        assert_eq!(codes(&health), (503, 503), "there never was a state");
        health.in_effect();
        health.waits();
        assert_eq!(codes(&health), (200, 200), "it has only just come");
        health.0.lock().waiting_since = Some(long_ago());
        health.failed("map full".into());
        health.waits();
        assert_eq!(codes(&health), (503, 503));
        assert_eq!(health.answer(false).1["failing"], "map full");
        health.in_effect();
        assert_eq!(codes(&health), (200, 200));
    }
}
