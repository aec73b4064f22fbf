//! What the runtime tells by itself: that a container's process started or ended.
//!
//! CRI's own event stream is used where the runtime has one, containerd's where it is older. Neither is
//! trusted to be complete: a slow relist (see `relist`) finds what they missed.

use std::path::PathBuf;
use std::time::Duration;

use prost::Message;
use tokio::sync::mpsc;
use tonic::transport::Channel;

use super::containerd::events_client::EventsClient;
use super::v1::runtime_service_client::RuntimeServiceClient;
use super::{containerd, unix_channel, v1};

/// Between tries to subscribe.
const RETRY: Duration = Duration::from_millis(200);
/// A subscription that is not refused by then stands.
const SUBSCRIBED: Duration = Duration::from_millis(100);

/// Something happened to a container (or to a sandbox's own process, which has the sandbox's id).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeEvent {
    /// Events may have been missed: the stream was just (re)opened.
    Reconnected,
    Started {
        id: String,
    },
    /// Its process ended. The runtime's status may lag behind this event.
    Ended {
        id: String,
    },
}

/// Sends events until the receiver is gone; subscribes again when the stream breaks.
pub(crate) async fn follow_events(socket: PathBuf, events: mpsc::Sender<RuntimeEvent>) {
    let channel = unix_channel(socket);
    while !events.is_closed() {
        let unimplemented = match follow_cri(&channel, &events).await {
            Err(status) => status.code() == tonic::Code::Unimplemented,
            Ok(()) => false,
        };
        if unimplemented && let Err(status) = follow_containerd(&channel, &events).await {
            tracing::debug!(%status, "the runtime's event stream ended");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow_cri(
    channel: &Channel,
    events: &mpsc::Sender<RuntimeEvent>,
) -> Result<(), tonic::Status> {
    let mut client = RuntimeServiceClient::new(channel.clone());
    let mut stream = client.get_container_events(v1::GetEventsRequest {}).await?.into_inner();
    let mut open = false;
    loop {
        // A runtime without events may say so only with the first answer.
        let next = if open {
            stream.message().await?
        } else {
            match tokio::time::timeout(Duration::from_millis(100), stream.message()).await {
                Ok(message) => message?,
                Err(_) => {
                    open = true;
                    send(events, RuntimeEvent::Reconnected).await;
                    continue;
                }
            }
        };
        open = true;
        let Some(event) = next else { return Ok(()) };
        let id = event.container_id.clone();
        match event.container_event_type() {
            v1::ContainerEventType::ContainerStartedEvent => {
                send(events, RuntimeEvent::Started { id }).await;
            }
            v1::ContainerEventType::ContainerStoppedEvent => {
                send(events, RuntimeEvent::Ended { id }).await;
            }
            v1::ContainerEventType::ContainerCreatedEvent
            | v1::ContainerEventType::ContainerDeletedEvent => {}
        }
    }
}

async fn follow_containerd(
    channel: &Channel,
    events: &mpsc::Sender<RuntimeEvent>,
) -> Result<(), tonic::Status> {
    let filters = ["/tasks/start", "/tasks/exit"]
        .map(|topic| format!("topic==\"{topic}\",namespace==k8s.io"))
        .to_vec();
    let mut client = EventsClient::new(channel.clone());
    let request = containerd::SubscribeRequest { filters };
    // The runtime answers with its first event, though it counts from the request: what happened before
    // is asked for meanwhile.
    let subscribing = client.subscribe(request);
    tokio::pin!(subscribing);
    let answer = match tokio::time::timeout(SUBSCRIBED, &mut subscribing).await {
        Ok(answer) => answer,
        Err(_) => {
            send(events, RuntimeEvent::Reconnected).await;
            subscribing.await
        }
    };
    let mut stream = answer?.into_inner();
    send(events, RuntimeEvent::Reconnected).await;
    while let Some(envelope) = stream.message().await? {
        let Some(payload) = envelope.event else { continue };
        let event = match envelope.topic.as_str() {
            "/tasks/exit" => match containerd::TaskExit::decode(payload.value.as_slice()) {
                // A process that was executed in the container has an id of its own.
                Ok(exit) if exit.id == exit.container_id => {
                    RuntimeEvent::Ended { id: exit.container_id }
                }
                _ => continue,
            },
            "/tasks/start" => match containerd::TaskRef::decode(payload.value.as_slice()) {
                Ok(task) => RuntimeEvent::Started { id: task.container_id },
                Err(_) => continue,
            },
            _ => continue,
        };
        send(events, event).await;
    }
    Ok(())
}

async fn send(events: &mpsc::Sender<RuntimeEvent>, event: RuntimeEvent) {
    // A closed receiver ends the stream at the next turn.
    let _ = events.send(event).await;
}
