//! A daemon: the node it is meant for, what it puts up with there, and the template it is of. Pure.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Pod, PodSpec, Toleration};
use serde::Deserialize;
use serde_json::{Value, json};
use sheave_api::ObjectKey;

use crate::controller_reference;
use crate::pod::PodFacts;

/// Holds the hash of the revision whose template the pod was made from.
pub(super) const HASH_LABEL: &str = "controller-revision-hash";
/// What every daemon puts up with: it belongs to the node in bad times too.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];
const NETWORK_UNAVAILABLE: (&str, &str) = ("node.kubernetes.io/network-unavailable", "NoSchedule");

/// A pod, and the node it is on or meant for.
#[derive(Debug, Deserialize)]
#[serde(from = "Pod")]
pub(super) struct DaemonPod {
    pub(super) node: String,
    pub(super) facts: Arc<PodFacts>,
}

impl From<Pod> for DaemonPod {
    fn from(pod: Pod) -> Self {
        let spec = pod.spec.as_ref();
        let bound = spec.and_then(|spec| spec.node_name.clone()).filter(|name| !name.is_empty());
        let meant = || {
            let affinity = spec?.affinity.as_ref()?.node_affinity.as_ref()?;
            let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
            let fields = required.node_selector_terms.first()?.match_fields.as_ref()?;
            let by_name = fields.iter().find(|field| field.key == "metadata.name")?;
            by_name.values.as_ref()?.first().cloned()
        };
        Self { node: bound.or_else(meant).unwrap_or_default(), facts: Arc::new(pod.into()) }
    }
}

/// The spec of a template, with what every daemon tolerates.
pub(super) fn with_tolerations(mut spec: PodSpec) -> PodSpec {
    let on_host = spec.host_network == Some(true);
    let more = TOLERATED.into_iter().chain(on_host.then_some(NETWORK_UNAVAILABLE));
    let tolerations = spec.tolerations.get_or_insert_default();
    for (key, effect) in more {
        tolerations.push(Toleration {
            key: Some(key.to_owned()),
            operator: Some("Exists".to_owned()),
            effect: Some(effect.to_owned()),
            ..Toleration::default()
        });
    }
    spec
}

/// A new pod for a node.
pub(super) fn pod_of(set: &DaemonSet, key: &ObjectKey, hash: &str, node: &str) -> Value {
    let template = set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let spec = with_tolerations(template.spec.clone().unwrap_or_default());
    let template = serde_json::to_value(&template).unwrap_or_default();
    let mut metadata = template["metadata"].as_object().cloned().unwrap_or_default();
    metadata.remove("name");
    metadata.remove("creationTimestamp");
    metadata.insert("namespace".to_owned(), key.namespace.clone().into());
    metadata.insert("generateName".to_owned(), format!("{}-", key.name).into());
    let uid = set.metadata.uid.as_deref().unwrap_or_default();
    let reference = controller_reference("apps/v1", "DaemonSet", &key.name, uid);
    metadata.insert("ownerReferences".to_owned(), json!([reference]));
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": serde_json::to_value(spec).unwrap_or_default(),
    });
    pod["metadata"]["labels"][HASH_LABEL] = json!(hash);
    // In place of what the template asks for, which the node meets.
    pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
        "nodeSelectorTerms": [{ "matchFields": [
            { "key": "metadata.name", "operator": "In", "values": [node] }] }],
    });
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_meant_for_its_node() {
        let template =
            json!({ "metadata": { "labels": { "app": "d" } }, "spec": { "containers": [] } });
        let spec = json!({ "selector": {}, "template": template });
        let set: DaemonSet = serde_json::from_value(json!({ "spec": spec })).unwrap();
        let pod = pod_of(&set, &ObjectKey::new("default", "d"), "new", "a");
        assert_eq!(pod["metadata"]["labels"], json!({ "app": "d", HASH_LABEL: "new" }));
        let affinity = &pod["spec"]["affinity"]["nodeAffinity"];
        let required = &affinity["requiredDuringSchedulingIgnoredDuringExecution"];
        let field = &required["nodeSelectorTerms"][0]["matchFields"][0];
        assert_eq!(field["values"], json!(["a"]));
        assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), TOLERATED.len());
    }
}
