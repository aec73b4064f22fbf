//! A node introduces itself: its Node object is created or brought up to date, and it gets its part of
//! the pod range once and for all.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::Patch;

use crate::{Shared, node_status, pod_cidr};

/// Ensures the Node object and returns the node's pod ranges.
pub(crate) async fn register(
    shared: &Shared,
    node: &str,
    described: &[u8],
) -> Result<Vec<String>, Status> {
    let described: Value = serde_json::from_slice(described)
        .map_err(|error| Status::bad_request(format!("Hello.node is not a v1 Node: {error}")))?;
    let key = ObjectKey::cluster(node);
    let _one_at_a_time = shared.pod_cidrs.lock().await;
    let current = match shared.client.get(&resource::NODES, &key).await {
        Ok(stored) => serde_json::from_slice(&stored.json)
            .map_err(|error| Status::internal(format!("stored node cannot be decoded: {error}")))?,
        Err(status) if status.is_not_found() => {
            let object = new_node(node, &described);
            shared.client.create(&resource::NODES, "", object).await?
        }
        Err(status) => return Err(status),
    };
    let (pod_cidrs, patch) = update(shared, &current, &described).await?;
    if let Some(patch) = patch {
        shared.client.patch(&resource::NODES, &key, None, Patch::Merge(patch)).await?;
    }
    if let Some(status) = described.get("status") {
        node_status::write(shared, node, status.clone()).await?;
    }
    Ok(pod_cidrs)
}

fn new_node(name: &str, described: &Value) -> Value {
    let mut metadata = json!({ "name": name });
    for field in ["labels", "annotations"] {
        if let Some(value) = described.pointer(&format!("/metadata/{field}")) {
            metadata[field] = value.clone();
        }
    }
    let mut object =
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {} });
    if let Some(taints) = described.pointer("/spec/taints") {
        object["spec"]["taints"] = taints.clone();
    }
    object
}

/// The node's pod ranges, and what must be changed in its object: labels it brings, a missing range.
/// Labels that somebody else set are left alone.
async fn update(
    shared: &Shared,
    current: &Value,
    described: &Value,
) -> Result<(Vec<String>, Option<Value>), Status> {
    let mut patch = Map::new();
    let labels = described.pointer("/metadata/labels").and_then(Value::as_object);
    let differing: Map<String, Value> = labels
        .into_iter()
        .flatten()
        .filter(|(name, value)| current["metadata"]["labels"].get(name.as_str()) != Some(*value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !differing.is_empty() {
        patch.insert("metadata".into(), json!({ "labels": differing }));
    }
    let mut pod_cidrs = strings(current.pointer("/spec/podCIDRs"));
    if pod_cidrs.is_empty() {
        pod_cidrs = choose_pod_cidrs(shared).await?;
        patch.insert("spec".into(), json!({ "podCIDR": pod_cidrs[0], "podCIDRs": pod_cidrs }));
    }
    Ok((pod_cidrs, (!patch.is_empty()).then_some(Value::Object(patch))))
}

async fn choose_pod_cidrs(shared: &Shared) -> Result<Vec<String>, Status> {
    let mut used = BTreeSet::new();
    for stored in shared.client.list(&resource::NODES, None).await? {
        let node: Value = serde_json::from_slice(&stored.json).unwrap_or_default();
        used.extend(strings(node.pointer("/spec/podCIDRs")));
    }
    let choose = |range: &String| {
        let prefix_len = match range.contains(':') {
            true => shared.config.node_prefix_len_ipv6,
            false => shared.config.node_prefix_len,
        };
        pod_cidr::lowest_free(range, prefix_len, &used).ok_or_else(|| {
            Status::internal(format!(
                "no /{prefix_len} is left in the pod range {range}: every one belongs to a node; delete \
                 nodes that are gone or start the server with a larger range"
            ))
        })
    };
    shared.config.cluster.pod_cidrs.iter().map(choose).collect()
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
