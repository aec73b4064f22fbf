//! ReplicaSet: keeps as many pods as asked for.
//!
//! Pods it has just created or deleted are remembered until the picture shows them, so that a picture
//! that lags never leads to a pod too many.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Informer, Typed, TypedEvent};

use crate::endpoints_live::{Selecting, wait_left_s};
use crate::own_pods::{OwnPods, Owner};
use crate::ownership::Ownership;
use crate::pod::PodFacts;
use crate::queue::Queue;
use crate::{Context, selector};

pub(crate) async fn run(context: Context) {
    Controller::new(context).run().await;
}

struct Controller {
    context: Context,
    sets: Informer<ReplicaSet>,
    pods: Informer<PodFacts>,
    services: Informer<Selecting>,
    queue: Queue<ObjectKey>,
    ownership: Ownership,
    set_by_uid: BTreeMap<String, ObjectKey>,
    own_pods: OwnPods,
}

impl Controller {
    fn new(context: Context) -> Self {
        Self {
            sets: Informer::new(context.client.as_ref(), &resource::REPLICA_SETS),
            pods: Informer::new(context.client.as_ref(), &resource::PODS),
            services: Informer::new(context.client.as_ref(), &resource::SERVICES),
            context,
            queue: Queue::new(),
            ownership: Ownership::default(),
            set_by_uid: BTreeMap::new(),
            own_pods: OwnPods::default(),
        }
    }

    async fn run(mut self) {
        loop {
            let synced =
                self.sets.is_synced() && self.pods.is_synced() && self.services.is_synced();
            tokio::select! {
                biased;
                event = self.sets.next() => match event {
                    Some(event) => self.set_event(event),
                    None => return,
                },
                event = self.pods.next() => match event {
                    Some(event) => self.pod_event(event),
                    None => return,
                },
                event = self.services.next() => match event {
                    Some(event) => self.service_event(event),
                    None => return,
                },
                key = self.queue.next(), if synced => match self.reconcile(&key).await {
                    Ok(()) => self.queue.succeeded(&key),
                    Err(status) => {
                        tracing::debug!(replicaset = %key, %status, "will be tried again");
                        self.queue.failed(key);
                    }
                },
            }
        }
    }

    fn set_event(&mut self, event: TypedEvent<ReplicaSet>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { new, .. } => {
                self.set_by_uid.insert(uid(&new.object).to_owned(), new.key.clone());
                self.queue.mark(new.key);
            }
            TypedEvent::Delete(old) => {
                let uid = uid(&old.object);
                self.set_by_uid.remove(uid);
                self.own_pods.forget_owner(uid);
            }
        }
    }

    fn pod_event(&mut self, event: TypedEvent<PodFacts>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { old, new } => {
                if let Some(old) = old {
                    self.ownership.remove(&old.object.owner_uid, &old.key);
                }
                if new.object.terminating {
                    self.own_pods.saw_end(&new.object.uid);
                }
                self.ownership.insert(&new.object.owner_uid, new.key.clone());
                self.mark_owner(&new);
            }
            TypedEvent::Delete(old) => {
                self.own_pods.saw_end(&old.object.uid);
                self.ownership.remove(&old.object.owner_uid, &old.key);
                self.mark_owner(&old);
            }
        }
    }

    /// Pods that it selects no more wait for its endpoints no more.
    fn service_event(&mut self, event: TypedEvent<Selecting>) {
        let namespace = match event {
            TypedEvent::Apply { old: Some(old), new } if old.object != new.object => {
                new.key.namespace
            }
            TypedEvent::Delete(old) => old.key.namespace,
            // What a new one selects is available already, or will say so.
            TypedEvent::Apply { .. } | TypedEvent::Synced => return,
        };
        let first = ObjectKey::new(&namespace, "");
        let sets = self.sets.objects().range(first..).map(|(key, _)| key);
        for key in sets.take_while(|key| key.namespace == namespace) {
            self.queue.mark(key.clone());
        }
    }

    fn mark_owner(&mut self, pod: &Typed<PodFacts>) {
        if let Some(key) = self.set_by_uid.get(&pod.object.owner_uid) {
            self.queue.mark(key.clone());
        } else if pod.object.owner_uid.is_empty() {
            for (key, set) in self.sets.objects() {
                let spec_selector = set.object.spec.as_ref().map(|s| &s.selector);
                if key.namespace == pod.key.namespace
                    && selector::matches(spec_selector, &pod.object.labels)
                {
                    self.queue.mark(key.clone());
                }
            }
        }
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        let Some(set) = self.sets.get(key).cloned() else { return Ok(()) };
        let set_uid = uid(&set.object).to_owned();
        if !self.own_pods.are_seen(&set_uid, self.pods.revision()) {
            // The pods' own events will mark this set again.
            return Ok(());
        }
        let terminating = set.object.metadata.deletion_timestamp.is_some();
        if !terminating && self.adopt_or_release(&set).await? {
            return Ok(());
        }
        let now = (self.context.now)();
        let pods = self.pods_of(&set_uid, now);
        if !terminating {
            let plan = plan::plan(&set.object, &pods);
            let pod = plan::pod_of(&set.object, &set.key);
            let new = std::iter::repeat_n(pod, plan.create);
            self.own_pods.create(&self.context, &owner(&set), new).await?;
            self.own_pods.delete(&self.context, &owner(&set), plan.delete).await?;
        }
        let status = plan::status(&set.object, &pods, now);
        if let Some(delay_s) = plan::next_available_s(&set.object, &pods, now) {
            self.queue.mark_after(key.clone(), Duration::from_secs(delay_s));
        }
        let current = serde_json::to_value(&set.object.status).unwrap_or_default();
        let owner = owner(&set);
        owner.write_status(&self.context, &resource::REPLICA_SETS, &current, status).await
    }

    fn pods_of(&self, set_uid: &str, now: Timestamp) -> Vec<plan::Owned> {
        let services = self.services.objects();
        let waits_s = |pod: &Typed<PodFacts>| {
            let timeout = self.context.acknowledgement_timeout;
            wait_left_s(timeout, services, &pod.key.namespace, &pod.object, now)
        };
        let pods = self.ownership.of(set_uid).filter_map(|key| self.pods.get(key));
        let pods = pods.map(|pod| plan::Owned {
            waits_s: waits_s(pod),
            key: pod.key.clone(),
            deleting: self.own_pods.is_deleting(&pod.object.uid),
            facts: Arc::clone(&pod.object),
        });
        pods.collect()
    }

    /// Takes pods that match and have no owner, lets go of those that match no more. True when something
    /// was written, and the picture must catch up first.
    async fn adopt_or_release(&mut self, set: &Typed<ReplicaSet>) -> Result<bool, Status> {
        let set_uid = uid(&set.object);
        let wanted = set.object.spec.as_ref().map(|spec| &spec.selector);
        let matching = |key: &&ObjectKey| {
            key.namespace == set.key.namespace
                && self.pods.get(key).is_some_and(|pod| {
                    pod.object.is_active() && selector::matches(wanted, &pod.object.labels)
                })
        };
        let strays = |pod: &&Typed<PodFacts>| !selector::matches(wanted, &pod.object.labels);
        let pod = |key: &ObjectKey| self.pods.get(key);
        let orphans = self.ownership.orphans().filter(matching).filter_map(pod);
        let taken: Vec<_> = orphans.map(|pod| (&pod.key, pod.object.uid.as_str())).collect();
        let strays = self.ownership.of(set_uid).filter_map(pod).filter(strays);
        let released: Vec<_> = strays.map(|pod| (&pod.key, pod.object.uid.as_str())).collect();
        owner(set).claim(&self.context, &resource::PODS, &taken, &released).await
    }
}

/// As its pods know it.
fn owner(set: &Typed<ReplicaSet>) -> Owner<'_> {
    Owner {
        kind: "ReplicaSet",
        component: "replicaset-controller",
        key: &set.key,
        uid: uid(&set.object),
    }
}

fn uid(set: &ReplicaSet) -> &str {
    set.metadata.uid.as_deref().unwrap_or_default()
}
