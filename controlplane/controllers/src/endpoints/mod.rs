//! EndpointSlices and Endpoints: who answers for a Service.
//!
//! Both come from the same list of candidates ([`candidates`]). Slices are changed as little as possible,
//! because every node is told of each one that changes; Endpoints is the older form, kept for clients that
//! still read it.

mod candidates;
mod hints;
mod legacy;
mod slices;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Endpoints, Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::Deserialize;
use serde_json::Value;
use sheave_api::{ObjectKey, Status, resource};
use sheave_client::{DeleteOptions, Informer, Typed, TypedEvent};

use self::candidates::Candidate;
use crate::Context;
use crate::pod::PodFacts;
use crate::queue::Queue;

/// A node, reduced to where it is.
#[derive(Debug, Deserialize)]
#[serde(from = "Node")]
struct NodeFacts {
    zone: String,
}

impl From<Node> for NodeFacts {
    fn from(node: Node) -> Self {
        let mut labels = node.metadata.labels.unwrap_or_default();
        Self { zone: labels.remove("topology.kubernetes.io/zone").unwrap_or_default() }
    }
}

pub(crate) async fn run(context: Context) {
    Controller::new(context).run().await;
}

struct Controller {
    context: Context,
    services: Informer<Service>,
    pods: Informer<PodFacts>,
    nodes: Informer<NodeFacts>,
    slices: Informer<EndpointSlice>,
    endpoints: Informer<Endpoints>,
    queue: Queue<ObjectKey>,
    slices_of: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Service to the slices' revision that the picture must show before the next plan.
    written_until: BTreeMap<ObjectKey, u64>,
}

impl Controller {
    fn new(context: Context) -> Self {
        let client = context.client.as_ref();
        Self {
            services: Informer::new(client, &resource::SERVICES),
            pods: Informer::new(client, &resource::PODS),
            nodes: Informer::new(client, &resource::NODES),
            slices: Informer::new(client, &resource::ENDPOINT_SLICES),
            endpoints: Informer::new(client, &resource::ENDPOINTS),
            queue: Queue::new(),
            slices_of: BTreeMap::new(),
            written_until: BTreeMap::new(),
            context,
        }
    }

    fn is_synced(&self) -> bool {
        self.services.is_synced()
            && self.pods.is_synced()
            && self.nodes.is_synced()
            && self.slices.is_synced()
            && self.endpoints.is_synced()
    }

    async fn run(mut self) {
        loop {
            let synced = self.is_synced();
            tokio::select! {
                biased;
                event = self.services.next() => match event {
                    Some(TypedEvent::Apply { new, .. }) => self.queue.mark(new.key),
                    Some(TypedEvent::Delete(old)) => drop(self.written_until.remove(&old.key)),
                    Some(TypedEvent::Synced) => {}
                    None => return,
                },
                event = self.pods.next() => match event {
                    Some(event) => self.pod_event(event),
                    None => return,
                },
                event = self.nodes.next() => match event {
                    Some(event) => self.node_event(event),
                    None => return,
                },
                event = self.slices.next() => match event {
                    Some(event) => self.slice_event(event),
                    None => return,
                },
                event = self.endpoints.next() => match event {
                    Some(TypedEvent::Delete(old)) => self.queue.mark(old.key),
                    Some(_) => {}
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

    fn pod_event(&mut self, event: TypedEvent<PodFacts>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { old, new } => {
                if old.as_ref().is_some_and(|old| old.object == new.object) {
                    return;
                }
                if let Some(old) = old {
                    self.mark_services_of(&old);
                }
                self.mark_services_of(&new);
            }
            TypedEvent::Delete(old) => self.mark_services_of(&old),
        }
    }

    fn mark_services_of(&mut self, pod: &Typed<PodFacts>) {
        for (key, service) in self.services.objects() {
            if key.namespace == pod.key.namespace
                && candidates::selects(&service.object, &pod.object)
            {
                self.queue.mark(key.clone());
            }
        }
    }

    /// A node's zone is part of every endpoint on it.
    fn node_event(&mut self, event: TypedEvent<NodeFacts>) {
        if let TypedEvent::Apply { old: Some(old), new } = event
            && old.object.zone != new.object.zone
        {
            for key in self.services.objects().keys() {
                self.queue.mark(key.clone());
            }
        }
    }

    fn slice_event(&mut self, event: TypedEvent<EndpointSlice>) {
        match event {
            TypedEvent::Synced => {}
            TypedEvent::Apply { new, .. } => {
                if let Some(service) = slices::service_of(&new.object, &new.key) {
                    self.slices_of.entry(service.clone()).or_default().insert(new.key);
                    self.queue.mark(service);
                }
            }
            TypedEvent::Delete(old) => {
                if let Some(service) = slices::service_of(&old.object, &old.key) {
                    if let Some(keys) = self.slices_of.get_mut(&service) {
                        keys.remove(&old.key);
                    }
                    self.queue.mark(service);
                }
            }
        }
    }

    async fn reconcile(&mut self, key: &ObjectKey) -> Result<(), Status> {
        if self.written_until.get(key).is_some_and(|seen| *seen > self.slices.revision()) {
            return Ok(());
        }
        let service = self.services.get(key).map(|s| std::sync::Arc::clone(&s.object));
        let selecting = service.filter(|service| {
            candidates::has_selector(service) && service.metadata.deletion_timestamp.is_none()
        });
        // Gone, or endpoints are somebody else's matter: the garbage collector follows the owner.
        let Some(service) = selecting else { return Ok(()) };
        let zone = |node: &str| {
            let node = self.nodes.get(&ObjectKey::cluster(node));
            node.map(|node| node.object.zone.clone()).unwrap_or_default()
        };
        let pods = self.pods.objects().values().filter(|pod| {
            pod.key.namespace == key.namespace && candidates::selects(&service, &pod.object)
        });
        let candidates: Vec<Candidate> = pods
            .flat_map(|pod| candidates::of_pod(&service, &pod.key, &pod.object, &zone))
            .collect();
        self.write_slices(key, &service, &candidates).await?;
        self.write_endpoints(key, &service, &candidates).await
    }

    async fn write_slices(
        &mut self,
        key: &ObjectKey,
        service: &Service,
        candidates: &[Candidate],
    ) -> Result<(), Status> {
        let keys = self.slices_of.get(key).into_iter().flatten();
        let existing: Vec<Value> = keys
            .filter_map(|key| self.slices.get(key))
            .filter_map(|slice| serde_json::from_slice(&slice.json).ok())
            .collect();
        let plan = slices::plan(key, service, candidates, &existing);
        let client = std::sync::Arc::clone(&self.context.client);
        for slice in plan.create {
            let created = client.create(&resource::ENDPOINT_SLICES, &key.namespace, slice).await?;
            self.written(key, &created);
        }
        for (name, slice) in plan.update {
            let slice_key = ObjectKey::new(&key.namespace, name);
            let written =
                client.update(&resource::ENDPOINT_SLICES, &slice_key, None, slice).await?;
            self.written(key, &written);
        }
        for name in plan.delete {
            let slice_key = ObjectKey::new(&key.namespace, name);
            let options = DeleteOptions::default();
            match client.delete(&resource::ENDPOINT_SLICES, &slice_key, options).await {
                Err(status) if !status.is_not_found() => return Err(status),
                _ => {}
            }
        }
        Ok(())
    }

    fn written(&mut self, service: &ObjectKey, slice: &Value) {
        let revision = slice["metadata"]["resourceVersion"].as_str();
        let revision: u64 = revision.and_then(|r| r.parse().ok()).unwrap_or_default();
        let until = self.written_until.entry(service.clone()).or_default();
        *until = revision.max(*until);
    }

    async fn write_endpoints(
        &self,
        key: &ObjectKey,
        service: &Service,
        candidates: &[Candidate],
    ) -> Result<(), Status> {
        let client = &self.context.client;
        let current = self.endpoints.get(key);
        let current: Option<Value> = current.and_then(|e| serde_json::from_slice(&e.json).ok());
        let Some(wanted) = legacy::endpoints(key, service, candidates, current.as_ref()) else {
            return Ok(());
        };
        let written = match current {
            Some(_) => client.update(&resource::ENDPOINTS, key, None, wanted).await,
            None => client.create(&resource::ENDPOINTS, &key.namespace, wanted).await,
        };
        match written {
            Err(status) if status.is_already_exists() || status.is_not_found() => Ok(()),
            result => result.map(drop),
        }
    }
}
