//! Deployments and ReplicaSets.

use super::*;

#[test]
fn a_minimal_deployment_gets_the_defaults_of_kubernetes() {
    let created = create(deployment()).unwrap();
    let spec = &created["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["revisionHistoryLimit"], 10);
    assert_eq!(spec["progressDeadlineSeconds"], 600);
    assert_eq!(
        spec["strategy"],
        json!({
            "type": "RollingUpdate",
            "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" },
        })
    );
    assert_eq!(
        spec["template"]["spec"],
        json!({
            "containers": [{
                "name": "a",
                "image": "web",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "terminationGracePeriodSeconds": 30,
        })
    );
    assert_eq!(created["status"], json!({}));
}

#[test]
fn faults_are_told_as_kubernetes_tells_them() {
    for (pointer, value, sentence) in [
        (
            "/spec/replicas",
            json!(-1),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        ("/spec/selector", json!(null), "spec.selector: Required value"),
        (
            "/spec/template/metadata/annotations",
            json!({ "sheave.io/socket-hooks": "" }),
            "spec.template.metadata.annotations[sheave.io/socket-hooks]: Unsupported value: \"\": \
             supported values: \"off\", \"on\"",
        ),
        (
            "/spec/template/metadata/labels",
            json!({ "app": "other" }),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not \
             match template `labels`",
        ),
        (
            "/spec/template/spec/restartPolicy",
            json!("Never"),
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \
             \"Always\"",
        ),
        (
            "/spec/template/spec/containers/0/image",
            json!(null),
            "spec.template.spec.containers[0].image: Required value",
        ),
        (
            "/spec/strategy",
            json!({ "type": "Recreate", "rollingUpdate": { "maxSurge": 1 } }),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is \
             'Recreate'",
        ),
        (
            "/spec/strategy",
            json!({ "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "0%" } }),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when \
             `maxSurge` is 0",
        ),
        (
            "/spec/strategy",
            json!({ "rollingUpdate": { "maxSurge": "many" } }),
            "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"many\": a valid percent string must \
             be a numeric string followed by an ending '%'",
        ),
        (
            "/spec/minReadySeconds",
            json!(600),
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
    ] {
        let found = sentences(create(with(&deployment(), pointer, value)));
        assert!(found.starts_with(sentence), "{found}");
    }
    let status = create(with(&deployment(), "/spec/replicas", json!(-1))).unwrap_err();
    assert_eq!(
        status.message,
        "Deployment.apps \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater than or \
         equal to 0"
    );
}

#[test]
fn a_selector_stays() {
    let old = create(deployment()).unwrap();
    let mut new = deployment();
    new["spec"]["selector"]["matchLabels"] = json!({ "app": "web", "tier": "x" });
    new["spec"]["template"]["metadata"]["labels"] = json!({ "app": "web", "tier": "x" });
    assert_eq!(
        sentences(update(&old, new)),
        "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"web\",\"tier\":\"x\"}}: field is \
         immutable"
    );
}
