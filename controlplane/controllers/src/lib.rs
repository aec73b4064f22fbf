//! One module a controller: a pure plan and a loop fed by events.
//!
//! Every loop has the same shape ([`queue`]): events only mark keys as dirty, and dirty keys are
//! reconciled one after the other from the informers' pictures. A plan is a function of what is there and
//! what should be; applying it is the loop's matter, and a failed write is tried again with backoff.
//!
//! Controllers meet in objects, never in each other's code, and know nothing of store, HTTP or nodes'
//! streams.

pub mod api_service;
mod daemon_set;
mod deployment;
mod disruption;
pub mod dns_service;
mod endpoints;
mod endpoints_live;
mod garbage;
mod history;
mod join_tokens;
mod load_balancer;
mod namespace;
mod node_lifecycle;
mod own_pods;
mod ownership;
mod pod;
mod pod_gc;
mod queue;
mod replica_set;
mod scaled;
mod selector;
mod service_account;
mod stateful_set;
mod template_hash;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sheave_api::AddressPool;
use sheave_client::{Client, Recorder};
use tokio::task::JoinSet;

/// What every controller is given.
#[derive(Clone)]
pub struct Context {
    /// Reads, writes, watches.
    pub client: Arc<dyn Client>,
    /// For `kubectl describe`.
    pub recorder: Recorder,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// Addresses for Services of type LoadBalancer; empty: they are left to others.
    pub load_balancer_pool: AddressPool,
    /// For how long others wait until all nodes have a pod's endpoints in effect; a pod of a Service does not
    /// count as available before. Zero: nobody does.
    pub acknowledgement_timeout: Duration,
}

/// Starts all controllers; they end when the set is dropped.
pub fn start(context: &Context) -> JoinSet<()> {
    let mut running = JoinSet::new();
    running.spawn(deployment::run(context.clone()));
    running.spawn(replica_set::run(context.clone()));
    running.spawn(daemon_set::run(context.clone()));
    running.spawn(stateful_set::run(context.clone()));
    running.spawn(disruption::run(context.clone()));
    running.spawn(endpoints::run(context.clone()));
    running.spawn(load_balancer::run(context.clone()));
    running.spawn(namespace::run(context.clone()));
    running.spawn(service_account::run(context.clone()));
    running.spawn(garbage::run(context.clone()));
    running.spawn(node_lifecycle::run(context.clone()));
    running.spawn(join_tokens::run(context.clone()));
    running.spawn(pod_gc::run(context.clone()));
    running
}

/// The controlling owner's reference, as every object that a controller creates carries it.
fn controller_reference(api_version: &str, kind: &str, name: &str, uid: &str) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": api_version, "kind": kind, "name": name, "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}
