//! ConfigMaps, Secrets, Namespaces, Nodes, Leases, Events.

use super::*;

fn config_map(data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c" }, "data": data })
}

fn secret(rest: Value) -> Value {
    let mut secret = rest;
    secret["apiVersion"] = json!("v1");
    secret["kind"] = json!("Secret");
    secret["metadata"] = json!({ "name": "s" });
    secret
}

#[test]
fn config_maps_hold_files_of_bounded_size() {
    assert!(
        sentences(create(config_map(json!({ "a/b": "" }))))
            .starts_with("data[a/b]: Invalid value: \"a/b\": a valid config key must consist of")
    );
    assert_eq!(
        sentences(create(config_map(json!({ "a": "x".repeat(1024 * 1024 + 1) })))),
        "data: Too long: may not be more than 1048576 bytes"
    );
    let mut both = config_map(json!({ "a": "x" }));
    both["binaryData"] = json!({ "a": "AAAA" });
    assert_eq!(
        sentences(create(both)),
        "binaryData[a]: Invalid value: \"a\": duplicate of key present in data: a"
    );
}

#[test]
fn immutable_means_it() {
    let mut sent = config_map(json!({ "a": "x" }));
    sent["immutable"] = json!(true);
    let old = create(sent).unwrap();
    assert_eq!(
        sentences(update(&old, with(&old, "/data/a", json!("y")))),
        "data: Forbidden: field is immutable when `immutable` is set"
    );
    assert_eq!(
        sentences(update(&old, with(&old, "/immutable", json!(null)))),
        "immutable: Forbidden: field is immutable when `immutable` is set"
    );
    let relabelled = with(&old, "/metadata/labels", json!({ "a": "b" }));
    assert!(update(&old, relabelled).is_ok());
}

#[test]
fn secrets_take_plain_text_and_keep_none() {
    let created =
        create(secret(json!({ "data": { "a": "AAAA" }, "stringData": { "a": "hi", "b": "" } })));
    let created = created.unwrap();
    assert_eq!(created["type"], "Opaque");
    assert_eq!(created["data"], json!({ "a": "aGk=", "b": "" }));
    assert_eq!(created.get("stringData"), None);
    assert_eq!(
        sentences(update(&created, with(&created, "/type", json!("other")))),
        "type: Invalid value: \"other\": field is immutable"
    );
    assert_eq!(
        sentences(create(secret(
            json!({ "type": "kubernetes.io/tls", "data": { "tls.key": "" } })
        ))),
        "data[tls.crt]: Required value"
    );
    let docker = secret(json!({
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": { ".dockerconfigjson": "hunter2" },
    }));
    let found = sentences(create(docker));
    assert!(
        found.starts_with("data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\"")
    );
    assert!(!found.contains("hunter2"));
}

#[test]
fn namespaces_carry_their_name_and_end_in_two_steps() {
    let sent = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "team" } });
    let mut created = create(sent.clone()).unwrap();
    assert_eq!(created["spec"], json!({ "finalizers": ["kubernetes"] }));
    assert_eq!(created["status"], json!({ "phase": "Active" }));
    assert_eq!(meta::label(&created, "kubernetes.io/metadata.name"), Some("team"));
    assert_eq!(update(&created, sent).unwrap()["spec"], created["spec"]);
    meta::begin_deletion(&mut created, NOW.parse().unwrap(), 0);
    crate::kinds::namespace::set_terminating(&mut created);
    assert_eq!(created["status"]["phase"], "Terminating");
    assert!(!crate::kinds::namespace::is_finalized(&created));
    crate::kinds::namespace::finalize(&mut created);
    assert!(crate::kinds::namespace::is_finalized(&created));
    let dotted = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "a.b" } });
    assert!(
        sentences(create(dotted))
            .starts_with("metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label")
    );
}

#[test]
fn nodes_bring_their_status_and_have_one_taint_a_kind() {
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": "n" },
        "spec": { "taints": [{ "key": "a", "effect": "NoSchedule" }] },
        "status": { "capacity": { "memory": "1024Ki" } },
    });
    let created = create(node.clone()).unwrap();
    assert_eq!(created["status"]["capacity"]["memory"], "1Mi");
    let twice = with(&node, "/spec/taints/-", json!({ "key": "a", "effect": "NoSchedule" }));
    assert!(sentences(create(twice)).starts_with("spec.taints[1]: Duplicate value: {"));
    let assigned = with(&created, "/spec/podCIDR", json!("10.244.0.0/24"));
    let assigned = update(&created, assigned).unwrap();
    let moved = with(&assigned, "/spec/podCIDR", json!("10.244.1.0/24"));
    assert_eq!(
        sentences(update(&assigned, moved)),
        "spec.podCIDR: Forbidden: node updates may not change this field except from \"\" to valid"
    );
}

#[test]
fn leases_and_events_are_nearly_free() {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": { "name": "l" },
        "spec": { "leaseDurationSeconds": 0 },
    });
    assert_eq!(
        sentences(create(lease)),
        "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"
    );
    let event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": { "name": "e" },
        "involvedObject": { "kind": "Pod", "namespace": "other" },
    });
    assert_eq!(
        sentences(create(event)),
        "involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"
    );
}
