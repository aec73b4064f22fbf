//! The node protocol on the API's own port: who may speak it, and that it ends when the server does.

use std::fs;
use std::time::Duration;

use sheave_push::PROTOCOL_VERSION;
use sheave_push::v1::node_client::NodeClient;
use sheave_push::v1::{AgentMessage, Hello, agent_message, server_message};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};

use crate::process::{Server, free_port};

/// A channel with one of the certificates that the server made.
async fn channel(server: &Server, certificate: &str) -> Channel {
    let read = |file: String| fs::read_to_string(server.data_dir.join(file)).unwrap();
    let identity =
        Identity::from_pem(read(format!("{certificate}.crt")), read(format!("{certificate}.key")));
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("agent/pki/ca.crt".to_owned())))
        .identity(identity);
    let endpoint = Channel::from_shared(format!("https://127.0.0.1:{}", server.port)).unwrap();
    endpoint.tls_config(tls).unwrap().connect().await.unwrap()
}

fn hello(node_name: &str) -> AgentMessage {
    let node = serde_json::json!({
        "apiVersion": "v1", "kind": "Node", "metadata": { "name": node_name },
    });
    let hello = Hello {
        node_name: node_name.to_owned(),
        protocol_version: PROTOCOL_VERSION,
        agent_version: "test".to_owned(),
        node: node.to_string().into_bytes().into(),
        ..Hello::default()
    };
    AgentMessage { kind: Some(agent_message::Kind::Hello(hello)) }
}

/// Says hello and returns the outcome, with the way to say more.
async fn sync(
    channel: Channel,
    node_name: &str,
) -> (
    tokio::sync::mpsc::Sender<AgentMessage>,
    Result<tonic::Streaming<sheave_push::v1::ServerMessage>, tonic::Status>,
) {
    let (say, said) = tokio::sync::mpsc::channel(4);
    say.send(hello(node_name)).await.unwrap();
    let answer = NodeClient::new(channel).sync(ReceiverStream::new(said)).await;
    (say, answer.map(tonic::Response::into_inner))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_welcomed_registered_and_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), free_port());
    let (_say, stream) = sync(channel(&server, "agent/pki/node").await, "vm-1").await;
    let mut stream = stream.unwrap();
    let first = stream.message().await.unwrap().unwrap();
    let Some(server_message::Kind::Welcome(welcome)) = first.kind else { panic!("{first:?}") };
    let cluster = welcome.cluster.unwrap();
    assert_eq!(cluster.service_cidrs, ["10.96.0.0/16"]);
    assert_eq!(cluster.node_pod_cidrs, ["10.244.0.0/24"]);
    let node = server.kubectl(&["get", "node", "vm-1", "--output=jsonpath={.spec.podCIDR}"]);
    assert_eq!(node, "10.244.0.0/24");
    let stopped = tokio::task::spawn_blocking(move || server.terminate());
    let stopped = tokio::time::timeout(Duration::from_secs(5), stopped);
    let exit = stopped.await.expect("an open node stream does not hold up the end").unwrap();
    assert!(exit.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_dual_stack_cluster_gets_a_range_of_each_family() {
    let dir = tempfile::tempdir().unwrap();
    let more =
        ["--pod-cidr=10.244.0.0/16,fd00:244::/56", "--load-balancer-pool=192.0.2.1-192.0.2.9"];
    let server = Server::start_with(dir.path(), free_port(), &more);
    let (_say, stream) = sync(channel(&server, "agent/pki/node").await, "vm-1").await;
    let first = stream.unwrap().message().await.unwrap().unwrap();
    let Some(server_message::Kind::Welcome(welcome)) = first.kind else { panic!("{first:?}") };
    let cluster = welcome.cluster.unwrap();
    assert_eq!(cluster.node_pod_cidrs, ["10.244.0.0/24", "fd00:244::/64"]);
    assert_eq!(cluster.load_balancer_ranges, ["192.0.2.1-192.0.2.9"]);
    let node = server.kubectl(&["get", "node", "vm-1", "--output=jsonpath={.spec.podCIDRs}"]);
    assert_eq!(node, r#"["10.244.0.0/24","fd00:244::/64"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_nodes_speak_and_only_for_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), free_port());
    for (certificate, node_name) in [("server/pki/admin", "vm-1"), ("agent/pki/node", "vm-2")] {
        let (_say, stream) = sync(channel(&server, certificate).await, node_name).await;
        let refusal = stream.err().unwrap_or_else(|| panic!("{certificate} as {node_name}"));
        assert_eq!(refusal.code(), tonic::Code::PermissionDenied, "{refusal}");
    }
}

/// A log that is asked for while the node is away for a moment waits for it, and Welcome comes first.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_node_comes_after_its_welcome() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), free_port());
    let (say, stream) = sync(channel(&server, "agent/pki/node").await, "vm-1").await;
    let first = stream.unwrap().message().await.unwrap().unwrap();
    assert!(matches!(first.kind, Some(server_message::Kind::Welcome(_))), "{first:?}");
    server.kubectl(&["wait", "serviceaccount/default", "--for=create", "--timeout=10s"]);
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
        "spec": { "nodeName": "vm-1", "containers": [{ "name": "a", "image": "a" }] },
    });
    let file = dir.path().join("pod.json");
    fs::write(&file, pod.to_string()).unwrap();
    server.kubectl(&["create", "--filename", &file.to_string_lossy()]);
    drop(say);
    let mut logs = std::process::Command::new("kubectl")
        .args(["logs", "a"])
        .env("KUBECONFIG", server.data_dir.join("server/admin.kubeconfig"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_say, stream) = sync(channel(&server, "agent/pki/node").await, "vm-1").await;
    let mut stream = stream.unwrap();
    let first = stream.message().await.unwrap().unwrap();
    assert!(matches!(first.kind, Some(server_message::Kind::Welcome(_))), "{first:?}");
    let asked = async {
        loop {
            let message = stream.message().await.unwrap().unwrap();
            if matches!(message.kind, Some(server_message::Kind::TunnelRequest(_))) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(3), asked).await.expect("the log is asked for");
    logs.kill().unwrap();
    logs.wait().unwrap();
}
