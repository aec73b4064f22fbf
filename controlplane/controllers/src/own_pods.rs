//! Pods that a controller makes and ends for the objects it is responsible for: what was done is remembered until
//! the picture of the pods shows it, so that a picture that lags never leads to a pod too many.
//!
//! Which pods there should be is each controller's own plan.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde_json::{Value, json};
use sheave_api::{GroupResource, ObjectKey, Status, resource};
use sheave_client::{DeleteOptions, Involved, Patch, Record};

use crate::Context;

/// Creations and deletions under way at once for one owner.
pub(crate) const BURST_MAX: usize = 50;

/// For whom.
pub(crate) struct Owner<'a> {
    /// Kind in `apps/v1`.
    pub(crate) kind: &'static str,
    /// As events name the controller.
    pub(crate) component: &'static str,
    pub(crate) key: &'a ObjectKey,
    pub(crate) uid: &'a str,
}

/// What was done and is not seen yet.
#[derive(Default)]
pub(crate) struct OwnPods {
    /// uid of an owner to the revision that the pods' picture must have reached before the next plan.
    created_until: BTreeMap<String, u64>,
    /// Pods that were deleted and that the picture still shows as alive, by uid.
    deleting: BTreeSet<String>,
}

impl OwnPods {
    /// False while the picture of this revision lacks pods that were created.
    pub(crate) fn are_seen(&self, owner_uid: &str, revision: u64) -> bool {
        self.created_until.get(owner_uid).is_none_or(|until| *until <= revision)
    }

    /// True for a pod that the picture shows as alive, and that was deleted.
    pub(crate) fn is_deleting(&self, pod_uid: &str) -> bool {
        self.deleting.contains(pod_uid)
    }

    /// The picture shows that this pod ends, or is gone.
    pub(crate) fn saw_end(&mut self, pod_uid: &str) {
        self.deleting.remove(pod_uid);
    }

    /// The owner is gone.
    pub(crate) fn forget_owner(&mut self, owner_uid: &str) {
        self.created_until.remove(owner_uid);
    }

    /// Creates them, as many as may be under way at once. The last failure is told, and returned.
    pub(crate) async fn create(
        &mut self,
        context: &Context,
        owner: &Owner<'_>,
        pods: impl Iterator<Item = Value>,
    ) -> Result<(), Status> {
        let namespace = &owner.key.namespace;
        let creations = pods.take(BURST_MAX).map(|pod| async {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            (name, context.client.create(&resource::PODS, namespace, pod).await)
        });
        let mut failure = None;
        for (name, result) in join_all(creations).await {
            match result {
                Ok(created) => {
                    let revision = created["metadata"]["resourceVersion"].as_str();
                    let revision: u64 = revision.and_then(|r| r.parse().ok()).unwrap_or_default();
                    let until = self.created_until.entry(owner.uid.to_owned()).or_default();
                    *until = revision.max(*until);
                    let name = created["metadata"]["name"].as_str().unwrap_or_default();
                    owner.say(context, false, "SuccessfulCreate", owner.created(name));
                }
                Err(status) => failure = Some((name, status)),
            }
        }
        let Some((name, status)) = failure else { return Ok(()) };
        // A namespace on its way out refuses pods; that is no news to anybody.
        if status.reason != "NamespaceTerminating" && !status.is_not_found() {
            owner.say(context, true, "FailedCreate", owner.not_created(&name, &status));
        }
        Err(status)
    }

    /// Deletes them, each by key and uid, as many as may be under way at once.
    pub(crate) async fn delete(
        &mut self,
        context: &Context,
        owner: &Owner<'_>,
        victims: Vec<(ObjectKey, String)>,
    ) -> Result<(), Status> {
        for (key, pod_uid) in victims.into_iter().take(BURST_MAX) {
            let options = DeleteOptions { uid: Some(pod_uid.clone()), ..DeleteOptions::default() };
            match context.client.delete(&resource::PODS, &key, options).await {
                Ok(()) => {
                    self.deleting.insert(pod_uid);
                    owner.say(context, false, "SuccessfulDelete", owner.deleted(&key.name));
                }
                Err(status) if status.is_not_found() || status.is_conflict() => {}
                Err(status) => return Err(status),
            }
        }
        Ok(())
    }
}

/// Messages of events, in the words of Kubernetes, which has others for pods with names of their own.
impl Owner<'_> {
    fn names_its_pods(&self) -> bool {
        self.kind == "StatefulSet"
    }

    fn created(&self, pod: &str) -> String {
        if self.names_its_pods() {
            return format!("create Pod {pod} in StatefulSet {} successful", self.key.name);
        }
        format!("Created pod: {pod}")
    }

    fn not_created(&self, pod: &str, status: &Status) -> String {
        if self.names_its_pods() {
            let set = &self.key.name;
            return format!("create Pod {pod} in StatefulSet {set} failed error: {status}");
        }
        format!("Error creating: {status}")
    }

    fn deleted(&self, pod: &str) -> String {
        if self.names_its_pods() {
            return format!("delete Pod {pod} in StatefulSet {} successful", self.key.name);
        }
        format!("Deleted pod: {pod}")
    }
}

impl Owner<'_> {
    /// Records an event about it.
    pub(crate) fn say(&self, context: &Context, warning: bool, reason: &str, message: String) {
        context.recorder.record(Record {
            involved: Involved::new("apps/v1", self.kind, self.key.clone(), self.uid),
            warning,
            reason: reason.to_owned(),
            message,
            component: self.component.to_owned(),
            host: String::new(),
        });
    }

    /// Writes these fields of its status, unless they are what they were; absent counts are zero.
    pub(crate) async fn write_status(
        &self,
        context: &Context,
        resource: &GroupResource,
        current: &Value,
        wanted: Value,
    ) -> Result<(), Status> {
        if are_same(current, &wanted) {
            return Ok(());
        }
        let patch = Patch::Merge(json!({ "status": wanted }));
        match context.client.patch(resource, self.key, Some("status"), patch).await {
            Err(status) if status.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }
}

fn are_same(current: &Value, wanted: &Value) -> bool {
    let is_same = |current: &Value, wanted: &Value| match wanted.as_i64() {
        Some(count) => current.as_i64().unwrap_or_default() == count,
        None => current == wanted,
    };
    let mut fields = wanted.as_object().into_iter().flatten();
    fields.all(|(name, value)| is_same(&current[name.as_str()], value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_counts_are_zero() {
        let wanted = json!({ "replicas": 2, "readyReplicas": 0 });
        assert!(are_same(&json!({ "replicas": 2 }), &wanted));
        assert!(!are_same(&json!({ "replicas": 2, "readyReplicas": 1 }), &wanted));
        assert!(!are_same(&Value::Null, &wanted));
        let named = json!({ "updateRevision": "b" });
        assert!(are_same(&named, &named) && !are_same(&json!({ "updateRevision": "a" }), &named));
    }

    #[test]
    fn what_was_created_is_waited_for() {
        let mut pods = OwnPods::default();
        assert!(pods.are_seen("a", 0));
        pods.created_until.insert("a".into(), 7);
        assert!(!pods.are_seen("a", 6) && pods.are_seen("a", 7) && pods.are_seen("b", 0));
        pods.forget_owner("a");
        assert!(pods.are_seen("a", 0));
    }
}
