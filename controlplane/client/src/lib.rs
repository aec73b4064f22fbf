//! How the parts of the control plane see the objects: one trait to read, write and watch, and an
//! informer on top of it.
//!
//! The registry implements [`Client`] in process: reads and watches hand out the watch cache's own bytes,
//! writes take the same path (defaults, validation, admission) as a request over HTTP. Nothing here knows
//! how objects are stored, or which kinds exist.

mod informer;
mod recorder;

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use serde_json::Value;
use sheave_api::{GroupResource, ObjectKey, Status};

pub use informer::{Informer, Typed, TypedEvent};
pub use recorder::{Involved, Record, Recorder};

/// An object as the watch cache holds it: serialized once, shared by all who read it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.resourceVersion` as a number: the revision of the last write.
    pub revision: u64,
    /// The object as canonical JSON, `resourceVersion` included.
    pub json: Bytes,
}

/// What a watch yields. The five events make a relist explicit, so that a consumer never has to guess
/// whether an absence means anything: it does at [`WatchEvent::InitDone`], and only there.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// A complete list follows; also sent again when the watch fell too far behind.
    Init,
    /// One object of that list.
    InitApply(Stored),
    /// The list is complete as of this revision.
    InitDone(u64),
    /// Created or changed.
    Apply(Stored),
    /// Deleted; carries the last state.
    Delete(Stored),
}

/// A watch that never ends before the control plane does.
pub type WatchStream = Pin<Box<dyn Stream<Item = WatchEvent> + Send>>;

/// What happens to an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Propagation {
    /// The kind's default, which is background for every kind here.
    #[default]
    Default,
    /// Dependents are deleted afterwards.
    Background,
    /// Dependents first.
    Foreground,
    /// Dependents stay, without their owner.
    Orphan,
}

/// Options of [`Client::delete`].
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Seconds; `None` is the kind's default, 0 is at once.
    pub grace_period_seconds: Option<i64>,
    /// Refuse unless `metadata.uid` is this.
    pub uid: Option<String>,
    /// Refuse unless `metadata.resourceVersion` is this.
    pub resource_version: Option<String>,
    /// What happens to dependents.
    pub propagation: Propagation,
}

/// Patch formats that parts of the control plane use among themselves.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 7386.
    Merge(Value),
    /// Strategic merge patch, as `kubectl` sends it.
    Strategic(Value),
}

/// Reads, writes and watches objects of any kind.
#[async_trait]
pub trait Client: Send + Sync + 'static {
    /// The newest state of one object.
    async fn get(&self, resource: &GroupResource, key: &ObjectKey) -> Result<Stored, Status>;

    /// All objects of a resource, or those of one namespace, from memory.
    async fn list(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
    ) -> Result<Vec<Stored>, Status>;

    /// All objects now, then every change, in order. The stream resynchronizes itself when it fell
    /// behind (with [`WatchEvent::Init`]).
    fn watch(&self, resource: &GroupResource) -> WatchStream;

    /// Creates; `metadata.generateName` is honoured. Returns the object as written.
    async fn create(
        &self,
        resource: &GroupResource,
        namespace: &str,
        object: Value,
    ) -> Result<Value, Status>;

    /// Replaces the object, or the part that `subresource` (`status`, `scale`, `binding`) owns. A
    /// `metadata.resourceVersion` in `object` must be the newest; without one the write is unconditional.
    async fn update(
        &self,
        resource: &GroupResource,
        key: &ObjectKey,
        subresource: Option<&str>,
        object: Value,
    ) -> Result<Value, Status>;

    /// Applies a patch to the newest state.
    async fn patch(
        &self,
        resource: &GroupResource,
        key: &ObjectKey,
        subresource: Option<&str>,
        patch: Patch,
    ) -> Result<Value, Status>;

    /// Deletes, or starts to: finalizers and grace periods are honoured.
    async fn delete(
        &self,
        resource: &GroupResource,
        key: &ObjectKey,
        options: DeleteOptions,
    ) -> Result<(), Status>;
}
