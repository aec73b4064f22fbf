//! What each patch type does, case by case, and what holds for all of them.

mod differ;
mod properties;

use serde_json::{Value, json};

use super::{json as json_patch, merge, strategic};
use crate::schema::{self, Message};

fn pod() -> &'static Message {
    schema::of("", "v1", "Pod").unwrap()
}

fn containers(list: Value) -> Value {
    json!({ "spec": { "containers": list } })
}

/// Description, object, strategic patch, result.
type Case = (&'static str, Value, Value, Value);

#[track_caller]
fn check(message: &'static Message, cases: Vec<Case>) {
    for (what, current, patch, expected) in cases {
        let patched = strategic(&current, &patch, message);
        assert_eq!(patched.as_ref(), Ok(&expected), "{what}");
    }
}

#[test]
fn objects_merge_and_nulls_delete() {
    check(
        pod(),
        vec![
            (
                "fields that the patch leaves out stay",
                json!({ "metadata": { "name": "a", "labels": { "x": "1", "y": "2" } } }),
                json!({ "metadata": { "labels": { "y": null, "z": "3", "gone": null } } }),
                json!({ "metadata": { "name": "a", "labels": { "x": "1", "z": "3" } } }),
            ),
            (
                "nulls inside something new are nothing",
                json!({ "metadata": {} }),
                json!({ "metadata": { "annotations": { "a": "b", "c": null } }, "spec": null }),
                json!({ "metadata": { "annotations": { "a": "b" } } }),
            ),
            (
                "a value of another type is replaced",
                json!({ "metadata": { "labels": "no map" } }),
                json!({ "metadata": { "labels": { "a": "b" } } }),
                json!({ "metadata": { "labels": { "a": "b" } } }),
            ),
        ],
    );
}

#[test]
fn lists_merge_by_their_key() {
    check(
        pod(),
        vec![
            (
                "the element with the key is merged, its place kept",
                containers(json!([{ "name": "a", "image": "1" }, { "name": "b", "image": "1" }])),
                containers(json!([{ "name": "b", "image": "2" }])),
                containers(json!([{ "name": "a", "image": "1" }, { "name": "b", "image": "2" }])),
            ),
            (
                "a new element comes first, for nothing says what it follows",
                containers(json!([{ "name": "a" }])),
                containers(json!([{ "name": "c" }])),
                containers(json!([{ "name": "c" }, { "name": "a" }])),
            ),
            (
                "lists in lists merge too",
                containers(json!([{ "name": "a", "env": [{ "name": "X", "value": "1" }] }])),
                containers(json!([{ "name": "a", "env": [{ "name": "Y", "value": "2" }] }])),
                containers(json!([{ "name": "a", "env": [
                    { "name": "Y", "value": "2" }, { "name": "X", "value": "1" },
                ] }])),
            ),
            (
                "a list without a merge key is replaced",
                containers(json!([{ "name": "a", "args": ["x", "y"] }])),
                containers(json!([{ "name": "a", "args": ["z"] }])),
                containers(json!([{ "name": "a", "args": ["z"] }])),
            ),
            (
                "ports have one merge key although they are told apart by two",
                containers(json!([{ "name": "a", "ports": [
                    { "containerPort": 53, "protocol": "UDP" },
                    { "containerPort": 53, "protocol": "TCP" },
                ] }])),
                containers(
                    json!([{ "name": "a", "ports": [{ "containerPort": 53, "name": "x" }] }]),
                ),
                containers(json!([{ "name": "a", "ports": [
                    { "containerPort": 53, "protocol": "UDP", "name": "x" },
                    { "containerPort": 53, "protocol": "TCP" },
                ] }])),
            ),
            (
                "a list of text is a set",
                json!({ "metadata": { "finalizers": ["a", "b"] } }),
                json!({ "metadata": { "finalizers": ["b", "c"] } }),
                json!({ "metadata": { "finalizers": ["a", "b", "c"] } }),
            ),
        ],
    );
}

#[test]
fn directives_in_lists() {
    check(
        pod(),
        vec![
            (
                "delete by key",
                containers(json!([{ "name": "a" }, { "name": "b" }])),
                containers(json!([{ "name": "a", "$patch": "delete" }])),
                containers(json!([{ "name": "b" }])),
            ),
            (
                "delete something that is not there",
                containers(json!([{ "name": "a" }])),
                containers(json!([{ "name": "z", "$patch": "delete" }])),
                containers(json!([{ "name": "a" }])),
            ),
            (
                "replace the whole list",
                containers(json!([{ "name": "a" }, { "name": "b" }])),
                containers(json!([{ "$patch": "replace" }, { "name": "c" }])),
                containers(json!([{ "name": "c" }])),
            ),
            (
                "the list can be replaced before there is one",
                json!({ "spec": {} }),
                containers(json!([{ "$patch": "replace" }, { "name": "c" }])),
                containers(json!([{ "name": "c" }])),
            ),
            (
                "replace one element",
                containers(json!([{ "name": "a", "image": "1", "tty": true }])),
                containers(json!([{ "name": "a", "securityContext": { "$patch": "delete" },
                    "image": "2" }])),
                containers(json!([{ "name": "a", "image": "2", "tty": true }])),
            ),
            (
                "text goes from a set by name",
                json!({ "metadata": { "finalizers": ["a", "b", "c"] } }),
                json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["b", "x"] } }),
                json!({ "metadata": { "finalizers": ["a", "c"] } }),
            ),
        ],
    );
}

#[test]
fn directives_in_objects() {
    check(
        schema::of("apps", "v1", "Deployment").unwrap(),
        vec![
            (
                "replace leaves nothing of the old object",
                json!({ "spec": { "replicas": 3, "strategy": { "type": "RollingUpdate",
                    "rollingUpdate": { "maxSurge": 1 } } } }),
                json!({ "spec": { "strategy": { "$patch": "replace", "type": "Recreate" } } }),
                json!({ "spec": { "replicas": 3, "strategy": { "type": "Recreate" } } }),
            ),
            (
                "retainKeys clears what it does not name",
                json!({ "spec": { "strategy": { "type": "RollingUpdate",
                    "rollingUpdate": { "maxSurge": 1 } } } }),
                json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } }),
                json!({ "spec": { "strategy": { "type": "Recreate" } } }),
            ),
            (
                "delete empties the object",
                json!({ "spec": { "strategy": { "type": "Recreate" } } }),
                json!({ "spec": { "strategy": { "$patch": "delete" } } }),
                json!({ "spec": { "strategy": {} } }),
            ),
            (
                "a volume changes its source",
                json!({ "spec": { "template": { "spec": { "volumes": [
                    { "name": "v", "emptyDir": {} }] } } } }),
                json!({ "spec": { "template": { "spec": { "volumes": [
                    { "$retainKeys": ["name", "hostPath"], "name": "v",
                      "hostPath": { "path": "/x" } }] } } } }),
                json!({ "spec": { "template": { "spec": { "volumes": [
                    { "name": "v", "hostPath": { "path": "/x" } }] } } } }),
            ),
        ],
    );
    check(
        schema::of("policy", "v1", "PodDisruptionBudget").unwrap(),
        vec![(
            "a field whose strategy is replace is not merged",
            json!({ "spec": { "selector": { "matchLabels": { "a": "b" } } } }),
            json!({ "spec": { "selector": { "matchLabels": { "c": "d" } } } }),
            json!({ "spec": { "selector": { "matchLabels": { "c": "d" } } } }),
        )],
    );
}

#[test]
fn order_is_as_the_patch_says() {
    check(
        pod(),
        vec![
            (
                "elements are put into the order given",
                containers(json!([{ "name": "a" }, { "name": "b" }, { "name": "c" }])),
                json!({ "spec": { "$setElementOrder/containers":
                    [{ "name": "c" }, { "name": "b" }, { "name": "a" }] } }),
                containers(json!([{ "name": "c" }, { "name": "b" }, { "name": "a" }])),
            ),
            (
                "an element that the order does not name stays before what it preceded",
                containers(json!([{ "name": "injected" }, { "name": "a" }, { "name": "b" }])),
                json!({ "spec": {
                    "$setElementOrder/containers": [{ "name": "a" }, { "name": "n" }, { "name": "b" }],
                    "containers": [{ "name": "n" }],
                } }),
                containers(json!([
                    { "name": "injected" }, { "name": "a" }, { "name": "n" }, { "name": "b" },
                ])),
            ),
            (
                "with a deletion in the same patch",
                containers(json!([{ "name": "a" }, { "name": "b" }])),
                json!({ "spec": {
                    "$setElementOrder/containers": [{ "name": "b" }],
                    "containers": [{ "name": "a", "$patch": "delete" }],
                } }),
                containers(json!([{ "name": "b" }])),
            ),
            (
                "text too",
                json!({ "metadata": { "finalizers": ["a", "b"] } }),
                json!({ "metadata": {
                    "$setElementOrder/finalizers": ["c", "b"],
                    "$deleteFromPrimitiveList/finalizers": ["a"],
                    "finalizers": ["c"],
                } }),
                json!({ "metadata": { "finalizers": ["c", "b"] } }),
            ),
            (
                "of a list that is nowhere",
                json!({ "metadata": {} }),
                json!({ "metadata": { "$setElementOrder/finalizers": ["c", "b"] } }),
                json!({ "metadata": {} }),
            ),
        ],
    );
}

/// Recorded from kubectl 1.32.4 `apply` of a changed file: image, port and the source of a volume.
#[test]
fn what_kubectl_apply_sends() {
    let spec = |container: Value, volume: Value| {
        json!({ "spec": { "template": { "spec": {
            "containers": [container], "volumes": [volume] } } } })
    };
    let patch = json!({ "spec": { "template": { "spec": {
        "$setElementOrder/containers": [{ "name": "a" }],
        "$setElementOrder/volumes": [{ "name": "v" }],
        "containers": [{
            "$setElementOrder/ports": [{ "containerPort": 81 }],
            "image": "y", "name": "a",
            "ports": [{ "containerPort": 81 }, { "$patch": "delete", "containerPort": 80 }],
        }],
        "volumes": [{
            "$retainKeys": ["hostPath", "name"],
            "emptyDir": null, "hostPath": { "path": "/x" }, "name": "v",
        }],
    } } } });
    check(
        schema::of("apps", "v1", "Deployment").unwrap(),
        vec![(
            "what the server defaulted stays",
            spec(
                json!({ "name": "a", "image": "x", "imagePullPolicy": "Always",
                    "ports": [{ "containerPort": 80, "protocol": "TCP" }] }),
                json!({ "name": "v", "emptyDir": {} }),
            ),
            patch,
            spec(
                json!({ "name": "a", "image": "y", "imagePullPolicy": "Always",
                    "ports": [{ "containerPort": 81 }] }),
                json!({ "name": "v", "hostPath": { "path": "/x" } }),
            ),
        )],
    );
}

#[test]
fn a_bad_strategic_patch_says_what_is_wrong() {
    let current = containers(json!([{ "name": "a" }]));
    for (patch, code, why) in [
        (json!([]), 400, "must be a JSON object"),
        (json!({ "$patch": "burn" }), 400, "unknown patch type"),
        (containers(json!([{ "image": "x" }])), 422, "does not contain declared merge key: name"),
        (containers(json!([{ "$patch": "delete" }])), 400, "no merge key defined"),
        (containers(json!([{ "$patch": "merge", "name": "a" }])), 400, "cannot yet be specified"),
        (containers(json!([["a"]])), 422, "lists of lists"),
        (containers(json!(["a"])), 422, "differ in type"),
        (
            json!({ "spec": { "$setElementOrder/containers": [{ "name": "a" }],
                "containers": [{ "name": "b" }] } }),
            400,
            "doesn't match",
        ),
        (
            json!({ "spec": { "$retainKeys": ["containers"], "nodeName": "n" } }),
            400,
            "field nodeName is set",
        ),
        (json!({ "spec": { "$retainKeys": "containers" } }), 400, "a list is required"),
    ] {
        let refused = strategic(&current, &patch, pod()).unwrap_err();
        assert_eq!(refused.code, code, "{patch}");
        assert!(refused.message.contains(why), "{patch}: {}", refused.message);
    }
}

#[test]
fn json_patches_are_all_or_nothing_and_bounded() {
    let current = json!({ "a": [1, 2], "b": "x" });
    let patch = json!([
        { "op": "test", "path": "/b", "value": "x" },
        { "op": "add", "path": "/a/-", "value": 3 },
        { "op": "remove", "path": "/a/0" },
        { "op": "move", "from": "/b", "path": "/c" },
    ]);
    assert_eq!(json_patch(&current, &patch).unwrap(), json!({ "a": [2, 3], "c": "x" }));

    let failing = json!([
        { "op": "remove", "path": "/b" },
        { "op": "test", "path": "/a/0", "value": 9 },
    ]);
    let refused = json_patch(&current, &failing).unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    assert!(refused.message.ends_with("operation '/1' failed at path '/a/0': value did not match"));

    assert_eq!(json_patch(&current, &json!({ "op": "add" })).unwrap_err().code, 400);
    let operation = json!({ "op": "test", "path": "/b", "value": "x" });
    let long = Value::Array(vec![operation; 10_001]);
    assert_eq!(json_patch(&current, &long).unwrap_err().code, 413);
    let doubling = json!({ "op": "copy", "from": "", "path": "/a/0" });
    let refused = json_patch(&current, &Value::Array(vec![doubling; 64])).unwrap_err();
    assert!(refused.message.contains("may add at most"));
}

#[test]
fn merge_patches_follow_rfc_7386() {
    let current = json!({ "a": "b", "c": { "d": "e", "f": "g" }, "list": [1, 2] });
    let patch = json!({ "a": "z", "c": { "f": null }, "list": [3], "new": { "x": null } });
    assert_eq!(
        merge(&current, &patch).unwrap(),
        json!({ "a": "z", "c": { "d": "e" }, "list": [3], "new": {} })
    );
    assert_eq!(merge(&current, &json!([1])).unwrap_err().code, 400);
}

#[test]
fn long_lists_merge_in_time() {
    // Comparing each with each would be 10^10 comparisons.
    let names = |from: usize| (from..from + 100_000).map(|n| json!(format!("f{n}")));
    let current = json!({ "metadata": { "finalizers": names(0).collect::<Vec<_>>() } });
    let patch = json!({ "metadata": {
        "$deleteFromPrimitiveList/finalizers": names(0).take(50_000).collect::<Vec<_>>(),
        "$setElementOrder/finalizers": names(50_000).collect::<Vec<_>>(),
        "finalizers": names(50_000).collect::<Vec<_>>(),
    } });
    let patched = strategic(&current, &patch, pod()).unwrap();
    assert_eq!(patched["metadata"]["finalizers"], names(50_000).collect::<Value>());
}
