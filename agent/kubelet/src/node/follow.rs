//! Watches how the node is and says so when that changes.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1 as api;
use tokio::sync::watch;

use super::facts::{Facts, Storage};
use super::said::{SaidBefore, is_ready};
use super::{Health, Image, MEMORY_RESERVE_BYTES, encode, status};
use crate::context::Shared;
use crate::interface::Outgoing;
use crate::machine;
use crate::runtime::RuntimeState;

/// Between looks at memory, disk and images.
const LOOK: Duration = Duration::from_secs(10);
/// Between looks while the runtime waits for its network: pods wait for that.
const LOOK_FOR_NETWORK: Duration = Duration::from_millis(100);
/// A node with less than a tenth of its disk free is under pressure.
const DISK_RESERVE_DIVISOR: u64 = 10;

/// A node that was ready stays so while its agent looks for the runtime, at most this long.
const STARTING_MAX: Duration = Duration::from_secs(5);

/// Runs as long as the agent. `said` holds what the node was registered with, and then what is said.
pub(crate) async fn follow(
    context: Shared,
    facts: Facts,
    memory: SaidBefore,
    said: watch::Sender<api::NodeStatus>,
) {
    let mut known: Option<Health> = None;
    let mut was_ready = is_ready(&said.borrow());
    if was_ready {
        let _ = tokio::time::timeout(STARTING_MAX, context.runtime.up()).await;
    }
    let mut runtime = context.runtime.state.clone();
    loop {
        let state = runtime.borrow_and_update().clone();
        let health = look(&context, &state).await;
        let waits_for_network = matches!(state, RuntimeState::Up(_)) && health.not_ready.is_some();
        if known.as_ref() != Some(&health) {
            let now = Timestamp::now();
            let next = status(&context.config, &facts, &health, Some(&said.borrow()), now);
            if is_ready(&next) != was_ready {
                was_ready = !was_ready;
                say_readiness(&context, was_ready);
            }
            let encoded = encode(&next);
            memory.write(&encoded);
            said.send_replace(next);
            context.send(Outgoing::NodeStatus(encoded)).await;
            known = Some(health);
        }
        let pause = if waits_for_network { LOOK_FOR_NETWORK } else { LOOK };
        tokio::select! {
            changed = runtime.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What `kubectl describe node` shows of the past.
fn say_readiness(context: &Shared, is_ready: bool) {
    let reason = if is_ready { "NodeReady" } else { "NodeNotReady" };
    let message = format!("Node {} status is now: {reason}", context.config.node_name);
    context.recorder.node(!is_ready, reason, message);
}

async fn look(context: &Shared, state: &RuntimeState) -> Health {
    let mut health = Health {
        memory_pressure: machine::memory_available_bytes() < MEMORY_RESERVE_BYTES,
        disk_pressure: Storage::of(&context.config.data_dir)
            .is_some_and(|s| s.available_bytes < s.total_bytes / DISK_RESERVE_DIVISOR),
        pid_pressure: machine::pids_are_short(),
        ..Health::default()
    };
    match state {
        RuntimeState::Down(why) => {
            health.not_ready = Some(format!("container runtime is down: {why}"));
        }
        RuntimeState::Up(facts) => {
            health.runtime_version = format!("{}://{}", facts.name, facts.version);
            health.not_ready = not_ready(context).await;
            health.images = images(context).await;
        }
    }
    health
}

async fn not_ready(context: &Shared) -> Option<String> {
    let conditions = match context.cri().status().await {
        Ok(conditions) => conditions,
        Err(status) => return Some(format!("container runtime is down: {}", status.message())),
    };
    let failed = |kind: &str| conditions.iter().find(|c| c.r#type == kind && !c.status);
    if let Some(condition) = failed("RuntimeReady") {
        return Some(format!(
            "container runtime not ready: RuntimeReady=false reason:{} message:{}",
            condition.reason, condition.message
        ));
    }
    failed("NetworkReady").map(|condition| {
        format!(
            "container runtime network not ready: NetworkReady=false reason:{} message:{}",
            condition.reason, condition.message
        )
    })
}

async fn images(context: &Shared) -> Vec<Image> {
    let listed = context.cri().list_images().await.unwrap_or_default();
    let mut images: Vec<_> = listed
        .into_iter()
        .map(|image| Image {
            names: image.repo_digests.into_iter().chain(image.repo_tags).collect(),
            bytes: i64::try_from(image.size).unwrap_or(i64::MAX),
        })
        .collect();
    images.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.names.cmp(&b.names)));
    images
}
