//! Follows the objects that nodes act on and keeps the state current.
//!
//! Objects are decoded when they change and only the encoded form is kept.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, PodSpec, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use sheave_api::kinds::pod::ENDPOINTS_LIVE;
use sheave_api::{GroupResource, ObjectKey, resource};
use sheave_client::{Informer, Typed, TypedEvent};
use sheave_push::v1;

use crate::acks::Health;
use crate::state::{DataKind, DataRef, Ending, PodView};
use crate::{Shared, encode, endpoints, registration};

type Raw = Informer<IgnoredAny>;

/// Runs until the control plane shuts down.
pub(crate) async fn run(shared: Arc<Shared>) {
    let watch = |of: &GroupResource| Raw::new(shared.client.as_ref(), of);
    let mut services = watch(&resource::SERVICES);
    let mut slices = watch(&resource::ENDPOINT_SLICES);
    let mut pods = watch(&resource::PODS);
    let mut config_maps = watch(&resource::CONFIG_MAPS);
    let mut secrets = watch(&resource::SECRETS);
    let mut nodes = watch(&resource::NODES);
    let mut synced = 0;
    loop {
        let (of, event) = tokio::select! {
            event = services.next() => (&resource::SERVICES, event),
            event = slices.next() => (&resource::ENDPOINT_SLICES, event),
            event = pods.next() => (&resource::PODS, event),
            event = config_maps.next() => (&resource::CONFIG_MAPS, event),
            event = secrets.next() => (&resource::SECRETS, event),
            event = nodes.next() => (&resource::NODES, event),
        };
        match event {
            None => return,
            Some(TypedEvent::Synced) => {
                synced += 1;
                if synced == 6 {
                    shared.state.set_complete();
                }
            }
            Some(TypedEvent::Apply { old, new }) => {
                if *of == resource::NODES {
                    note_pod_cidrs(&shared, old.as_ref(), Some(&new));
                }
                apply(&shared, of, new);
            }
            Some(TypedEvent::Delete(old)) => {
                if *of == resource::NODES {
                    note_pod_cidrs(&shared, Some(&old), None);
                }
                remove(&shared, of, &old.key);
            }
        }
    }
}

fn apply(shared: &Shared, of: &GroupResource, object: Typed<IgnoredAny>) {
    let Typed { key, json, .. } = object;
    let state = &shared.state;
    if *of == resource::SERVICES {
        if let Some(service) = decode::<Service>(&key, &json) {
            let selector = endpoints::selector(&service);
            state.apply_service(key.clone(), encode::service(&key, &service), selector);
        }
    } else if *of == resource::ENDPOINT_SLICES {
        if let Some(slice) = decode::<EndpointSlice>(&key, &json) {
            let encoded = encode::endpoint_slice(&key, &slice);
            let service = encode::service_of(&slice);
            state.apply_slice(key.clone(), encoded, service, endpoints::named(&slice));
        }
    } else if *of == resource::PODS {
        let holds = shared.config.acknowledgement_timeout > Duration::ZERO;
        let view = |key: &ObjectKey, pod: &Pod, json| pod_view(key, pod, json, holds);
        match decode::<Pod>(&key, &json).and_then(|pod| view(&key, &pod, json)) {
            Some(view) => state.apply_pod(key, view),
            None => state.remove_pod(&key),
        }
    } else if *of == resource::CONFIG_MAPS {
        if let Some(object) = decode::<ConfigMap>(&key, &json) {
            state.apply_data(DataKind::ConfigMap, key.clone(), config_map(&key, object));
        }
    } else if *of == resource::SECRETS {
        if let Some(object) = decode::<Secret>(&key, &json) {
            state.apply_data(DataKind::Secret, key.clone(), secret(&key, object));
        }
    } else if *of == resource::NODES {
        if let Some(node) = decode::<Node>(&key, &json) {
            state.apply_peer(&key.name, encode::peer(&key.name, &node));
        }
        let health = health(&json);
        state.apply_node(&key.name, fingerprint(&json), json, health);
    }
}

/// Which pod ranges are whose. A name may pass from one object to the next without a deletion between.
fn note_pod_cidrs(
    shared: &Shared,
    old: Option<&Typed<IgnoredAny>>,
    new: Option<&Typed<IgnoredAny>>,
) {
    let read = |node: &Typed<IgnoredAny>| serde_json::from_slice::<Value>(&node.json).ok();
    let uid = |node: &Value| node["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let (old, new) = (old.and_then(read), new.and_then(read));
    let mut pod_cidrs = shared.pod_cidrs.lock();
    if let Some(gone) =
        old.as_ref().map(uid).filter(|gone| new.as_ref().map(uid).as_ref() != Some(gone))
    {
        pod_cidrs.node_gone(&gone);
    }
    if let Some(new) = &new {
        let name = new["metadata"]["name"].as_str().unwrap_or_default();
        let cidrs = registration::strings(new.pointer("/spec/podCIDRs"));
        pod_cidrs.node_has(&uid(new), name, &cidrs);
    }
}

fn remove(shared: &Shared, of: &GroupResource, key: &ObjectKey) {
    let state = &shared.state;
    if *of == resource::SERVICES {
        state.remove_service(key);
    } else if *of == resource::ENDPOINT_SLICES {
        state.remove_slice(key);
    } else if *of == resource::PODS {
        state.remove_pod(key);
    } else if *of == resource::CONFIG_MAPS {
        state.remove_data(DataKind::ConfigMap, key);
    } else if *of == resource::SECRETS {
        state.remove_data(DataKind::Secret, key);
    } else if *of == resource::NODES {
        state.remove_node(&key.name);
    }
}

fn decode<T: DeserializeOwned>(key: &ObjectKey, json: &Bytes) -> Option<T> {
    serde_json::from_slice(json)
        .inspect_err(|error| tracing::error!(%key, %error, "stored object cannot be decoded"))
        .ok()
}

/// `None` for a pod that no node has been chosen for. `holds`: that a pod is to end is kept from its node at
/// first.
fn pod_view(key: &ObjectKey, pod: &Pod, json: Bytes, holds: bool) -> Option<PodView> {
    let spec = pod.spec.as_ref()?;
    let node = spec.node_name.as_deref().filter(|name| !name.is_empty())?;
    let conditions = || pod.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let is_true = |kind: &str| conditions().any(|c| c.type_ == kind && c.status == "True");
    let (ready, endpoints_live) = (is_true("Ready"), is_true(ENDPOINTS_LIVE));
    let fingerprint_now = fingerprint(&json);
    let held = holds.then(|| without_end(pod, &json)).flatten();
    let (json, fingerprint, ending) = match held {
        None => (json, fingerprint_now, None),
        Some((held, age)) => {
            let ending = Ending { json, fingerprint: fingerprint_now, age };
            (held.clone(), fingerprint(&held), Some(ending))
        }
    };
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let uses = uses(&key.namespace, spec);
    let node = node.into();
    Some(PodView { node, uid, json, fingerprint, uses, ready, endpoints_live, ending })
}

/// The pod as it was before it was to end, and how long ago that was; `None` when it is not to end, or at
/// once.
fn without_end(pod: &Pod, json: &Bytes) -> Option<(Bytes, Duration)> {
    let end = pod.metadata.deletion_timestamp.as_ref()?.0;
    let grace_s = pod.metadata.deletion_grace_period_seconds.filter(|grace_s| *grace_s > 0)?;
    let mut object: Value = serde_json::from_slice(json).ok()?;
    let metadata = object.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("deletionTimestamp");
    metadata.remove("deletionGracePeriodSeconds");
    let age_s = Timestamp::now().as_second() - (end.as_second() - grace_s);
    let age = Duration::from_secs(u64::try_from(age_s).unwrap_or_default());
    Some((object.to_string().into(), age))
}

fn health(node: &Bytes) -> Health {
    let node: Value = serde_json::from_slice(node).unwrap_or_default();
    let conditions = node["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().find(|c| c["type"] == "Ready");
    match ready.and_then(|condition| condition["status"].as_str()) {
        Some("True") => Health::Ready,
        Some("Unknown") => Health::Lost,
        _ => Health::NotReady,
    }
}

/// Hash of the object without what its node writes itself.
fn fingerprint(json: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Ok(mut object) = serde_json::from_slice::<Value>(json) {
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
            metadata.remove("managedFields");
        }
        object.to_string().hash(&mut hasher);
    }
    hasher.finish()
}

/// The ConfigMaps and Secrets that a pod's volumes, environment and image pulls refer to.
fn uses(namespace: &str, spec: &PodSpec) -> BTreeSet<DataRef> {
    let mut uses = BTreeSet::new();
    let mut add = |kind, name: &str| {
        if !name.is_empty() {
            uses.insert((kind, ObjectKey::new(namespace, name)));
        }
    };
    for volume in spec.volumes.iter().flatten() {
        if let Some(source) = &volume.config_map {
            add(DataKind::ConfigMap, &source.name);
        }
        if let Some(name) = volume.secret.as_ref().and_then(|s| s.secret_name.as_deref()) {
            add(DataKind::Secret, name);
        }
        let projected = volume.projected.as_ref().and_then(|p| p.sources.as_ref());
        for source in projected.into_iter().flatten() {
            if let Some(source) = &source.config_map {
                add(DataKind::ConfigMap, &source.name);
            }
            if let Some(source) = &source.secret {
                add(DataKind::Secret, &source.name);
            }
        }
    }
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        for source in container.env_from.iter().flatten() {
            if let Some(source) = &source.config_map_ref {
                add(DataKind::ConfigMap, &source.name);
            }
            if let Some(source) = &source.secret_ref {
                add(DataKind::Secret, &source.name);
            }
        }
        for source in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
            if let Some(source) = &source.config_map_key_ref {
                add(DataKind::ConfigMap, &source.name);
            }
            if let Some(source) = &source.secret_key_ref {
                add(DataKind::Secret, &source.name);
            }
        }
    }
    for reference in spec.image_pull_secrets.iter().flatten() {
        add(DataKind::Secret, &reference.name);
    }
    uses
}

fn config_map(key: &ObjectKey, object: ConfigMap) -> v1::DataObject {
    let text = object.data.unwrap_or_default().into_iter().map(|(k, v)| (k, Bytes::from(v)));
    let binary = object.binary_data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0.into()));
    v1::DataObject {
        key: Some(encode::key(key)),
        uid: object.metadata.uid.unwrap_or_default(),
        resource_version: object.metadata.resource_version.unwrap_or_default(),
        data: text.chain(binary).collect(),
    }
}

fn secret(key: &ObjectKey, object: Secret) -> v1::DataObject {
    let data = object.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0.into()));
    v1::DataObject {
        key: Some(encode::key(key)),
        uid: object.metadata.uid.unwrap_or_default(),
        resource_version: object.metadata.resource_version.unwrap_or_default(),
        data: data.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_use_a_secret_or_config_map_is_found() {
        let spec: PodSpec = serde_json::from_value(json!({
            "containers": [{
                "name": "c",
                "env": [
                    { "name": "A", "valueFrom": { "configMapKeyRef": { "name": "cm-env", "key": "a" } } },
                    { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s-env", "key": "b" } } },
                ],
                "envFrom": [{ "configMapRef": { "name": "cm-from" } }, { "secretRef": { "name": "s-from" } }],
            }],
            "volumes": [
                { "name": "a", "configMap": { "name": "cm-vol" } },
                { "name": "b", "secret": { "secretName": "s-vol" } },
                { "name": "c", "projected": { "sources": [
                    { "configMap": { "name": "cm-proj" } }, { "secret": { "name": "s-proj" } } ] } },
            ],
            "imagePullSecrets": [{ "name": "s-pull" }],
        }))
        .unwrap();
        let found: Vec<_> = uses("ns", &spec).into_iter().map(|(_, key)| key.name).collect();
        assert_eq!(
            found,
            [
                "cm-env", "cm-from", "cm-proj", "cm-vol", "s-env", "s-from", "s-proj", "s-pull",
                "s-vol"
            ]
        );
    }

    #[test]
    fn the_fingerprint_ignores_what_the_node_writes() {
        let print = |v: Value| fingerprint(&Bytes::from(v.to_string()));
        let a = print(
            json!({ "metadata": { "resourceVersion": "1" }, "spec": { "x": 1 }, "status": {} }),
        );
        let b = print(json!({ "metadata": { "resourceVersion": "2" }, "spec": { "x": 1 } }));
        let c = print(
            json!({ "metadata": { "resourceVersion": "2", "deletionTimestamp": "t" }, "spec": { "x": 1 } }),
        );
        assert_eq!(a, b);
        assert_ne!(b, c);
    }

    #[test]
    fn that_a_pod_is_to_end_is_kept_apart_from_what_it_was() {
        let pod = |metadata: Value| {
            let object = json!({
                "metadata": metadata, "spec": { "nodeName": "n1", "containers": [] },
                "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
            });
            let json = Bytes::from(object.to_string());
            let typed: Pod = serde_json::from_slice(&json).unwrap();
            move |holds| {
                pod_view(&ObjectKey::new("default", "p"), &typed, json.clone(), holds).unwrap()
            }
        };
        let alive = pod(json!({ "uid": "u" }))(true);
        assert!(alive.ready && alive.ending.is_none());
        let ends = |grace_s: u32| {
            pod(json!({
                "uid": "u", "deletionTimestamp": "2026-01-01T00:00:30Z",
                "deletionGracePeriodSeconds": grace_s,
            }))
        };
        let held = ends(30)(true);
        assert_eq!((held.fingerprint, &held.json), (alive.fingerprint, &alive.json));
        let ending = held.ending.unwrap();
        assert!(String::from_utf8_lossy(&ending.json).contains("deletionTimestamp"));
        assert!(ending.age > Duration::from_secs(60));
        for at_once in [ends(0)(true), ends(30)(false)] {
            assert!(at_once.ending.is_none());
            assert_ne!(at_once.fingerprint, alive.fingerprint);
        }
    }
}
