//! A node introduces itself: its Node object is created or brought up to date, and it gets its part of
//! the pod range once and for all.

use serde_json::{Map, Value, json};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Involved, Patch, Record};

use crate::{Caller, Shared, membership, node_status, report};

/// What a node says of itself; others are not its to change.
const NODES_OWN_ANNOTATIONS: [&str; 1] = ["sheave.io/pod-network"];

/// Labels that say what the machine is: always as the node says. Others that it brings, as with
/// `--node-label`, are written when it registers first, and are whoever's is to change them from then on.
const NODES_OWN_LABELS: [&str; 3] =
    ["kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"];

/// Ensures the Node object and returns the node's pod ranges.
///
/// # Errors
/// 403 for a node that was removed; it would be back with its next connection otherwise.
pub(crate) async fn register(
    shared: &Shared,
    caller: &Caller,
    described: &[u8],
) -> Result<Vec<String>, Status> {
    let node = caller.node.as_str();
    let described: Value = serde_json::from_slice(described)
        .map_err(|error| Status::bad_request(format!("Hello.node is not a v1 Node: {error}")))?;
    let key = ObjectKey::cluster(node);
    let current = match membership::require_member(shared, caller).await? {
        Value::Null => {
            let object = new_node(node, &described);
            shared.client.create(&resource::NODES, "", object).await?
        }
        current => current,
    };
    let (pod_cidrs, patch) = update(shared, &current, &described, caller.key.as_deref()).await?;
    if let Some(patch) = patch {
        shared.client.patch(&resource::NODES, &key, None, Patch::Merge(patch)).await?;
    }
    // Before the status: one of a node that nobody has heard of for long counts for nothing.
    report::renew_lease(shared, node).await?;
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

/// The node's pod ranges, and what must be changed in its object: a missing range, the key that it has now, and
/// of the labels and annotations that it brings those that are its own, or at first all labels.
async fn update(
    shared: &Shared,
    current: &Value,
    described: &Value,
    certificate_key: Option<&str>,
) -> Result<(Vec<String>, Option<Value>), Status> {
    let mut pod_cidrs = strings(current.pointer("/spec/podCIDRs"));
    // A machine that joins has a Node before it has said anything of itself, and a range when it has.
    let is_registered = !pod_cidrs.is_empty();
    let mut metadata = Map::new();
    let mut labels = differing(current, described, "labels");
    if is_registered {
        labels.retain(|name, _| NODES_OWN_LABELS.contains(&name.as_str()));
    }
    if !labels.is_empty() {
        metadata.insert("labels".into(), Value::Object(labels));
    }
    let mut annotations = differing(current, described, "annotations");
    annotations.retain(|name, _| NODES_OWN_ANNOTATIONS.contains(&name.as_str()));
    if let Some(recorded) = membership::recorded(current, certificate_key) {
        annotations.extend(recorded.as_object().cloned().unwrap_or_default());
    }
    if !annotations.is_empty() {
        metadata.insert("annotations".into(), Value::Object(annotations));
    }
    let mut patch = Map::new();
    if !metadata.is_empty() {
        patch.insert("metadata".into(), Value::Object(metadata));
    }
    if !is_registered {
        pod_cidrs = choose_pod_cidrs(shared, current).await?;
        patch.insert("spec".into(), json!({ "podCIDR": pod_cidrs[0], "podCIDRs": pod_cidrs }));
    }
    Ok((pod_cidrs, (!patch.is_empty()).then_some(Value::Object(patch))))
}

/// What the node brings of a part of its metadata and its object lacks, or has otherwise.
fn differing(current: &Value, described: &Value, field: &str) -> Map<String, Value> {
    let brought = described["metadata"][field].as_object().into_iter().flatten();
    let is_new = |(name, value): &(&String, &Value)| {
        current["metadata"][field].get(name.as_str()) != Some(*value)
    };
    brought.filter(is_new).map(|(name, value)| (name.clone(), value.clone())).collect()
}

async fn choose_pod_cidrs(shared: &Shared, node: &Value) -> Result<Vec<String>, Status> {
    // What other nodes have is known once all objects have been seen.
    let mut known = shared.state.subscribe();
    if known.wait_for(|generation| *generation > 0).await.is_err() {
        return Err(Status::new(503, "ServiceUnavailable", "the server stops"));
    }
    let text = |path: &str| node.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (uid, name) = (text("/metadata/uid"), text("/metadata/name"));
    let chosen = shared.pod_cidrs.lock().of_node(uid, name);
    chosen.map_err(|exhausted| {
        shared.recorder.record(Record {
            involved: Involved::new("v1", "Node", ObjectKey::cluster(name), uid.to_owned()),
            warning: true,
            reason: "CIDRNotAvailable".to_owned(),
            message: exhausted.to_string(),
            component: "sheave-server".to_owned(),
            host: name.to_owned(),
        });
        Status::internal(exhausted.to_string())
    })
}

pub(crate) fn strings(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
