//! Pods: defaults, first status, rules, and what makes them different from other objects (binding, grace
//! periods). The rules of a pod spec also serve the templates of Deployments and ReplicaSets.

mod actions;
mod containers;
mod defaults;
mod environment;
pub mod qos;
mod resources;
mod scheduling;
mod spec;
mod update;
mod volumes;

use std::borrow::Cow;

use serde_json::{Value, json};

pub(crate) use defaults::template as default_template;
pub(crate) use resources::validate_amount;
pub(crate) use spec::{Owner, validate_spec};

use super::rules::{fill_zero, one_of, remove, text};
use super::strategy::plain_field;
use super::{Context, Strategy};
use crate::field::Path;
use crate::{FieldErrors, GroupResource, Status, meta, time};

/// Type of the condition of a pod whose endpoints every node has had in effect.
pub const ENDPOINTS_LIVE: &str = "sheave.io/EndpointsLive";

/// Rules of pods.
pub(super) struct Pod;

impl Strategy for Pod {
    fn default(&self, pod: &mut Value) {
        defaults::template(&mut pod["spec"]);
        defaults::pod(&mut pod["spec"]);
    }

    fn prepare_create(&self, pod: &mut Value, _: &Context) {
        let mut status = json!({ "phase": "Pending", "qosClass": qos::class(&pod["spec"]) });
        if !meta::list(&pod["spec"]["schedulingGates"]).is_empty() {
            status["conditions"] = json!([{
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }]);
        }
        pod["status"] = status;
    }

    fn prepare_status_update(&self, new: &mut Value, old: &Value, _: &Context) {
        if !new["status"].is_object() {
            new["status"] = json!({});
        }
        fill_zero(&mut new["status"], "qosClass", old["status"]["qosClass"].clone());
    }

    fn validate(&self, pod: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        validate_spec(&pod["spec"], Owner::Pod, &Path::root("spec"), &mut errors);
        validate_annotations(pod, &Path::root("metadata"), &mut errors);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> FieldErrors {
        update::validate(new, old)
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> FieldErrors {
        let mut errors = FieldErrors::new();
        let (new, old) = (&new["status"]["qosClass"], &old["status"]["qosClass"]);
        if !old.is_null() && new != old {
            let path = Path::root("status").child("qosClass");
            errors.invalid(&path, new.clone(), "field is immutable");
        }
        errors
    }

    fn grace_period_seconds(&self, pod: &Value, requested: Option<i64>) -> i64 {
        let spec = &pod["spec"];
        if text(&spec["nodeName"]).is_empty() || is_finished(pod) {
            return 0;
        }
        let seconds = requested.or_else(|| spec["terminationGracePeriodSeconds"].as_i64());
        match seconds.unwrap_or(0) {
            ..0 => 1,
            seconds => seconds,
        }
    }

    fn field_labels(&self) -> &'static [&'static str] {
        &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ]
    }

    fn field_value<'a>(&self, pod: &'a Value, field: &str) -> Cow<'a, str> {
        match field {
            "spec.hostNetwork" => Cow::Owned((pod["spec"]["hostNetwork"] == true).to_string()),
            "status.podIP" | "status.podIPs" => {
                let first = meta::list(&pod["status"]["podIPs"]).first();
                Cow::Borrowed(first.map_or(text(&pod["status"]["podIP"]), |ip| text(&ip["ip"])))
            }
            _ => plain_field(pod, field),
        }
    }
}

/// Annotations that nodes act on, of a pod or a template.
pub(super) fn validate_annotations(pod: &Value, metadata: &Path, errors: &mut FieldErrors) {
    const SOCKET_HOOKS: &str = "sheave.io/socket-hooks";
    let value = &pod["metadata"]["annotations"][SOCKET_HOOKS];
    one_of(value, &["off", "on"], &metadata.child("annotations").key(SOCKET_HOOKS), errors);
}

/// True once all containers ended for good: phase Succeeded or Failed.
pub fn is_finished(pod: &Value) -> bool {
    matches!(text(&pod["status"]["phase"]), "Succeeded" | "Failed")
}

/// Assigns a pod to the node that a `v1.Binding` names. Refused with 409 if the pod has a node, goes away or
/// is gated.
pub fn bind(pod: &mut Value, binding: &Value, context: &Context) -> Result<(), Status> {
    let target = &binding["target"];
    let node = text(&target["name"]);
    let mut errors = FieldErrors::new();
    if !matches!(text(&target["kind"]), "" | "Node") {
        let path = Path::root("target").child("kind");
        errors.not_supported(&path, target["kind"].clone(), &["Node", "<empty>"]);
    }
    if node.is_empty() {
        errors.required(&Path::root("target").child("name"), "");
    }
    let name = meta::name(pod).to_owned();
    if !errors.is_empty() {
        return Err(errors.into_status("", "Binding", &name));
    }
    let assigned = text(&pod["spec"]["nodeName"]);
    let refusal = if meta::is_terminating(pod) {
        Some(format!("pod {name} is being deleted, cannot be assigned to a host"))
    } else if !assigned.is_empty() {
        Some(format!("pod {name} is already assigned to node \"{assigned}\""))
    } else if !meta::list(&pod["spec"]["schedulingGates"]).is_empty() {
        Some(format!("pod {name} has non-empty .spec.schedulingGates"))
    } else {
        None
    };
    if let Some(refusal) = refusal {
        let pods_binding: GroupResource = GroupResource::of("", "pods/binding");
        return Err(Status::conflict(&pods_binding, &name, &refusal));
    }
    pod["spec"]["nodeName"] = Value::from(node);
    for map in ["annotations", "labels"] {
        for (key, value) in binding["metadata"][map].as_object().into_iter().flatten() {
            match map {
                "labels" => meta::set_label(pod, key, text(value)),
                _ => meta::set_annotation(pod, key, text(value)),
            }
        }
    }
    set_scheduled(pod, context);
    Ok(())
}

/// The `PodScheduled` condition turns true, and the nomination has served.
fn set_scheduled(pod: &mut Value, context: &Context) {
    let status = &mut pod["status"];
    remove(status, "nominatedNodeName");
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let conditions = status["conditions"].as_array_mut().expect("made an array just above");
    conditions.retain(|condition| condition["type"] != "PodScheduled");
    conditions.push(json!({
        "type": "PodScheduled",
        "status": "True",
        "lastTransitionTime": time::seconds(context.now),
    }));
}

/// Every container of a pod spec with the list it is in and its place there, init containers first.
pub(super) fn containers(spec: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    ["initContainers", "containers"].into_iter().flat_map(|list| {
        meta::list(&spec[list]).iter().enumerate().map(move |(index, item)| (list, index, item))
    })
}

/// Every container of a pod spec, to change it.
fn containers_mut(spec: &mut Value) -> impl Iterator<Item = &mut Value> {
    let fields = spec.as_object_mut().into_iter().flat_map(|fields| fields.iter_mut());
    fields
        .filter(|(field, _)| matches!(field.as_str(), "containers" | "initContainers"))
        .filter_map(|(_, list)| list.as_array_mut())
        .flatten()
        .filter(|container| container.is_object())
}
