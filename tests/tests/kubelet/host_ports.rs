//! Host ports: what the kubelet says of them, and when.

use serde_json::{Value, json};
use sheave_core::model::{HostPort, ObjectKey};

use crate::node::{FOREVER, TestNode, pod};

const POD_IP: &str = "10.244.77.2";

/// A pod with a network of its own, whose port 80 is to be the node's port.
fn pod_on(name: &str, host_port: u16) -> Value {
    let mut pod = pod(name, FOREVER);
    pod["spec"]["hostNetwork"] = json!(false);
    pod["spec"]["containers"][0]["ports"] = json!([
        { "containerPort": 80, "hostPort": host_port, "protocol": "TCP" }]);
    pod
}

/// The last set that was said.
fn said(node: &TestNode) -> Option<Vec<String>> {
    let word = |port: &HostPort| {
        format!("{} {} -> {}:{}", port.pod.name, port.host_port, port.pod_ip, port.container_port)
    };
    Some(node.host_ports.last()?.iter().map(word).collect())
}

#[tokio::test]
async fn the_complete_set_is_said_once_pods_have_addresses_and_again_after_a_restart() {
    let mut node = TestNode::start().await;
    node.until("it is said that there are none", |n| said(n) == Some(vec![])).await;
    node.until("the runtime is up", |n| !n.node_history.is_empty()).await;
    node.configure_network(POD_IP);
    let web = pod_on("web", 8080);
    node.apply(&web).await;
    let expected = vec![format!("web 8080 -> {POD_IP}:80")];
    node.until("the port leads to the pod", |n| said(n).as_ref() == Some(&expected)).await;
    node.until_ready("web").await;

    // As the API server has it by then: the pod is not new to this node.
    let mut known = web.clone();
    known["status"] = node.status("web").clone();
    node.host_ports.clear();
    node.restart_kubelet(std::slice::from_ref(&known)).await;
    node.until("something is said", |n| !n.host_ports.is_empty()).await;
    assert_eq!(said(&node), Some(expected), "the first word after a restart is the whole truth");

    node.delete(&known, 1).await;
    node.until("the port is free", |n| said(n) == Some(vec![])).await;
}

#[tokio::test]
async fn a_port_that_another_pod_has_is_refused_in_words() {
    let mut node = TestNode::start().await;
    node.until("the runtime is up", |n| !n.node_history.is_empty()).await;
    node.configure_network(POD_IP);
    let first = pod_on("first", 8080);
    node.apply(&first).await;
    node.until_ready("first").await;
    node.apply(&pod_on("second", 8080)).await;
    node.until_phase("second", "Failed").await;
    assert_eq!(node.status("second")["reason"], "NodePorts");
    let why = "hostPort 8080/TCP is pod default/first's";
    assert!(node.status("second")["message"].as_str().unwrap().contains(why));
    node.until("there is an event", |n| n.has_event("second", "NodePorts", why)).await;
    assert_eq!(said(&node).unwrap().len(), 1);

    node.delete(&first, 1).await;
    node.until("the pod has ended", |n| n.ended.contains(&"first".to_owned())).await;
    node.apply(&pod_on("third", 8080)).await;
    node.until_ready("third").await;
    let third = vec![format!("third 8080 -> {POD_IP}:80")];
    node.until("the port leads to the new pod", |n| said(n).as_ref() == Some(&third)).await;
}

#[tokio::test]
async fn what_cannot_be_served_is_an_event_on_its_pod() {
    let mut node = TestNode::start().await;
    node.until("the runtime is up", |n| !n.node_history.is_empty()).await;
    node.configure_network(POD_IP);
    node.apply(&pod_on("web", 8080)).await;
    node.until_ready("web").await;
    let key = ObjectKey { namespace: "default".into(), name: "web".into() };
    for _ in 0..2 {
        node.kubelet.refuse_host_ports(&[(key.clone(), "it is taken".into())]);
    }
    node.until("there is an event", |n| n.has_event("web", "HostPortConflict", "it is taken"))
        .await;
    node.listen(std::time::Duration::from_millis(200)).await;
    let count = node.events.iter().filter(|event| event.reason == "HostPortConflict").count();
    assert_eq!(count, 1, "said once");
}
