//! Pods.

use super::*;
use crate::kinds::pod::{bind, qos};

#[test]
fn a_minimal_pod_gets_the_defaults_of_kubernetes() {
    let created = create(pod()).unwrap();
    assert_eq!(
        created["spec"],
        json!({
            "containers": [{
                "name": "a",
                "image": "web:1",
                "imagePullPolicy": "IfNotPresent",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {},
            "serviceAccount": "default",
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [
                {
                    "effect": "NoExecute",
                    "key": "node.kubernetes.io/not-ready",
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                },
                {
                    "effect": "NoExecute",
                    "key": "node.kubernetes.io/unreachable",
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                },
            ],
        })
    );
    assert_eq!(created["status"], json!({ "phase": "Pending", "qosClass": "BestEffort" }));
}

#[test]
fn the_pull_policy_follows_the_tag() {
    for (image, policy) in [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("web:1", "IfNotPresent"),
        ("registry.example:5000/web", "Always"),
        ("registry.example:5000/web:1", "IfNotPresent"),
        ("web@sha256:0000", "IfNotPresent"),
    ] {
        let created = create(with(&pod(), "/spec/containers/0/image", json!(image))).unwrap();
        assert_eq!(created["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn parts_of_a_container_get_their_defaults() {
    let container = json!({
        "name": "a",
        "image": "web:1",
        "ports": [{ "containerPort": 80 }],
        "resources": { "limits": { "cpu": "0.5", "memory": "1024Mi" } },
        "env": [{ "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }],
        "readinessProbe": { "httpGet": { "port": 80 } },
    });
    let mut sent = pod();
    sent["spec"]["containers"][0] = container;
    sent["spec"]["hostNetwork"] = json!(true);
    sent["spec"]["volumes"] = json!([
        { "name": "e" },
        { "name": "c", "configMap": { "name": "c" } },
        { "name": "h", "hostPath": { "path": "/h" } },
    ]);
    let spec = create(sent).unwrap()["spec"].clone();
    let container = &spec["containers"][0];
    assert_eq!(
        container["ports"],
        json!([{ "containerPort": 80, "hostPort": 80, "protocol": "TCP" }])
    );
    assert_eq!(
        container["resources"],
        json!({
            "limits": { "cpu": "500m", "memory": "1Gi" },
            "requests": { "cpu": "500m", "memory": "1Gi" },
        })
    );
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(
        container["readinessProbe"],
        json!({
            "httpGet": { "path": "/", "port": 80, "scheme": "HTTP" },
            "timeoutSeconds": 1,
            "periodSeconds": 10,
            "successThreshold": 1,
            "failureThreshold": 3,
        })
    );
    assert_eq!(spec["volumes"][0]["emptyDir"], json!({}));
    assert_eq!(spec["volumes"][1]["configMap"]["defaultMode"], 420);
    assert_eq!(spec["volumes"][2]["hostPath"]["type"], "");
}

#[test]
fn quality_of_service_follows_resources() {
    let of = |resources: Value| qos::class(&json!({ "containers": [{ "resources": resources }] }));
    let both = json!({ "cpu": "1", "memory": "1Gi" });
    assert_eq!(of(json!({})), "BestEffort");
    assert_eq!(of(json!({ "requests": { "cpu": "0" } })), "BestEffort");
    assert_eq!(of(json!({ "requests": { "cpu": "1" } })), "Burstable");
    assert_eq!(of(json!({ "limits": both })), "Guaranteed");
    assert_eq!(
        of(json!({ "limits": both, "requests": { "cpu": "500m", "memory": "1Gi" } })),
        "Burstable"
    );
    let mixed = json!({ "containers": [
        { "resources": { "limits": both, "requests": both } }, { "resources": {} },
    ]});
    assert_eq!(qos::class(&mixed), "Burstable");
}

#[test]
fn faults_are_told_as_kubernetes_tells_them() {
    let a = "/spec/containers/0";
    let at = |field: &str| format!("{a}/{field}");
    for (pointer, value, sentence) in [
        ("/spec/containers".to_owned(), json!(null), "spec.containers: Required value"),
        (at("image"), json!(null), "spec.containers[0].image: Required value"),
        (
            at("image"),
            json!(" web"),
            "spec.containers[0].image: Invalid value: \" web\": must not have leading or trailing \
             whitespace",
        ),
        (at("name"), json!(null), "spec.containers[0].name: Required value"),
        (
            "/metadata/annotations".to_owned(),
            json!({ "sheave.io/socket-hooks": "of" }),
            "metadata.annotations[sheave.io/socket-hooks]: Unsupported value: \"of\": supported \
             values: \"off\", \"on\"",
        ),
        (
            "/spec/containers/-".to_owned(),
            json!({ "name": "a", "image": "b" }),
            "spec.containers[1].name: Duplicate value: \"a\"",
        ),
        (
            at("imagePullPolicy"),
            json!("Sometimes"),
            "spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \
             \"Always\", \"IfNotPresent\", \"Never\"",
        ),
        (
            at("ports"),
            json!([{ "containerPort": 70000 }]),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and \
             65535, inclusive",
        ),
        (
            at("ports"),
            json!([{ "containerPort": 80, "protocol": "ICMP" }]),
            "spec.containers[0].ports[0].protocol: Unsupported value: \"ICMP\": supported values: \
             \"SCTP\", \"TCP\", \"UDP\"",
        ),
        (
            at("ports"),
            json!([{ "containerPort": 80, "name": "p" }, { "containerPort": 81, "name": "p" }]),
            "spec.containers[0].ports[1].name: Duplicate value: \"p\"",
        ),
        (
            at("ports"),
            json!([{ "containerPort": 80, "hostPort": 8 }, { "containerPort": 81, "hostPort": 8 }]),
            "spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//8\"",
        ),
        (
            at("volumeMounts"),
            json!([{ "name": "v", "mountPath": "/v" }]),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            at("env"),
            json!([{ "name": "A=B", "value": "c" }]),
            "spec.containers[0].env[0].name: Invalid value: \"A=B\": a valid environment variable name \
             must consist only of printable ASCII characters other than '='",
        ),
        (
            at("env"),
            json!([{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "spec.foo" } } }]),
            "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"spec.foo\": \
             supported values: \"metadata.name\", \"metadata.namespace\", \"metadata.uid\", \
             \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \
             \"status.podIP\", \"status.podIPs\"",
        ),
        (
            at("livenessProbe"),
            json!({ "initialDelaySeconds": 1 }),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            at("livenessProbe"),
            json!({ "exec": { "command": ["a"] }, "tcpSocket": { "port": 1 } }),
            "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler \
             type",
        ),
        (
            at("livenessProbe"),
            json!({ "exec": { "command": ["a"] }, "successThreshold": 2 }),
            "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (
            at("resources"),
            json!({ "requests": { "cpu": "2" }, "limits": { "cpu": "1" } }),
            "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to \
             cpu limit of 1",
        ),
        (
            at("resources"),
            json!({ "limits": { "cpu": "-1" } }),
            "spec.containers[0].resources.limits[cpu]: Invalid value: \"-1\": must be greater than or \
             equal to 0",
        ),
        (
            "/spec/restartPolicy".to_owned(),
            json!("Maybe"),
            "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \
             \"OnFailure\", \"Never\"",
        ),
        (
            "/spec/volumes".to_owned(),
            json!([{ "name": "v", "emptyDir": {}, "hostPath": { "path": "/" } }]),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (
            "/spec/volumes".to_owned(),
            json!([{ "name": "v", "hostPath": { "path": "/a/../b" } }]),
            "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
        ),
        (
            "/spec/volumes".to_owned(),
            json!([{ "name": "v", "secret": {} }]),
            "spec.volumes[0].secret.secretName: Required value",
        ),
        (
            "/spec/tolerations".to_owned(),
            json!([{ "key": "a", "operator": "Exists", "value": "b" }]),
            "spec.tolerations[0].operator: Invalid value: {\"key\":\"a\",\"operator\":\"Exists\",\
             \"value\":\"b\"}: value must be empty when `operator` is 'Exists'",
        ),
        (
            "/spec/ephemeralContainers".to_owned(),
            json!([{ "name": "e", "image": "x" }]),
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ),
        (
            "/spec/nodeSelector".to_owned(),
            json!({ "a": "b c" }),
            "spec.nodeSelector[a]: Invalid value: \"b c\": a valid label must be",
        ),
        (
            "/spec/initContainers".to_owned(),
            json!([{ "name": "i", "image": "x", "readinessProbe": { "tcpSocket": { "port": 1 } } }]),
            "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without \
             restartPolicy=Always",
        ),
    ] {
        let found = sentences(create(with(&pod(), &pointer, value.clone())));
        let found = found.trim_start_matches('[');
        assert!(found.starts_with(sentence), "{value}: {found}");
    }
}

#[test]
fn several_faults_come_together() {
    let mut sent = pod();
    sent["spec"]["containers"][0] = json!({ "name": "A", "image": "" });
    let status = create(sent).unwrap_err();
    assert!(
        status
            .message
            .starts_with("Pod \"web\" is invalid: [spec.containers[0].name: Invalid value")
    );
    assert_eq!(status.details["causes"].as_array().unwrap().len(), 2);
    assert_eq!(status.details["causes"][1]["field"], "spec.containers[0].image");
}

#[test]
fn a_pod_stays_what_it_is() {
    let old = create(pod()).unwrap();
    let image = with(&old, "/spec/containers/0/image", json!("web:2"));
    let updated = update(&old, image).unwrap();
    assert_eq!(updated["metadata"]["generation"], 2);
    let tolerant = with(&old, "/spec/tolerations/-", json!({ "key": "a", "operator": "Exists" }));
    assert!(update(&old, tolerant).is_ok());
    let deadline = with(&old, "/spec/activeDeadlineSeconds", json!(5));
    let with_deadline = update(&old, deadline).unwrap();
    let later = with(&with_deadline, "/spec/activeDeadlineSeconds", json!(6));
    assert_eq!(
        sentences(update(&with_deadline, later)),
        "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"
    );
    let intolerant = with(&old, "/spec/tolerations", json!([]));
    assert!(update(&old, intolerant).is_ok(), "the defaults come back");
    let env = with(&old, "/spec/containers/0/env", json!([{ "name": "A", "value": "b" }]));
    let found = sentences(update(&old, env));
    assert!(
        found.starts_with(
            "spec: Forbidden: pod updates may not change fields other than `spec.containers"
        ),
        "{found}"
    );
    assert!(found.ends_with("changed: `spec.containers[0].env`"), "{found}");
    let more = with(&old, "/spec/containers/-", json!({ "name": "b", "image": "b" }));
    assert_eq!(
        sentences(update(&old, more)),
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    );
}

#[test]
fn binding_happens_once() {
    let mut bound = create(pod()).unwrap();
    let binding = json!({ "target": { "kind": "Node", "name": "n" } });
    bind(&mut bound, &binding, &context()).unwrap();
    assert_eq!(bound["spec"]["nodeName"], "n");
    let condition = &bound["status"]["conditions"][0];
    assert_eq!(
        (&condition["type"], &condition["status"]),
        (&json!("PodScheduled"), &json!("True"))
    );
    let refusal = bind(&mut bound, &binding, &context()).unwrap_err();
    assert!(refusal.is_conflict());
    assert_eq!(
        refusal.message,
        "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"n\""
    );
    let mut fresh = create(pod()).unwrap();
    assert_eq!(
        bind(&mut fresh, &json!({ "target": {} }), &context()).unwrap_err().message,
        "Binding \"web\" is invalid: target.name: Required value"
    );
}

#[test]
fn the_grace_period_is_for_pods_that_run() {
    let mut object = create(pod()).unwrap();
    let grace = |object: &Value, requested| {
        kind_of(object).strategy.grace_period_seconds(object, requested)
    };
    assert_eq!(grace(&object, None), 0);
    object["spec"]["nodeName"] = json!("n");
    assert_eq!(grace(&object, None), 30);
    assert_eq!(grace(&object, Some(5)), 5);
    assert_eq!(grace(&object, Some(0)), 0);
    assert_eq!(grace(&object, Some(-1)), 1);
    object["status"]["phase"] = json!("Succeeded");
    assert_eq!(grace(&object, None), 0);
}

#[test]
fn pods_are_selected_by_field() {
    use crate::selector::FieldSelector;
    let mut object = create(pod()).unwrap();
    object["status"]["podIPs"] = json!([{ "ip": "10.0.0.1" }]);
    let kind = kind_of(&object);
    for (text, expected) in [
        ("status.phase=Pending", true),
        ("status.phase!=Pending", false),
        ("spec.nodeName=", true),
        ("spec.hostNetwork=false", true),
        ("metadata.name=web,metadata.namespace=default", true),
        ("status.podIP=10.0.0.1", true),
        ("spec.restartPolicy=Never", false),
    ] {
        let selector = FieldSelector::parse(text).unwrap();
        kind.check_field_selector(&selector).unwrap();
        assert_eq!(kind.matches_fields(&selector, &object), expected, "{text}");
    }
}
