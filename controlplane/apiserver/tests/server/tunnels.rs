//! Streams below pods, with a node that answers as the runtime does.

use std::sync::{Arc, Mutex};

use crate::serving::Serving;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use sheave_api::Status;
use sheave_apiserver::streaming::{NodeTunnels, Tunnel};
use sheave_push::v1::{Header, TunnelOpened, TunnelRequest, tunnel_request::Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

const PODS: &str = "/api/v1/namespaces/default/pods";
const SPDY: [(&str, &str); 3] = [
    ("connection", "Upgrade"),
    ("upgrade", "SPDY/3.1"),
    ("x-stream-protocol-version", "v4.channel.k8s.io"),
];

/// A node that sends back, in capitals, what it is sent, and remembers what it was asked.
#[derive(Default)]
struct EchoNode {
    asked: Mutex<Vec<(String, TunnelRequest)>>,
}

#[async_trait]
impl NodeTunnels for EchoNode {
    async fn open(&self, node: &str, request: TunnelRequest) -> Result<Tunnel, Status> {
        let is_log = matches!(request.kind, Some(Kind::Logs(_)));
        self.asked.lock().unwrap().push((node.to_owned(), request));
        let header =
            |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
        let opened = TunnelOpened {
            status: if is_log { 200 } else { 101 },
            headers: vec![header("Connection", "Upgrade"), header("Upgrade", "SPDY/3.1")],
            message: String::new(),
        };
        let (to_client, from_node) = mpsc::channel(4);
        let (to_node, mut from_client) = mpsc::channel::<Bytes>(4);
        tokio::spawn(async move {
            if is_log {
                for line in ["one\n", "two\n"] {
                    to_client.send(Ok(Bytes::from(line))).await.unwrap();
                }
                return;
            }
            while let Some(chunk) = from_client.recv().await {
                to_client.send(Ok(chunk.to_ascii_uppercase().into())).await.unwrap();
            }
            to_client.send(Ok(Bytes::from_static(b"BYE"))).await.unwrap();
        });
        Ok(Tunnel { opened, from_node, to_node })
    }
}

async fn serving_with_pod() -> (Serving, Arc<EchoNode>) {
    let node = Arc::new(EchoNode::default());
    let serving = Serving::start_with(Arc::<EchoNode>::clone(&node)).await;
    create_pods(&serving).await;
    (serving, node)
}

/// One pod on a node, and one that waits.
async fn create_pods(serving: &Serving) {
    let admin = serving.admin();
    let account = json!({ "metadata": { "name": "default" } });
    admin.post("/api/v1/namespaces/default/serviceaccounts", &account).await;
    for (name, node_name) in [("web", "vm-1"), ("waiting", "")] {
        let mut pod = json!({
            "metadata": { "name": name },
            "spec": { "containers": [{ "name": "app", "image": "busybox" }] },
        });
        if !node_name.is_empty() {
            pod["spec"]["nodeName"] = json!(node_name);
        }
        let created = admin.post(PODS, &pod).await;
        assert_eq!(created.code, StatusCode::CREATED, "{}", created.text);
    }
}

#[tokio::test]
async fn exec_is_tunnelled_both_ways_and_half_closes() {
    let (serving, node) = serving_with_pod().await;
    let admin = serving.admin();
    let path = format!("{PODS}/web/exec?command=cat&command=-&stdin=true&stdout=true");
    let response = admin.send(admin.request(Method::POST, &path, &SPDY, "")).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()["upgrade"], "SPDY/3.1");
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    let sent = vec![b'x'; 300_000];
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let write = async {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    };
    let mut received = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut received), write);
    read.unwrap();
    let expected: Vec<u8> = [vec![b'X'; 300_000], b"BYE".to_vec()].concat();
    assert!(received == expected, "{} bytes came back", received.len());
    let (name, request) = node.asked.lock().unwrap()[0].clone();
    assert_eq!((name.as_str(), request.method.as_str()), ("vm-1", "POST"));
    let Some(Kind::Exec(exec)) = request.kind else { panic!("not an exec") };
    assert_eq!(
        (exec.container.as_str(), exec.command),
        ("app", vec!["cat".to_owned(), "-".to_owned()])
    );
    assert!(exec.stdin && exec.stdout && !exec.stderr && !exec.tty);
    assert!(request.headers.iter().any(|header| header.value == "v4.channel.k8s.io"));
}

#[tokio::test]
async fn logs_are_streamed() {
    let (serving, node) = serving_with_pod().await;
    let answer = serving.admin().get(&format!("{PODS}/web/log?tailLines=5&timestamps=true")).await;
    assert_eq!((answer.code, answer.text.as_str()), (StatusCode::OK, "one\ntwo\n"));
    let Some(Kind::Logs(logs)) = node.asked.lock().unwrap()[0].1.kind.clone() else {
        panic!("not logs")
    };
    assert_eq!((logs.container.as_str(), logs.tail_lines, logs.timestamps), ("app", Some(5), true));
}

#[tokio::test]
async fn what_cannot_be_streamed_says_why() {
    let (serving, _) = serving_with_pod().await;
    let admin = serving.admin();
    let cases = [
        ("none/exec?command=ls&stdout=1", 404, "pods \"none\" not found"),
        ("waiting/exec?command=ls&stdout=1", 400, "pod waiting does not have a host assigned"),
        ("web/exec?command=ls&stdout=1&container=x", 400, "container x is not valid for pod web"),
        ("web/exec?stdout=1", 400, "you must specify at least 1 command"),
        ("web/exec?command=ls", 400, "you must specify at least 1 of stdin, stdout, stderr"),
    ];
    for (path, code, message) in cases {
        let answer = admin.ask(Method::POST, &format!("{PODS}/{path}"), &SPDY, "").await;
        assert_eq!((answer.code.as_u16(), answer.message().as_str()), (code, message), "{path}");
    }
    let websocket = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let path = format!("{PODS}/web/exec?command=ls&stdout=1");
    let answer = admin.ask(Method::GET, &path, &websocket, "").await;
    assert_eq!(answer.code, StatusCode::BAD_REQUEST);
    let jane = serving.user("jane", "staff");
    let refused = jane.ask(Method::POST, &path, &SPDY, "").await;
    assert_eq!(refused.code, StatusCode::FORBIDDEN);
    assert!(refused.message().contains("cannot create resource \"pods/exec\""), "{}", refused.text);
}

#[tokio::test]
async fn a_node_that_is_not_connected_is_named() {
    let serving = Serving::start().await;
    create_pods(&serving).await;
    let answer = serving.admin().get(&format!("{PODS}/web/log")).await;
    assert_eq!(answer.code, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.message(), "node \"vm-1\" is not connected");
}

/// Runs into a bug of its own.
struct BrokenNode;

#[async_trait]
impl NodeTunnels for BrokenNode {
    async fn open(&self, _node: &str, _request: TunnelRequest) -> Result<Tunnel, Status> {
        panic!("a bug, on purpose")
    }
}

#[tokio::test]
async fn a_panic_is_one_answer_and_not_the_end() {
    let serving = Serving::start_with(Arc::new(BrokenNode)).await;
    create_pods(&serving).await;
    let admin = serving.admin();
    let answer = admin.get(&format!("{PODS}/web/log")).await;
    assert_eq!(answer.code, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.json()["reason"], "InternalError");
    assert_eq!(admin.get("/healthz").await.code, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_falls_back_to_spdy() {
    let (serving, node) = serving_with_pod().await;
    // The node speaks no SPDY, so kubectl fails in the end: what counts is what it asked the node for.
    let exec = ["exec", "web", "--request-timeout=2s", "--", "ls", "-l"];
    let mut kubectl = serving.kubectl(&exec).spawn().unwrap();
    let limit = std::time::Duration::from_secs(20);
    let asked = tokio::time::timeout(limit, async {
        loop {
            if let Some((_, request)) = node.asked.lock().unwrap().first().cloned() {
                return request;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    });
    let request = asked.await.expect("kubectl asks for SPDY when WebSocket is refused");
    kubectl.kill().await.unwrap();
    let Some(Kind::Exec(exec)) = request.kind else { panic!("not an exec") };
    assert_eq!(exec.command, ["ls", "-l"]);
    assert!(request.headers.iter().any(|header| header.value == "SPDY/3.1"));
}
