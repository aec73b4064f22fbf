//! Nodes that stop answering: their state becomes unknown, they are tainted, their pods are no longer
//! ready and, once their tolerations run out, deleted.
//!
//! A node counts as lost when its lease has not been renewed for the grace period. Nothing is looked at
//! in between: the queue wakes when the next lease would run out.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod, Taint, Toleration};
use serde_json::{Value, json};
use sheave_api::toleration::covers;
use sheave_api::{ObjectKey, Status, resource, time};
use sheave_client::{DeleteOptions, Informer, Involved, Patch, Record, Typed, TypedEvent};

use crate::Context;
use crate::queue::Queue;

const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Without a renewal for so long, a node counts as lost. Its pods have to be out of all endpoints after 40
/// seconds: the rest is for writing that, and for telling the other nodes.
const GRACE_MS: i64 = 38_000;
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Conditions that nobody can vouch for once the node is lost.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

pub(crate) async fn run(context: Context) {
    let client = context.client.as_ref();
    let mut controller = Controller {
        nodes: Informer::new(client, &resource::NODES),
        leases: Informer::new(client, &resource::LEASES),
        pods: Informer::new(client, &resource::PODS),
        queue: Queue::new(),
        started: (context.now)(),
        context,
    };
    controller.run().await;
}

struct Controller {
    context: Context,
    nodes: Informer<Node>,
    leases: Informer<Lease>,
    pods: Informer<Pod>,
    queue: Queue<String>,
    /// While the control plane was down nobody could renew: the grace starts with us.
    started: Timestamp,
}

impl Controller {
    async fn run(&mut self) {
        loop {
            let synced = self.nodes.is_synced() && self.leases.is_synced() && self.pods.is_synced();
            tokio::select! {
                biased;
                event = self.nodes.next() => match event {
                    Some(TypedEvent::Apply { new, .. }) => self.queue.mark(new.key.name),
                    Some(_) => {}
                    None => return,
                },
                event = self.leases.next() => match event {
                    // A renewal matters at once only to a node that was lost; else the timer looks.
                    Some(TypedEvent::Apply { new, .. }) if self.was_lost(&new.key.name) => {
                        self.queue.mark(new.key.name);
                    }
                    Some(_) => {}
                    None => return,
                },
                event = self.pods.next() => match event {
                    Some(TypedEvent::Apply { old: None, new }) => self.mark_node_of(&new),
                    Some(TypedEvent::Apply { old: Some(old), new }) => {
                        if node_of(&old.object) != node_of(&new.object) {
                            self.mark_node_of(&new);
                        }
                    }
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

    /// A pod that comes to a tainted node may have to leave it again.
    fn mark_node_of(&mut self, pod: &Typed<Pod>) {
        let Some(name) = node_of(&pod.object) else { return };
        let node = self.nodes.get(&ObjectKey::cluster(name));
        let tainted = node.is_some_and(|n| {
            n.object.spec.as_ref().is_some_and(|s| s.taints.as_ref().is_some_and(|t| !t.is_empty()))
        });
        if tainted {
            self.queue.mark(name.to_owned());
        }
    }

    fn was_lost(&self, node: &str) -> bool {
        let node = self.nodes.get(&ObjectKey::cluster(node));
        node.is_some_and(|node| ready_status(&node.object) == "Unknown")
    }

    async fn reconcile(&mut self, name: &str) -> Result<(), Status> {
        let key = ObjectKey::cluster(name);
        let Some(node) = self.nodes.get(&key).cloned() else { return Ok(()) };
        let now = (self.context.now)();
        let left_ms = lease_left_ms(self.heard_of_at(&node), now);
        let lost = left_ms <= 0;
        if lost && ready_status(&node.object) != "Unknown" {
            self.mark_unknown(&key, &node, now).await?;
            // The node's own event brings us back with the new state.
            return Ok(());
        }
        if !lost {
            let left_ms = u64::try_from(left_ms).unwrap_or(1);
            self.queue.mark_after(name.to_owned(), Duration::from_millis(left_ms));
        }
        self.write_taints(&key, &node, now).await?;
        self.end_pods_not_ready(name, &node, now).await?;
        self.evict(name, &node, now).await
    }

    fn heard_of_at(&self, node: &Typed<Node>) -> Timestamp {
        let lease = self.leases.get(&ObjectKey::new(LEASE_NAMESPACE, &node.key.name));
        let renewed = lease
            .and_then(|lease| lease.object.spec.as_ref()?.renew_time.as_ref().map(|t| t.0))
            .or_else(|| node.object.metadata.creation_timestamp.as_ref().map(|t| t.0))
            .unwrap_or(self.started);
        renewed.max(self.started)
    }

    async fn mark_unknown(
        &self,
        key: &ObjectKey,
        node: &Typed<Node>,
        now: Timestamp,
    ) -> Result<(), Status> {
        let now = time::seconds(now);
        let conditions: Vec<Value> = CONDITIONS
            .iter()
            .map(|kind| {
                json!({
                    "type": kind, "status": "Unknown", "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.", "lastTransitionTime": now,
                })
            })
            .collect();
        let patch = Patch::Strategic(json!({ "status": { "conditions": conditions } }));
        self.context.client.patch(&resource::NODES, key, Some("status"), patch).await?;
        let uid = node.object.metadata.uid.clone().unwrap_or_default();
        self.context.recorder.record(Record {
            involved: Involved::new("v1", "Node", key.clone(), uid),
            warning: false,
            reason: "NodeNotReady".to_owned(),
            message: format!("Node {} status is now: NodeNotReady", key.name),
            component: "node-controller".to_owned(),
            host: String::new(),
        });
        Ok(())
    }

    async fn write_taints(
        &self,
        key: &ObjectKey,
        node: &Typed<Node>,
        now: Timestamp,
    ) -> Result<(), Status> {
        let spec = node.object.spec.clone().unwrap_or_default();
        let current = spec.taints.unwrap_or_default();
        let cordoned = spec.unschedulable.unwrap_or_default();
        let wanted = taints(&current, ready_status(&node.object), cordoned, now);
        if wanted == current {
            return Ok(());
        }
        let mut object: Value = serde_json::from_slice(&node.json)
            .map_err(|error| Status::internal(error.to_string()))?;
        object["spec"]["taints"] = json!(wanted);
        match self.context.client.update(&resource::NODES, key, None, object).await {
            Err(status) if status.is_conflict() || status.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }

    fn pods_on<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Typed<Pod>> {
        self.pods.objects().values().filter(move |pod| node_of(&pod.object) == Some(node))
    }

    /// Nobody vouches for the pods of a lost node: they leave their Services.
    async fn end_pods_not_ready(
        &self,
        name: &str,
        node: &Typed<Node>,
        now: Timestamp,
    ) -> Result<(), Status> {
        if ready_status(&node.object) != "Unknown" {
            return Ok(());
        }
        for pod in self.pods_on(name) {
            let conditions = pod.object.status.iter().flat_map(|s| s.conditions.iter().flatten());
            let mut ready = conditions.into_iter().filter(|c| c.type_ == "Ready");
            if ready.next().is_none_or(|c| c.status != "True") {
                continue;
            }
            let patch = json!({ "status": { "conditions": [{
                "type": "Ready", "status": "False", "reason": "NodeLost",
                "message": format!("node {name} stopped answering"),
                "lastTransitionTime": time::seconds(now),
            }] } });
            let patch = Patch::Strategic(patch);
            let client = &self.context.client;
            match client.patch(&resource::PODS, &pod.key, Some("status"), patch).await {
                Err(status) if !status.is_not_found() => return Err(status),
                _ => {}
            }
        }
        Ok(())
    }

    /// Deletes pods that do not tolerate a NoExecute taint, or no longer.
    async fn evict(
        &mut self,
        name: &str,
        node: &Typed<Node>,
        now: Timestamp,
    ) -> Result<(), Status> {
        let taints: Vec<Taint> = node
            .object
            .spec
            .iter()
            .flat_map(|spec| spec.taints.iter().flatten())
            .filter(|taint| taint.effect == "NoExecute")
            .cloned()
            .collect();
        if taints.is_empty() {
            return Ok(());
        }
        let mut victims = Vec::new();
        let mut next_s: Option<i64> = None;
        for pod in self.pods_on(name) {
            let tolerations = pod.object.spec.as_ref().and_then(|s| s.tolerations.as_deref());
            let left = tolerated_s(&taints, tolerations.unwrap_or_default(), now);
            match left {
                Some(left) if left <= 0 => victims.push(pod.clone()),
                Some(left) => next_s = Some(next_s.map_or(left, |next| next.min(left))),
                None => {}
            }
        }
        if let Some(seconds) = next_s.and_then(|s| u64::try_from(s).ok()) {
            self.queue.mark_after(name.to_owned(), Duration::from_secs(seconds));
        }
        for pod in victims {
            if pod.object.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let options =
                DeleteOptions { uid: pod.object.metadata.uid.clone(), ..Default::default() };
            match self.context.client.delete(&resource::PODS, &pod.key, options).await {
                Err(status) if !status.is_not_found() && !status.is_conflict() => {
                    return Err(status);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Milliseconds until a node counts as lost; 0 or less: it is. Pure.
fn lease_left_ms(heard_of_at: Timestamp, now: Timestamp) -> i64 {
    GRACE_MS - (now.as_millisecond() - heard_of_at.as_millisecond())
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|name| !name.is_empty())
}

fn ready_status(node: &Node) -> &str {
    let conditions = node.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let mut ready = conditions.into_iter().filter(|c| c.type_ == "Ready");
    ready.next().map_or("", |c| c.status.as_str())
}

/// The node's taints as its state asks for; those of others stay. Pure.
fn taints(current: &[Taint], ready: &str, cordoned: bool, now: Timestamp) -> Vec<Taint> {
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    match ready {
        "False" => wanted.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
        "Unknown" => wanted.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        "True" => {}
        // Has not said yet: nothing may be placed on it.
        _ => wanted.push((NOT_READY, "NoSchedule")),
    }
    if cordoned {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    let ours =
        |taint: &Taint| [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&taint.key.as_str());
    let is =
        |taint: &Taint, (key, effect): (&str, &str)| taint.key == key && taint.effect == effect;
    let mut taints: Vec<Taint> = current
        .iter()
        .filter(|taint| !ours(taint) || wanted.iter().any(|w| is(taint, *w)))
        .cloned()
        .collect();
    for (key, effect) in wanted {
        if !taints.iter().any(|taint| is(taint, (key, effect))) {
            let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
            taints.push(Taint {
                key: key.to_owned(),
                effect: effect.to_owned(),
                time_added: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(second)),
                value: None,
            });
        }
    }
    taints
}

/// Seconds that a pod may stay: `None` for ever, 0 or less not any more. Pure.
fn tolerated_s(taints: &[Taint], tolerations: &[Toleration], now: Timestamp) -> Option<i64> {
    let mut shortest: Option<i64> = None;
    for taint in taints {
        let mut covering = tolerations.iter().filter(|t| covers(t, taint)).peekable();
        if covering.peek().is_none() {
            return Some(0);
        }
        let since = taint.time_added.as_ref().map_or(now, |time| time.0);
        // The shortest of the limits counts; a toleration without one adds none.
        for seconds in covering.filter_map(|t| t.toleration_seconds) {
            let left = seconds - (now.as_second() - since.as_second());
            shortest = Some(shortest.map_or(left, |s| s.min(left)));
        }
    }
    shortest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn keys(taints: &[Taint]) -> Vec<(&str, &str)> {
        taints.iter().map(|t| (t.key.as_str(), t.effect.as_str())).collect()
    }

    #[test]
    fn taints_follow_the_state_and_leave_those_of_others() {
        let other = Taint { key: "k".into(), effect: "NoSchedule".into(), ..Taint::default() };
        let lost = taints(std::slice::from_ref(&other), "Unknown", true, at(5));
        assert_eq!(
            keys(&lost),
            [
                ("k", "NoSchedule"),
                (UNREACHABLE, "NoSchedule"),
                (UNREACHABLE, "NoExecute"),
                (UNSCHEDULABLE, "NoSchedule"),
            ]
        );
        assert_eq!(taints(&lost, "Unknown", true, at(9)), lost);
        assert_eq!(taints(&lost, "True", false, at(9)), [other]);
    }

    /// Cut off right after it was heard of, a node keeps its pods in the endpoints for less than 40 seconds.
    #[test]
    fn a_silent_node_is_lost_early_enough_to_tell_the_others() {
        let heard: Timestamp = "2026-01-01T00:00:00.999Z".parse().unwrap();
        let after = |ms| heard + jiff::SignedDuration::from_millis(ms);
        assert_eq!(lease_left_ms(heard, after(37_999)), 1);
        assert_eq!(lease_left_ms(heard, after(38_000)), 0);
        assert!(lease_left_ms(heard, after(39_000)) < 0);
    }

    #[test]
    fn tolerations_run_out() {
        let taint = taints(&[], "Unknown", false, at(0));
        let taint: Vec<Taint> = taint.into_iter().filter(|t| t.effect == "NoExecute").collect();
        let toleration = |seconds| Toleration {
            key: Some(UNREACHABLE.into()),
            operator: Some("Exists".into()),
            effect: Some("NoExecute".into()),
            toleration_seconds: seconds,
            ..Toleration::default()
        };
        assert_eq!(tolerated_s(&taint, &[], at(1)), Some(0));
        assert_eq!(tolerated_s(&taint, &[toleration(None)], at(1000)), None);
        assert_eq!(tolerated_s(&taint, &[toleration(Some(300))], at(100)), Some(200));
        assert_eq!(tolerated_s(&taint, &[toleration(Some(300))], at(301)), Some(-1));
    }
}
