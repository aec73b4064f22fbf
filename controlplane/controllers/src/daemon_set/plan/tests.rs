//! Sets, nodes and pods, and what is to be done with them.

use k8s_openapi::api::core::v1::Pod;

use super::*;

const NOW: &str = "2026-01-01T01:00:00Z";

fn set(spec: Value) -> DaemonSet {
    serde_json::from_value(json!({
        "metadata": { "name": "d", "namespace": "default", "uid": "u", "generation": 4 },
        "spec": spec,
    }))
    .unwrap()
}

fn plain() -> Value {
    json!({ "selector": {}, "template": { "metadata": { "labels": { "app": "d" } },
        "spec": { "containers": [] } } })
}

fn node(name: &str, taints: Value) -> NodeFacts {
    let metadata = json!({ "name": name, "labels": { "disk": "ssd" } });
    serde_json::from_value(json!({ "metadata": metadata, "spec": { "taints": taints } })).unwrap()
}

fn pod(name: &str, node: &str, hash: &str, ready: bool) -> Owned {
    let ready = if ready { "True" } else { "False" };
    let facts: PodFacts = serde_json::from_value::<Pod>(json!({
        "metadata": { "uid": name, "labels": { HASH_LABEL: hash },
            "creationTimestamp": "2026-01-01T00:00:00Z" },
        "status": { "phase": "Running", "conditions": [
            { "type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z" }] },
    }))
    .unwrap()
    .into();
    Owned {
        key: ObjectKey::new("default", name),
        node: node.into(),
        deleting: false,
        waits_s: None,
        facts: Arc::new(facts),
    }
}

fn made(spec: Value, nodes: &[NodeFacts], pods: &[Owned]) -> (Vec<String>, Vec<String>, Value) {
    let plan = plan(&set(spec), "new", nodes, pods, NOW.parse().unwrap());
    let deleted = plan.delete.into_iter().map(|(key, _)| key.name).collect();
    (plan.create, deleted, plan.status)
}

#[test]
fn one_pod_a_node_that_fits() {
    let tainted = json!([{ "key": "k", "effect": "NoSchedule" }]);
    let cordoned = json!([{ "key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule" }]);
    let nodes = [node("a", json!([])), node("b", tainted.clone()), node("c", cordoned)];
    let (create, delete, status) = made(plain(), &nodes, &[]);
    assert_eq!((create, delete), (vec!["a".to_owned(), "c".to_owned()], vec![]));
    assert_eq!(status["desiredNumberScheduled"], 2);
    assert_eq!(status["numberUnavailable"], 2);
    let mut picky = plain();
    picky["template"]["spec"]["nodeSelector"] = json!({ "disk": "hdd" });
    assert_eq!(made(picky, &nodes, &[pod("p", "a", "new", true)]).1, ["p"]);
    // It may stay where it could not come to.
    assert!(made(plain(), &nodes[1..2], &[pod("p", "b", "new", true)]).1.is_empty());
}

#[test]
fn what_goes_is_waited_for_and_what_is_too_much_goes() {
    let nodes = [node("a", json!([]))];
    let mut leaving = pod("p", "a", "new", true);
    leaving.deleting = true;
    let (create, delete, _) = made(plain(), &nodes, &[leaving]);
    assert!(create.is_empty() && delete.is_empty());
    let two = [pod("p", "a", "new", true), pod("q", "a", "new", true)];
    assert_eq!(made(plain(), &nodes, &two).1, ["q"]);
    assert_eq!(made(plain(), &nodes, &[pod("r", "gone", "new", true)]).1, ["r"]);
}

#[test]
fn an_update_takes_no_more_away_than_it_may() {
    let nodes: Vec<_> = ["a", "b", "c"].map(|name| node(name, json!([]))).into();
    let old = |ready: [bool; 3]| {
        let pods = ["a", "b", "c"].into_iter().zip(ready);
        pods.map(|(name, ready)| pod(name, name, "old", ready)).collect::<Vec<_>>()
    };
    assert_eq!(made(plain(), &nodes, &old([true; 3])).1, ["a"]);
    assert_eq!(made(plain(), &nodes, &old([true, false, true])).1, ["b"]);
    let mut two = plain();
    two["updateStrategy"] = json!({ "type": "RollingUpdate",
        "rollingUpdate": { "maxUnavailable": "50%" } });
    assert_eq!(made(two, &nodes, &old([true; 3])).1, ["a", "b"]);
    let mut never = plain();
    never["updateStrategy"] = json!({ "type": "OnDelete" });
    assert!(made(never, &nodes, &old([true; 3])).1.is_empty());
}

/// A set that surges on one node at a time.
fn surging() -> Value {
    let mut spec = plain();
    spec["updateStrategy"] = json!({ "type": "RollingUpdate",
        "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } });
    spec
}

/// Nodes of these names, that keep nobody away.
fn nodes<const N: usize>(names: [&str; N]) -> [NodeFacts; N] {
    names.map(|name| node(name, json!([])))
}

fn nothing() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).into()
}

#[test]
fn a_surge_brings_the_new_pod_before_the_old_one_goes() {
    let nodes = nodes(["a", "b"]);
    let old = || vec![pod("p", "a", "old", true), pod("q", "b", "old", true)];
    let (create, delete, _) = made(surging(), &nodes, &old());
    assert_eq!((create, delete), (names(["a"]), vec![]));
    // The new one is not ready: nothing goes, and nobody else begins.
    let mut both = old();
    both.push(pod("r", "a", "new", false));
    let (create, delete, status) = made(surging(), &nodes, &both);
    assert_eq!((create, delete), nothing());
    for (field, count) in [
        ("currentNumberScheduled", 2),
        ("numberAvailable", 2),
        ("numberReady", 2),
        ("numberUnavailable", 0),
        ("updatedNumberScheduled", 0),
    ] {
        assert_eq!(status[field], count, "{field}");
    }
    // It is: the old one goes, and the other node may begin.
    both[2] = pod("r", "a", "new", true);
    let (create, delete, _) = made(surging(), &nodes, &both);
    assert_eq!((create, delete), (names(["b"]), names(["p"])));
    both.remove(0);
    assert_eq!(made(surging(), &nodes, &both).2["updatedNumberScheduled"], 1);
}

#[test]
fn a_new_pod_beside_an_old_one_is_counted_on_only_after_a_while() {
    let mut spec = surging();
    spec["minReadySeconds"] = json!(3600 + 7);
    let nodes = nodes(["a"]);
    let mut old = pod("p", "a", "old", true);
    let mut facts = PodFacts::clone(&old.facts);
    facts.ready_since = Some("2025-12-31T00:00:00Z".parse().unwrap());
    old.facts = Arc::new(facts);
    let pods = [old, pod("q", "a", "new", true)];
    let plan = plan(&set(spec), "new", &nodes, &pods, NOW.parse().unwrap());
    assert!(plan.create.is_empty() && plan.delete.is_empty());
    assert_eq!(plan.again_s, Some(7));
    // Nor while some node may not know its endpoints.
    let mut pods = pods;
    pods[1].waits_s = Some(2);
    let (create, delete, _) = made(surging(), &nodes, &pods);
    assert_eq!((create, delete), nothing());
    pods[1].waits_s = None;
    assert_eq!(made(surging(), &nodes, &pods).1, ["p"]);
}

#[test]
fn a_surge_is_as_wide_as_it_may_be_and_rounds_up() {
    let nodes = nodes(["a", "b", "c"]);
    let old = ["a", "b", "c"].map(|name| pod(name, name, "old", true));
    for (max, begun) in
        [(json!(1), 1), (json!(2), 2), (json!("1%"), 1), (json!("34%"), 2), (json!("100%"), 3)]
    {
        let mut spec = surging();
        spec["updateStrategy"]["rollingUpdate"]["maxSurge"] = max.clone();
        let (create, delete, _) = made(spec, &nodes, &old);
        assert_eq!((create.len(), delete.len()), (begun, 0), "{max}");
    }
    let mut by_hand = surging();
    by_hand["updateStrategy"]["type"] = json!("OnDelete");
    let (create, delete, _) = made(by_hand, &nodes, &old);
    assert_eq!((create, delete), nothing());
}

#[test]
fn what_does_not_work_is_surged_at_once_and_goes_when_another_is_there() {
    let nodes = nodes(["a", "b", "c"]);
    let mut pods = vec![
        pod("a1", "a", "old", true),
        pod("a2", "a", "new", false),
        pod("b1", "b", "old", false),
        pod("c1", "c", "old", true),
    ];
    let (create, delete, _) = made(surging(), &nodes, &pods);
    assert_eq!((create, delete), (names(["b"]), vec![]));
    pods.push(pod("b2", "b", "new", false));
    let (create, delete, _) = made(surging(), &nodes, &pods);
    assert_eq!((create, delete), (vec![], names(["b1"])));
}

#[test]
fn two_are_the_most_that_a_surge_has_on_a_node() {
    let nodes = nodes(["a"]);
    // The template changed again, or went back, while there were two.
    let two = [pod("p", "a", "oldest", true), pod("q", "a", "old", false)];
    let (create, delete, _) = made(surging(), &nodes, &two);
    assert_eq!((create, delete), (names(["a"]), names(["q"])));
    let mut leaving = two.clone();
    leaving[1].deleting = true;
    let (create, delete, _) = made(surging(), &nodes, &leaving);
    assert_eq!((create, delete), nothing());
    let back = [pod("p", "a", "new", true), pod("q", "a", "old", false)];
    assert_eq!(made(surging(), &nodes, &back).1, ["q"]);
    // Nobody asks for two any more: what works stays, the new one if both do.
    let mut by_hand = plain();
    by_hand["updateStrategy"] = json!({ "type": "OnDelete" });
    let both = |old, new| [pod("p", "a", "old", old), pod("q", "a", "new", new)];
    assert_eq!(made(by_hand.clone(), &nodes, &both(true, true)).1, ["p"]);
    assert_eq!(made(by_hand, &nodes, &both(true, false)).1, ["q"]);
}

#[test]
fn what_failed_at_once_is_not_replaced_at_once() {
    let nodes = nodes(["a"]);
    let failed = |after_s: i64| {
        let mut failed = pod("q", "a", "new", false);
        let mut facts = PodFacts::clone(&failed.facts);
        let now: Timestamp = NOW.parse().unwrap();
        facts.created = Some(Timestamp::from_second(now.as_second() - after_s).unwrap());
        facts.phase = "Failed".to_owned();
        failed.facts = Arc::new(facts);
        failed
    };
    for (spec, pods) in [(plain(), vec![]), (surging(), vec![pod("p", "a", "old", true)])] {
        let pods = |after_s| [pods.clone(), vec![failed(after_s)]].concat();
        let plan = plan(&set(spec.clone()), "new", &nodes, &pods(10), NOW.parse().unwrap());
        assert_eq!((plan.create, plan.delete, plan.again_s), (vec![], vec![], Some(20)));
        assert_eq!(made(spec, &nodes, &pods(30)).1, ["q"]);
    }
}
