//! Events: what a user reads in `kubectl describe`.
//!
//! The recorder folds repeats into one Event with a count, as Kubernetes does, and never blocks or fails
//! its caller: an event that cannot be written is logged and dropped, because no decision depends on it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sheave_api::{ObjectKey, resource};
use tokio::sync::mpsc;

use crate::{Client, Patch};

/// Events waiting to be written; more are dropped and logged.
const QUEUE_LEN: usize = 1024;
/// Distinct events remembered for folding repeats.
const REMEMBERED_MAX: usize = 2048;

/// The object an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Involved {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Pod`, `Node`, `Deployment`.
    pub kind: String,
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: String,
    /// `spec.containers{name}`, or empty.
    pub field_path: String,
}

impl Involved {
    /// An object as a whole.
    pub fn new(api_version: &str, kind: &str, key: ObjectKey, uid: impl Into<String>) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            key,
            uid: uid.into(),
            field_path: String::new(),
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Record {
    /// What it is about.
    pub involved: Involved,
    /// `Warning` instead of `Normal`.
    pub warning: bool,
    /// One word in CamelCase: `FailedScheduling`.
    pub reason: String,
    /// One sentence.
    pub message: String,
    /// Who saw it: `kubelet`, `default-scheduler`.
    pub component: String,
    /// On which node, or empty.
    pub host: String,
}

/// Writes events in the background. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::Sender<Record>,
}

impl Recorder {
    /// Starts the writer; it ends when all recorders are dropped. `now` gives the time in RFC 3339.
    pub fn start(client: Arc<dyn Client>, now: fn() -> String) -> Self {
        let (queue, mut records) = mpsc::channel::<Record>(QUEUE_LEN);
        tokio::spawn(async move {
            let mut known: HashMap<Identity, Known> = HashMap::new();
            while let Some(record) = records.recv().await {
                if known.len() >= REMEMBERED_MAX {
                    known.clear();
                }
                if let Err(error) = write(client.as_ref(), &mut known, &record, &now()).await {
                    tracing::warn!(%error, reason = record.reason, "event not written");
                }
            }
        });
        Self { queue }
    }

    /// Queues an event.
    pub fn record(&self, record: Record) {
        if self.queue.try_send(record).is_err() {
            tracing::warn!("event dropped: too many wait to be written");
        }
    }
}

/// What makes two records the same event.
type Identity = (Involved, String, String, String);

struct Known {
    key: ObjectKey,
    count: u64,
}

async fn write(
    client: &dyn Client,
    known: &mut HashMap<Identity, Known>,
    record: &Record,
    now: &str,
) -> Result<(), sheave_api::Status> {
    let identity = (
        record.involved.clone(),
        record.reason.clone(),
        record.message.clone(),
        record.component.clone(),
    );
    if let Some(event) = known.get_mut(&identity) {
        event.count += 1;
        let patch = Patch::Merge(json!({ "count": event.count, "lastTimestamp": now }));
        match client.patch(&resource::EVENTS, &event.key, None, patch).await {
            Ok(_) => return Ok(()),
            // Deleted, or expired: it is a new event then.
            Err(status) if status.is_not_found() => {}
            Err(status) => return Err(status),
        }
    }
    let namespace = event_namespace(record);
    let created = client.create(&resource::EVENTS, namespace, new_event(record, now)).await?;
    let name = created["metadata"]["name"].as_str().unwrap_or_default();
    known.insert(identity, Known { key: ObjectKey::new(namespace, name), count: 1 });
    Ok(())
}

/// Events of cluster-scoped objects live in `default`.
fn event_namespace(record: &Record) -> &str {
    match record.involved.key.namespace.as_str() {
        "" => "default",
        namespace => namespace,
    }
}

fn new_event(record: &Record, now: &str) -> Value {
    let involved = &record.involved;
    let mut object = json!({
        "kind": involved.kind, "apiVersion": involved.api_version,
        "name": involved.key.name, "uid": involved.uid,
    });
    if !involved.key.namespace.is_empty() {
        object["namespace"] = json!(involved.key.namespace);
    }
    if !involved.field_path.is_empty() {
        object["fieldPath"] = json!(involved.field_path);
    }
    let mut source = json!({ "component": record.component });
    if !record.host.is_empty() {
        source["host"] = json!(record.host);
    }
    json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "generateName": format!("{}.", involved.key.name),
            "namespace": event_namespace(record),
        },
        "involvedObject": object,
        "type": if record.warning { "Warning" } else { "Normal" },
        "reason": record.reason, "message": record.message, "source": source,
        "reportingComponent": record.component, "reportingInstance": record.host,
        "firstTimestamp": now, "lastTimestamp": now, "count": 1,
    })
}
