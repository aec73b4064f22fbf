//! DaemonSets.

use super::*;

fn set() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": { "name": "d" },
        "spec": {
            "selector": { "matchLabels": { "app": "d" } },
            "template": {
                "metadata": { "labels": { "app": "d" } },
                "spec": { "containers": [{ "name": "a", "image": "d" }] },
            },
        },
    })
}

fn rolling(unavailable: Value, surge: Value) -> Value {
    let rolling = json!({ "maxUnavailable": unavailable, "maxSurge": surge });
    with(&set(), "/spec/updateStrategy", json!({ "rollingUpdate": rolling }))
}

#[test]
fn a_minimal_set_gets_the_defaults_of_kubernetes() {
    let created = create(set()).unwrap();
    let spec = &created["spec"];
    assert_eq!(spec["revisionHistoryLimit"], 10);
    assert_eq!(
        spec["updateStrategy"],
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 0 } })
    );
}

#[test]
fn a_rolling_update_takes_away_or_surges_but_not_both() {
    for (unavailable, surge) in [
        (json!(2), json!(0)),
        (json!("100%"), json!("0%")),
        (json!(0), json!(1)),
        (json!("0%"), json!("30%")),
    ] {
        create(rolling(unavailable, surge)).unwrap();
    }
    for (unavailable, surge, sentence) in [
        (json!(0), json!(0), "maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
        (json!("0%"), json!(0), "maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
        (
            json!(1),
            json!("30%"),
            "maxSurge: Invalid value: \"30%\": may not be set when maxUnavailable is non-zero",
        ),
        // It is 1 where nothing is said.
        (
            json!(null),
            json!(2),
            "maxSurge: Invalid value: 2: may not be set when maxUnavailable is non-zero",
        ),
        (
            json!(0),
            json!("101%"),
            "maxSurge: Invalid value: \"101%\": must not be greater than 100%",
        ),
        (
            json!("101%"),
            json!(0),
            "maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
        ),
        (json!(0), json!(-1), "maxSurge: Invalid value: -1: must be greater than or equal to 0"),
    ] {
        let said = sentences(create(rolling(unavailable, surge)));
        assert_eq!(said, format!("spec.updateStrategy.rollingUpdate.{sentence}"));
    }
}

#[test]
fn a_set_that_surges_may_have_host_ports_as_in_kubernetes() {
    let ports = json!([{ "containerPort": 80, "hostPort": 80 }]);
    let set = with(&rolling(json!(0), json!(1)), "/spec/template/spec/containers/0/ports", ports);
    create(set).unwrap();
}

#[test]
fn a_status_counts_collisions() {
    let created = create(set()).unwrap();
    let status = |count: i64| with(&created, "/status", json!({ "collisionCount": count }));
    update_status(&created, status(1)).unwrap();
    let said = sentences(update_status(&created, status(-1)));
    let sentence = "status.collisionCount: Invalid value: -1: must be greater than or equal to 0";
    assert_eq!(said, sentence);
}
