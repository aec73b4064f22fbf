//! What a node leaves behind that nobody else will end: pods of a node whose object is gone, its lease, and
//! pods that are to end on a node that is said to be out of service.
//!
//! A pod of a lost node is never forced away otherwise: only its node can say that it has ended, and until
//! then its name is not free for another one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use serde::Deserialize;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{DeleteOptions, Informer, Involved, Record, Typed, TypedEvent};
use tokio::time::Instant;

use crate::Context;
use crate::pod::PodFacts;
use crate::queue::Queue;

const LEASE_NAMESPACE: &str = "kube-node-lease";
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// A node that is back within this time finds its pods.
const QUARANTINE: Duration = Duration::from_secs(40);

/// A node, reduced to what decides over its pods.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(from = "Node")]
struct NodeFacts {
    /// Somebody has seen to it that nothing runs there any more.
    is_out_of_service: bool,
}

impl From<Node> for NodeFacts {
    fn from(node: Node) -> Self {
        let conditions = node.status.iter().flat_map(|s| s.conditions.iter().flatten());
        let is_ready = conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True");
        let taints = node.spec.iter().flat_map(|s| s.taints.iter().flatten());
        let is_tainted = taints.into_iter().any(|taint| taint.key == OUT_OF_SERVICE);
        Self { is_out_of_service: is_tainted && !is_ready }
    }
}

pub(crate) async fn run(context: Context) {
    let client = context.client.as_ref();
    let controller = Controller {
        nodes: Informer::new(client, &resource::NODES),
        pods: Informer::new(client, &resource::PODS),
        leases: Informer::new(client, &resource::LEASES),
        by_node: BTreeMap::new(),
        awaited: Awaited::default(),
        queue: Queue::new(),
        context,
    };
    controller.run().await;
}

/// Nodes without an object that may come back yet, and since when.
#[derive(Default)]
struct Awaited(BTreeMap<String, Instant>);

impl Awaited {
    /// How long this node is still waited for, from when it was missed first, however often one asks; `None`:
    /// no longer.
    fn left(&mut self, node: &str, now: Instant) -> Option<Duration> {
        let since = *self.0.entry(node.to_owned()).or_insert(now);
        QUARANTINE.checked_sub(now.duration_since(since)).filter(|left| !left.is_zero())
    }

    fn forget(&mut self, node: &str) {
        self.0.remove(node);
    }
}

struct Controller {
    context: Context,
    nodes: Informer<NodeFacts>,
    pods: Informer<PodFacts>,
    leases: Informer<Lease>,
    by_node: BTreeMap<String, BTreeSet<ObjectKey>>,
    awaited: Awaited,
    /// Names of nodes.
    queue: Queue<String>,
}

impl Controller {
    async fn run(mut self) {
        loop {
            let synced = self.nodes.is_synced() && self.pods.is_synced() && self.leases.is_synced();
            tokio::select! {
                biased;
                event = self.nodes.next() => match event {
                    Some(TypedEvent::Apply { old, new }) => {
                        self.awaited.forget(&new.key.name);
                        if old.is_none_or(|old| old.object != new.object) {
                            self.queue.mark(new.key.name);
                        }
                    }
                    Some(TypedEvent::Delete(old)) => self.queue.mark(old.key.name),
                    Some(TypedEvent::Synced) => {}
                    None => return,
                },
                event = self.pods.next() => match event {
                    Some(event) => self.pod_event(event),
                    None => return,
                },
                event = self.leases.next() => match event {
                    Some(TypedEvent::Apply { old: None, new }) => self.lease_event(&new),
                    Some(_) => {}
                    None => return,
                },
                name = self.queue.next(), if synced => match self.reconcile(&name).await {
                    Ok(()) => self.queue.succeeded(&name),
                    Err(status) => {
                        tracing::debug!(node = name, %status, "will be tried again");
                        self.queue.failed(name);
                    }
                },
            }
        }
    }

    fn pod_event(&mut self, event: TypedEvent<PodFacts>) {
        let (old, new) = match event {
            TypedEvent::Synced => return,
            TypedEvent::Apply { old, new } => (old, Some(new)),
            TypedEvent::Delete(old) => (Some(old), None),
        };
        if let Some(old) = &old
            && let Some(pods) = self.by_node.get_mut(&old.object.node_name)
        {
            pods.remove(&old.key);
            if pods.is_empty() {
                self.by_node.remove(&old.object.node_name);
            }
        }
        let Some(new) = new.filter(|pod| !pod.object.node_name.is_empty()) else { return };
        let node = new.object.node_name.clone();
        let is_news = old.is_none_or(|old| {
            old.object.node_name != node || old.object.terminating != new.object.terminating
        });
        self.by_node.entry(node.clone()).or_default().insert(new.key);
        if is_news {
            self.queue.mark(node);
        }
    }

    /// A lease that is left from a node.
    fn lease_event(&mut self, lease: &Typed<Lease>) {
        if lease.key.namespace == LEASE_NAMESPACE {
            self.queue.mark(lease.key.name.clone());
        }
    }

    async fn reconcile(&mut self, node: &str) -> Result<(), Status> {
        match self.nodes.get(&ObjectKey::cluster(node)).map(|node| node.object.is_out_of_service) {
            Some(true) => self.end_pods(node, true, "its node is out of service").await,
            Some(false) => Ok(()),
            None => match self.awaited.left(node, Instant::now()) {
                Some(left) => {
                    self.queue.mark_after(node.to_owned(), left);
                    Ok(())
                }
                None => self.clear_away(node).await,
            },
        }
    }

    /// The node has not come back.
    async fn clear_away(&mut self, node: &str) -> Result<(), Status> {
        // The picture may lag behind the node's own registration.
        match self.context.client.get(&resource::NODES, &ObjectKey::cluster(node)).await {
            Err(status) if status.is_not_found() => {}
            result => return result.map(drop),
        }
        let lease = ObjectKey::new(LEASE_NAMESPACE, node);
        if self.leases.get(&lease).is_some() {
            let options = DeleteOptions::default();
            match self.context.client.delete(&resource::LEASES, &lease, options).await {
                Err(status) if !status.is_not_found() => return Err(status),
                _ => {}
            }
        }
        self.end_pods(node, false, "its node has been deleted").await?;
        self.awaited.forget(node);
        Ok(())
    }

    async fn end_pods(&self, node: &str, only_terminating: bool, why: &str) -> Result<(), Status> {
        let pods = self.by_node.get(node).into_iter().flatten();
        for pod in pods.filter_map(|key| self.pods.get(key)) {
            if only_terminating && !pod.object.terminating {
                continue;
            }
            let uid = pod.object.uid.clone();
            let options = DeleteOptions {
                grace_period_seconds: Some(0),
                uid: Some(uid.clone()),
                ..DeleteOptions::default()
            };
            match self.context.client.delete(&resource::PODS, &pod.key, options).await {
                Err(status) if status.is_not_found() || status.is_conflict() => continue,
                result => result?,
            }
            tracing::info!(pod = %pod.key, node, why, "pod removed");
            self.context.recorder.record(Record {
                involved: Involved::new("v1", "Pod", pod.key.clone(), uid),
                warning: false,
                reason: "PodRemoved".to_owned(),
                message: format!("Pod removed: {why} ({node})"),
                component: "pod-garbage-collector".to_owned(),
                host: String::new(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn is_out_of_service(taint: Value, ready: &str) -> bool {
        let node: NodeFacts = serde_json::from_value(json!({
            "metadata": {}, "spec": { "taints": [taint] },
            "status": { "conditions": [{ "type": "Ready", "status": ready }] },
        }))
        .unwrap();
        node.is_out_of_service
    }

    #[test]
    fn a_node_is_out_of_service_when_somebody_says_so_and_it_does_not_answer() {
        let taint =
            json!({ "key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute" });
        assert!(is_out_of_service(taint.clone(), "Unknown"));
        assert!(is_out_of_service(taint.clone(), "False"));
        assert!(!is_out_of_service(taint, "True"));
        assert!(!is_out_of_service(json!({ "key": "other", "effect": "NoExecute" }), "Unknown"));
    }

    #[test]
    fn a_node_that_is_missed_is_waited_for_once_however_much_happens_meanwhile() {
        let (mut awaited, began) = (Awaited::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(awaited.left("a", began), Some(QUARANTINE));
        assert_eq!(awaited.left("a", began + second), Some(QUARANTINE - second));
        assert_eq!(awaited.left("b", began + second), Some(QUARANTINE), "another");
        assert_eq!(awaited.left("a", began + QUARANTINE - second), Some(second));
        assert_eq!(awaited.left("a", began + QUARANTINE), None);
        assert_eq!(awaited.left("a", began + QUARANTINE), None, "until it is cleared away");
        awaited.forget("a");
        assert_eq!(awaited.left("a", began + QUARANTINE), Some(QUARANTINE), "it was back");
    }
}
