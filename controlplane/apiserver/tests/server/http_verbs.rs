//! The API over TLS, as a program without kubectl's help sees it.

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sheave_apiserver::pki;

use crate::serving::{Client, Serving, pki_config};

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const JSON: (&str, &str) = ("content-type", "application/json");

fn config_map(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "labels": { "app": name } },
        "data": { "key": "value" },
    })
}

#[tokio::test]
async fn nothing_is_anonymous_but_health_and_version() {
    let serving = Serving::start().await;
    let nobody = serving.anonymous();
    for path in ["/healthz", "/livez", "/readyz", "/readyz?verbose", "/version"] {
        assert_eq!(nobody.get(path).await.code, StatusCode::OK, "{path}");
    }
    for path in ["/api", "/apis", "/openapi/v3", "/metrics", CONFIG_MAPS, "/nowhere"] {
        let refused = nobody.get(path).await;
        assert_eq!(refused.code, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(refused.json()["reason"], "Unauthorized", "{path}");
    }
    let refused = nobody.post(CONFIG_MAPS, &config_map("a")).await;
    assert_eq!(refused.code, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn strangers_are_forbidden_and_nodes_see_what_is_theirs() {
    let serving = Serving::start().await;
    let jane = serving.user("jane", "staff");
    let refused = jane.get(CONFIG_MAPS).await;
    assert_eq!(refused.code, StatusCode::FORBIDDEN);
    assert_eq!(
        refused.message(),
        "configmaps is forbidden: User \"jane\" cannot list resource \"configmaps\" in API group \
         \"\" in the namespace \"default\""
    );
    assert_eq!(jane.get("/apis").await.code, StatusCode::OK);
    assert_eq!(jane.get("/metrics").await.code, StatusCode::FORBIDDEN);
    let node = serving.client(Some(&serving.pki.node));
    assert_eq!(node.get("/api/v1/secrets").await.code, StatusCode::FORBIDDEN);
    assert_eq!(node.get("/api/v1/services").await.code, StatusCode::OK);
}

#[tokio::test]
async fn a_certificate_of_another_authority_gets_nowhere() {
    let (ours, theirs) = (Serving::start().await, Serving::start().await);
    let stranger = ours.client(Some(&theirs.pki.admin));
    // With TLS 1.3 the refusal arrives after the client's side of the handshake.
    let refused = match stranger.connect("http/1.1").await {
        Err(_) => true,
        Ok(mut stream) => {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let _ = stream.write_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n").await;
            stream.read(&mut [0; 64]).await.map_or(true, |read| read == 0)
        }
    };
    assert!(refused, "the connection must not serve requests");
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_the_next_client() {
    let serving = Serving::start().await;
    let shown = async || {
        let stream = serving.admin().connect("http/1.1").await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let first = shown().await;
    assert_eq!(first, shown().await);
    let moved = pki_config(&serving.dir, serving.address, vec!["192.0.2.7".parse().unwrap()]);
    let pki = pki::ensure(&moved, SystemTime::now()).unwrap();
    serving.certificate.replace(&pki.server).unwrap();
    assert_ne!(first, shown().await);
}

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

/// The lines of a watch, one at a time.
struct Lines {
    body: hyper::body::Incoming,
    buffered: Vec<u8>,
}

impl Lines {
    async fn open(client: &Client, path: &str) -> Self {
        let response = client.send(client.request(Method::GET, path, &[], "")).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self { body: response.into_body(), buffered: Vec::new() }
    }

    /// The next event, or `None` at the end of the watch.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffered.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffered.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame());
            let frame = frame.await.expect("an event within ten seconds")?;
            self.buffered.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
    }

    async fn next_type_and_name(&mut self) -> (String, String) {
        let event = self.next().await.expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
    }
}

fn event(event_type: &str, name: &str) -> (String, String) {
    (event_type.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_follows_selectors_and_ends_when_told() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    admin.post(CONFIG_MAPS, &config_map("a")).await;
    let selected = format!("{CONFIG_MAPS}?watch=1&labelSelector=app%3Da&timeoutSeconds=3");
    let mut watch = Lines::open(&admin, &selected).await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "a"));
    admin.post(CONFIG_MAPS, &config_map("b")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let merge = ("content-type", "application/merge-patch+json");
    let relabel = |label: &'static str| {
        let (admin, path) = (admin.clone(), path.clone());
        async move {
            let body = format!("{{\"metadata\":{{\"labels\":{{\"app\":\"{label}\"}}}}}}");
            admin.ask(Method::PATCH, &path, &[merge], body).await
        }
    };
    relabel("x").await;
    assert_eq!(watch.next_type_and_name().await, event("DELETED", "a"));
    relabel("a").await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "a"));
    admin.delete(&path).await;
    assert_eq!(watch.next_type_and_name().await, event("DELETED", "a"));
    assert_eq!(watch.next().await, None, "timeoutSeconds ends the watch");
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    admin.post(CONFIG_MAPS, &config_map("a")).await;
    let path = format!(
        "{CONFIG_MAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
         &allowWatchBookmarks=true&resourceVersion="
    );
    let mut watch = Lines::open(&admin, &path).await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "a"));
    let bookmark = watch.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    let annotations = &bookmark["object"]["metadata"]["annotations"];
    assert_eq!(annotations["k8s.io/initial-events-end"], "true");
    admin.post(CONFIG_MAPS, &config_map("b")).await;
    assert_eq!(watch.next_type_and_name().await, event("ADDED", "b"));
}

#[tokio::test]
async fn a_watch_from_before_history_is_told_410() {
    let serving = Serving::start().await;
    let created = serving.admin().post(CONFIG_MAPS, &config_map("a")).await.json();
    serving.admin().delete(&format!("{CONFIG_MAPS}/a")).await;
    // A server that was just started knows the state and no longer what led to it.
    let serving = serving.restart().await;
    let revision = created["metadata"]["resourceVersion"].as_str().unwrap();
    let path = format!("{CONFIG_MAPS}?watch=1&resourceVersion={revision}&timeoutSeconds=2");
    let answer = serving.admin().get(&path).await;
    let first: Value = serde_json::from_str(answer.text.lines().next().unwrap()).unwrap();
    let status = if answer.code == StatusCode::OK { &first["object"] } else { &first };
    assert_eq!((status["code"].as_u64(), status["reason"].as_str()), (Some(410), Some("Expired")));
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

#[tokio::test]
async fn everybody_may_ask_about_himself() {
    let serving = Serving::start().await;
    let review = |verb: &str| {
        json!({
            "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
            "spec": { "resourceAttributes": { "verb": verb, "resource": "secrets", "namespace": "default" } },
        })
    };
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let admin = serving.admin().post(path, &review("list")).await;
    assert_eq!(admin.json()["status"]["allowed"], true, "{}", admin.text);
    let jane = serving.user("jane", "staff");
    assert_eq!(jane.post(path, &review("list")).await.json()["status"]["allowed"], false);
    let whoami = jane.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await;
    let user = &whoami.json()["status"]["userInfo"];
    assert_eq!((&user["username"], &user["groups"][0]), (&json!("jane"), &json!("staff")));
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    let response = admin.send_h2(admin.request(Method::GET, "/version", &[], "")).await;
    assert_eq!((response.version(), response.status()), (http::Version::HTTP_2, StatusCode::OK));
}

#[tokio::test]
async fn requests_are_counted() {
    let serving = Serving::start().await;
    let admin = serving.admin();
    admin.get(CONFIG_MAPS).await;
    let _watch = Lines::open(&admin, &format!("{CONFIG_MAPS}?watch=1")).await;
    let metrics = admin.get("/metrics").await.text;
    assert!(metrics.contains("{verb=\"GET\",resource=\"configmaps\",code=\"200\"} 2"), "{metrics}");
    assert!(metrics.contains("apiserver_longrunning_requests{verb=\"WATCH\"} 1"), "{metrics}");
}

#[tokio::test]
async fn stopping_ends_watches_and_lets_nobody_wait() {
    let mut serving = Serving::start().await;
    let admin = serving.admin();
    let mut watch = Lines::open(&admin, &format!("{CONFIG_MAPS}?watch=1")).await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), serving.stop());
    let (stopped, end) = tokio::join!(stopped, watch.next());
    stopped.expect("the server stops within five seconds");
    assert_eq!(end, None);
}
