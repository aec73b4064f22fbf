//! Garbage collection by owner references: dependents go when their last owner is gone, before their
//! owner with foreground deletion, and stay without it when it is orphaned.
//!
//! It keeps the graph of all objects of all kinds, reduced to names and references. An owner that the
//! graph does not show is looked up once more by name before anything is deleted for its absence.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde::Deserialize;
use serde_json::{Value, json};
use sheave_api::kinds::{self, Kind};
use sheave_api::{GroupResource, ObjectKey, Status};
use sheave_client::{DeleteOptions, Informer, Patch, Propagation, Typed, TypedEvent};

use crate::Context;
use crate::queue::Queue;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

type Uid = String;

/// An object, reduced to what it hangs on.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Partial")]
struct Facts {
    uid: Uid,
    owners: Vec<OwnerReference>,
    terminating: bool,
    foreground: bool,
    orphan: bool,
}

#[derive(Deserialize)]
struct Partial {
    metadata: ObjectMeta,
}

impl From<Partial> for Facts {
    fn from(Partial { metadata }: Partial) -> Self {
        let has = |name: &str| metadata.finalizers.iter().flatten().any(|f| f == name);
        Self {
            foreground: has(FOREGROUND),
            orphan: has(ORPHAN),
            terminating: metadata.deletion_timestamp.is_some(),
            uid: metadata.uid.unwrap_or_default(),
            owners: metadata.owner_references.unwrap_or_default(),
        }
    }
}

#[derive(Clone, Debug)]
struct Node {
    resource: GroupResource,
    key: ObjectKey,
    facts: Facts,
}

/// All objects by uid, and who hangs on whom.
#[derive(Debug, Default)]
struct Graph {
    nodes: BTreeMap<Uid, Node>,
    dependents: BTreeMap<Uid, BTreeSet<Uid>>,
}

impl Graph {
    fn apply(&mut self, node: Node) {
        self.remove(&node.facts.uid.clone());
        for owner in &node.facts.owners {
            let dependents = self.dependents.entry(owner.uid.clone()).or_default();
            dependents.insert(node.facts.uid.clone());
        }
        self.nodes.insert(node.facts.uid.clone(), node);
    }

    fn remove(&mut self, uid: &str) {
        let Some(node) = self.nodes.remove(uid) else { return };
        for owner in &node.facts.owners {
            if let Some(dependents) = self.dependents.get_mut(&owner.uid) {
                dependents.remove(uid);
                if dependents.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }

    fn dependents_of(&self, uid: &str) -> impl Iterator<Item = &Node> {
        let uids = self.dependents.get(uid).into_iter().flatten();
        uids.filter_map(|uid| self.nodes.get(uid))
    }

    /// Owners of a node, split in those there are and those the graph does not show.
    fn owners<'a>(&self, node: &'a Node) -> (Vec<&'a OwnerReference>, Vec<&'a OwnerReference>) {
        node.facts.owners.iter().partition(|owner| self.nodes.contains_key(&owner.uid))
    }
}

enum Seen {
    Synced,
    Event(Box<TypedEvent<Facts>>, GroupResource),
}

pub(crate) async fn run(context: Context) {
    let mut events: SelectAll<BoxStream<'static, Seen>> = SelectAll::new();
    let mut unsynced = 0;
    for resource in resources() {
        unsynced += 1;
        events.push(follow(&context, resource));
    }
    let mut graph = Graph::default();
    let mut queue: Queue<Uid> = Queue::new();
    loop {
        tokio::select! {
            biased;
            seen = events.next() => match seen {
                Some(Seen::Synced) => unsynced -= 1,
                Some(Seen::Event(event, resource)) => note(&mut graph, &mut queue, *event, resource),
                None => return,
            },
            uid = queue.next(), if unsynced == 0 => match reconcile(&context, &graph, &uid).await {
                Ok(()) => queue.succeeded(&uid),
                Err(status) => {
                    tracing::debug!(uid, %status, "will be tried again");
                    queue.failed(uid);
                }
            },
        }
    }
}

/// Every resource once, whatever its versions. Events own nothing and are left out: there are many.
fn resources() -> BTreeSet<GroupResource> {
    let collected = kinds::KINDS.iter().map(Kind::group_resource);
    collected.filter(|resource| resource.resource != "events").collect()
}

fn follow(context: &Context, resource: GroupResource) -> BoxStream<'static, Seen> {
    let informer = Informer::<Facts>::new(context.client.as_ref(), &resource);
    futures::stream::unfold((informer, resource), |(mut informer, resource)| async move {
        let seen = match informer.next().await? {
            TypedEvent::Synced => Seen::Synced,
            event => Seen::Event(Box::new(event), resource.clone()),
        };
        Some((seen, (informer, resource)))
    })
    .boxed()
}

fn note(
    graph: &mut Graph,
    queue: &mut Queue<Uid>,
    event: TypedEvent<Facts>,
    resource: GroupResource,
) {
    match event {
        TypedEvent::Synced => {}
        TypedEvent::Apply { old, new } => {
            if let Some(old) = old.filter(|old| old.object.uid != new.object.uid) {
                gone(graph, queue, &old);
            }
            let Typed { key, object, .. } = new;
            let facts = (*object).clone();
            if facts.terminating || !facts.owners.is_empty() {
                queue.mark(facts.uid.clone());
            }
            graph.apply(Node { resource, key, facts });
        }
        TypedEvent::Delete(old) => gone(graph, queue, &old),
    }
}

fn gone(graph: &mut Graph, queue: &mut Queue<Uid>, object: &Typed<Facts>) {
    let uid = &object.object.uid;
    graph.remove(uid);
    for dependent in graph.dependents_of(uid) {
        queue.mark(dependent.facts.uid.clone());
    }
    // Owners that wait for their dependents may be able to go on.
    for owner in &object.object.owners {
        queue.mark(owner.uid.clone());
    }
}

async fn reconcile(context: &Context, graph: &Graph, uid: &str) -> Result<(), Status> {
    let Some(node) = graph.nodes.get(uid) else { return Ok(()) };
    if node.facts.terminating && node.facts.orphan {
        return orphan(context, graph, node).await;
    }
    if node.facts.terminating && node.facts.foreground {
        return foreground(context, graph, node).await;
    }
    if !node.facts.terminating && !node.facts.owners.is_empty() {
        return collect(context, graph, node).await;
    }
    Ok(())
}

/// Takes the owner's reference out of its dependents, then lets the owner go.
async fn orphan(context: &Context, graph: &Graph, owner: &Node) -> Result<(), Status> {
    for dependent in graph.dependents_of(&owner.facts.uid) {
        let rest: Vec<&OwnerReference> =
            dependent.facts.owners.iter().filter(|o| o.uid != owner.facts.uid).collect();
        let patch = json!({ "metadata": { "uid": dependent.facts.uid, "ownerReferences": rest } });
        patch_object(context, dependent, patch).await?;
    }
    remove_finalizer(context, owner, ORPHAN).await
}

/// Deletes the dependents, and lets the owner go once none is left that blocks it.
async fn foreground(context: &Context, graph: &Graph, owner: &Node) -> Result<(), Status> {
    let uid = &owner.facts.uid;
    let mut blocked = false;
    for dependent in graph.dependents_of(uid) {
        let blocks = |o: &&OwnerReference| o.uid == *uid && o.block_owner_deletion == Some(true);
        blocked |= dependent.facts.owners.iter().any(|o| blocks(&o));
        if !dependent.facts.terminating {
            delete(context, dependent, Propagation::Foreground).await?;
        }
    }
    if blocked { Ok(()) } else { remove_finalizer(context, owner, FOREGROUND).await }
}

/// Deletes an object whose owners are all gone; drops references to some that are.
async fn collect(context: &Context, graph: &Graph, node: &Node) -> Result<(), Status> {
    let (there, unseen) = graph.owners(node);
    let mut absent: BTreeSet<&str> = BTreeSet::new();
    for owner in &unseen {
        if is_absent(context, node, owner).await? {
            absent.insert(&owner.uid);
        }
    }
    if absent.is_empty() {
        return Ok(());
    }
    if there.is_empty() && absent.len() == unseen.len() {
        return delete(context, node, Propagation::Background).await;
    }
    let rest: Vec<&OwnerReference> =
        node.facts.owners.iter().filter(|o| !absent.contains(o.uid.as_str())).collect();
    let patch = json!({ "metadata": { "uid": node.facts.uid, "ownerReferences": rest } });
    patch_object(context, node, patch).await
}

/// True when the owner does not exist, or another object has its name now. An owner of a kind that is
/// not served here is left alone: nothing can be said about it.
async fn is_absent(context: &Context, node: &Node, owner: &OwnerReference) -> Result<bool, Status> {
    let Some(kind) = kinds::by_kind(&owner.api_version, &owner.kind) else { return Ok(false) };
    let key = if kind.namespaced {
        ObjectKey::new(&node.key.namespace, &owner.name)
    } else {
        ObjectKey::cluster(&owner.name)
    };
    match context.client.get(&kind.group_resource(), &key).await {
        Ok(stored) => {
            let object: Value = serde_json::from_slice(&stored.json).unwrap_or_default();
            Ok(object["metadata"]["uid"].as_str() != Some(&owner.uid))
        }
        Err(status) if status.is_not_found() => Ok(true),
        Err(status) => Err(status),
    }
}

async fn delete(context: &Context, node: &Node, propagation: Propagation) -> Result<(), Status> {
    let options =
        DeleteOptions { uid: Some(node.facts.uid.clone()), propagation, ..Default::default() };
    match context.client.delete(&node.resource, &node.key, options).await {
        Err(status) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => result,
    }
}

async fn patch_object(context: &Context, node: &Node, patch: Value) -> Result<(), Status> {
    match context.client.patch(&node.resource, &node.key, None, Patch::Merge(patch)).await {
        Err(status) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => result.map(drop),
    }
}

async fn remove_finalizer(context: &Context, node: &Node, finalizer: &str) -> Result<(), Status> {
    let stored = match context.client.get(&node.resource, &node.key).await {
        Err(status) if status.is_not_found() => return Ok(()),
        stored => stored?,
    };
    let mut object: Value = serde_json::from_slice(&stored.json).unwrap_or_default();
    let same = object["metadata"]["uid"].as_str() == Some(&node.facts.uid);
    if !same || !sheave_api::meta::remove_finalizer(&mut object, finalizer) {
        return Ok(());
    }
    context.client.update(&node.resource, &node.key, None, object).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_api::resource;

    fn node(uid: &str, owners: &[&str]) -> Node {
        let owners: Vec<Value> = owners
            .iter()
            .map(|o| json!({ "apiVersion": "v1", "kind": "Pod", "name": o, "uid": o }))
            .collect();
        let facts = json!({ "metadata": { "uid": uid, "ownerReferences": owners } });
        Node {
            resource: resource::PODS.clone(),
            key: ObjectKey::new("default", uid),
            facts: serde_json::from_value(facts).unwrap(),
        }
    }

    fn dependents(graph: &Graph, uid: &str) -> Vec<String> {
        graph.dependents_of(uid).map(|n| n.facts.uid.clone()).collect()
    }

    #[test]
    fn the_graph_follows_references_as_they_change() {
        let mut graph = Graph::default();
        graph.apply(node("owner", &[]));
        graph.apply(node("a", &["owner"]));
        graph.apply(node("b", &["owner", "other"]));
        assert_eq!(dependents(&graph, "owner"), ["a", "b"]);
        let (there, unseen) = graph.owners(&graph.nodes["b"]);
        assert_eq!((there.len(), unseen.len()), (1, 1));
        graph.apply(node("a", &[]));
        assert_eq!(dependents(&graph, "owner"), ["b"]);
        graph.remove("b");
        assert!(graph.dependents.is_empty());
    }
}
