//! Deployment: moves pods from one template to the next by way of ReplicaSets.
//!
//! It reads ReplicaSets only, never pods, except to wait for the last old pod with the Recreate strategy.
//! Every write sets absolute numbers computed from one picture, so doing it twice does no harm.

mod rollout;
mod status;
mod template;
mod view;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Value, json};
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{DeleteOptions, Informer, Involved, Patch, Record, Typed, TypedEvent};

use self::rollout::Set;
use self::template::REVISION;
use self::view::{View, is_empty, is_recreate, owner_uid, replicas_of};
use crate::pod::PodFacts;
use crate::queue::Queue;
use crate::{Context, controller_reference, selector};

const HISTORY_LIMIT_DEFAULT: i32 = 10;

pub(crate) async fn run(context: Context) {
    Controller::new(context).run().await;
}

struct Controller {
    context: Context,
    deployments: Informer<Deployment>,
    sets: Informer<ReplicaSet>,
    pods: Informer<PodFacts>,
    queue: Queue<ObjectKey>,
    deployment_by_uid: BTreeMap<String, ObjectKey>,
}

impl Controller {
    fn new(context: Context) -> Self {
        let client = context.client.as_ref();
        Self {
            deployments: Informer::new(client, &resource::DEPLOYMENTS),
            sets: Informer::new(client, &resource::REPLICA_SETS),
            pods: Informer::new(client, &resource::PODS),
            queue: Queue::new(),
            deployment_by_uid: BTreeMap::new(),
            context,
        }
    }

    async fn run(mut self) {
        loop {
            let synced =
                self.deployments.is_synced() && self.sets.is_synced() && self.pods.is_synced();
            tokio::select! {
                biased;
                event = self.deployments.next() => match event {
                    Some(event) => self.deployment_event(event),
                    None => return,
                },
                event = self.sets.next() => match event {
                    Some(TypedEvent::Apply { new, .. }) => self.mark_owner(&new),
                    Some(TypedEvent::Delete(old)) => self.mark_owner(&old),
                    Some(TypedEvent::Synced) => {}
                    None => return,
                },
                event = self.pods.next() => match event {
                    // Only the end of a pod matters here.
                    Some(TypedEvent::Delete(old)) => self.mark_owner_of_pod(&old),
                    Some(_) => {}
                    None => return,
                },
                key = self.queue.next(), if synced => match self.reconcile(&key).await {
                    Ok(()) => self.queue.succeeded(&key),
                    Err(status) => {
                        tracing::debug!(deployment = %key, %status, "will be tried again");
                        self.queue.failed(key);
                    }
                },
            }
        }
    }

    fn deployment_event(&mut self, event: TypedEvent<Deployment>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { new, .. } => {
                let uid = new.object.metadata.uid.clone().unwrap_or_default();
                self.deployment_by_uid.insert(uid, new.key.clone());
                self.queue.mark(new.key);
            }
            TypedEvent::Delete(old) => {
                let uid = old.object.metadata.uid.clone().unwrap_or_default();
                self.deployment_by_uid.remove(&uid);
            }
        }
    }

    fn mark_owner(&mut self, set: &Typed<ReplicaSet>) {
        let owner = owner_uid(&set.object);
        if let Some(key) = self.deployment_by_uid.get(owner) {
            self.queue.mark(key.clone());
        } else if owner.is_empty() {
            let labels = set.object.metadata.labels.clone().unwrap_or_default();
            for (key, deployment) in self.deployments.objects() {
                let wanted = deployment.object.spec.as_ref().map(|spec| &spec.selector);
                if key.namespace == set.key.namespace && selector::matches(wanted, &labels) {
                    self.queue.mark(key.clone());
                }
            }
        }
    }

    fn mark_owner_of_pod(&mut self, pod: &Typed<PodFacts>) {
        let of_pod = |set: &&Typed<ReplicaSet>| {
            set.object.metadata.uid.as_ref() == Some(&pod.object.owner_uid)
        };
        if let Some(set) = self.sets.objects().values().find(of_pod).cloned() {
            self.mark_owner(&set);
        }
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        let Some(deployment) = self.deployments.get(key).cloned() else { return Ok(()) };
        let terminating = deployment.object.metadata.deletion_timestamp.is_some();
        if !terminating && self.adopt(&deployment).await? {
            return Ok(());
        }
        let Some(view) = View::of(deployment, self.sets.objects().values()) else { return Ok(()) };
        if !terminating {
            self.roll(&view).await?;
            self.prune_history(&view).await?;
        }
        self.write_status(&view).await
    }

    /// Takes ReplicaSets that match and have no owner. True when one was taken: its event comes next.
    async fn adopt(&self, deployment: &Typed<Deployment>) -> Result<bool, Status> {
        let wanted = deployment.object.spec.as_ref().map(|spec| &spec.selector);
        let uid = deployment.object.metadata.uid.as_deref().unwrap_or_default();
        let mut adopted = false;
        for (key, set) in self.sets.objects() {
            let labels = set.object.metadata.labels.clone().unwrap_or_default();
            let orphan = owner_uid(&set.object).is_empty()
                && set.object.metadata.deletion_timestamp.is_none()
                && key.namespace == deployment.key.namespace;
            if orphan && selector::matches(wanted, &labels) {
                let owner =
                    controller_reference("apps/v1", "Deployment", &deployment.key.name, uid);
                let patch = json!({ "metadata": { "ownerReferences": [owner] } });
                self.patch_set(key, patch).await?;
                adopted = true;
            }
        }
        Ok(adopted)
    }

    /// Creates the current set when there is none, else moves all sets one step.
    async fn roll(&self, view: &View) -> Result<(), Status> {
        let numbers: Vec<Set> = view.numbers();
        let paused = view.spec.paused.unwrap_or_default();
        if let Some(sizes) = rollout::rescaled(view.bounds, &numbers) {
            return self.resize(view, &sizes).await;
        }
        if paused {
            return Ok(());
        }
        let revision = view.next_revision();
        let current = view.current.map(|i| &view.sets[i]);
        let changes = template::annotation_changes(
            &view.deployment.object,
            current.map(|set| &*set.object),
            revision,
        );
        let old_pods = is_recreate(&view.spec) && self.has_old_pods(view);
        let Some(current) = current else {
            return self.create_set(view, changes, old_pods).await;
        };
        if !changes.is_empty() {
            let patch = json!({ "metadata": { "annotations": changes } });
            self.patch_set(&current.key, patch).await?;
        }
        self.write_revision(view, template::revision_of(&current.object).max(revision)).await?;
        let sizes = if is_recreate(&view.spec) {
            rollout::recreate(view.bounds, &numbers, old_pods)
        } else {
            rollout::rolling(view.bounds, &numbers)
        };
        self.resize(view, &sizes).await
    }

    fn has_old_pods(&self, view: &View) -> bool {
        let old = view.sets.iter().enumerate().filter(|(i, _)| Some(*i) != view.current);
        let uids: Vec<&str> =
            old.filter_map(|(_, set)| set.object.metadata.uid.as_deref()).collect();
        let pods = self.pods.objects().values();
        pods.filter(|pod| !pod.object.has_ended())
            .any(|pod| uids.contains(&pod.object.owner_uid.as_str()))
    }

    async fn create_set(
        &self,
        view: &View,
        mut annotations: BTreeMap<String, String>,
        old_pods: bool,
    ) -> Result<(), Status> {
        let mut numbers = view.numbers();
        numbers.push(Set {
            current: true,
            replicas: 0,
            available: 0,
            max_replicas_then: None,
            desired_then: None,
        });
        let sizes = if is_recreate(&view.spec) {
            rollout::recreate(view.bounds, &numbers, old_pods)
        } else {
            rollout::rolling(view.bounds, &numbers)
        };
        let replicas = sizes.last().copied().unwrap_or_default();
        annotations.extend(view.size_annotations());
        let set = template::new_set(&view.deployment.object, replicas, &annotations);
        let name = set["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let namespace = &view.deployment.key.namespace;
        match self.context.client.create(&resource::REPLICA_SETS, namespace, set).await {
            Ok(_) => {
                let message = format!("Scaled up replica set {name} from 0 to {replicas}");
                self.say(view, "ScalingReplicaSet", message);
                Ok(())
            }
            Err(status) if status.is_already_exists() => self.collision(view, &name, status).await,
            Err(status) => Err(status),
        }
    }

    /// The name is taken: by our own set that the picture does not show yet, or by somebody else's.
    async fn collision(&self, view: &View, name: &str, status: Status) -> Result<(), Status> {
        let key = ObjectKey::new(&view.deployment.key.namespace, name);
        let taken = self.context.client.get(&resource::REPLICA_SETS, &key).await?;
        let taken: ReplicaSet = serde_json::from_slice(&taken.json).unwrap_or_default();
        let uid = view.deployment.object.metadata.uid.as_deref().unwrap_or_default();
        let template = taken.spec.as_ref().and_then(|s| s.template.as_ref());
        if owner_uid(&taken) == uid
            && template.is_some_and(|t| template::same(t, &view.spec.template))
        {
            return Ok(());
        }
        let collisions =
            view.deployment.object.status.as_ref().and_then(|s| s.collision_count).unwrap_or(0);
        let patch = json!({ "status": { "collisionCount": collisions + 1 } });
        let key = &view.deployment.key;
        let client = &self.context.client;
        client.patch(&resource::DEPLOYMENTS, key, Some("status"), Patch::Merge(patch)).await?;
        Err(status)
    }

    async fn resize(&self, view: &View, sizes: &[i32]) -> Result<(), Status> {
        for (set, size) in view.sets.iter().zip(sizes) {
            let replicas = replicas_of(&set.object);
            let annotations = view.size_annotations();
            let noted = |name: &str| set.object.metadata.annotations.as_ref()?.get(name);
            let noted_right = annotations.iter().all(|(name, value)| noted(name) == Some(value));
            if *size == replicas && (noted_right || *size == 0) {
                continue;
            }
            let patch = json!({
                "metadata": { "annotations": annotations }, "spec": { "replicas": size },
            });
            self.patch_set(&set.key, patch).await?;
            if *size != replicas {
                let direction = if *size > replicas { "up" } else { "down" };
                let name = &set.key.name;
                let message =
                    format!("Scaled {direction} replica set {name} from {replicas} to {size}");
                self.say(view, "ScalingReplicaSet", message);
            }
        }
        Ok(())
    }

    async fn patch_set(&self, key: &ObjectKey, patch: Value) -> Result<(), Status> {
        let client = &self.context.client;
        match client.patch(&resource::REPLICA_SETS, key, None, Patch::Merge(patch)).await {
            Err(status) if status.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }

    async fn write_revision(&self, view: &View, revision: i64) -> Result<(), Status> {
        let annotations = view.deployment.object.metadata.annotations.as_ref();
        let revision = revision.to_string();
        if annotations.and_then(|a| a.get(REVISION)) == Some(&revision) {
            return Ok(());
        }
        let patch = Patch::Merge(json!({ "metadata": { "annotations": { REVISION: revision } } }));
        let client = &self.context.client;
        client.patch(&resource::DEPLOYMENTS, &view.deployment.key, None, patch).await.map(drop)
    }

    /// Deletes the oldest empty sets beyond revisionHistoryLimit.
    async fn prune_history(&self, view: &View) -> Result<(), Status> {
        let limit = view.spec.revision_history_limit.unwrap_or(HISTORY_LIMIT_DEFAULT);
        let mut old: Vec<&Typed<ReplicaSet>> = view
            .sets
            .iter()
            .enumerate()
            .filter(|(i, set)| Some(*i) != view.current && is_empty(&set.object))
            .map(|(_, set)| set)
            .collect();
        old.sort_by_key(|set| template::revision_of(&set.object));
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
        for set in old.into_iter().take(surplus) {
            let options =
                DeleteOptions { uid: set.object.metadata.uid.clone(), ..Default::default() };
            match self.context.client.delete(&resource::REPLICA_SETS, &set.key, options).await {
                Err(status) if !status.is_not_found() && !status.is_conflict() => {
                    return Err(status);
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn write_status(&mut self, view: &View) -> Result<(), Status> {
        let sets: Vec<&ReplicaSet> = view.sets.iter().map(|set| &*set.object).collect();
        let current = view.current.map(|i| sets[i]);
        let deployment = &view.deployment.object;
        let now = (self.context.now)();
        let (status, wait_s) = status::status(deployment, current, &sets, view.bounds, now);
        if let Some(wait_s) = wait_s {
            self.queue.mark_after(view.deployment.key.clone(), Duration::from_secs(wait_s.max(1)));
        }
        let written = serde_json::to_value(&deployment.status).unwrap_or_default();
        if written == status {
            return Ok(());
        }
        let mut object: Value = serde_json::from_slice(&view.deployment.json)
            .map_err(|error| Status::internal(error.to_string()))?;
        object["status"] = status;
        let key = &view.deployment.key;
        match self.context.client.update(&resource::DEPLOYMENTS, key, Some("status"), object).await
        {
            // The newer object's event is on its way.
            Err(status) if status.is_conflict() || status.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }

    fn say(&self, view: &View, reason: &str, message: String) {
        let uid = view.deployment.object.metadata.uid.clone().unwrap_or_default();
        self.context.recorder.record(Record {
            involved: Involved::new("apps/v1", "Deployment", view.deployment.key.clone(), uid),
            warning: false,
            reason: reason.to_owned(),
            message,
            component: "deployment-controller".to_owned(),
            host: String::new(),
        });
    }
}
