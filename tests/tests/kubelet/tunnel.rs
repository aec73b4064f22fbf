//! A client of tunnels: exec over WebSocket as kubectl does it.

use serde_json::Value;
use sheave_push::v1;

use crate::node::{TestNode, key};

/// All bytes of a tunnel without a client that says anything.
pub(crate) async fn collect(node: &TestNode, request: v1::TunnelRequest) -> String {
    use v1::tunnel_data::Kind;
    let mut answers = node.kubelet.tunnel(request, tokio_stream::pending());
    let mut text = Vec::new();
    while let Some(answer) = answers.recv().await {
        match answer.kind {
            Some(Kind::Opened(opened)) => assert_eq!(opened.status, 200, "{}", opened.message),
            Some(Kind::Data(bytes)) => text.extend_from_slice(&bytes),
            Some(Kind::HalfClose(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    String::from_utf8(text).unwrap()
}

/// Runs a script in a pod through the exec tunnel, over WebSocket as kubectl does; gives its output.
pub(crate) async fn run_in(node: &TestNode, pod: &Value, script: &str) -> String {
    use v1::tunnel_data::Kind;
    let header = |name: &str, value: &str| v1::Header { name: name.into(), value: value.into() };
    let meta = &pod["metadata"];
    let request = v1::TunnelRequest {
        id: "exec".into(),
        pod: Some(key(meta["name"].as_str().unwrap())),
        pod_uid: meta["uid"].as_str().unwrap().into(),
        kind: Some(v1::tunnel_request::Kind::Exec(v1::Exec {
            container: "main".into(),
            command: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            stdout: true,
            stderr: true,
            ..Default::default()
        })),
        method: "GET".into(),
        headers: vec![
            header("Connection", "Upgrade"),
            header("Upgrade", "websocket"),
            header("Sec-WebSocket-Version", "13"),
            header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            header("Sec-WebSocket-Protocol", "v4.channel.k8s.io"),
            header("Authorization", "Bearer not-for-the-runtime"),
        ],
    };
    let mut answers = node.kubelet.tunnel(request, tokio_stream::pending());
    let mut bytes = Vec::new();
    while let Some(answer) = answers.recv().await {
        match answer.kind {
            Some(Kind::Opened(opened)) => assert_eq!(opened.status, 101, "{}", opened.message),
            Some(Kind::Data(data)) => bytes.extend_from_slice(&data),
            Some(Kind::HalfClose(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    stdout_of(&bytes)
}

/// Channel 1 of the frames of a server, which are not masked.
pub(crate) fn stdout_of(mut bytes: &[u8]) -> String {
    let mut text = Vec::new();
    while bytes.len() >= 2 {
        let (length, head) = match bytes[1] & 0x7f {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            length => (usize::from(length), 2),
        };
        let payload = &bytes[head..head + length];
        if payload.first() == Some(&1) {
            text.extend_from_slice(&payload[1..]);
        }
        bytes = &bytes[head + length..];
    }
    String::from_utf8(text).unwrap()
}
