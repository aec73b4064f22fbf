//! Namespace deletion: everything in it goes first, pods before all, then the namespace itself.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use serde_json::{Value, json};
use sheave_api::kinds::{self, Kind};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{DeleteOptions, Informer, Typed, TypedEvent};

use crate::Context;
use crate::queue::Queue;

const FINALIZER: &str = "kubernetes";
/// How soon to look again while objects still end by themselves (grace periods, finalizers).
const LOOK_AGAIN: Duration = Duration::from_millis(250);

pub(crate) async fn run(context: Context) {
    let mut namespaces = Informer::<Namespace>::new(context.client.as_ref(), &resource::NAMESPACES);
    let mut queue: Queue<String> = Queue::new();
    loop {
        let synced = namespaces.is_synced();
        tokio::select! {
            biased;
            event = namespaces.next() => match event {
                Some(TypedEvent::Apply { new, .. }) => {
                    if new.object.metadata.deletion_timestamp.is_some() {
                        queue.mark(new.key.name);
                    }
                }
                Some(_) => {}
                None => return,
            },
            name = queue.next(), if synced => {
                let Some(namespace) = namespaces.get(&ObjectKey::cluster(&name)).cloned() else {
                    continue;
                };
                match reconcile(&context, &namespace).await {
                    Ok(true) => queue.succeeded(&name),
                    Ok(false) => queue.mark_after(name, LOOK_AGAIN),
                    Err(status) => {
                        tracing::debug!(namespace = name, %status, "will be tried again");
                        queue.failed(name);
                    }
                }
            }
        }
    }
}

/// True when nothing is left to do.
async fn reconcile(context: &Context, namespace: &Typed<Namespace>) -> Result<bool, Status> {
    let spec = namespace.object.spec.as_ref();
    let holds = spec.is_some_and(|s| s.finalizers.iter().flatten().any(|f| f == FINALIZER));
    if namespace.object.metadata.deletion_timestamp.is_none() || !holds {
        return Ok(true);
    }
    // Pods first: what they still write or serve while they end may need the rest.
    if delete_all(context, &namespace.key.name, |kind| kind.group_resource() == resource::PODS)
        .await?
        > 0
    {
        return Ok(false);
    }
    let left =
        delete_all(context, &namespace.key.name, |kind| kind.group_resource() != resource::PODS);
    if left.await? > 0 {
        return Ok(false);
    }
    finalize(context, namespace).await?;
    Ok(true)
}

/// Deletes the namespace's objects of some kinds and returns how many are still there.
async fn delete_all(
    context: &Context,
    namespace: &str,
    wanted: impl Fn(&Kind) -> bool,
) -> Result<usize, Status> {
    let client = &context.client;
    let mut left = 0;
    for kind in kinds::KINDS.iter().filter(|kind| kind.namespaced && wanted(kind)) {
        let resource = kind.group_resource();
        for stored in client.list(&resource, Some(namespace)).await? {
            let object: Value = serde_json::from_slice(&stored.json).unwrap_or_default();
            if !sheave_api::meta::is_terminating(&object) {
                match client.delete(&resource, &stored.key, DeleteOptions::default()).await {
                    Err(status) if !status.is_not_found() => return Err(status),
                    _ => {}
                }
            }
        }
        left += client.list(&resource, Some(namespace)).await?.len();
    }
    Ok(left)
}

async fn finalize(context: &Context, namespace: &Typed<Namespace>) -> Result<(), Status> {
    let mut object: Value = serde_json::from_slice(&namespace.json)
        .map_err(|error| Status::internal(error.to_string()))?;
    let finalizers = object["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
    let rest: Vec<Value> = finalizers.into_iter().filter(|f| f != FINALIZER).collect();
    object["spec"]["finalizers"] = json!(rest);
    let key = &namespace.key;
    match context.client.update(&resource::NAMESPACES, key, Some("finalize"), object).await {
        Err(status) if status.is_not_found() => Ok(()),
        result => result.map(drop),
    }
}
