//! Machines whose Node is gone, or another's.

use std::time::Duration;

use serde_json::{Value, json};
use sheave_api::{ObjectKey, resource};
use sheave_push::v1::{self, agent_message, server_message::Kind};
use tonic::Code;

use crate::serving::{OWN, SOON, Serving, Stream};

async fn report(stream: &Stream, phase: &str) -> bool {
    let status = json!({ "phase": phase }).to_string().into();
    let kind = Some(agent_message::Kind::NodeStatus(status));
    stream.say.send(v1::AgentMessage { kind }).await.is_ok()
}

async fn until_phase(serving: &Serving, node: &str, phase: &str) {
    let is_reported = async {
        while serving.node(node).await["status"]["phase"] != phase {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, is_reported).await.expect("the report is written");
}

#[tokio::test]
async fn a_removed_machine_loses_its_stream_to_the_next_of_its_name() {
    let serving = Serving::start().await;
    let mut former = serving.join("vm-2", "a").await.unwrap().connect().await.unwrap();
    former.complete().await;
    serving.delete_node("vm-2").await;
    let mut next = serving.join("vm-2", "b").await.unwrap().connect().await.unwrap();
    let (_, code, said) = former.until_refused().await;
    assert_eq!(code, Code::PermissionDenied, "{said}");
    assert!(said.contains("belongs to another machine") && said.contains("sheave join"), "{said}");

    next.complete().await;
    // It may not even be able to say it any more.
    report(&former, "Terminated").await;
    assert!(report(&next, "Running").await);
    until_phase(&serving, "vm-2", "Running").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(serving.node("vm-2").await["status"]["phase"], "Running");
}

/// Before the next machine has connected there is but one stream of the name, and it is not the node's.
#[tokio::test]
async fn what_a_removed_machine_reports_is_not_written_to_the_next_of_its_name() {
    let serving = Serving::start().await;
    let mut former = serving.join("vm-2", "a").await.unwrap().connect().await.unwrap();
    former.complete().await;
    serving.delete_node("vm-2").await;
    serving.join("vm-2", "b").await.unwrap();
    report(&former, "Running").await;
    let (_, code, _) = former.until_refused().await;
    assert_eq!(code, Code::PermissionDenied);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(serving.node("vm-2").await["status"]["phase"], Value::Null);
}

#[tokio::test]
async fn of_two_streams_of_a_node_the_newer_counts() {
    let serving = Serving::start().await;
    let machine = serving.join("vm-2", "a").await.unwrap();
    let mut first = machine.connect().await.unwrap();
    first.complete().await;
    assert!(report(&first, "Pending").await);
    until_phase(&serving, "vm-2", "Pending").await;
    let mut second = machine.connect().await.unwrap();
    second.complete().await;
    let (_, code, said) = first.until_refused().await;
    assert_eq!(code, Code::Aborted, "{said}");
    assert!(said.contains("another connection"), "{said}");
    report(&first, "Terminated").await;
    assert!(report(&second, "Running").await);
    until_phase(&serving, "vm-2", "Running").await;
}

#[tokio::test]
async fn a_removed_machine_hears_that_things_go_and_nothing_else() {
    let serving = Serving::start().await;
    let mut stream = serving.join("vm-2", "a").await.unwrap().connect().await.unwrap();
    stream.complete().await;
    let peer = |name: &'static str| move |kind: &Kind| matches!(kind, Kind::PeerGone(key) if key.name == name);
    serving.join("vm-3", "c").await.unwrap();
    stream.until(|kind| matches!(kind, Kind::Peer(_))).await;
    serving.delete_node("vm-2").await;
    stream.until(|kind| matches!(kind, Kind::NodeGone(_))).await;
    serving.join("vm-4", "d").await.unwrap();
    serving.delete_node("vm-3").await;
    let mut seen = Vec::new();
    stream
        .until(|kind| {
            seen.push(format!("{kind:?}"));
            peer("vm-3")(kind)
        })
        .await;
    assert_eq!(seen.len(), 1, "a node that came after it left is none of its business: {seen:?}");
}

/// The server's own machine may register again, and does not wait for a minute to do so.
#[tokio::test]
async fn the_servers_own_node_is_sent_to_register_again_at_once() {
    let serving = Serving::start().await;
    let machine = serving.machine(OWN, "a");
    let mut stream = machine.connect().await.unwrap();
    stream.complete().await;
    serving.delete_node(OWN).await;
    let (before, code, said) = stream.until_refused().await;
    assert!(before.iter().any(|kind| matches!(kind, Kind::NodeGone(_))), "{before:?}");
    assert_eq!(code, Code::Aborted, "{said}");
    machine.connect().await.unwrap().complete().await;
    assert_eq!(serving.node(OWN).await["metadata"]["name"], OWN);
}

/// A certificate outlives its Node: one that is made by hand must not bring it back.
#[tokio::test]
async fn a_node_made_by_hand_is_nobodys() {
    let serving = Serving::start().await;
    let former = serving.join("vm-2", "a").await.unwrap();
    former.connect().await.unwrap();
    serving.delete_node("vm-2").await;
    let by_hand = json!({ "metadata": { "name": "vm-2" } });
    serving.client.create(&resource::NODES, "", by_hand).await.unwrap();
    let refused = former.connect().await.err().expect("it was removed");
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    let refused = serving.join("vm-2", "b").await.err().expect("the name is taken");
    assert_eq!(refused.code, 409, "{refused}");
    assert!(refused.message.contains("kubectl delete node vm-2"), "{refused}");
    // Who has no certificate at all claims it once it is free.
    serving.delete_node("vm-2").await;
    serving.join("vm-2", "b").await.unwrap().connect().await.unwrap();
}

/// A Node whose keys are taken away by hand is locked, the connection that there is included.
#[tokio::test]
async fn a_node_that_loses_its_keys_loses_its_stream() {
    let serving = Serving::start().await;
    let machine = serving.join("vm-2", "a").await.unwrap();
    let mut stream = machine.connect().await.unwrap();
    stream.complete().await;
    let none = json!({ "metadata": { "annotations": { "sheave.io/certificate-keys": null } } });
    serving.patch_node("vm-2", none).await;
    let (_, code, said) = stream.until_refused().await;
    assert_eq!(code, Code::PermissionDenied, "{said}");
    assert!(serving.client.get(&resource::NODES, &ObjectKey::cluster("vm-2")).await.is_ok());
}
