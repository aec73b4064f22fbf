//! StatefulSet: keeps pods with names that stay, `NAME-0`, `NAME-1` and so on, in order.
//!
//! A pod is made from the revision of the template that its ordinal is to have. One that was deleted keeps its name
//! until its node confirms its end, so that never two of one name run: not even when the node is cut off.

mod identity;
mod member;
mod plan;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Informer, Typed, TypedEvent};

use self::member::Member;
use self::plan::{Plan, Revisions, Wanted};
use crate::endpoints_live::{Selecting, wait_left_s};
use crate::history::{History, Revision};
use crate::own_pods::{OwnPods, Owner};
use crate::ownership::Ownership;
use crate::pod::PodFacts;
use crate::queue::Queue;
use crate::{Context, selector};

/// Has the hash of a revision.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

pub(crate) async fn run(context: Context) {
    let client = context.client.as_ref();
    let controller = Controller {
        sets: Informer::new(client, &resource::STATEFUL_SETS),
        pods: Informer::new(client, &resource::PODS),
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
    sets: Informer<StatefulSet>,
    pods: Informer<PodFacts>,
    services: Informer<Selecting>,
    history: History,
    queue: Queue<ObjectKey>,
    ownership: Ownership,
    set_by_uid: BTreeMap<String, ObjectKey>,
    own_pods: OwnPods,
}

/// The revision that was rolled out last, and that which is wanted.
struct Rollout {
    current: Typed<Revision>,
    update: Typed<Revision>,
}

impl Rollout {
    fn names(&self) -> Revisions<'_> {
        Revisions { current: &self.current.key.name, update: &self.update.key.name }
    }

    fn template(&self, name: &str) -> Value {
        let revision = if self.current.key.name == name { &self.current } else { &self.update };
        revision.object.template()
    }
}

impl Controller {
    fn is_synced(&self) -> bool {
        self.sets.is_synced()
            && self.pods.is_synced()
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
                        tracing::debug!(statefulset = %key, %status, "will be tried again");
                        self.queue.failed(key);
                    }
                },
            }
        }
    }

    fn set_event(&mut self, event: TypedEvent<StatefulSet>) {
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

    fn pod_event(&mut self, event: TypedEvent<PodFacts>) {
        let (old, new) = match event {
            TypedEvent::Synced => return,
            TypedEvent::Apply { old, new } => (old, Some(new)),
            TypedEvent::Delete(old) => (Some(old), None),
        };
        if let Some(old) = old {
            self.ownership.remove(&old.object.owner_uid, &old.key);
            if new.is_none() {
                self.own_pods.saw_end(&old.object.uid);
            }
            self.mark_set_of(&old);
        }
        let Some(new) = new else { return };
        self.ownership.insert(&new.object.owner_uid, new.key.clone());
        if new.object.terminating {
            self.own_pods.saw_end(&new.object.uid);
        }
        self.mark_set_of(&new);
    }

    /// Of its owner, and of the set whose name it has: that one waits until the name is free, or takes it.
    fn mark_set_of(&mut self, pod: &Typed<PodFacts>) {
        if let Some(key) = self.set_by_uid.get(&pod.object.owner_uid) {
            self.queue.mark(key.clone());
        }
        if let Some((set, _)) = identity::parse(&pod.key.name) {
            let key = ObjectKey::new(&pod.key.namespace, set);
            if self.sets.get(&key).is_some() {
                self.queue.mark(key);
            }
        }
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        let Some(set) = self.sets.get(key).cloned() else { return Ok(()) };
        if !self.own_pods.are_seen(uid(&set.object), self.pods.revision())
            || set.object.metadata.deletion_timestamp.is_some()
            || self.adopt_or_release(&set).await?
        {
            // What was written comes back as an event; what is to go is the garbage collector's.
            return Ok(());
        }
        let Some(rollout) = self.rollout(&set).await? else { return Ok(()) };
        let now = (self.context.now)();
        let members = self.members_of(&set, now);
        if let Some(seconds) = members.iter().filter_map(|member| member.again_s).min() {
            let seconds = u64::try_from(seconds.max(1)).unwrap_or(1);
            self.queue.mark_after(key.clone(), Duration::from_secs(seconds));
        }
        let plan = plan::plan(&Wanted::of(&set.object), rollout.names(), &members);
        let acted = self.act(&set, &rollout, &members, plan).await;
        // Whatever failed, the status says what is.
        let status = status::status(&set.object, rollout.names(), &members);
        let current = serde_json::to_value(&set.object.status).unwrap_or_default();
        owner(&set).write_status(&self.context, &resource::STATEFUL_SETS, &current, status).await?;
        acted?;
        self.prune_history(&set, &rollout, &members).await
    }

    async fn act(
        &mut self,
        set: &Typed<StatefulSet>,
        rollout: &Rollout,
        members: &[Member],
        plan: Plan<'_>,
    ) -> Result<(), Status> {
        let owner = owner(set);
        let spec = set.object.spec.as_ref();
        let service = spec.and_then(|spec| spec.service_name.as_deref()).unwrap_or_default();
        let new = plan.create.iter().map(|(ordinal, revision)| {
            let template = rollout.template(revision);
            identity::pod_of(&set.key, owner.uid, service, (revision, &template), *ordinal)
        });
        let created = self.own_pods.create(&self.context, &owner, new).await;
        let by_ordinal = |ordinal: &i32| members.iter().find(|member| member.ordinal == *ordinal);
        let victims = plan.delete.iter().filter_map(by_ordinal);
        let victims = victims.map(|member| (member.key.clone(), member.uid.clone())).collect();
        self.own_pods.delete(&self.context, &owner, victims).await?;
        created
    }

    /// The revisions that pods are made from; `None` while they are being written, which comes back as an event.
    async fn rollout(&self, set: &Typed<StatefulSet>) -> Result<Option<Rollout>, Status> {
        let owner = owner(set);
        let (context, sets) = (&self.context, &resource::STATEFUL_SETS);
        let newest = self.history.newest(context, &owner, sets, &set.json).await?;
        let Some(update) = newest else { return Ok(None) };
        let status = set.object.status.as_ref();
        let name = status.and_then(|status| status.current_revision.as_deref());
        let revisions = self.history.of(owner.uid);
        let current = revisions.into_iter().find(|it| Some(it.key.name.as_str()) == name);
        let current = current.unwrap_or(&update).clone();
        Ok(Some(Rollout { current, update }))
    }

    /// Pods of the set, and what keeps one of its names from it.
    fn members_of(&self, set: &Typed<StatefulSet>, now: Timestamp) -> Vec<Member> {
        let spec = set.object.spec.as_ref();
        let min_ready_seconds = spec.and_then(|spec| spec.min_ready_seconds).unwrap_or_default();
        let own = self.ownership.of(uid(&set.object)).filter_map(|key| self.pods.get(key));
        let own = own.filter_map(|Typed { key, object, .. }| {
            let (_, ordinal) = identity::parse(&key.name)?;
            let timeout = self.context.acknowledgement_timeout;
            let services = self.services.objects();
            let waits_s = wait_left_s(timeout, services, &key.namespace, object, now);
            let deleting = self.own_pods.is_deleting(&object.uid);
            Some(Member::of(key, ordinal, object, (deleting, waits_s), min_ready_seconds, now))
        });
        let Wanted { start, replicas, .. } = Wanted::of(&set.object);
        let first = ObjectKey::new(&set.key.namespace, format!("{}-", set.key.name).as_str());
        let named = self.pods.objects().range(first.clone()..);
        let named = named.take_while(|(key, _)| {
            key.namespace == first.namespace && key.name.starts_with(&first.name)
        });
        let foreign = named.filter_map(|(key, pod)| {
            let (name, ordinal) = identity::parse(&key.name)?;
            let is_wanted = name == set.key.name && (0..replicas).contains(&(ordinal - start));
            let is_foreign = pod.object.owner_uid != uid(&set.object) && pod.object.terminating;
            (is_wanted && is_foreign).then(|| Member::foreign(key, ordinal))
        });
        own.chain(foreign).collect()
    }

    async fn prune_history(
        &self,
        set: &Typed<StatefulSet>,
        rollout: &Rollout,
        members: &[Member],
    ) -> Result<(), Status> {
        let spec = set.object.spec.as_ref();
        let limit = spec.and_then(|spec| spec.revision_history_limit);
        let Revisions { current, update } = rollout.names();
        let live = members.iter().map(|member| member.revision.as_str());
        let live: BTreeSet<&str> = live.chain([current, update]).collect();
        self.history.prune(&self.context, &owner(set), &live, limit).await
    }

    /// Takes pods that match and have no owner, lets go of those that match no more. True when something
    /// was written, and the picture must catch up first.
    async fn adopt_or_release(&self, set: &Typed<StatefulSet>) -> Result<bool, Status> {
        let owner = owner(set);
        let wanted = set.object.spec.as_ref().map(|spec| &spec.selector);
        let is_member = |pod: &Typed<PodFacts>| {
            let name = identity::parse(&pod.key.name).map(|(name, _)| name);
            pod.key.namespace == set.key.namespace
                && name == Some(set.key.name.as_str())
                && selector::matches(wanted, &pod.object.labels)
        };
        let pod = |key: &ObjectKey| self.pods.get(key);
        let orphans = self.ownership.orphans().filter_map(pod);
        let orphans = orphans.filter(|pod| pod.object.is_active() && is_member(pod));
        let taken: Vec<_> = orphans.map(|pod| (&pod.key, pod.object.uid.as_str())).collect();
        let strays = self.ownership.of(owner.uid).filter_map(pod).filter(|pod| !is_member(pod));
        let released: Vec<_> = strays.map(|pod| (&pod.key, pod.object.uid.as_str())).collect();
        owner.claim(&self.context, &resource::PODS, &taken, &released).await
    }
}

/// As its pods know it.
fn owner(set: &Typed<StatefulSet>) -> Owner<'_> {
    Owner {
        kind: "StatefulSet",
        component: "statefulset-controller",
        key: &set.key,
        uid: uid(&set.object),
    }
}

fn uid(set: &StatefulSet) -> &str {
    set.metadata.uid.as_deref().unwrap_or_default()
}
