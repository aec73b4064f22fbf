//! Every verb over HTTP, as a program without kubectl's help uses it.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::config_map::{CONFIG_MAPS, config_map};
use crate::serving::Serving;

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn an_object_lives_and_dies() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    let created = admin.post(CONFIG_MAPS, &config_map("a")).await;
    assert_eq!(created.code, StatusCode::CREATED, "{}", created.text);
    let again = admin.post(CONFIG_MAPS, &config_map("a")).await;
    assert_eq!(
        (again.code, again.message().as_str()),
        (StatusCode::CONFLICT, "configmaps \"a\" already exists")
    );
    let path = format!("{CONFIG_MAPS}/a");
    let mut object = admin.get(&path).await.json();
    let stale = object.clone();
    object["data"]["key"] = json!("other");
    assert_eq!(admin.put(&path, &object).await.code, StatusCode::OK);
    let conflict = admin.put(&path, &stale).await;
    assert_eq!(conflict.code, StatusCode::CONFLICT);
    assert!(conflict.message().contains("the object has been modified"), "{}", conflict.text);
    let deleted = admin.delete(&path).await;
    assert_eq!(
        (deleted.code, deleted.json()["status"].clone()),
        (StatusCode::OK, json!("Success"))
    );
    let gone = admin.get(&path).await;
    assert_eq!(
        (gone.code, gone.message().as_str()),
        (StatusCode::NOT_FOUND, "configmaps \"a\" not found")
    );
}

#[tokio::test]
async fn the_three_patches() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    admin.post(CONFIG_MAPS, &config_map("a")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let patch = |content_type: &'static str, body: &'static str| {
        let (admin, path) = (admin.clone(), path.clone());
        async move { admin.ask(Method::PATCH, &path, &[("content-type", content_type)], body).await }
    };
    let merged = patch("application/merge-patch+json", r#"{"data":{"key":null,"b":"1"}}"#).await;
    assert_eq!(merged.json()["data"], json!({ "b": "1" }), "{}", merged.text);
    let operations =
        r#"[{"op":"test","path":"/data/b","value":"1"},{"op":"add","path":"/data/c","value":"2"}]"#;
    let patched = patch("application/json-patch+json", operations).await;
    assert_eq!(patched.json()["data"], json!({ "b": "1", "c": "2" }), "{}", patched.text);
    let strategic = r#"{"metadata":{"labels":{"tier":"web"}}}"#;
    let patched = patch("application/strategic-merge-patch+json", strategic).await;
    assert_eq!(patched.json()["metadata"]["labels"], json!({ "app": "a", "tier": "web" }));
    let failed =
        patch("application/json-patch+json", r#"[{"op":"test","path":"/data/b","value":"9"}]"#)
            .await;
    assert_eq!(failed.code, StatusCode::UNPROCESSABLE_ENTITY, "{}", failed.text);
    assert_eq!(patch("application/json", "{}").await.code, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn unknown_fields_warn_or_are_refused() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    let mut odd = config_map("a");
    odd["colour"] = json!("blue");
    let strict = admin.post(&format!("{CONFIG_MAPS}?fieldValidation=Strict"), &odd).await;
    assert_eq!(strict.code, StatusCode::BAD_REQUEST);
    assert!(
        strict.message().contains("strict decoding error: unknown field \"colour\""),
        "{}",
        strict.text
    );
    let warned = admin.post(CONFIG_MAPS, &odd).await;
    assert_eq!(warned.code, StatusCode::CREATED, "{}", warned.text);
    assert_eq!(warned.headers["warning"], "299 - \"unknown field \\\"colour\\\"\"");
    odd["metadata"]["name"] = json!("b");
    let silent = format!("{CONFIG_MAPS}?fieldValidation=Ignore&dryRun=All");
    let silent = admin.post(&silent, &odd).await;
    assert_eq!(silent.code, StatusCode::CREATED, "{}", silent.text);
    assert!(!silent.headers.contains_key("warning"));
}

#[tokio::test]
async fn bodies_that_cannot_be() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    let post = |content_type: &'static str, body: Vec<u8>| {
        let admin = admin.clone();
        async move {
            admin.ask(Method::POST, CONFIG_MAPS, &[("content-type", content_type)], body).await
        }
    };
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: from-yaml\n";
    assert_eq!(post("application/yaml", yaml.into()).await.code, StatusCode::CREATED);
    assert_eq!(post("application/json", b"{".to_vec()).await.code, StatusCode::BAD_REQUEST);
    assert_eq!(post("text/plain", b"x".to_vec()).await.code, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = post("application/json", vec![b' '; 3 * 1024 * 1024 + 1]).await;
    assert_eq!(large.code, StatusCode::PAYLOAD_TOO_LARGE);
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } });
    assert_eq!(admin.post(CONFIG_MAPS, &pod).await.code, StatusCode::BAD_REQUEST);
    let wrong_type = json!({ "data": { "key": 1 }, "metadata": { "name": "a" } });
    assert_eq!(admin.post(CONFIG_MAPS, &wrong_type).await.code, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn paths_methods_and_media_types_that_do_not_fit() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    let missing = admin.get("/api/v1/gadgets").await;
    assert_eq!(missing.code, StatusCode::NOT_FOUND);
    assert_eq!(missing.message(), "the server could not find the requested resource");
    assert_eq!(admin.get("/nowhere").await.code, StatusCode::NOT_FOUND);
    let method = admin.ask(Method::PUT, CONFIG_MAPS, &[JSON], "{}").await;
    assert_eq!(method.code, StatusCode::METHOD_NOT_ALLOWED);
    let protobuf = ("accept", "application/vnd.kubernetes.protobuf");
    let unfit = admin.ask(Method::GET, CONFIG_MAPS, &[protobuf], "").await;
    assert_eq!(unfit.code, StatusCode::NOT_ACCEPTABLE);
    let both = ("accept", "application/vnd.kubernetes.protobuf,application/json");
    let fit = admin.ask(Method::GET, CONFIG_MAPS, &[both], "").await;
    assert_eq!(fit.code, StatusCode::OK);
}

#[tokio::test]
async fn lists_come_in_pages_and_shapes() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    for name in ["a", "b", "c"] {
        admin.post(CONFIG_MAPS, &config_map(name)).await;
    }
    let first = admin.get(&format!("{CONFIG_MAPS}?limit=2")).await.json();
    assert_eq!(first["kind"], "ConfigMapList");
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = admin.get(&format!("{CONFIG_MAPS}?limit=2&continue={token}")).await.json();
    assert_eq!(names(&second), ["c"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let selected = admin.get(&format!("{CONFIG_MAPS}?labelSelector=app+in+(a,c)")).await.json();
    assert_eq!(names(&selected), ["a", "c"]);
    let selected =
        admin.get(&format!("{CONFIG_MAPS}?fieldSelector=metadata.name%3Db")).await.json();
    assert_eq!(names(&selected), ["b"]);
    let table = ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let table = admin.ask(Method::GET, CONFIG_MAPS, &[table], "").await.json();
    assert_eq!(
        (table["kind"].clone(), table["rows"].as_array().unwrap().len()),
        (json!("Table"), 3)
    );
    let metadata = ("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
    let metadata = admin.ask(Method::GET, CONFIG_MAPS, &[metadata], "").await.json();
    assert_eq!(metadata["kind"], "PartialObjectMetadataList");
    assert_eq!(metadata["items"][0].get("data"), None);
    assert_eq!(admin.get(&format!("{CONFIG_MAPS}?continue=x")).await.code, StatusCode::BAD_REQUEST);
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let serving = Serving::start().await;
    let created = serving.admin().post(CONFIG_MAPS, &config_map("a")).await.json();
    let serving = serving.restart().await;
    assert_eq!(serving.admin().get(&format!("{CONFIG_MAPS}/a")).await.json(), created);
}

#[tokio::test]
async fn deletion_of_a_collection_and_options_in_the_body() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    for name in ["a", "b"] {
        admin.post(CONFIG_MAPS, &config_map(name)).await;
    }
    let path = format!("{CONFIG_MAPS}/a");
    let wrong =
        json!({ "kind": "DeleteOptions", "apiVersion": "v1", "preconditions": { "uid": "no" } });
    let refused = admin.ask(Method::DELETE, &path, &[JSON], wrong.to_string()).await;
    assert_eq!(refused.code, StatusCode::CONFLICT, "{}", refused.text);
    let dry = admin.delete(&format!("{path}?dryRun=All")).await;
    assert_eq!(dry.code, StatusCode::OK);
    assert_eq!(admin.get(&path).await.code, StatusCode::OK);
    let deleted = admin.delete(&format!("{CONFIG_MAPS}?labelSelector=app%3Da")).await;
    assert_eq!(names(&deleted.json()), ["a"]);
    assert_eq!(names(&admin.get(CONFIG_MAPS).await.json()), ["b"]);
}

#[tokio::test]
async fn discovery_and_its_etag() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    let aggregated = (
        "accept",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json",
    );
    let groups = admin.ask(Method::GET, "/apis", &[aggregated], "").await;
    assert_eq!(groups.json()["kind"], "APIGroupDiscoveryList");
    assert!(groups.headers["content-type"].to_str().unwrap().contains("as=APIGroupDiscoveryList"));
    let etag = groups.headers["etag"].to_str().unwrap();
    let known = admin.ask(Method::GET, "/apis", &[aggregated, ("if-none-match", etag)], "").await;
    assert_eq!((known.code, known.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(admin.get("/apis").await.json()["kind"], "APIGroupList");
    assert_eq!(admin.get("/api/v1").await.json()["kind"], "APIResourceList");
    assert_eq!(admin.get("/apis/apps").await.json()["kind"], "APIGroup");
    assert_eq!(admin.get("/apis/gadgets").await.code, StatusCode::NOT_FOUND);
}
