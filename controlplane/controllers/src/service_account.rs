//! Every namespace has a service account named `default`, which pods get unless they name another.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use serde_json::json;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Informer, TypedEvent};

use crate::Context;
use crate::queue::Queue;

const NAME: &str = "default";

pub(crate) async fn run(context: Context) {
    let client = context.client.as_ref();
    let mut namespaces = Informer::<Namespace>::new(client, &resource::NAMESPACES);
    let mut accounts = Informer::<ServiceAccount>::new(client, &resource::SERVICE_ACCOUNTS);
    let mut queue: Queue<String> = Queue::new();
    loop {
        let synced = namespaces.is_synced() && accounts.is_synced();
        tokio::select! {
            biased;
            event = namespaces.next() => match event {
                Some(TypedEvent::Apply { new, .. }) => queue.mark(new.key.name),
                Some(_) => {}
                None => return,
            },
            event = accounts.next() => match event {
                Some(TypedEvent::Delete(old)) => queue.mark(old.key.namespace),
                Some(_) => {}
                None => return,
            },
            namespace = queue.next(), if synced => {
                let needs_one = is_missing(&namespaces, &accounts, &namespace);
                match if needs_one { create(&context, &namespace).await } else { Ok(()) } {
                    Ok(()) => queue.succeeded(&namespace),
                    Err(status) => {
                        tracing::warn!(namespace, %status, "default service account not created");
                        queue.failed(namespace);
                    }
                }
            }
        }
    }
}

fn is_missing(
    namespaces: &Informer<Namespace>,
    accounts: &Informer<ServiceAccount>,
    namespace: &str,
) -> bool {
    let active = namespaces
        .get(&ObjectKey::cluster(namespace))
        .is_some_and(|n| n.object.metadata.deletion_timestamp.is_none());
    active && accounts.get(&ObjectKey::new(namespace, NAME)).is_none()
}

async fn create(context: &Context, namespace: &str) -> Result<(), Status> {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": NAME, "namespace": namespace },
    });
    match context.client.create(&resource::SERVICE_ACCOUNTS, namespace, account).await {
        // Somebody was faster, or the namespace is on its way out: nothing is missing then.
        Err(status) if status.is_already_exists() || status.is_not_found() => Ok(()),
        Err(status) if status.reason == "Forbidden" => Ok(()),
        result => result.map(drop),
    }
}
