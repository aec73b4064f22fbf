//! DaemonSet: keeps one pod on every node that fits, and replaces them when the template changes.
//!
//! Each pod is meant for one node from the start (by node affinity), so that the scheduler still decides
//! whether there is room. Pods it has just created or deleted are remembered until the picture shows them.
//! Each template is kept as a revision, whose hash tells the pods that were made from it.

mod node;
mod plan;
mod pod;
mod update;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Informer, Typed, TypedEvent};

use self::node::NodeFacts;
use self::pod::{DaemonPod, HASH_LABEL};
use crate::endpoints_live::{Selecting, wait_left_s};
use crate::history::{History, Revision};
use crate::own_pods::{OwnPods, Owner};
use crate::ownership::Ownership;
use crate::pod::PodFacts;
use crate::queue::Queue;
use crate::{Context, selector};

pub(crate) async fn run(context: Context) {
    let client = context.client.as_ref();
    let controller = Controller {
        sets: Informer::new(client, &resource::DAEMON_SETS),
        pods: Informer::new(client, &resource::PODS),
        nodes: Informer::new(client, &resource::NODES),
        services: Informer::new(client, &resource::SERVICES),
        history: History::new(client, HASH_LABEL),
        queue: Queue::new(),
        ownership: Ownership::default(),
        set_by_uid: BTreeMap::new(),
        own_pods: OwnPods::default(),
        context,
    };
    controller.run().await;
}

struct Controller {
    context: Context,
    sets: Informer<DaemonSet>,
    pods: Informer<DaemonPod>,
    nodes: Informer<NodeFacts>,
    services: Informer<Selecting>,
    history: History,
    queue: Queue<ObjectKey>,
    ownership: Ownership,
    set_by_uid: BTreeMap<String, ObjectKey>,
    own_pods: OwnPods,
}

impl Controller {
    fn is_synced(&self) -> bool {
        self.sets.is_synced()
            && self.pods.is_synced()
            && self.nodes.is_synced()
            && self.services.is_synced()
            && self.history.is_synced()
    }

    async fn run(mut self) {
        loop {
            let synced = self.is_synced();
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
                event = self.nodes.next() => match event {
                    Some(TypedEvent::Apply { old: Some(old), new }) if old.object == new.object => {}
                    Some(TypedEvent::Synced) => {}
                    Some(_) => self.mark_all(),
                    None => return,
                },
                event = self.services.next() => match event {
                    // Only how long pods wait depends on them.
                    Some(_) => {}
                    None => return,
                },
                seen = self.history.next() => match seen {
                    Some(seen) => {
                        let concerned = seen.concerned(&self.set_by_uid);
                        concerned.into_iter().for_each(|key| self.queue.mark(key));
                    }
                    None => return,
                },
                key = self.queue.next(), if synced => match self.reconcile(&key).await {
                    Ok(()) => self.queue.succeeded(&key),
                    Err(status) => {
                        tracing::debug!(daemonset = %key, %status, "will be tried again");
                        self.queue.failed(key);
                    }
                },
            }
        }
    }

    fn mark_all(&mut self) {
        for key in self.sets.objects().keys() {
            self.queue.mark(key.clone());
        }
    }

    fn set_event(&mut self, event: TypedEvent<DaemonSet>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { new, .. } => {
                self.set_by_uid.insert(uid(&new.object).to_owned(), new.key.clone());
                self.queue.mark(new.key);
            }
            TypedEvent::Delete(old) => {
                self.set_by_uid.remove(uid(&old.object));
                self.own_pods.forget_owner(uid(&old.object));
            }
        }
    }

    fn pod_event(&mut self, event: TypedEvent<DaemonPod>) {
        let (old, new) = match event {
            TypedEvent::Synced => return,
            TypedEvent::Apply { old, new } => (old, Some(new)),
            TypedEvent::Delete(old) => (Some(old), None),
        };
        if let Some(old) = old {
            self.ownership.remove(&old.object.facts.owner_uid, &old.key);
            if new.is_none() {
                self.own_pods.saw_end(&old.object.facts.uid);
            }
            self.mark_owner(&old);
        }
        let Some(new) = new else { return };
        if new.object.facts.terminating {
            self.own_pods.saw_end(&new.object.facts.uid);
        }
        self.ownership.insert(&new.object.facts.owner_uid, new.key.clone());
        self.mark_owner(&new);
    }

    fn mark_owner(&mut self, pod: &Typed<DaemonPod>) {
        if let Some(key) = self.set_by_uid.get(&pod.object.facts.owner_uid) {
            self.queue.mark(key.clone());
        } else if pod.object.facts.owner_uid.is_empty() {
            for (key, set) in self.sets.objects() {
                if key.namespace == pod.key.namespace && selects(&set.object, &pod.object.facts) {
                    self.queue.mark(key.clone());
                }
            }
        }
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        let Some(set) = self.sets.get(key).cloned() else { return Ok(()) };
        let set_uid = uid(&set.object).to_owned();
        if !self.own_pods.are_seen(&set_uid, self.pods.revision())
            || set.object.metadata.deletion_timestamp.is_some()
            || self.adopt_or_release(&set).await?
        {
            // What was written comes back as an event.
            return Ok(());
        }
        let (context, sets) = (&self.context, &resource::DAEMON_SETS);
        let newest = self.history.newest(context, &owner(&set), sets, &set.json).await?;
        let Some(newest) = newest else { return Ok(()) };
        let hash = hash_of(&newest);
        let now = (self.context.now)();
        let nodes: Vec<NodeFacts> =
            self.nodes.objects().values().map(|node| (*node.object).clone()).collect();
        let pods = self.pods_of(&set_uid, now);
        let plan = plan::plan(&set.object, hash, &nodes, &pods, now);
        if let Some(seconds) = plan.again_s {
            self.queue.mark_after(key.clone(), Duration::from_secs(seconds));
        }
        let pod = |node: &String| pod::pod_of(&set.object, &set.key, hash, node);
        let new = plan.create.iter().map(pod);
        self.own_pods.create(&self.context, &owner(&set), new).await?;
        self.own_pods.delete(&self.context, &owner(&set), plan.delete).await?;
        let current = serde_json::to_value(&set.object.status).unwrap_or_default();
        let owner = owner(&set);
        owner.write_status(&self.context, &resource::DAEMON_SETS, &current, plan.status).await?;
        self.prune_history(&set, hash, &pods).await
    }

    /// Takes pods that match and have no owner, lets go of those that match no more. True when something
    /// was written, and the picture must catch up first.
    async fn adopt_or_release(&self, set: &Typed<DaemonSet>) -> Result<bool, Status> {
        let owner = owner(set);
        let pod = |key: &ObjectKey| self.pods.get(key);
        let matches = |pod: &Typed<DaemonPod>| {
            pod.key.namespace == set.key.namespace && selects(&set.object, &pod.object.facts)
        };
        // Whoever has no node yet is nobody's daemon.
        let is_placed = |pod: &Typed<DaemonPod>| !pod.object.node.is_empty();
        let orphans = self.ownership.orphans().filter_map(pod).filter(|pod| is_placed(pod));
        let orphans = orphans.filter(|pod| pod.object.facts.is_active() && matches(pod));
        let taken: Vec<_> = orphans.map(|pod| (&pod.key, pod.object.facts.uid.as_str())).collect();
        let strays = self.ownership.of(owner.uid).filter_map(pod).filter(|pod| !matches(pod));
        let released: Vec<_> =
            strays.map(|pod| (&pod.key, pod.object.facts.uid.as_str())).collect();
        owner.claim(&self.context, &resource::PODS, &taken, &released).await
    }

    async fn prune_history(
        &self,
        set: &Typed<DaemonSet>,
        hash: &str,
        pods: &[plan::Owned],
    ) -> Result<(), Status> {
        let limit = set.object.spec.as_ref().and_then(|spec| spec.revision_history_limit);
        let hashes: BTreeSet<&str> = pods.iter().map(plan::Owned::hash).chain([hash]).collect();
        let revisions = self.history.of(uid(&set.object));
        let live = revisions.into_iter().filter(|revision| hashes.contains(hash_of(revision)));
        let live = live.map(|revision| revision.key.name.as_str()).collect();
        self.history.prune(&self.context, &owner(set), &live, limit).await
    }

    fn pods_of(&self, set_uid: &str, now: Timestamp) -> Vec<plan::Owned> {
        let keys = self.ownership.of(set_uid);
        let pods = keys.filter_map(|key| self.pods.get(key)).map(|pod| {
            let facts = Arc::clone(&pod.object.facts);
            let timeout = self.context.acknowledgement_timeout;
            let services = self.services.objects();
            plan::Owned {
                key: pod.key.clone(),
                node: pod.object.node.clone(),
                deleting: self.own_pods.is_deleting(&facts.uid),
                waits_s: wait_left_s(timeout, services, &pod.key.namespace, &facts, now),
                facts,
            }
        });
        pods.collect()
    }
}

fn selects(set: &DaemonSet, pod: &PodFacts) -> bool {
    selector::matches(set.spec.as_ref().map(|spec| &spec.selector), &pod.labels)
}

/// As pods made from a revision have it in their label. One that somebody else made may have none.
fn hash_of(revision: &Typed<Revision>) -> &str {
    revision.object.labels.get(HASH_LABEL).unwrap_or(&revision.key.name)
}

/// As its pods know it.
fn owner(set: &Typed<DaemonSet>) -> Owner<'_> {
    Owner {
        kind: "DaemonSet",
        component: "daemonset-controller",
        key: &set.key,
        uid: uid(&set.object),
    }
}

fn uid(set: &DaemonSet) -> &str {
    set.metadata.uid.as_deref().unwrap_or_default()
}
