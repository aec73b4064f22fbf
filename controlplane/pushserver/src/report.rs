//! What a node reports, written through the client: its status and lease, its pods' status, pods that
//! have ended, events.
//!
//! A node may only speak of itself and of the pods bound to it; what it says of others is refused.

use bytes::Bytes;
use serde_json::{Value, json};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{DeleteOptions, Involved, Patch, Record};
use sheave_push::v1::{self, agent_message};

use crate::{Shared, node_status};

const LEASE_NAMESPACE: &str = "kube-node-lease";
/// Without a renewal for so long, the node counts as lost.
const LEASE_DURATION_S: u32 = 40;
/// A status write that keeps meeting newer objects is given up; the node will report again.
const CONFLICT_RETRIES_MAX: usize = 8;

/// Carries out one message.
pub(crate) async fn take(
    shared: &Shared,
    node: &str,
    kind: agent_message::Kind,
) -> Result<(), Status> {
    match kind {
        agent_message::Kind::Hello(_) => Err(Status::bad_request("Hello may only be sent once")),
        // Acknowledgements are the stream's own matter.
        agent_message::Kind::Ack(_) => Ok(()),
        agent_message::Kind::NodeStatus(status) => {
            match node_status::write(shared, node, json_value(&status)?).await {
                // Removed: what it says of itself is nobody's business any more, unlike the ends of its pods.
                Err(status) if status.is_not_found() => Ok(()),
                written => written,
            }
        }
        agent_message::Kind::PodStatus(report) => pod_status(shared, node, report).await,
        agent_message::Kind::PodEnded(report) => pod_ended(shared, node, report).await,
        agent_message::Kind::Event(event) => {
            record(shared, node, event);
            Ok(())
        }
        agent_message::Kind::Heartbeat(_) => renew_lease(shared, node).await,
    }
}

async fn pod_status(shared: &Shared, node: &str, report: v1::PodStatus) -> Result<(), Status> {
    let key = pod_key(shared, node, report.pod, &report.uid)?;
    let reported = json_value(&report.status)?;
    for _ in 0..CONFLICT_RETRIES_MAX {
        let stored = match shared.client.get(&resource::PODS, &key).await {
            // Deleted meanwhile: nobody is left to whom the status matters.
            Err(status) if status.is_not_found() => return Ok(()),
            stored => stored?,
        };
        let mut pod = json_value(&stored.json)?;
        if pod["metadata"]["uid"].as_str() != Some(&report.uid) {
            return Ok(());
        }
        pod["status"] = merge_status(&pod["status"], reported.clone());
        match shared.client.update(&resource::PODS, &key, Some("status"), pod).await {
            Err(status) if status.is_conflict() => {}
            Err(status) if status.is_not_found() => return Ok(()),
            written => return written.map(drop),
        }
    }
    Err(Status::conflict(&resource::PODS, &key.name, "its status kept changing"))
}

/// Conditions that the node's agent owns; all others belong to the control plane or to other clients.
const AGENT_CONDITIONS: [&str; 5] = [
    "PodReadyToStartContainers",
    "Initialized",
    "ContainersReady",
    "Ready",
    "AllContainersRestarting",
];

/// The node's report, with the conditions of others kept.
fn merge_status(current: &Value, mut reported: Value) -> Value {
    let of = |status: &Value| status["conditions"].as_array().cloned().unwrap_or_default();
    let agents = |condition: &Value| {
        condition["type"].as_str().is_some_and(|name| AGENT_CONDITIONS.contains(&name))
    };
    let mut conditions: Vec<Value> = of(&reported).into_iter().filter(agents).collect();
    conditions.extend(of(current).into_iter().filter(|c| !agents(c)));
    reported["conditions"] = Value::from(conditions);
    for field in ["qosClass", "nominatedNodeName", "resourceClaimStatuses"] {
        if reported.get(field).is_none()
            && let Some(value) = current.get(field)
        {
            reported[field] = value.clone();
        }
    }
    reported
}

async fn pod_ended(shared: &Shared, node: &str, report: v1::PodEnded) -> Result<(), Status> {
    let key = pod_key(shared, node, report.pod, &report.uid)?;
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        uid: Some(report.uid),
        ..DeleteOptions::default()
    };
    match shared.client.delete(&resource::PODS, &key, options).await {
        // Already gone, or its name belongs to another pod now.
        Err(status) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => result,
    }
}

fn record(shared: &Shared, node: &str, event: v1::Event) {
    let key = event.object.unwrap_or_default();
    let about_node = event.kind == "Node";
    let involved = Involved {
        api_version: "v1".to_owned(),
        key: if about_node {
            ObjectKey::cluster(node)
        } else {
            ObjectKey::new(key.namespace, key.name)
        },
        kind: event.kind,
        uid: event.uid,
        field_path: event.field_path,
    };
    if !about_node && !shared.state.is_on_node(&involved.key, &involved.uid, node) {
        tracing::debug!(node, pod = %involved.key, "event about a pod that is not on the node");
        return;
    }
    shared.recorder.record(Record {
        involved,
        warning: event.warning,
        reason: event.reason,
        message: event.message,
        component: event.component,
        host: node.to_owned(),
    });
}

/// The node is there.
pub(crate) async fn renew_lease(shared: &Shared, node: &str) -> Result<(), Status> {
    match shared.client.get(&resource::NODES, &ObjectKey::cluster(node)).await {
        // Removed: nobody waits for it.
        Err(status) if status.is_not_found() => return Ok(()),
        found => drop(found?),
    }
    let key = ObjectKey::new(LEASE_NAMESPACE, node);
    let now = (shared.config.now)();
    let patch = Patch::Merge(json!({ "spec": { "renewTime": now } }));
    match shared.client.patch(&resource::LEASES, &key, None, patch).await {
        Err(status) if status.is_not_found() => {
            let lease = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": { "name": node, "namespace": LEASE_NAMESPACE },
                "spec": {
                    "holderIdentity": node, "leaseDurationSeconds": LEASE_DURATION_S,
                    "renewTime": now,
                },
            });
            shared.client.create(&resource::LEASES, LEASE_NAMESPACE, lease).await.map(drop)
        }
        result => result.map(drop),
    }
}

/// The pod a report is about, if it is this node's.
fn pod_key(
    shared: &Shared,
    node: &str,
    key: Option<v1::ObjectKey>,
    uid: &str,
) -> Result<ObjectKey, Status> {
    let key = key.unwrap_or_default();
    let key = ObjectKey::new(key.namespace, key.name);
    if shared.state.is_on_node(&key, uid, node) {
        Ok(key)
    } else {
        Err(Status::forbidden(format!("pod {key} with uid {uid} is not on node \"{node}\"")))
    }
}

fn json_value(bytes: &Bytes) -> Result<Value, Status> {
    serde_json::from_slice(bytes).map_err(|error| Status::bad_request(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_others_survive_a_report() {
        let current = json!({
            "qosClass": "BestEffort",
            "conditions": [
                { "type": "PodScheduled", "status": "True" },
                { "type": "Ready", "status": "False" },
                { "type": "example.com/gate", "status": "True" },
            ],
        });
        let reported = json!({
            "phase": "Running",
            "conditions": [
                { "type": "Ready", "status": "True" },
                { "type": "PodScheduled", "status": "False" },
            ],
        });
        let merged = merge_status(&current, reported);
        let seen: Vec<_> = merged["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| (c["type"].as_str().unwrap(), c["status"].as_str().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [("Ready", "True"), ("PodScheduled", "True"), ("example.com/gate", "True")]
        );
        assert_eq!(merged["phase"], "Running");
        assert_eq!(merged["qosClass"], "BestEffort");
    }
}
