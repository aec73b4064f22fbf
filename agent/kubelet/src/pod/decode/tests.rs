//! What a pod object becomes, field by field, and what is refused with the name of the field.

use super::*;
use crate::pod::spec::{Check, EnvValue, QosClass, VolumeSource};

fn read(spec: serde_json::Value) -> PodSpec {
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "ns", "name": "web", "uid": "u1", "generation": 3},
        "spec": spec,
    });
    decode(pod.to_string().as_bytes()).unwrap().0
}

#[test]
fn fills_in_the_defaults() {
    let spec = read(serde_json::json!({"containers": [{"name": "a", "image": "img"}]}));
    assert_eq!(spec.restart_policy, RestartPolicy::Always);
    assert_eq!(spec.termination_grace_s, 30);
    assert_eq!(spec.hostname, "web");
    assert_eq!(spec.qos, QosClass::BestEffort);
    assert_eq!(spec.containers[0].pull_policy, crate::pod::spec::PullPolicy::Always);
    assert_eq!(spec.containers[0].termination_message_path, "/dev/termination-log");
    assert_eq!(spec.unsupported, []);
}

#[test]
fn names_what_it_cannot_do() {
    let spec = read(serde_json::json!({
        "runtimeClassName": "kata",
        "volumes": [{"name": "d", "nfs": {"server": "s", "path": "/"}}],
        "containers": [{"name": "a", "image": "img:1",
            "volumeMounts": [{"name": "nope", "mountPath": "/x"}],
            "readinessProbe": {"httpGet": {"port": "web"}},
            "env": [{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "spec.foo"}}}]}],
    }));
    let fields: Vec<_> = spec.unsupported.iter().map(|u| u.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "spec.runtimeClassName",
            "spec.volumes[0].nfs",
            "spec.containers[0].readinessProbe.httpGet.port",
            "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath",
            "spec.containers[0].volumeMounts[0].name",
        ]
    );
}

#[test]
fn named_ports_become_numbers() {
    let spec = read(serde_json::json!({"containers": [{"name": "a", "image": "img:1",
        "ports": [{"name": "web", "containerPort": 8080}],
        "livenessProbe": {"tcpSocket": {"port": "web"}, "periodSeconds": 2}}]}));
    let probe = spec.containers[0].liveness.as_ref().unwrap();
    assert_eq!(probe.check, Check::Tcp { host: None, port: 8080 });
    assert_eq!((probe.period_s, probe.timeout_s, probe.failure_threshold), (2, 1, 3));
}

#[test]
fn qos_follows_requests_and_limits() {
    let with = |resources: serde_json::Value| {
        read(serde_json::json!({"containers": [{"name": "a", "image": "i:1", "resources": resources}]}))
            .qos
    };
    let both = serde_json::json!({"cpu": "1", "memory": "1Gi"});
    assert_eq!(with(serde_json::json!({"limits": both})), QosClass::Guaranteed);
    assert_eq!(
        with(serde_json::json!({"limits": both, "requests": {"cpu": "1000m"}})),
        QosClass::Guaranteed
    );
    assert_eq!(
        with(serde_json::json!({"limits": both, "requests": {"cpu": "1m"}})),
        QosClass::Burstable
    );
    assert_eq!(with(serde_json::json!({"requests": {"cpu": "0"}})), QosClass::BestEffort);
}

#[test]
fn deletion_and_data_are_read() {
    let pod = serde_json::json!({
        "metadata": {"namespace": "n", "name": "p", "uid": "u", "deletionTimestamp":
            "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 7},
        "spec": {
            "volumes": [{"name": "c", "configMap": {"name": "cm", "items":
                [{"key": "k", "path": "d/f", "mode": 256}]}}],
            "containers": [{"name": "a", "image": "i:1", "env": [{"name": "A", "valueFrom":
                {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}]}]},
    });
    let (spec, _) = decode(pod.to_string().as_bytes()).unwrap();
    assert_eq!(spec.deletion_grace_s, Some(7));
    let EnvValue::Key { source, .. } = &spec.containers[0].env[0].value else { panic!() };
    assert!(source.optional);
    let VolumeSource::Files { sources, default_mode, .. } = &spec.volumes[0].source else {
        panic!()
    };
    assert_eq!(*default_mode, 0o644);
    let super::super::spec::FileSource::Data { items, .. } = &sources[0] else { panic!() };
    assert_eq!((items[0].path.as_str(), items[0].mode), ("d/f", Some(0o400)));
}

#[test]
fn what_is_no_pod_is_an_error() {
    assert!(matches!(decode(b"{"), Err(InvalidPod::Json(_))));
    let no_uid = br#"{"metadata":{"name":"a","namespace":"b"},"spec":{"containers":[]}}"#;
    assert!(matches!(decode(no_uid), Err(InvalidPod::Missing("metadata.uid"))));
}
