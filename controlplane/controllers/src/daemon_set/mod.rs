//! DaemonSet: keeps one pod on every node that fits, and replaces them when the template changes.
//!
//! Each pod is meant for one node from the start (by node affinity), so that the scheduler still decides
//! whether there is room. Pods it has just created or deleted are remembered until the picture shows them.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Informer, Typed, TypedEvent};

use self::plan::NodeFacts;
use crate::Context;
use crate::endpoints_live::{Selecting, wait_left_s};
use crate::own_pods::{OwnPods, Owner};
use crate::ownership::Ownership;
use crate::pod::PodFacts;
use crate::queue::Queue;
use crate::template_hash::hash;

/// A pod, and the node it is on or meant for.
#[derive(Debug, Deserialize)]
#[serde(from = "Pod")]
struct DaemonPod {
    node: String,
    facts: Arc<PodFacts>,
}

impl From<Pod> for DaemonPod {
    fn from(pod: Pod) -> Self {
        let spec = pod.spec.as_ref();
        let bound = spec.and_then(|spec| spec.node_name.clone()).filter(|name| !name.is_empty());
        let meant = || {
            let affinity = spec?.affinity.as_ref()?.node_affinity.as_ref()?;
            let required = affinity.required_during_scheduling_ignored_during_execution.as_ref()?;
            let fields = required.node_selector_terms.first()?.match_fields.as_ref()?;
            let by_name = fields.iter().find(|field| field.key == "metadata.name")?;
            by_name.values.as_ref()?.first().cloned()
        };
        Self { node: bound.or_else(meant).unwrap_or_default(), facts: Arc::new(pod.into()) }
    }
}

pub(crate) async fn run(context: Context) {
    let client = context.client.as_ref();
    let controller = Controller {
        sets: Informer::new(client, &resource::DAEMON_SETS),
        pods: Informer::new(client, &resource::PODS),
        nodes: Informer::new(client, &resource::NODES),
        services: Informer::new(client, &resource::SERVICES),
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
        let Some(new) = new.filter(|pod| !pod.object.facts.owner_uid.is_empty()) else { return };
        if new.object.facts.terminating {
            self.own_pods.saw_end(&new.object.facts.uid);
        }
        self.ownership.insert(&new.object.facts.owner_uid, new.key.clone());
        self.mark_owner(&new);
    }

    fn mark_owner(&mut self, pod: &Typed<DaemonPod>) {
        if let Some(key) = self.set_by_uid.get(&pod.object.facts.owner_uid) {
            self.queue.mark(key.clone());
        }
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        let Some(set) = self.sets.get(key).cloned() else { return Ok(()) };
        let set_uid = uid(&set.object).to_owned();
        if !self.own_pods.are_seen(&set_uid, self.pods.revision())
            || set.object.metadata.deletion_timestamp.is_some()
        {
            return Ok(());
        }
        let now = (self.context.now)();
        let template = set.object.spec.as_ref().map(|spec| &spec.template);
        let hash = hash(serde_json::to_vec(&template).unwrap_or_default());
        let nodes: Vec<NodeFacts> =
            self.nodes.objects().values().map(|node| (*node.object).clone()).collect();
        let pods = self.pods_of(&set_uid, now);
        let plan = plan::plan(&set.object, &hash, &nodes, &pods, now);
        if let Some(seconds) = plan.again_s {
            self.queue.mark_after(key.clone(), Duration::from_secs(seconds));
        }
        let pod = |node: &String| plan::pod_of(&set.object, &set.key, &hash, node);
        let new = plan.create.iter().map(pod);
        self.own_pods.create(&self.context, &owner(&set), new).await?;
        self.own_pods.delete(&self.context, &owner(&set), plan.delete).await?;
        let current = serde_json::to_value(&set.object.status).unwrap_or_default();
        let owner = owner(&set);
        owner.write_status(&self.context, &resource::DAEMON_SETS, &current, plan.status).await
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
