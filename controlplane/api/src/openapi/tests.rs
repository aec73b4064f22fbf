//! What kubectl looks for in the documents.

use serde_json::{Value, json};

use super::*;
use crate::kinds::KINDS;

fn v3(path: &str) -> Value {
    serde_json::from_slice(&v3_document(KINDS, path).unwrap()).unwrap()
}

#[test]
fn the_index_names_a_document_for_each_group_version() {
    let paths = v3_paths(KINDS);
    for path in ["api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1"] {
        assert!(paths.contains(&path.to_owned()), "{path} is not in {paths:?}");
    }
    assert!(v3_document(KINDS, "apis/nothing/v1").is_none());
    let index = v3_index([("apis/apps/v1", "ABC")]);
    assert_eq!(
        index,
        json!({ "paths": { "apis/apps/v1": {
            "serverRelativeURL": "/openapi/v3/apis/apps/v1?hash=ABC" } } })
    );
}

#[test]
fn apply_finds_merge_keys_and_the_patch_operation() {
    let document = v3("apis/apps/v1");
    let gvk = json!({ "group": "apps", "version": "v1", "kind": "Deployment" });
    let patch =
        &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], gvk);
    assert!(
        patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_some()
    );
    let names = |parameter: &Value| (parameter["name"].clone(), parameter["in"].clone());
    let parameters = patch["parameters"].as_array().unwrap().iter().map(names).collect::<Vec<_>>();
    for name in ["fieldValidation", "dryRun"] {
        assert!(parameters.contains(&(json!(name), json!("query"))));
    }
    let schemas = &document["components"]["schemas"];
    let deployment = &schemas["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(deployment["x-kubernetes-group-version-kind"], json!([gvk]));
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-list-type"], "map");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let volumes = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"];
    assert_eq!(volumes["x-kubernetes-patch-strategy"], "merge,retainKeys");
    let ports = &schemas["io.k8s.api.core.v1.Container"]["properties"]["ports"];
    assert_eq!(ports["x-kubernetes-list-map-keys"], json!(["containerPort", "protocol"]));
}

#[test]
fn explain_finds_fields_behind_references() {
    let document = v3("api/v1");
    let list = &document["paths"]["/api/v1/namespaces/{namespace}/pods"]["get"];
    assert_eq!(list["x-kubernetes-group-version-kind"]["kind"], "Pod");
    let schemas = &document["components"]["schemas"];
    let pod = &schemas["io.k8s.api.core.v1.Pod"];
    let reference = &pod["properties"]["spec"]["allOf"][0]["$ref"];
    assert_eq!(reference, "#/components/schemas/io.k8s.api.core.v1.PodSpec");
    assert_eq!(pod["properties"]["spec"]["description"], "What is wanted.");
    let policy = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["restartPolicy"];
    assert_eq!(policy["enum"], json!(["Always", "Never", "OnFailure"]));
    // Fields of an inlined message are the owner's.
    let volume = &schemas["io.k8s.api.core.v1.Volume"];
    assert_eq!(volume["required"], json!(["name"]));
    assert!(volume["properties"].get("emptyDir").is_some());
    assert!(document["paths"].get("/api/v1/namespaces/{namespace}/pods/{name}/log").is_some());
}

#[test]
fn every_kind_and_subresource_has_a_schema() {
    for kind in KINDS {
        let message = schema::message(kind.schema).unwrap();
        assert_eq!((message.package.group, message.name), (kind.group, kind.kind));
        assert!(schema::of(kind.group, kind.version, kind.list_kind).is_some());
        for subresource in kind.subresources {
            let message = schema::of(subresource.group, subresource.version, subresource.kind);
            assert!(message.is_some(), "{}/{}", kind.plural, subresource.name);
        }
    }
}

/// Every `$ref` in a document leads somewhere.
fn check_references(document: &Value, value: &Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            object.values().for_each(|value| check_references(document, value));
        }
        Value::Array(list) => list.iter().for_each(|value| check_references(document, value)),
        _ => {}
    }
}

#[test]
fn no_reference_leads_nowhere() {
    for path in v3_paths(KINDS) {
        let document = v3(&path);
        check_references(&document, &document);
    }
    let v2: Value = serde_json::from_slice(&v2_document(KINDS)).unwrap();
    check_references(&v2, &v2);
}

#[test]
fn documents_stay_small() {
    let bytes: usize =
        v3_paths(KINDS).iter().map(|path| v3_document(KINDS, path).unwrap().len()).sum();
    assert!(bytes < 1 << 20, "{bytes} bytes of v3 documents");
    assert!(v2_protobuf(KINDS).len() < 1 << 20);
}

#[test]
fn the_protobuf_document_begins_as_gnostic_reads_it() {
    let small = json!({
        "swagger": "2.0",
        "info": { "title": "a", "version": "b" },
        "paths": {},
        "definitions": { "D": { "type": "object", "x-y": [1] } },
    });
    let extension = b"\xfa\x01\x0d\x0a\x03x-y\x12\x06\x12\x04[1]\n";
    let mut expected = b"\x0a\x032.0\x12\x06\x0a\x01a\x12\x01b\x42\x00".to_vec();
    let mut schema = b"\xb2\x01\x08\x0a\x06object".to_vec();
    schema.extend_from_slice(extension);
    let mut named = b"\x0a\x01D\x12".to_vec();
    named.push(schema.len() as u8);
    named.extend_from_slice(&schema);
    expected.extend_from_slice(&[0x4a, named.len() as u8 + 2, 0x0a, named.len() as u8]);
    expected.extend_from_slice(&named);
    assert_eq!(gnostic::document(&small), expected);
}
