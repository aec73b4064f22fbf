//! What holds for every kind.

use proptest::prelude::*;

use super::*;
use crate::kinds::KINDS;

#[test]
fn every_kind_has_its_message() {
    for kind in KINDS {
        let message = schema::message(kind.schema).unwrap_or_else(|| panic!("{}", kind.schema));
        assert_eq!(message.name, kind.kind);
        assert!(schema::of(kind.group, kind.version, kind.kind).is_some());
    }
}

#[test]
fn keys_are_sorted() {
    // The stored form of an object is compared and shared as bytes.
    assert_eq!(json!({ "b": 1, "a": 2 }).to_string(), r#"{"a":2,"b":1}"#);
}

#[test]
fn the_server_gives_identity() {
    let mut sent = pod();
    sent["metadata"]["uid"] = json!("mine");
    sent["metadata"]["resourceVersion"] = json!("5");
    sent["metadata"]["generation"] = json!(9);
    sent["status"] = json!({ "phase": "Running" });
    let created = create(sent).unwrap();
    let metadata = &created["metadata"];
    assert_eq!(metadata["namespace"], "default");
    assert_eq!(metadata["creationTimestamp"], NOW);
    assert!(meta::is_uid(meta::uid(&created)));
    assert_eq!(metadata.get("resourceVersion"), None);
    assert_eq!(metadata["generation"], 1);
    assert_eq!(created["status"]["phase"], "Pending");
}

#[test]
fn names_are_generated_or_required() {
    let mut sent = pod();
    sent["metadata"] = json!({ "generateName": "web-" });
    let created = create(sent.clone()).unwrap();
    assert_eq!(name_of(&created).len(), "web-".len() + 5);
    sent["metadata"] = json!({});
    assert_eq!(
        create(sent.clone()).unwrap_err().message,
        "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required"
    );
    sent["metadata"] = json!({ "name": "Web" });
    assert!(sentences(create(sent.clone())).starts_with(
        "metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain must consist of lower \
         case alphanumeric characters, '-' or '.'"
    ));
    sent["metadata"] = json!({ "name": "web", "namespace": "other" });
    assert_eq!(
        create(sent).unwrap_err().message,
        "the namespace of the provided object does not match the namespace sent on the request"
    );
}

#[test]
fn labels_annotations_owners_and_finalizers_are_checked() {
    for (metadata, sentence) in [
        (
            json!({ "labels": { "a/b/c": "" } }),
            "metadata.labels: Invalid value: \"a/b/c\": a qualified name must consist of",
        ),
        (
            json!({ "labels": { "a": "b c" } }),
            "metadata.labels[a]: Invalid value: \"b c\": a valid label must be an empty string or",
        ),
        (
            json!({ "annotations": { "a": "x".repeat(256 * 1024) } }),
            "metadata.annotations: Too long: may not be more than 262144 bytes",
        ),
        (
            json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "" }] }),
            "metadata.ownerReferences[0].uid: Invalid value: \"\": must not be empty",
        ),
        (
            json!({ "finalizers": ["a b"] }),
            "metadata.finalizers[0]: Invalid value: \"a b\": name part must consist of",
        ),
    ] {
        let mut sent = pod();
        sent["metadata"] = metadata;
        sent["metadata"]["name"] = json!("web");
        let found = sentences(create(sent));
        assert!(found.starts_with(sentence), "{found}");
    }
}

#[test]
fn an_update_keeps_identity_and_counts_generations() {
    let mut old = create(deployment()).unwrap();
    old["status"] = json!({ "replicas": 1 });
    let mut new = deployment();
    new["metadata"]["labels"] = json!({ "x": "y" });
    new["status"] = json!({ "replicas": 9 });
    let relabelled = update(&old, new.clone()).unwrap();
    assert_eq!(relabelled["metadata"]["uid"], old["metadata"]["uid"]);
    assert_eq!(relabelled["metadata"]["generation"], 1);
    assert_eq!(relabelled["status"]["replicas"], 1);
    new["spec"]["replicas"] = json!(3);
    assert_eq!(update(&old, new.clone()).unwrap()["metadata"]["generation"], 2);
    new["metadata"]["uid"] = json!("other");
    assert!(update(&old, new).unwrap_err().is_conflict());
}

#[test]
fn a_status_update_changes_nothing_else() {
    let old = create(deployment()).unwrap();
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(7);
    new["metadata"]["finalizers"] = json!(["a/b"]);
    new["status"] = json!({ "replicas": 1, "observedGeneration": 1 });
    let updated = update_status(&old, new).unwrap();
    assert_eq!(updated["spec"], old["spec"]);
    assert_eq!(updated["metadata"], old["metadata"]);
    assert_eq!(updated["status"]["replicas"], 1);
    let negative = with(&old, "/status/replicas", json!(-1));
    assert_eq!(
        sentences(update_status(&old, negative)),
        "status.replicas: Invalid value: -1: must be greater than or equal to 0"
    );
}

#[test]
fn an_object_that_goes_takes_no_new_finalizer() {
    let mut old = create(pod()).unwrap();
    meta::begin_deletion(&mut old, NOW.parse().unwrap(), 30);
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!(["a/b"]);
    assert_eq!(
        sentences(update(&old, new)),
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, \
         found new finalizers [\"a/b\"]"
    );
}

#[test]
fn an_unchanged_object_is_seen() {
    let old = with(&create(service()).unwrap(), "/metadata/resourceVersion", json!("5"));
    let same = update(&old, service()).unwrap();
    assert!(write::is_unchanged(&same, &old));
    let other = with(&same, "/spec/ports/0/port", json!(81));
    assert!(!write::is_unchanged(&other, &old));
    let relabelled = with(&same, "/metadata/labels", json!({ "a": "b" }));
    assert!(!write::is_unchanged(&relabelled, &old));
}

/// One object of each kind with rules, large enough that most rules have something to look at.
fn specimens() -> Vec<Value> {
    let mut full_pod = pod();
    full_pod["spec"] = json!({
        "hostNetwork": true,
        "initContainers": [{ "name": "i", "image": "x", "restartPolicy": "Always" }],
        "containers": [{
            "name": "a",
            "image": "x:1",
            "ports": [{ "name": "http", "containerPort": 80 }],
            "env": [
                { "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['a']" } } },
                { "name": "B", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k" } } },
            ],
            "envFrom": [{ "secretRef": { "name": "s" } }],
            "resources": { "limits": { "cpu": "0.5", "memory": "1Gi" } },
            "readinessProbe": { "httpGet": { "port": "http" } },
            "lifecycle": { "preStop": { "exec": { "command": ["sleep"] } } },
            "volumeMounts": [{ "name": "v", "mountPath": "/v" }],
        }],
        "volumes": [
            { "name": "v", "configMap": { "name": "c", "items": [{ "key": "k", "path": "p" }] } },
            { "name": "w", "projected": { "sources": [{ "secret": { "name": "s" } }] } },
        ],
        "tolerations": [{ "key": "a", "operator": "Exists", "effect": "NoSchedule" }],
        "affinity": { "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{ "matchExpressions": [
                { "key": "a", "operator": "In", "values": ["b"] },
            ]}],
        }}},
    });
    let object = |api_version: &str, kind: &str, mut rest: Value| {
        rest["apiVersion"] = json!(api_version);
        rest["kind"] = json!(kind);
        rest["metadata"] = json!({ "name": "web" });
        rest
    };
    let mut set = deployment();
    set["kind"] = json!("ReplicaSet");
    vec![
        full_pod,
        deployment(),
        set,
        service(),
        object("v1", "Namespace", json!({})),
        object("v1", "ServiceAccount", json!({})),
        object("v1", "ConfigMap", json!({ "data": { "k": "v" }, "binaryData": { "b": "AAAA" } })),
        object("v1", "Secret", json!({ "stringData": { "k": "v" }, "data": { "d": "AAAA" } })),
        object(
            "v1",
            "Endpoints",
            json!({ "subsets": [
                { "addresses": [{ "ip": "10.0.0.1" }], "ports": [{ "port": 80 }] },
            ]}),
        ),
        object(
            "v1",
            "Event",
            json!({ "involvedObject": { "kind": "Pod", "namespace": "default" } }),
        ),
        object(
            "v1",
            "Node",
            json!({
                "spec": { "taints": [{ "key": "a", "effect": "NoSchedule" }] },
                "status": { "capacity": { "cpu": "2" } },
            }),
        ),
        object(
            "coordination.k8s.io/v1",
            "Lease",
            json!({ "spec": { "leaseDurationSeconds": 40 } }),
        ),
        object(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            json!({
                "addressType": "IPv4",
                "endpoints": [{ "addresses": ["10.0.0.1"] }],
                "ports": [{ "port": 80 }],
            }),
        ),
    ]
}

#[test]
fn every_specimen_is_accepted_and_settled() {
    for specimen in specimens() {
        let created = create(specimen).unwrap_or_else(|refusal| panic!("{refusal}"));
        let again = update(&created, created.clone()).unwrap_or_else(|refusal| panic!("{refusal}"));
        assert!(write::is_unchanged(&again, &created), "{created} {again}");
        assert_eq!(decoded(created.clone()).unwrap(), created, "not in the form the codec gives");
    }
}

/// JSON pointers of everything in a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, child)| (key.clone(), child)).collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(i, child)| (i.to_string(), child)).collect()
        }
        _ => Vec::new(),
    };
    for (step, child) in children {
        let pointer = format!("{at}/{}", step.replace('~', "~0").replace('/', "~1"));
        found.push(pointer.clone());
        pointers(child, &pointer, found);
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!([])),
        Just(json!([{}])),
        Just(json!([null])),
        Just(json!({ "": "" })),
        Just(json!("")),
        "[a-zA-Z0-9%./-]{1,6}".prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

proptest! {
    /// Whatever passes the codec is accepted or refused, and what is accepted stays as it is.
    #[test]
    fn no_object_breaks_a_rule_book(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), replacement()), 1..4),
    ) {
        let all = specimens();
        let mut object = all[which.index(all.len())].clone();
        for (where_, value) in changes {
            let mut found = Vec::new();
            pointers(&object, "", &mut found);
            let pointer = found[where_.index(found.len())].clone();
            if matches!(pointer.as_str(), "/kind" | "/apiVersion") {
                continue;
            }
            if let Some(place) = object.pointer_mut(&pointer) {
                *place = value;
            }
        }
        if let Ok(created) = create(object) {
            let again = update(&created, created.clone()).expect("what is accepted once stays legal");
            prop_assert!(write::is_unchanged(&again, &created), "{} {}", created, again);
        }
    }
}
