//! Calls that answer a request for a tunnel.

use std::collections::BTreeSet;

use sheave_push::TUNNEL_ID_KEY;
use sheave_push::v1::{self, server_message::Kind, tunnel_data};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::serving::{Machine, Serving};

/// Answers as this machine; the server's refusal.
async fn answer(machine: &Machine, id: &str) -> Result<(), tonic::Status> {
    let (say, said) = mpsc::channel(1);
    let opened = tunnel_data::Kind::Opened(v1::TunnelOpened::default());
    say.send(v1::TunnelData { kind: Some(opened) }).await.unwrap();
    let mut request = machine.request(ReceiverStream::new(said));
    request.metadata_mut().insert(TUNNEL_ID_KEY, id.parse().unwrap());
    machine.client().await.tunnel(request).await.map(drop)
}

#[tokio::test]
async fn only_the_node_that_was_asked_answers_and_nobody_can_guess_what() {
    let serving = Serving::start().await;
    let former = serving.join("vm-2", "a").await.unwrap();
    let other = serving.join("vm-3", "c").await.unwrap();
    former.connect().await.unwrap();
    serving.delete_node("vm-2").await;
    let present = serving.join("vm-2", "b").await.unwrap();
    let mut stream = present.connect().await.unwrap();
    stream.complete().await;

    let mut ids = BTreeSet::new();
    for _ in 0..4 {
        let push = serving.push.clone();
        let asked = tokio::spawn(async move {
            push.open_tunnel("vm-2", v1::TunnelRequest::default()).await.map(drop)
        });
        let kind = stream.until(|kind| matches!(kind, Kind::TunnelRequest(_))).await;
        let Kind::TunnelRequest(request) = kind else { unreachable!() };
        let refused = answer(&former, &request.id).await.expect_err("it was removed");
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        let refused = answer(&other, &request.id).await.expect_err("it was not asked");
        assert_eq!(refused.code(), Code::NotFound, "{refused}");
        answer(&present, &request.id).await.unwrap();
        asked.await.unwrap().unwrap();
        ids.insert(request.id);
    }
    // 128 bits each, and no two that share a beginning: nothing is counted up.
    assert!(ids.iter().all(|id| id.len() == 32), "{ids:?}");
    let beginnings: BTreeSet<&str> = ids.iter().map(|id| &id[..16]).collect();
    assert_eq!(beginnings.len(), 4, "{ids:?}");
}
