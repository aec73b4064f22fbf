//! Pods that wait for what is not there.

use std::time::Duration;

use serde_json::json;
use sheave_kubelet::Update;

use crate::node::{FOREVER, TestNode, pod};
use crate::tunnel::run_in;
use crate::{object, ran};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_and_comes_later() {
    let mut node = TestNode::start().await;
    let mut p = pod("needs", "echo $A; cat /c/k; sleep 1000");
    p["spec"]["containers"][0]["env"] =
        json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "a"}}}]);
    p["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "c", "mountPath": "/c"}]);
    p["spec"]["volumes"] = json!([{"name": "c", "configMap": {"name": "cm"}}]);
    node.apply(&p).await;
    let mount = |n: &TestNode| n.has_event("needs", "FailedMount", "configmap \"cm\" not found");
    node.until("the missing ConfigMap is named", mount).await;
    node.kubelet.update(Update::ConfigMap(object("cm", "k", "v1\n"))).await;
    let reason = |n: &TestNode| ran(n, "needs")["state"]["waiting"].clone();
    node.until("the missing Secret is named", |n| {
        reason(n)["reason"] == "CreateContainerConfigError"
            && reason(n)["message"] == "secret \"s\" not found"
    })
    .await;
    node.kubelet.update(Update::Secret(object("s", "a", "secret"))).await;
    let took = node.until_ready("needs").await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let log = node.log(&p, "main", 0);
    assert!(log.contains(" F secret\n") && log.contains(" F v1\n"), "{log}");
    // A changed ConfigMap shows in the running container.
    node.kubelet.update(Update::ConfigMap(object("cm", "k", "v2\n"))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(run_in(&node, &p, "cat /c/k").await, "v2\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_is_said_as_kubernetes_says_it() {
    let mut node = TestNode::start().await;
    let mut never = pod("never", FOREVER);
    never["spec"]["containers"][0]["image"] = json!("sheave.test/none:1");
    never["spec"]["containers"][0]["imagePullPolicy"] = json!("Never");
    let mut pull = never.clone();
    pull["metadata"]["name"] = json!("pull");
    pull["metadata"]["uid"] = json!("uid-pull");
    // Nobody listens there.
    pull["spec"]["containers"][0]["image"] = json!("127.0.0.1:1/none:1");
    pull["spec"]["containers"][0]["imagePullPolicy"] = json!("IfNotPresent");
    node.apply(&never).await;
    node.apply(&pull).await;
    let reason = |n: &TestNode, pod: &str| ran(n, pod)["state"]["waiting"]["reason"].clone();
    node.until("both wait", |n| {
        reason(n, "never") == "ErrImageNeverPull" && reason(n, "pull") == "ImagePullBackOff"
    })
    .await;
    let seen = |reason: &str| {
        node.history.iter().any(|(name, s)| {
            name == "pull" && s["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
        })
    };
    assert!(seen("ErrImagePull"));
    assert!(node.has_event("pull", "Failed", "Failed to pull image"));
    assert!(node.has_event("pull", "BackOff", "Back-off pulling image"));
}
