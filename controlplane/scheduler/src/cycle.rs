//! The loop: takes events into snapshot and queue, decides for every pod that is due, applies decisions.
//!
//! Bindings are written concurrently; a pod counts as placed while its binding is under way, and is due
//! again when the binding fails.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use serde_json::json;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Client, Informer, Involved, Patch, Record, Recorder, TypedEvent};

use crate::SCHEDULER_NAME;
use crate::filter::{self, Refusal};
use crate::pod::PodFacts;
use crate::queue::Queue;
use crate::score::{self, Candidate};
use crate::snapshot::{NodeFacts, Snapshot};

/// After a binding failed for another reason than the pod being gone.
const RETRY_DELAY: Duration = Duration::from_secs(1);

struct Bound {
    key: ObjectKey,
    result: Result<(), Status>,
}

pub(crate) struct Scheduler {
    client: Arc<dyn Client>,
    recorder: Recorder,
    now: fn() -> String,
    pods: Informer<PodFacts>,
    nodes: Informer<NodeFacts>,
    snapshot: Snapshot,
    queue: Queue,
    bindings: FuturesUnordered<BoxFuture<'static, Bound>>,
}

impl Scheduler {
    pub(crate) fn new(client: Arc<dyn Client>, recorder: Recorder, now: fn() -> String) -> Self {
        Self {
            pods: Informer::new(client.as_ref(), &resource::PODS),
            nodes: Informer::new(client.as_ref(), &resource::NODES),
            client,
            recorder,
            now,
            snapshot: Snapshot::default(),
            queue: Queue::default(),
            bindings: FuturesUnordered::new(),
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                // Events first: a decision should see all that is known.
                biased;
                event = self.nodes.next() => match event {
                    Some(event) => self.node_event(event),
                    None => return,
                },
                event = self.pods.next() => match event {
                    Some(event) => self.pod_event(event),
                    None => return,
                },
                Some(bound) = self.bindings.next() => self.bound(bound),
                () = std::future::ready(()), if self.can_decide() => self.decide_next().await,
            }
        }
    }

    /// Before both pictures are complete, a decision could double-book a node.
    fn can_decide(&self) -> bool {
        self.nodes.is_synced() && self.pods.is_synced() && !self.queue.is_empty()
    }

    fn node_event(&mut self, event: TypedEvent<NodeFacts>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { new, .. } => {
                if self.snapshot.apply_node(&new.key.name, (*new.object).clone()) {
                    self.retry_refused();
                }
            }
            TypedEvent::Delete(old) => self.snapshot.remove_node(&old.key.name),
        }
    }

    fn pod_event(&mut self, event: TypedEvent<PodFacts>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { old, new } => {
                let (key, pod) = (&new.key, &*new.object);
                if pod.is_pending() {
                    let was_pending = old.is_some_and(|old| {
                        old.object.uid == pod.uid && old.object.is_pending() && !old.object.gated
                    });
                    // Our own condition came back: nothing new to try.
                    if !was_pending || !self.queue.is_refused(key) {
                        self.enqueue(key.clone());
                    }
                    return;
                }
                self.queue.remove(key);
                if self.snapshot.apply_pod(key, pod) {
                    self.retry_refused();
                }
            }
            TypedEvent::Delete(old) => {
                self.queue.remove(&old.key);
                if self.snapshot.remove_pod(&old.key) {
                    self.retry_refused();
                }
            }
        }
    }

    fn enqueue(&mut self, key: ObjectKey) {
        let Some(pod) = self.pods.get(&key) else { return };
        let pod = Arc::clone(&pod.object);
        // Placed already: its binding is under way.
        if pod.is_pending() && !self.snapshot.is_placed(&key) {
            self.queue.push(&key, &pod);
        }
    }

    fn retry_refused(&mut self) {
        for key in self.queue.take_refused() {
            self.enqueue(key);
        }
    }

    async fn decide_next(&mut self) {
        let Some(key) = self.queue.pop() else { return };
        let Some(pod) = self.pods.get(&key).map(|p| Arc::clone(&p.object)) else { return };
        if !pod.is_pending() {
            return;
        }
        if pod.gated {
            let why = "Scheduling is blocked due to non-empty scheduling gates";
            self.say_waiting(&key, &pod, "SchedulingGated", why).await;
            self.queue.refuse(key);
            return;
        }
        match decide(&pod, &self.snapshot) {
            Ok(node) => {
                self.snapshot.place(&key, &pod, &node);
                self.bindings.push(self.bind(key, pod, node));
            }
            Err(why) => {
                self.say_waiting(&key, &pod, "Unschedulable", &why).await;
                self.queue.refuse(key);
            }
        }
    }

    fn bind(&self, key: ObjectKey, pod: Arc<PodFacts>, node: String) -> BoxFuture<'static, Bound> {
        let (client, recorder) = (Arc::clone(&self.client), self.recorder.clone());
        Box::pin(async move {
            let binding = json!({
                "apiVersion": "v1", "kind": "Binding",
                "metadata": { "name": key.name, "namespace": key.namespace, "uid": pod.uid },
                "target": { "apiVersion": "v1", "kind": "Node", "name": node },
            });
            let result = client.update(&resource::PODS, &key, Some("binding"), binding).await;
            if result.is_ok() {
                let message = format!("Successfully assigned {key} to {node}");
                recorder.record(record(&key, &pod, false, "Scheduled", message));
            } else {
                tokio::time::sleep(RETRY_DELAY).await;
            }
            Bound { key, result: result.map(drop) }
        })
    }

    fn bound(&mut self, Bound { key, result }: Bound) {
        let Err(status) = result else { return };
        tracing::warn!(pod = %key, %status, "binding failed");
        // Unless the store says otherwise, the pod is on no node and due again.
        let on_a_node = self.pods.get(&key).is_some_and(|pod| pod.object.occupies());
        if !on_a_node {
            self.snapshot.remove_pod(&key);
            self.enqueue(key);
        }
    }

    /// Writes the PodScheduled condition and an event, once for each reason. Exclusive, because the bindings
    /// under way may not be shared with another thread.
    async fn say_waiting(&mut self, key: &ObjectKey, pod: &PodFacts, reason: &str, why: &str) {
        let said = ("False".to_owned(), reason.to_owned(), why.to_owned());
        if pod.scheduled.as_ref() == Some(&said) {
            return;
        }
        if reason == "Unschedulable" {
            let record = record(key, pod, true, "FailedScheduling", why.to_owned());
            self.recorder.record(record);
        }
        let patch = json!({ "metadata": { "uid": pod.uid }, "status": { "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": reason, "message": why,
            "lastProbeTime": null, "lastTransitionTime": (self.now)(),
        }] } });
        let patched =
            self.client.patch(&resource::PODS, key, Some("status"), Patch::Strategic(patch)).await;
        if let Err(status) = patched
            && !status.is_not_found()
            && !status.is_conflict()
        {
            tracing::warn!(pod = %key, %status, "condition not written");
        }
    }
}

/// The node for a pod, or why there is none. Pure.
fn decide(pod: &PodFacts, snapshot: &Snapshot) -> Result<String, String> {
    let mut candidates = Vec::new();
    let mut refused: Vec<Vec<Refusal>> = Vec::new();
    for (name, node, usage) in snapshot.nodes() {
        let refusals = filter::refusals(pod, name, node, usage);
        if refusals.is_empty() {
            candidates.push(Candidate { name, node, usage });
        } else {
            refused.push(refusals);
        }
    }
    match score::best(pod, &candidates) {
        Some(node) => Ok(node.to_owned()),
        None => Err(filter::explain(&refused)),
    }
}

fn record(key: &ObjectKey, pod: &PodFacts, warning: bool, reason: &str, message: String) -> Record {
    Record {
        involved: Involved::new("v1", "Pod", key.clone(), pod.uid.clone()),
        warning,
        reason: reason.to_owned(),
        message,
        component: SCHEDULER_NAME.to_owned(),
        host: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Node, Pod};

    fn pod(name: &str) -> (ObjectKey, PodFacts) {
        let value = json!({ "spec": { "containers": [
            { "name": "c", "resources": { "requests": { "cpu": "1" } } }] } });
        (ObjectKey::new("default", name), serde_json::from_value::<Pod>(value).unwrap().into())
    }

    fn snapshot(nodes: &[&str]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for name in nodes {
            let value = json!({ "status": { "allocatable": { "cpu": "2", "pods": "10" } } });
            let node: Node = serde_json::from_value(value).unwrap();
            snapshot.apply_node(name, node.into());
        }
        snapshot
    }

    #[test]
    fn placed_pods_count_before_the_store_says_so() {
        let mut snapshot = snapshot(&["n1", "n2"]);
        let mut placed = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let (key, pod) = pod(name);
            let node = decide(&pod, &snapshot).unwrap();
            snapshot.place(&key, &pod, &node);
            placed.push(node);
        }
        assert_eq!(placed, ["n1", "n2", "n1", "n2"]);
        let (_, fifth) = pod("e");
        let why = decide(&fifth, &snapshot).unwrap_err();
        assert_eq!(why, "0/2 nodes are available: 2 Insufficient cpu.");
        assert!(snapshot.remove_pod(&ObjectKey::new("default", "b")));
        assert_eq!(decide(&fifth, &snapshot).unwrap(), "n2");
    }

    #[test]
    fn without_nodes_the_reason_says_so() {
        let (_, pod) = pod("a");
        assert_eq!(
            decide(&pod, &snapshot(&[])).unwrap_err(),
            "no nodes available to schedule pods"
        );
    }
}
