//! `meta.k8s.io/v1 Table`: what `kubectl get` shows, columns and rows as kubectl users know them.
//!
//! A kind's printer turns one object into cells; the rest (metadata of the list, `includeObject`) is the
//! same for all.

use jiff::Timestamp;
use serde_json::{Value, json};

mod cluster;
mod config;
mod duration;
mod event;
mod network;
mod pod;
mod table;
mod workloads;

pub use cluster::{Lease, Namespace, Node};
pub use config::{ConfigMap, Secret, ServiceAccount};
pub use duration::human_duration;
pub use event::Event;
pub use network::{EndpointSlice, Endpoints, Service};
pub use pod::Pod;
pub use table::{IncludeObject, partial_metadata, partial_metadata_list, table};
pub use workloads::{
    ControllerRevision, DaemonSet, Deployment, PodDisruptionBudget, ReplicaSet, StatefulSet,
};

use crate::{meta, time};

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Heading, which kubectl prints in capitals.
    pub name: &'static str,
    /// `string` or `integer`.
    pub data_type: &'static str,
    /// `name` for the object's name, else empty.
    pub format: &'static str,
    /// One sentence for `kubectl explain`-like tools.
    pub description: &'static str,
    /// 0 is always shown, 1 with `-o wide`.
    pub priority: u8,
}

/// How one kind is shown.
pub trait Printer: Send + Sync {
    /// The columns, in order.
    fn columns(&self) -> &'static [Column];

    /// One cell for each column. Ages are counted to `now`.
    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value>;
}

/// Name and age: any kind without columns of its own.
pub struct Generic;

impl Printer for Generic {
    fn columns(&self) -> &'static [Column] {
        &[NAME, AGE]
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        vec![json!(meta::name(object)), json!(age(object, now))]
    }
}

/// A column that is always shown.
const fn column(name: &'static str, description: &'static str) -> Column {
    Column { name, data_type: "string", format: "", description, priority: 0 }
}

/// A number that is always shown.
const fn integer(name: &'static str, description: &'static str) -> Column {
    Column { data_type: "integer", ..column(name, description) }
}

/// A column shown with `-o wide`.
const fn wide(name: &'static str, description: &'static str) -> Column {
    Column { priority: 1, ..column(name, description) }
}

/// The object's name.
const NAME: Column =
    Column { format: "name", ..column("Name", "Name must be unique within a namespace.") };

/// Time since creation.
const AGE: Column = column("Age", "Time since the object was created.");

/// Time since creation, as kubectl shows it.
fn age(object: &Value, now: Timestamp) -> String {
    since(meta::creation_timestamp(object), now)
}

/// Time since an instant, as kubectl shows it.
fn since(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "<unknown>".to_owned(), |at| human_duration(time::elapsed_seconds(at, now)))
}

/// A field's text; empty if it is absent.
fn text(field: &Value) -> &str {
    field.as_str().unwrap_or_default()
}

/// `<none>` for what is empty.
fn or_none(shown: String) -> String {
    if shown.is_empty() { "<none>".to_owned() } else { shown }
}

/// The texts that are there, with a separator.
fn join<'a>(texts: impl Iterator<Item = Option<&'a str>>, separator: &str) -> String {
    texts.flatten().collect::<Vec<_>>().join(separator)
}
