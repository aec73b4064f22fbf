//! PodDisruptionBudgets: says in each one's status how many of its pods may be evicted now.
//!
//! Evictions write into the same status, and [`plan`] keeps what they wrote; every write names the revision it
//! was computed from, so that a permission that was just given is never given again.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Informer, Typed, TypedEvent};

use crate::pod::PodFacts;
use crate::queue::Queue;
use crate::{Context, selector};

/// What owns pods (a ReplicaSet, a StatefulSet), or what owns that (a Deployment), reduced to its size.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Owner {
    metadata: ObjectMeta,
    #[serde(default)]
    spec: OwnerSpec,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
struct OwnerSpec {
    #[serde(default)]
    replicas: i32,
}

impl Owner {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    fn owner_uid(&self) -> Option<&str> {
        let owners = self.metadata.owner_references.iter().flatten();
        owners.into_iter().find(|owner| owner.controller == Some(true)).map(|owner| &*owner.uid)
    }
}

pub(crate) async fn run(context: Context) {
    let client = context.client.as_ref();
    let controller = Controller {
        budgets: Informer::new(client, &resource::POD_DISRUPTION_BUDGETS),
        pods: Informer::new(client, &resource::PODS),
        sets: Informer::new(client, &resource::REPLICA_SETS),
        deployments: Informer::new(client, &resource::DEPLOYMENTS),
        stateful_sets: Informer::new(client, &resource::STATEFUL_SETS),
        queue: Queue::new(),
        context,
    };
    controller.run().await;
}

struct Controller {
    context: Context,
    budgets: Informer<PodDisruptionBudget>,
    pods: Informer<PodFacts>,
    sets: Informer<Owner>,
    deployments: Informer<Owner>,
    stateful_sets: Informer<Owner>,
    queue: Queue<ObjectKey>,
}

impl Controller {
    fn is_synced(&self) -> bool {
        self.budgets.is_synced()
            && self.pods.is_synced()
            && self.sets.is_synced()
            && self.deployments.is_synced()
            && self.stateful_sets.is_synced()
    }

    async fn run(mut self) {
        loop {
            let synced = self.is_synced();
            tokio::select! {
                biased;
                event = self.budgets.next() => match event {
                    Some(TypedEvent::Apply { new, .. }) => self.queue.mark(new.key),
                    Some(_) => {}
                    None => return,
                },
                event = self.pods.next() => match event {
                    Some(event) => self.pod_event(event),
                    None => return,
                },
                event = self.sets.next() => match event {
                    Some(event) => self.owner_event(event),
                    None => return,
                },
                event = self.deployments.next() => match event {
                    Some(event) => self.owner_event(event),
                    None => return,
                },
                event = self.stateful_sets.next() => match event {
                    Some(event) => self.owner_event(event),
                    None => return,
                },
                key = self.queue.next(), if synced => match self.reconcile(&key).await {
                    Ok(()) => self.queue.succeeded(&key),
                    Err(status) => {
                        tracing::debug!(budget = %key, %status, "will be tried again");
                        self.queue.failed(key);
                    }
                },
            }
        }
    }

    fn pod_event(&mut self, event: TypedEvent<PodFacts>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { old, new } => {
                if let Some(old) = old {
                    self.mark_budgets_of(&old);
                }
                self.mark_budgets_of(&new);
            }
            TypedEvent::Delete(old) => self.mark_budgets_of(&old),
        }
    }

    fn mark_budgets_of(&mut self, pod: &Typed<PodFacts>) {
        for (key, budget) in in_namespace(self.budgets.objects(), &pod.key.namespace) {
            if covers(&budget.object, &pod.object) {
                self.queue.mark(key.clone());
            }
        }
    }

    /// Sizes matter to budgets with percentages, whoever's they are.
    fn owner_event(&mut self, event: TypedEvent<Owner>) {
        let namespace = match event {
            TypedEvent::Apply { old: Some(old), new }
                if old.object.spec == new.object.spec
                    && old.object.owner_uid() == new.object.owner_uid() =>
            {
                return;
            }
            TypedEvent::Apply { new, .. } => new.key.namespace,
            TypedEvent::Delete(old) => old.key.namespace,
            TypedEvent::Synced => return,
        };
        for (key, _) in in_namespace(self.budgets.objects(), &namespace) {
            self.queue.mark(key.clone());
        }
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        let Some(budget) = self.budgets.get(key).cloned() else { return Ok(()) };
        let pods: Vec<&Typed<PodFacts>> = in_namespace(self.pods.objects(), &key.namespace)
            .map(|(_, pod)| pod)
            .filter(|pod| covers(&budget.object, &pod.object))
            .collect();
        let scale = self.scale(&key.namespace, &pods);
        let covered: Vec<plan::Covered> = pods
            .iter()
            .map(|pod| plan::Covered {
                name: pod.key.name.clone(),
                ready: pod.object.ready,
                terminating: pod.object.terminating,
            })
            .collect();
        let now: Timestamp = (self.context.now)();
        let (status, next_s) = plan::status(&budget.object, &covered, scale, now);
        if let Some(seconds) = next_s {
            self.queue.mark_after(key.clone(), Duration::from_secs(seconds));
        }
        let mut object: Value = serde_json::from_slice(&budget.json)
            .map_err(|error| Status::internal(error.to_string()))?;
        if plan::same_status(&object["status"], &status) {
            return Ok(());
        }
        object["status"] = status;
        let client = &self.context.client;
        let budgets = &resource::POD_DISRUPTION_BUDGETS;
        match client.update(budgets, key, Some("status"), object).await {
            // Its own event brings us back.
            Err(status) if status.is_not_found() || status.is_conflict() => Ok(()),
            result => result.map(drop),
        }
    }

    /// What the owners of these pods ask for together: a Deployment's size counts, not those of its sets.
    fn scale(&self, namespace: &str, pods: &[&Typed<PodFacts>]) -> plan::Scale {
        let by_uid = |owners: &'_ BTreeMap<ObjectKey, Typed<Owner>>, uid: &str| {
            let mut owners = in_namespace(owners, namespace).map(|(_, owner)| owner);
            owners.find(|owner| owner.object.uid() == uid).map(|owner| owner.object.clone())
        };
        // Pods without an owner are nobody's to replace: nothing is expected of them.
        let owners = pods.iter().map(|pod| &*pod.object.owner_uid).filter(|uid| !uid.is_empty());
        let owners: BTreeSet<&str> = owners.collect();
        let mut sizes: BTreeMap<String, i32> = BTreeMap::new();
        for uid in owners {
            let set = by_uid(self.sets.objects(), uid)
                .or_else(|| by_uid(self.stateful_sets.objects(), uid))?;
            let owner = match set.owner_uid() {
                Some(uid) => by_uid(self.deployments.objects(), uid)?,
                None => set,
            };
            sizes.insert(owner.uid().to_owned(), owner.spec.replicas);
        }
        Some(sizes.values().sum())
    }
}

fn in_namespace<'a, T>(
    objects: &'a BTreeMap<ObjectKey, Typed<T>>,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a ObjectKey, &'a Typed<T>)> {
    let first = ObjectKey::new(namespace, "");
    objects.range(first..).take_while(move |(key, _)| key.namespace == namespace)
}

fn covers(budget: &PodDisruptionBudget, pod: &PodFacts) -> bool {
    let wanted = budget.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    selector::matches(wanted, &pod.labels)
}
