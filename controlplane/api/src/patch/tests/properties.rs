//! What holds for every patch.

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Map, Value, json};

use super::differ::diff;
use super::{merge, pod, strategic};

fn labels() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-c]", "[xy]", 0..3)
        .prop_map(|map| Value::Object(map.into_iter().map(|(k, v)| (k, json!(v))).collect()))
}

fn finalizers() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle()
}

fn container(name: &'static str) -> impl Strategy<Value = Value> {
    let env = subsequence(vec!["X", "Y", "Z"], 0..=3).prop_shuffle();
    let ports = subsequence(vec![80, 443, 53], 0..=3).prop_shuffle();
    ("[12]", env, "[uv]", ports, prop::option::of(0..3i32)).prop_map(
        move |(image, env, value, ports, grace)| {
            let env = env.iter().map(|name| json!({ "name": name, "value": value }));
            let ports = ports.iter().map(|port| json!({ "containerPort": port }));
            let mut container = json!({
                "name": name, "image": image,
                "env": env.collect::<Vec<_>>(), "ports": ports.collect::<Vec<_>>(),
                "args": [value],
            });
            if let Some(seconds) = grace {
                container["livenessProbe"] = json!({ "periodSeconds": seconds });
            }
            container
        },
    )
}

fn any_pod() -> impl Strategy<Value = Map<String, Value>> {
    let all = (container("a"), container("b"), container("c"), container("d"));
    let containers = all
        .prop_map(|(a, b, c, d)| vec![a, b, c, d])
        .prop_flat_map(|all| subsequence(all, 0..=4).prop_shuffle());
    (labels(), finalizers(), containers, any::<bool>()).prop_map(
        |(labels, finalizers, containers, host)| {
            let pod = json!({
                "metadata": { "labels": labels, "finalizers": finalizers },
                "spec": { "containers": containers, "hostNetwork": host },
            });
            pod.as_object().unwrap().clone()
        },
    )
}

proptest! {
    #[test]
    fn a_diff_leads_to_its_target(current in any_pod(), target in any_pod()) {
        let patch = Value::Object(diff(&current, &target, pod()));
        let (current, target) = (Value::Object(current), Value::Object(target));
        let patched = strategic(&current, &patch, pod()).unwrap();
        prop_assert_eq!(&patched, &target, "{}", patch);
        // And a patch that was applied changes nothing more.
        let again = strategic(&patched, &patch, pod()).unwrap();
        prop_assert_eq!(again, target);
    }

    #[test]
    fn an_object_is_a_patch_that_it_fulfils(current in any_pod(), patch in any_pod()) {
        let (current, patch) = (Value::Object(current), Value::Object(patch));
        let patched = strategic(&current, &patch, pod()).unwrap();
        prop_assert_eq!(strategic(&patched, &patch, pod()).unwrap(), patched);
        let merged = merge(&current, &patch).unwrap();
        prop_assert_eq!(merge(&merged, &patch).unwrap(), merged);
    }

    #[test]
    fn no_patch_leaves_a_directive_behind(current in any_pod(), target in any_pod()) {
        let patch = Value::Object(diff(&current, &target, pod()));
        let patched = strategic(&json!({}), &patch, pod());
        prop_assert!(!patched.unwrap().to_string().contains('$'));
    }
}
