//! What clients send, and what they are told.

use serde_json::{Value, json};

use super::*;
use crate::schema;

fn deployment() -> &'static Message {
    schema::of("apps", "v1", "Deployment").unwrap()
}

fn pod() -> &'static Message {
    schema::of("", "v1", "Pod").unwrap()
}

fn json_body(body: &Value, message: &'static Message) -> Result<Decoded, Status> {
    decode(JSON, &serde_json::to_vec(body).unwrap(), message, FieldValidation::Strict)
}

#[test]
fn unknown_and_duplicate_fields_are_refused_or_warned_about_or_dropped() {
    let body = br#"{"apiVersion":"apps/v1","kind":"Deployment",
        "spec":{"foo":1,"replicas":1,"replicas":2,
        "template":{"spec":{"containers":[{"name":"a","imagee":"x"}]}}}}"#;
    let refused = decode(JSON, body, deployment(), FieldValidation::Strict).unwrap_err();
    assert_eq!(refused.code, 400);
    assert_eq!(
        refused.message,
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: \
         unknown field \"spec.foo\", unknown field \"spec.template.spec.containers[0].imagee\", \
         duplicate field \"spec.replicas\""
    );
    let warned = decode(JSON, body, deployment(), FieldValidation::Warn).unwrap();
    assert_eq!(
        warned.warnings,
        [
            "unknown field \"spec.foo\"",
            "unknown field \"spec.template.spec.containers[0].imagee\"",
            "duplicate field \"spec.replicas\"",
        ]
    );
    assert_eq!(
        warned.value["spec"],
        json!({ "replicas": 2, "template": { "spec": { "containers": [{ "name": "a" }] } } })
    );
    let ignored = decode(JSON, body, deployment(), FieldValidation::Ignore).unwrap();
    assert_eq!(ignored, Decoded { warnings: Vec::new(), ..warned });
}

#[test]
fn a_wrong_type_is_named_as_kubernetes_names_it() {
    let cases = [
        (
            json!({ "spec": { "replicas": "three" } }),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of \
             type int32",
        ),
        (
            json!({ "spec": { "replicas": 4_294_967_296_i64 } }),
            "json: cannot unmarshal number 4294967296 into Go struct field \
             DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({ "spec": { "template": { "spec": { "containers": {} } } } }),
            "json: cannot unmarshal object into Go struct field \
             PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            json!({ "metadata": { "labels": { "a": 1 } } }),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of \
             type string",
        ),
        (
            json!({ "spec": { "template": { "spec": { "restartPolicy": 1 } } } }),
            "json: cannot unmarshal number into Go struct field \
             PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            json!({ "metadata": { "creationTimestamp": "soon" } }),
            "parsing time \"soon\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"soon\" as \
             \"2006\"",
        ),
    ];
    for (mut body, why) in cases {
        body["kind"] = json!("Deployment");
        body["apiVersion"] = json!("apps/v1");
        let refused = json_body(&body, deployment()).unwrap_err();
        assert_eq!(
            refused.message,
            format!("Deployment in version \"v1\" cannot be handled as a Deployment: {why}")
        );
    }
}

#[test]
fn what_absence_says_as_well_is_left_out() {
    let body = json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": { "name": "a", "creationTimestamp": null, "labels": {} },
        "spec": {
            "hostNetwork": false, "volumes": [], "nodeName": "",
            "automountServiceAccountToken": false,
            "containers": [{ "name": "a", "resources": {}, "stdin": true }],
        },
        "status": {},
    });
    let decoded = json_body(&body, pod()).unwrap();
    assert_eq!(
        decoded.value,
        json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": { "name": "a" },
            "spec": {
                "automountServiceAccountToken": false,
                "containers": [{ "name": "a", "resources": {}, "stdin": true }],
            },
            "status": {},
        })
    );
}

#[test]
fn an_inlined_message_and_a_nested_kind_are_known() {
    let body = json!({
        "spec": { "volumes": [{ "name": "v", "emptyDir": { "medium": "Memory" } }] },
    });
    assert_eq!(json_body(&body, pod()).unwrap().value, body);
    let set = schema::of("apps", "v1", "StatefulSet").unwrap();
    let body = json!({ "spec": { "volumeClaimTemplates": [
        { "kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": { "name": "a" } },
    ] } });
    assert!(json_body(&body, set).unwrap().value["spec"].get("volumeClaimTemplates").is_some());
}

#[test]
fn yaml_means_what_the_json_means() {
    let yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: {on: 'yes'}\n\
                 data:\n  port: \"80\"\n  text: |\n    two\n    lines\n";
    let message = schema::of("", "v1", "ConfigMap").unwrap();
    let decoded = decode(YAML, yaml, message, FieldValidation::Strict).unwrap();
    assert_eq!(
        decoded.value,
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "a", "labels": { "on": "yes" } },
            "data": { "port": "80", "text": "two\nlines\n" },
        })
    );
    let twice = b"apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\ndata: {a: c}\n";
    let refused = decode(YAML, twice, message, FieldValidation::Strict).unwrap_err();
    assert!(refused.message.ends_with("strict decoding error: duplicate field \"data\""));
    let number = b"kind: ConfigMap\napiVersion: v1\ndata: {port: 80}\n";
    let refused = decode(YAML, number, message, FieldValidation::Strict).unwrap_err();
    assert!(
        refused.message.contains("cannot unmarshal number into Go struct field ConfigMap.data")
    );
}

#[test]
fn other_media_types_and_broken_bodies_are_refused() {
    let refused = decode("text/plain", b"{}", pod(), FieldValidation::Warn).unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (415, "UnsupportedMediaType"));
    for body in [&b"{"[..], b"[]", b"", b"{}{}", b"\xff"] {
        assert_eq!(decode(JSON, body, pod(), FieldValidation::Warn).unwrap_err().code, 400);
    }
    let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
    for depth in [60, 126, 200, 1_900, 100_000] {
        let body = format!("{{\"spec\": {}}}", nested(depth));
        for media_type in [JSON, YAML] {
            let refused = decode(media_type, body.as_bytes(), pod(), FieldValidation::Ignore);
            assert_eq!(refused.unwrap_err().code, 400, "{depth} levels of {media_type}");
        }
    }
    let laughs = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                  c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                  e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let refused = decode(YAML, laughs.as_bytes(), pod(), FieldValidation::Ignore).unwrap_err();
    assert_eq!(refused.code, 400, "{refused}");
    let deep = "[".repeat(100_000);
    assert_eq!(decode(JSON, deep.as_bytes(), pod(), FieldValidation::Warn).unwrap_err().code, 400);
    assert_eq!(decode(YAML, deep.as_bytes(), pod(), FieldValidation::Warn).unwrap_err().code, 400);
}

#[test]
fn a_hostile_body_gets_a_bounded_answer() {
    let fields = (0..50_000).map(|n| format!("\"f{n}\":0,\"f{n}\":1")).collect::<Vec<_>>();
    let body = format!("{{{}}}", fields.join(","));
    let decoded = decode(JSON, body.as_bytes(), pod(), FieldValidation::Warn).unwrap();
    assert_eq!(decoded.warnings.len(), 2 * COMPLAINTS_MAX);
}
