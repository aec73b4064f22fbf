//! Writes what came of waiting for nodes: the condition of a pod that is live, and events where the deadline
//! passed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sheave_api::kinds::pod::ENDPOINTS_LIVE;
use sheave_api::{Status, resource};
use sheave_client::{Involved, Patch, Record};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::Shared;
use crate::state::{Outcome, Verdict};

/// Conditions that are written at a time: they share fsyncs.
const WRITES_MAX: usize = 32;
/// A condition that cannot be written is given up after so many tries; whoever waits for it waits no longer
/// than for a bounded time.
const TRIES_MAX: u32 = 5;

/// Runs until the control plane shuts down.
pub(crate) async fn run(shared: Arc<Shared>) {
    let writes = Arc::new(Semaphore::new(WRITES_MAX));
    loop {
        let (outcomes, deadline) = shared.state.take_outcomes();
        for outcome in outcomes {
            report(&shared, &outcome);
            if outcome.verdict == Verdict::Live {
                let (shared, writes) = (Arc::clone(&shared), Arc::clone(&writes));
                tokio::spawn(async move {
                    let _turn = writes.acquire().await;
                    write(&shared, &outcome).await;
                });
            }
        }
        let due = shared.state.outcomes_due();
        match deadline {
            None => due.await,
            Some(deadline) => {
                tokio::select! {
                    () = due => {}
                    () = tokio::time::sleep_until(Instant::from_std(deadline)) => {}
                }
            }
        }
    }
}

/// That a deadline passed is told on the pod.
fn report(shared: &Shared, outcome: &Outcome) {
    if outcome.behind.is_none() {
        return;
    }
    let waited = outcome.waited.as_secs();
    let (reason, message) = match outcome.verdict {
        Verdict::Ends => (
            "EndedUnacknowledged",
            format!(
                "The pod is ended after {waited} s though {}: connections to it may fail.",
                what_is_missing(outcome)
            ),
        ),
        Verdict::Live => (
            "LiveUnacknowledged",
            format!(
                "The pod counts as available after {waited} s though {}.",
                what_is_missing(outcome)
            ),
        ),
    };
    tracing::warn!(pod = %outcome.pod, reason, message);
    shared.recorder.record(Record {
        involved: Involved::new("v1", "Pod", outcome.pod.clone(), outcome.uid.clone()),
        warning: true,
        reason: reason.to_owned(),
        message,
        component: "push-server".to_owned(),
        host: String::new(),
    });
}

fn what_is_missing(outcome: &Outcome) -> String {
    let change = match outcome.verdict {
        Verdict::Ends => "that its endpoints are gone",
        Verdict::Live => "its endpoints",
    };
    match outcome.behind.as_deref() {
        None => String::new(),
        Some([]) => "its EndpointSlices were not up to date".to_owned(),
        Some([node]) => format!("node {node} has not acknowledged {change}"),
        Some(nodes) => format!("nodes {} have not acknowledged {change}", nodes.join(", ")),
    }
}

async fn write(shared: &Shared, outcome: &Outcome) {
    for tries in 1..=TRIES_MAX {
        match write_once(shared, outcome).await {
            Ok(()) => return,
            // Gone, or another pod has its name: nobody waits.
            Err(status) if status.is_not_found() || status.is_conflict() => return,
            Err(status) => {
                tracing::warn!(pod = %outcome.pod, %status, tries, "cannot write that it is live")
            }
        }
        tokio::time::sleep(Duration::from_millis(200) * tries).await;
    }
}

async fn write_once(shared: &Shared, outcome: &Outcome) -> Result<(), Status> {
    let (reason, message) = match &outcome.behind {
        None => ("Acknowledged", String::new()),
        Some(_) => ("DeadlineExceeded", what_is_missing(outcome)),
    };
    let patch = json!({
        "metadata": { "uid": outcome.uid },
        "status": { "conditions": [{
            "type": ENDPOINTS_LIVE, "status": "True", "reason": reason, "message": message,
            "lastTransitionTime": (shared.config.now_s)(),
        }] },
    });
    let patch = Patch::Strategic(patch);
    shared.client.patch(&resource::PODS, &outcome.pod, Some("status"), patch).await.map(drop)
}
