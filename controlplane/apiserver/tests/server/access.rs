//! Who gets in, and as whom: certificates, and what is open to nobody, anybody and everybody.

use std::time::SystemTime;

use http::{Method, StatusCode};
use serde_json::json;
use sheave_apiserver::pki;

use crate::config_map::{CONFIG_MAPS, config_map};
use crate::serving::{Serving, pki_config};

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
