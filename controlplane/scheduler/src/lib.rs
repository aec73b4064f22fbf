//! Assigns pods to nodes: event-driven, from its own snapshot; says why a pod waits.
//!
//! The snapshot follows nodes and pods by their events; no decision lists anything. A decision is a pure
//! function of pod and snapshot ([`filter`], [`score`]); the loop in [`cycle`] applies it through the
//! binding subresource and counts the pod as placed from the moment it decides.
//!
//! It does not preempt, and it knows nothing of volumes or inter-pod affinity.

mod cycle;
mod filter;
mod pod;
mod queue;
mod resources;
mod score;
mod snapshot;

use std::sync::Arc;

use sheave_client::{Client, Recorder};

/// The name that pods without `spec.schedulerName` get, and the only one this scheduler answers to.
pub const SCHEDULER_NAME: &str = "default-scheduler";

/// Schedules until the control plane shuts down. `now` gives the time in RFC 3339.
pub async fn run(client: Arc<dyn Client>, recorder: Recorder, now: fn() -> String) {
    cycle::Scheduler::new(client, recorder, now).run().await;
}
