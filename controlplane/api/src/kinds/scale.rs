//! The `scale` subresource: `autoscaling/v1 Scale` out of an object, and back into it.

use serde_json::{Value, json};

use super::Kind;
use super::rules::non_negative;
use crate::field::Path;
use crate::{FieldErrors, Status, meta};

/// The Scale of an object; `None` if its kind has none.
pub fn of(kind: &Kind, object: &Value) -> Option<Value> {
    let scale = kind.strategy.scale(object)?;
    let metadata = &object["metadata"];
    Some(json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": { "replicas": scale.replicas },
        "status": { "replicas": scale.observed_replicas, "selector": scale.selector },
    }))
}

/// `object` with the replicas, and the resourceVersion if there is one, of a Scale that a client sent.
pub fn applied(object: &Value, scale: &Value) -> Result<Value, Status> {
    let name = meta::name(object);
    let given = meta::name(scale);
    if !given.is_empty() && given != name {
        return Err(Status::bad_request(format!(
            "the name of the object ({given}) does not match the name on the URL ({name})"
        )));
    }
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
    let mut errors = FieldErrors::new();
    non_negative(&json!(replicas), &Path::root("spec").child("replicas"), &mut errors);
    if !errors.is_empty() {
        return Err(errors.into_status("autoscaling", "Scale", name));
    }
    let mut scaled = object.clone();
    scaled["spec"]["replicas"] = json!(replicas);
    let revision = meta::resource_version(scale);
    if !revision.is_empty() {
        meta::set(&mut scaled, "resourceVersion", revision);
    }
    Ok(scaled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_kind;

    #[test]
    fn scale_goes_both_ways() {
        let kind = by_kind("apps/v1", "Deployment").unwrap();
        let object = json!({
            "metadata": { "name": "web", "namespace": "default", "resourceVersion": "7" },
            "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } } },
            "status": { "replicas": 1 },
        });
        let mut scale = of(kind, &object).unwrap();
        assert_eq!(scale["spec"]["replicas"], 2);
        assert_eq!(scale["status"], json!({ "replicas": 1, "selector": "app=web" }));
        scale["spec"]["replicas"] = json!(5);
        assert_eq!(applied(&object, &scale).unwrap()["spec"]["replicas"], 5);
        scale["spec"]["replicas"] = json!(-1);
        assert_eq!(
            applied(&object, &scale).unwrap_err().message,
            "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater \
             than or equal to 0"
        );
    }
}
