//! A node's status as it reports it, with the times at which its conditions really changed.
//!
//! The node does not know what the control plane wrote while it was away (`Unknown`, when its lease ran
//! out), so the time of a transition is decided here, from the object there is.

use serde_json::{Value, json};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::Patch;

use crate::Shared;

/// Writes a reported `v1.NodeStatus`.
pub(crate) async fn write(shared: &Shared, node: &str, reported: Value) -> Result<(), Status> {
    let key = ObjectKey::cluster(node);
    let stored = shared.client.get(&resource::NODES, &key).await?;
    let current: Value = serde_json::from_slice(&stored.json)
        .map_err(|error| Status::internal(format!("stored node cannot be decoded: {error}")))?;
    let status = with_transition_times(&current["status"], reported, &(shared.config.now_s)());
    let patch = Patch::Strategic(patch(status));
    shared.client.patch(&resource::NODES, &key, Some("status"), patch).await.map(drop)
}

/// Addresses are told apart by their type where patches are merged, of which a node with two families has two
/// alike: the list is replaced as a whole, as other kubelets have it.
fn patch(mut status: Value) -> Value {
    if let Some(addresses) = status.get_mut("addresses").and_then(Value::as_array_mut) {
        addresses.insert(0, json!({ "$patch": "replace" }));
    }
    json!({ "status": status })
}

/// A condition whose status stays keeps its time; one whose status changes against the object there is
/// changed now.
fn with_transition_times(current: &Value, mut reported: Value, now: &str) -> Value {
    let conditions = reported.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let known = current["conditions"].as_array().into_iter().flatten();
        let Some(known) = known.into_iter().find(|k| k["type"] == condition["type"]) else {
            continue;
        };
        condition["lastTransitionTime"] = if known["status"] == condition["status"] {
            known["lastTransitionTime"].clone()
        } else {
            json!(now)
        };
    }
    reported
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(current: Value, reported: &str) -> Value {
        let reported = json!({ "conditions": [
            { "type": "Ready", "status": reported, "lastTransitionTime": "reported" }] });
        with_transition_times(&current, reported, "now")["conditions"][0]["lastTransitionTime"]
            .clone()
    }

    #[test]
    fn a_node_keeps_the_addresses_of_both_families_however_often_it_reports() {
        let node = sheave_api::schema::of("", "v1", "Node").unwrap();
        let address = |family| json!({ "type": "InternalIP", "address": family });
        let both = json!([address("192.0.2.1"), address("2001:db8::1")]);
        let mut object = json!({ "status": { "capacity": { "cpu": "2" } } });
        for _ in 0..2 {
            let patch = patch(json!({ "addresses": both }));
            object = sheave_api::patch::strategic(&object, &patch, node).unwrap();
            assert_eq!(object["status"]["addresses"], both);
        }
        assert_eq!(object["status"]["capacity"]["cpu"], "2");
        let other = patch(json!({ "phase": "Running" }));
        assert_eq!(
            other,
            json!({ "status": { "phase": "Running" } }),
            "what is not reported stays"
        );
    }

    #[test]
    fn a_node_that_was_away_becomes_ready_now() {
        let unknown = json!({ "conditions": [
            { "type": "Ready", "status": "Unknown", "lastTransitionTime": "lost" }] });
        assert_eq!(time(unknown.clone(), "True"), "now");
        assert_eq!(time(unknown, "Unknown"), "lost");
        assert_eq!(time(json!({}), "True"), "reported");
    }
}
