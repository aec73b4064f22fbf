//! Logs, exec, attach and port-forward.

use std::time::{Duration, Instant};

use sheave_push::v1;

use crate::node::{FOREVER, TestNode, key, pod};
use crate::ran;
use crate::tunnel::{collect, run_in};

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_and_the_run_before_is_kept() {
    let mut node = TestNode::start().await;
    let p = pod("talks", "for i in 1 2 3; do echo line $i; sleep 0.3; done; exit 1");
    node.apply(&p).await;
    node.until_ready("talks").await;
    let ask = |logs: v1::Logs| v1::TunnelRequest {
        id: "t".into(),
        pod: Some(key("talks")),
        pod_uid: "uid-talks".into(),
        kind: Some(v1::tunnel_request::Kind::Logs(logs)),
        ..Default::default()
    };
    let follow = v1::Logs { container: "main".into(), follow: true, ..Default::default() };
    let begin = Instant::now();
    let text = collect(&node, ask(follow)).await;
    assert_eq!(text, "line 1\nline 2\nline 3\n");
    assert!(begin.elapsed() < Duration::from_secs(3), "the end is seen when it comes");
    node.until("it has been restarted", |n| ran(n, "talks")["restartCount"] == 1).await;
    let previous = v1::Logs {
        container: "main".into(),
        previous: true,
        tail_lines: Some(1),
        ..Default::default()
    };
    assert_eq!(collect(&node, ask(previous)).await, "line 3\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_reaches_the_runtime_and_back() {
    let mut node = TestNode::start().await;
    let p = pod("box", FOREVER);
    node.apply(&p).await;
    node.until_ready("box").await;
    assert_eq!(run_in(&node, &p, "echo out; echo $((6*7))").await, "out\n42\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_and_port_forward_are_upgraded_by_the_runtime() {
    use v1::tunnel_data::Kind;
    let mut node = TestNode::start().await;
    let p = pod("streams", FOREVER);
    node.apply(&p).await;
    node.until_ready("streams").await;
    let attach = v1::Attach { container: "main".into(), stdout: true, ..Default::default() };
    let missing = v1::Attach { container: "none".into(), ..attach.clone() };
    let forward = v1::PortForward { ports: vec![80] };
    let cases = [
        (v1::tunnel_request::Kind::Attach(attach), "v4.channel.k8s.io", 101),
        (v1::tunnel_request::Kind::Attach(missing), "v4.channel.k8s.io", 404),
        (v1::tunnel_request::Kind::PortForward(forward), "portforward.k8s.io", 101),
    ];
    for (kind, protocol, expected) in cases {
        let header =
            |name: &str, value: &str| v1::Header { name: name.into(), value: value.into() };
        let request = v1::TunnelRequest {
            id: "t".into(),
            pod: Some(key("streams")),
            pod_uid: "uid-streams".into(),
            kind: Some(kind),
            method: "POST".into(),
            headers: vec![
                header("Connection", "Upgrade"),
                header("Upgrade", "SPDY/3.1"),
                header("X-Stream-Protocol-Version", protocol),
            ],
        };
        let mut answers = node.kubelet.tunnel(request, tokio_stream::pending());
        let Some(Kind::Opened(opened)) = answers.recv().await.unwrap().kind else { panic!() };
        assert_eq!(opened.status, expected, "{}", opened.message);
        if expected == 101 {
            let accepted = opened
                .headers
                .iter()
                .find(|h| h.name.eq_ignore_ascii_case("X-Stream-Protocol-Version"));
            assert_eq!(accepted.unwrap().value, protocol);
        }
    }
}
