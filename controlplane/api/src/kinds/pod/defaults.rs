//! What Kubernetes fills into a pod spec that the client left out.
//!
//! [`template`] is for every pod spec, also inside a Deployment; [`pod`] adds what only a Pod gets.

use serde_json::{Value, json};

use super::super::rules::{empty, fill, fill_zero, list_mut, text};
use super::containers_mut;
use crate::{meta, quantity};

/// `rw-r--r--`, the mode of files in volumes.
const FILE_MODE: i64 = 0o644;
/// How long a pod stays on a node that is lost, unless it says otherwise.
const TOLERATION_SECONDS: i64 = 300;

/// Defaults of any pod spec.
pub(crate) fn template(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    fill_zero(spec, "dnsPolicy", "ClusterFirst");
    fill_zero(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", empty());
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill_zero(spec, "schedulerName", "default-scheduler");
    service_account_alias(spec);
    for volume in list_mut(spec.get_mut("volumes")) {
        fill_volume(volume);
    }
    for container in containers_mut(spec) {
        fill_container(container);
    }
}

/// Defaults of a Pod's spec, after [`template`].
pub(super) fn pod(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    fill(spec, "enableServiceLinks", true);
    fill_zero(spec, "serviceAccountName", "default");
    service_account_alias(spec);
    let priority = match text(&spec["priorityClassName"]) {
        "system-cluster-critical" => 2_000_000_000,
        "system-node-critical" => 2_000_001_000,
        _ => 0,
    };
    fill(spec, "priority", priority);
    fill_zero(spec, "preemptionPolicy", "PreemptLowerPriority");
    for condition in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        tolerate_for_a_while(spec, condition);
    }
    let host_network = spec["hostNetwork"] == true;
    for container in containers_mut(spec) {
        requests_from_limits(container);
        if host_network {
            for port in list_mut(container.get_mut("ports")) {
                let number = port["containerPort"].clone();
                fill_zero(port, "hostPort", number);
            }
        }
    }
}

/// `serviceAccount` is an old name of `serviceAccountName`: each is the other if only one is there.
fn service_account_alias(spec: &mut Value) {
    let (name, alias) = ("serviceAccountName", "serviceAccount");
    let given = if text(&spec[name]).is_empty() { &spec[alias] } else { &spec[name] };
    if !text(given).is_empty() {
        let given = given.clone();
        spec[name] = given.clone();
        spec[alias] = given;
    }
}

fn fill_container(container: &mut Value) {
    let is_latest = {
        let image = text(&container["image"]);
        // A colon before the last slash is a registry's port; a digest pins the image like a tag.
        let name = image.rsplit('/').next().unwrap_or(image);
        !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
    };
    let policy = if is_latest { "Always" } else { "IfNotPresent" };
    fill_zero(container, "imagePullPolicy", policy);
    fill_zero(container, "terminationMessagePath", "/dev/termination-log");
    fill_zero(container, "terminationMessagePolicy", "File");
    fill(container, "resources", empty());
    for list in ["limits", "requests"] {
        if let Some(resources) = container["resources"].get_mut(list) {
            quantity::canonicalize(resources);
        }
    }
    for port in list_mut(container.get_mut("ports")) {
        fill_zero(port, "protocol", "TCP");
    }
    for variable in list_mut(container.get_mut("env")) {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            fill_zero(field, "apiVersion", "v1");
        }
        if let Some(field) = variable.pointer_mut("/valueFrom/resourceFieldRef") {
            fill_zero(field, "divisor", "0");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            fill_zero(probe, "timeoutSeconds", 1);
            fill_zero(probe, "periodSeconds", 10);
            fill_zero(probe, "successThreshold", 1);
            fill_zero(probe, "failureThreshold", 3);
            fill_action(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = container.pointer_mut(&format!("/lifecycle/{hook}")) {
            fill_action(hook);
        }
    }
}

/// The action of a probe or hook.
fn fill_action(action: &mut Value) {
    if let Some(http) = action.get_mut("httpGet").filter(|http| http.is_object()) {
        fill_zero(http, "path", "/");
        fill_zero(http, "scheme", "HTTP");
    }
    if let Some(grpc) = action.get_mut("grpc").filter(|grpc| grpc.is_object()) {
        fill(grpc, "service", "");
    }
}

/// Sources whose files have a mode.
const FILE_SOURCES: [&str; 4] = ["configMap", "downwardAPI", "projected", "secret"];

fn fill_volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.keys().all(|field| field == "name")) {
        volume["emptyDir"] = empty();
    }
    for source in FILE_SOURCES {
        if let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) {
            fill(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        fill(path, "type", "");
    }
    if let Some(limit) = volume.pointer_mut("/emptyDir/sizeLimit")
        && let Some(quantity) = quantity::Quantity::of(limit)
    {
        *limit = Value::from(quantity.to_string());
    }
    for item in list_mut(volume.pointer_mut("/downwardAPI/items")) {
        fill_downward_item(item);
    }
    for source in list_mut(volume.pointer_mut("/projected/sources")) {
        for item in list_mut(source.pointer_mut("/downwardAPI/items")) {
            fill_downward_item(item);
        }
        if let Some(token) = source.get_mut("serviceAccountToken") {
            fill_zero(token, "expirationSeconds", 3600);
        }
    }
}

fn fill_downward_item(item: &mut Value) {
    if let Some(field) = item.get_mut("fieldRef") {
        fill_zero(field, "apiVersion", "v1");
    }
    if let Some(field) = item.get_mut("resourceFieldRef") {
        fill_zero(field, "divisor", "0");
    }
}

/// A limit without a request is also the request.
fn requests_from_limits(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else { return };
    let resources = &mut container["resources"];
    fill(resources, "requests", empty());
    for (name, limit) in limits {
        fill(&mut resources["requests"], &name, limit);
    }
}

/// Tolerates a lost node for a while, unless the pod says something about that condition itself.
fn tolerate_for_a_while(spec: &mut Value, condition: &str) {
    let tolerated = meta::list(&spec["tolerations"]).iter().any(|toleration| {
        let (key, effect) = (text(&toleration["key"]), text(&toleration["effect"]));
        (key == condition || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
    });
    if tolerated {
        return;
    }
    fill(spec, "tolerations", json!([]));
    if let Some(tolerations) = spec["tolerations"].as_array_mut() {
        tolerations.push(json!({
            "key": condition,
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": TOLERATION_SECONDS,
        }));
    }
}
