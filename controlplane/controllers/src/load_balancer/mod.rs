//! Gives Services of type LoadBalancer addresses of the cluster's own pool, and takes them back.
//!
//! Who has an address is what the status of the Services says, so nothing is forgotten over a restart; that
//! no two have the same is the registry's word, which refuses a second one. Whether and where an address
//! is announced is not decided here.

mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Node;
use serde::Deserialize;
use serde_json::json;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{Informer, Involved, Patch, Record, Typed, TypedEvent};

use self::plan::{Decision, Family, Holder, Picture, Refusal, ServiceFacts};
use crate::Context;
use crate::queue::Queue;

/// How often another writer's status is replaced before the Service is left to it.
const OVERRULED_MAX: u32 = 3;

/// A node, reduced to its addresses: they are nobody else's, whatever the pool says.
#[derive(Debug, Deserialize)]
#[serde(from = "Node")]
struct NodeFacts {
    addresses: Vec<IpAddr>,
}

impl From<Node> for NodeFacts {
    fn from(node: Node) -> Self {
        let addresses = node.status.and_then(|status| status.addresses).unwrap_or_default();
        Self { addresses: addresses.iter().filter_map(|a| a.address.parse().ok()).collect() }
    }
}

pub(crate) async fn run(context: Context) {
    Controller::new(context).run().await;
}

/// What is remembered of one Service.
#[derive(Default)]
struct Memory {
    /// The revision of our last write; what is older does not show it.
    written_at: u64,
    written: Vec<IpAddr>,
    /// How often somebody wrote something else over it.
    overruled: u32,
    said: Vec<Refusal>,
    said_other: bool,
}

struct Controller {
    context: Context,
    services: Informer<ServiceFacts>,
    nodes: Informer<NodeFacts>,
    queue: Queue<ObjectKey>,
    /// Addresses of the pool, and the Service that has each.
    holders: BTreeMap<IpAddr, ObjectKey>,
    /// Addresses of nodes, and their names.
    of_nodes: BTreeMap<IpAddr, String>,
    memory: BTreeMap<ObjectKey, Memory>,
    /// Services that want an address they cannot have now.
    waiting: BTreeSet<ObjectKey>,
    /// Given out last, one a family.
    last: Vec<IpAddr>,
}

impl Controller {
    fn new(context: Context) -> Self {
        let client = context.client.as_ref();
        Self {
            services: Informer::new(client, &resource::SERVICES),
            nodes: Informer::new(client, &resource::NODES),
            queue: Queue::new(),
            holders: BTreeMap::new(),
            of_nodes: BTreeMap::new(),
            memory: BTreeMap::new(),
            waiting: BTreeSet::new(),
            last: Vec::new(),
            context,
        }
    }

    async fn run(mut self) {
        loop {
            let synced = self.services.is_synced() && self.nodes.is_synced();
            tokio::select! {
                biased;
                event = self.services.next() => match event {
                    Some(event) => self.service_event(event),
                    None => return,
                },
                event = self.nodes.next() => match event {
                    Some(event) => self.node_event(event),
                    None => return,
                },
                key = self.queue.next(), if synced => match self.reconcile(&key).await {
                    Ok(()) => self.queue.succeeded(&key),
                    Err(status) => {
                        tracing::debug!(service = %key, %status, "will be tried again");
                        self.queue.failed(key);
                    }
                },
            }
        }
    }

    fn service_event(&mut self, event: TypedEvent<ServiceFacts>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { new, .. } => {
                self.note(&new);
                self.queue.mark(new.key);
            }
            TypedEvent::Delete(old) => {
                self.memory.remove(&old.key);
                self.waiting.remove(&old.key);
                self.free(&old.key, &[]);
            }
        }
    }

    /// Takes over what a Service's status says, unless it is from before our own last write.
    fn note(&mut self, service: &Typed<ServiceFacts>) {
        let written_at = self.memory.get(&service.key).map_or(0, |memory| memory.written_at);
        if service.revision >= written_at {
            let held: Vec<IpAddr> = service.object.held().collect();
            self.free(&service.key, &held);
            self.hold(&service.key, &held);
        }
    }

    fn hold(&mut self, key: &ObjectKey, addresses: &[IpAddr]) {
        for address in addresses {
            if self.context.load_balancer_pool.contains(*address) {
                // The first one keeps it; another one that shows it too is moved.
                self.holders.entry(*address).or_insert_with(|| key.clone());
            }
        }
    }

    /// Takes back what the Service has beside `kept`; whoever waits may get it.
    fn free(&mut self, key: &ObjectKey, kept: &[IpAddr]) {
        let before = self.holders.len();
        self.holders.retain(|address, holder| holder != key || kept.contains(address));
        if self.holders.len() != before {
            self.mark_waiting();
        }
    }

    fn mark_waiting(&mut self) {
        for key in &self.waiting {
            self.queue.mark(key.clone());
        }
    }

    /// A node that comes keeps its address, and who shares it is moved; one that goes leaves it behind.
    fn node_event(&mut self, event: TypedEvent<NodeFacts>) {
        let (old, new) = match event {
            TypedEvent::Synced => return,
            TypedEvent::Apply { old, new } => (old, Some(new)),
            TypedEvent::Delete(old) => (Some(old), None),
        };
        let addresses = |node: &Option<Typed<NodeFacts>>| {
            node.as_ref().map(|node| node.object.addresses.clone()).unwrap_or_default()
        };
        let (before, after) = (addresses(&old), addresses(&new));
        if before == after {
            return;
        }
        for address in &before {
            self.of_nodes.remove(address);
        }
        for address in after {
            let name = new.as_ref().map(|node| node.key.name.clone()).unwrap_or_default();
            self.of_nodes.insert(address, name);
            if let Some(key) = self.holders.get(&address) {
                self.queue.mark(key.clone());
            }
        }
        self.mark_waiting();
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        let Some(typed) = self.services.get(key) else { return Ok(()) };
        let (service, revision) = (Arc::clone(&typed.object), typed.revision);
        if self.memory.get(key).is_some_and(|memory| revision < memory.written_at) {
            return Ok(());
        }
        if !service.is_ours {
            self.waiting.remove(key);
            self.memory.remove(key);
            return Ok(());
        }
        if self.context.load_balancer_pool.is_empty() {
            self.say_no_pool(key, &service);
            return Ok(());
        }
        let decision = self.decide(key, &service);
        let pool = &self.context.load_balancer_pool;
        // What the pool has nothing for may well be served by somebody else.
        let is_affected =
            !decision.addresses.is_empty() || service.held().any(|held| pool.contains(held));
        let is_wrong = is_affected && !service.shows(&decision.addresses);
        if is_wrong && !self.is_overruled(key, &service) {
            self.write(key, &service, &decision.addresses).await?;
        }
        self.settle(key, &service, decision);
        Ok(())
    }

    fn decide(&self, key: &ObjectKey, service: &ServiceFacts) -> Decision {
        let holder = |address: IpAddr| {
            let node = self.of_nodes.get(&address).map(|name| Holder::Node(name));
            node.or_else(|| self.holders.get(&address).map(Holder::Service))
        };
        let pool = &self.context.load_balancer_pool;
        plan::decide(key, service, &Picture { pool, holder: &holder, last: &self.last })
    }

    /// True when somebody else writes this status again and again: two that never agree help nobody.
    fn is_overruled(&mut self, key: &ObjectKey, service: &ServiceFacts) -> bool {
        let memory = self.memory.entry(key.clone()).or_default();
        if memory.written_at != 0 && !service.shows(&memory.written) {
            memory.overruled += 1;
        }
        if memory.overruled < OVERRULED_MAX {
            return false;
        }
        if !std::mem::replace(&mut memory.said_other, true) {
            let message = "another controller writes the load balancer status of this Service: set \
                           spec.loadBalancerClass to the one that should, on a new Service";
            self.record(key, service, true, "AnotherLoadBalancer", message.to_owned());
        }
        true
    }

    async fn write(
        &mut self,
        key: &ObjectKey,
        service: &ServiceFacts,
        addresses: &[IpAddr],
    ) -> Result<(), Status> {
        let status = json!({ "loadBalancer": { "ingress": plan::ingress(addresses) } });
        let patch = Patch::Merge(json!({ "status": status }));
        let client = &self.context.client;
        let written = match client.patch(&resource::SERVICES, key, Some("status"), patch).await {
            Err(status) if status.is_not_found() => return Ok(()),
            result => result?,
        };
        let revision = written["metadata"]["resourceVersion"].as_str();
        let memory = self.memory.entry(key.clone()).or_default();
        memory.written_at = revision.and_then(|r| r.parse().ok()).unwrap_or_default();
        memory.written = addresses.to_vec();
        self.free(key, addresses);
        self.hold(key, addresses);
        for address in addresses.iter().filter(|new| !service.held().any(|old| old == **new)) {
            self.last.retain(|last| Family::of(last) != Family::of(address));
            self.last.push(*address);
            let message = format!("assigned {address} of the load balancer pool");
            self.record(key, service, false, "Allocated", message);
        }
        Ok(())
    }

    /// Says what is refused when it is refused first, and remembers who waits.
    fn settle(&mut self, key: &ObjectKey, service: &ServiceFacts, decision: Decision) {
        match decision.refusals.is_empty() {
            true => drop(self.waiting.remove(key)),
            false => drop(self.waiting.insert(key.clone())),
        }
        let memory = self.memory.entry(key.clone()).or_default();
        if memory.said == decision.refusals {
            return;
        }
        memory.said.clone_from(&decision.refusals);
        for refusal in &decision.refusals {
            let message = refusal.message(&self.context.load_balancer_pool);
            self.record(key, service, true, refusal.reason(), message);
        }
    }

    fn say_no_pool(&mut self, key: &ObjectKey, service: &ServiceFacts) {
        let memory = self.memory.entry(key.clone()).or_default();
        if service.ingress.is_empty() && !std::mem::replace(&mut memory.said_other, true) {
            let message = "this cluster has no load balancer pool: start the server with \
                           --load-balancer-pool RANGE, or install a load balancer";
            self.record(key, service, true, "NoLoadBalancerPool", message.to_owned());
        }
    }

    fn record(
        &self,
        key: &ObjectKey,
        service: &ServiceFacts,
        warning: bool,
        reason: &str,
        message: String,
    ) {
        self.context.recorder.record(Record {
            involved: Involved::new("v1", "Service", key.clone(), service.uid.clone()),
            warning,
            reason: reason.to_owned(),
            message,
            component: "load-balancer-controller".to_owned(),
            host: String::new(),
        });
    }
}
