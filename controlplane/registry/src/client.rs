//! The registry as the control plane's own parts use it: in process, through [`Client`].

use std::collections::VecDeque;

use async_trait::async_trait;
use futures::stream;
use serde_json::Value;
use sheave_api::kinds::{self, Propagation as Dependents};
use sheave_api::{GroupResource, Kind, ObjectKey, Status, patch, schema};
use sheave_client::{Client, DeleteOptions, Patch, Propagation, Stored, WatchEvent, WatchStream};

use sheave_store::Revision;
use tokio::sync::watch::Receiver;

use crate::cache::Filter;
use crate::watch::Cursor;
use crate::{Event, Identity, ListOptions, Registry, ResourceVersion, Target, WriteOptions};

#[async_trait]
impl Client for Registry {
    async fn get(&self, resource: &GroupResource, key: &ObjectKey) -> Result<Stored, Status> {
        let target = Target { kind: kind(resource)?, key, subresource: None };
        Registry::get(self, &Identity::control_plane(), target, ResourceVersion::Unset).await
    }

    async fn list(
        &self,
        resource: &GroupResource,
        namespace: Option<&str>,
    ) -> Result<Vec<Stored>, Status> {
        let kind = kind(resource)?;
        let options = ListOptions::default();
        let who = Identity::control_plane();
        Ok(Registry::list(self, &who, kind, namespace, &options).await?.items)
    }

    fn watch(&self, resource: &GroupResource) -> WatchStream {
        let Ok(kind) = kind(resource) else {
            tracing::error!(%resource, "watch of an unknown resource yields nothing");
            return Box::pin(stream::pending());
        };
        let following = Following {
            cursor: self.cursor(Filter::everything(kind, None), false),
            applied: self.cache().subscribe(),
            pending: VecDeque::new(),
            is_behind: true,
        };
        Box::pin(stream::unfold(following, |mut following| async move {
            let event = following.next().await?;
            Some((event, following))
        }))
    }

    async fn create(
        &self,
        resource: &GroupResource,
        namespace: &str,
        object: Value,
    ) -> Result<Value, Status> {
        let kind = kind(resource)?;
        let who = Identity::control_plane();
        let options = WriteOptions::default();
        value(Registry::create(self, &who, kind, namespace, object, &options).await?)
    }

    async fn update(
        &self,
        resource: &GroupResource,
        key: &ObjectKey,
        subresource: Option<&str>,
        object: Value,
    ) -> Result<Value, Status> {
        let target = Target { kind: kind(resource)?, key, subresource };
        let who = Identity::control_plane();
        let options = WriteOptions::default();
        if matches!(subresource, Some("binding" | "eviction")) {
            return self.create_subresource(&who, target, object, &options).await;
        }
        value(Registry::update(self, &who, target, object, &options).await?)
    }

    async fn patch(
        &self,
        resource: &GroupResource,
        key: &ObjectKey,
        subresource: Option<&str>,
        patch: Patch,
    ) -> Result<Value, Status> {
        let kind = kind(resource)?;
        let target = Target { kind, key, subresource };
        let message = schema::message(kind.schema)
            .ok_or_else(|| Status::internal(format!("no schema of {}", kind.kind)))?;
        let apply = |current: &Value| match &patch {
            Patch::Merge(patch) => patch::merge(current, patch),
            Patch::Strategic(patch) => patch::strategic(current, patch, message),
        };
        let who = Identity::control_plane();
        value(Registry::patch(self, &who, target, &apply, &WriteOptions::default()).await?)
    }

    async fn delete(
        &self,
        resource: &GroupResource,
        key: &ObjectKey,
        options: DeleteOptions,
    ) -> Result<(), Status> {
        let DeleteOptions { grace_period_seconds, uid, resource_version, propagation } = options;
        let options = crate::DeleteOptions {
            dry_run: false,
            grace_period_seconds,
            uid,
            resource_version,
            propagation: match propagation {
                Propagation::Default => None,
                Propagation::Background => Some(Dependents::Background),
                Propagation::Foreground => Some(Dependents::Foreground),
                Propagation::Orphan => Some(Dependents::Orphan),
            },
        };
        let who = Identity::control_plane();
        Registry::delete(self, &who, kind(resource)?, key, &options).await.map(drop)
    }
}

/// A watch that lists again when it fell behind.
struct Following {
    cursor: Cursor,
    /// How far the cache is.
    applied: Receiver<Revision>,
    pending: VecDeque<WatchEvent>,
    /// A complete list is due.
    is_behind: bool,
}

impl Following {
    async fn next(&mut self) -> Option<WatchEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.is_behind {
                self.list();
                continue;
            }
            match self.cursor.next().await? {
                Event::Added(object) | Event::Modified(object) => {
                    return Some(WatchEvent::Apply(object));
                }
                Event::Deleted(object) => return Some(WatchEvent::Delete(object)),
                Event::Bookmark { .. } => {}
                Event::Error(_) => self.is_behind = true,
            }
        }
    }

    fn list(&mut self) {
        let now = *self.applied.borrow();
        let (objects, revision) = self.cursor.begin(now);
        self.pending.push_back(WatchEvent::Init);
        self.pending.extend(objects.into_iter().map(WatchEvent::InitApply));
        self.pending.push_back(WatchEvent::InitDone(revision));
        self.is_behind = false;
    }
}

fn kind(resource: &GroupResource) -> Result<&'static Kind, Status> {
    kinds::by_group_resource(resource).ok_or_else(|| {
        Status::new(404, "NotFound", "the server could not find the requested resource")
    })
}

fn value(written: Stored) -> Result<Value, Status> {
    serde_json::from_slice(&written.json).map_err(|error| Status::internal(error.to_string()))
}
