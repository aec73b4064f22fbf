//! StatefulSets and ControllerRevisions.

use super::*;

fn set() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": "db" },
        "spec": {
            "serviceName": "db",
            "selector": { "matchLabels": { "app": "db" } },
            "template": {
                "metadata": { "labels": { "app": "db" } },
                "spec": { "containers": [{ "name": "a", "image": "db" }] },
            },
        },
    })
}

#[test]
fn a_minimal_set_gets_the_defaults_of_kubernetes() {
    let created = create(set()).unwrap();
    let mut spec = created["spec"].clone();
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Always");
    spec.as_object_mut().unwrap().remove("template");
    assert_eq!(
        spec,
        json!({
            "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
            "podManagementPolicy": "OrderedReady",
            "replicas": 1,
            "revisionHistoryLimit": 10,
            "selector": { "matchLabels": { "app": "db" } },
            "serviceName": "db",
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
        })
    );
    assert_eq!(created["status"], json!({}));
    assert_eq!(created["metadata"]["generation"], 1);
    let on_delete = with(&set(), "/spec/updateStrategy", json!({ "type": "OnDelete" }));
    let on_delete = create(on_delete).unwrap();
    assert_eq!(on_delete["spec"]["updateStrategy"], json!({ "type": "OnDelete" }));
}

#[test]
fn faults_are_told_as_kubernetes_tells_them() {
    for (pointer, value, sentence) in [
        (
            "/spec/podManagementPolicy",
            json!("Backwards"),
            "spec.podManagementPolicy: Invalid value: \"Backwards\": must be 'OrderedReady' or 'Parallel'",
        ),
        (
            "/spec/updateStrategy",
            json!({ "type": "Recreate" }),
            "spec.updateStrategy: Invalid value: {\"type\":\"Recreate\"}: must be 'RollingUpdate' or \
             'OnDelete'",
        ),
        (
            "/spec/updateStrategy",
            json!({ "type": "OnDelete", "rollingUpdate": { "partition": 1 } }),
            "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for \
             updateStrategy 'RollingUpdate'",
        ),
        (
            "/spec/updateStrategy",
            json!({ "rollingUpdate": { "partition": -1 } }),
            "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or \
             equal to 0",
        ),
        (
            "/spec/updateStrategy",
            json!({ "rollingUpdate": { "maxUnavailable": "50%" } }),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"50%\": is not supported \
             by this version: leave it out",
        ),
        (
            "/spec/replicas",
            json!(-1),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "/spec/ordinals",
            json!({ "start": -1 }),
            "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "/spec/ordinals",
            json!({ "start": i32::MAX }),
            "spec.ordinals.start: Invalid value: 2147483647: the last ordinal",
        ),
        (
            "/spec/minReadySeconds",
            json!(-1),
            "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "/spec/persistentVolumeClaimRetentionPolicy",
            json!({ "whenScaled": "Perhaps" }),
            "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"Perhaps\": \
             supported values: \"Retain\", \"Delete\"",
        ),
        (
            "/spec/selector",
            json!({}),
            "spec.selector: Invalid value: {}: empty selector is invalid for statefulset",
        ),
        (
            "/spec/template/spec/activeDeadlineSeconds",
            json!(5),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet \
             is not Supported",
        ),
        (
            "/spec/serviceName",
            json!("db.example"),
            "spec.serviceName: Invalid value: \"db.example\": a lowercase RFC 1123 label must consist",
        ),
        (
            "/metadata/name",
            json!("db.example"),
            "metadata.name: Invalid value: \"db.example\": a lowercase RFC 1123 label must consist",
        ),
    ] {
        let found = sentences(create(with(&set(), pointer, value)));
        assert!(found.starts_with(sentence), "{found}");
    }
}

#[test]
fn claims_are_refused_with_what_to_do_instead() {
    let claims = json!([{
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }]);
    let found = sentences(create(with(&set(), "/spec/volumeClaimTemplates", claims)));
    assert!(
        found.starts_with(
            "spec.volumeClaimTemplates[0]: Forbidden: this version has no PersistentVolumeClaims: \
             remove it, and declare a volume of this name in spec.template.spec.volumes"
        ),
        "{found}"
    );
    create(with(&set(), "/spec/volumeClaimTemplates", json!([]))).unwrap();
}

#[test]
fn an_update_changes_what_kubernetes_lets_it_change() {
    let old = create(set()).unwrap();
    for (pointer, value) in [
        ("/spec/replicas", json!(3)),
        ("/spec/ordinals", json!({ "start": 1 })),
        ("/spec/template/spec/containers/0/image", json!("db:2")),
        ("/spec/updateStrategy", json!({ "type": "OnDelete" })),
        ("/spec/revisionHistoryLimit", json!(2)),
        ("/spec/persistentVolumeClaimRetentionPolicy", json!({ "whenScaled": "Delete" })),
        ("/spec/minReadySeconds", json!(5)),
    ] {
        let new = update(&old, with(&set(), pointer, value)).unwrap();
        assert_eq!(new["metadata"]["generation"], 2, "{pointer}");
    }
    let mut selects_more = set();
    selects_more["spec"]["selector"]["matchLabels"]["tier"] = json!("x");
    selects_more["spec"]["template"]["metadata"]["labels"]["tier"] = json!("x");
    for new in [
        selects_more,
        with(&set(), "/spec/serviceName", json!("other")),
        with(&set(), "/spec/podManagementPolicy", json!("Parallel")),
    ] {
        assert_eq!(
            sentences(update(&old, new)),
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', \
             'template', 'updateStrategy', 'revisionHistoryLimit', \
             'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
        );
    }
    // Who leaves out what is empty changes nothing.
    let without = create(with(&set(), "/spec/serviceName", json!(null))).unwrap();
    update(&without, with(&set(), "/spec/serviceName", json!(""))).unwrap();
}

#[test]
fn counts_of_a_status_are_parts_of_the_whole() {
    let old = create(set()).unwrap();
    let status = |status: Value| update_status(&old, with(&set(), "/status", status));
    status(json!({ "replicas": 2, "readyReplicas": 2, "availableReplicas": 1 })).unwrap();
    for (wrong, sentence) in [
        (
            json!({ "replicas": 1, "readyReplicas": 2 }),
            "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        ),
        (
            json!({ "replicas": 2, "readyReplicas": 0, "availableReplicas": 1 }),
            "status.availableReplicas: Invalid value: 1: cannot be greater than status.readyReplicas",
        ),
        (
            json!({ "replicas": -1 }),
            "status.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
    ] {
        assert_eq!(sentences(status(wrong)), sentence);
    }
}

#[test]
fn a_revision_keeps_what_it_holds() {
    let revision = json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": { "name": "db-1" },
        "data": { "spec": { "template": { "$patch": "replace", "any": ["thing"] } } },
        "revision": 1,
    });
    let old = create(revision.clone()).unwrap();
    assert_eq!(old["data"], revision["data"]);
    update(&old, with(&revision, "/revision", json!(7))).unwrap();
    let other = with(&revision, "/data/spec", json!({}));
    let found = sentences(update(&old, other));
    assert!(found.ends_with("field is immutable") && found.starts_with("data: "), "{found}");
    let empty = with(&revision, "/data", json!(null));
    assert_eq!(sentences(create(empty)), "data: Required value: data is mandatory");
    let negative = with(&revision, "/revision", json!(-1));
    let found = sentences(create(negative));
    assert_eq!(found, "revision: Invalid value: -1: must be greater than or equal to 0");
}
