//! On which nodes a DaemonSet should run, which pods to create and delete, and what the status says. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::DaemonSet;
use serde_json::{Value, json};
use sheave_api::ObjectKey;

use super::node::{NodeFacts, fits};
use super::pod::{HASH_LABEL, with_tolerations};
use super::update::{Place, Update};
use crate::pod::PodFacts;

/// Seconds for which a pod that failed stays: whatever made it fail is not met more often.
const FAILED_KEPT_S: i64 = 30;

/// A pod of the set.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub(super) key: ObjectKey,
    /// The node it is on, or is meant for.
    pub(super) node: String,
    /// We have deleted it, though the picture does not show it yet.
    pub(super) deleting: bool,
    /// It may still wait until its endpoints are in effect everywhere.
    pub(super) waits_s: Option<i64>,
    pub(super) facts: Arc<PodFacts>,
}

impl Owned {
    fn goes(&self) -> bool {
        self.deleting || self.facts.terminating
    }

    /// The hash of the revision that it was made from.
    pub(super) fn hash(&self) -> &str {
        self.facts.labels.get(HASH_LABEL).map_or("", String::as_str)
    }
}

/// What pods are judged by.
pub(super) struct Measure<'a> {
    /// That of the template that is wanted.
    pub(super) hash: &'a str,
    pub(super) min_ready_seconds: i32,
    pub(super) now: Timestamp,
}

impl Measure<'_> {
    fn is_new(&self, pod: &Owned) -> bool {
        pod.hash() == self.hash
    }

    pub(super) fn is_available(&self, pod: &Owned) -> bool {
        let is_known = !pod.goes() && pod.waits_s.is_none();
        is_known && pod.facts.is_available(self.min_ready_seconds, self.now)
    }

    /// Seconds after which a pod that is ready may be available.
    fn available_after_s(&self, pod: &Owned) -> Option<i64> {
        let left = i64::from(self.min_ready_seconds) - pod.facts.seconds_ready(self.now);
        let waits = pod.facts.ready && !self.is_available(pod);
        waits.then(|| left.max(pod.waits_s.unwrap_or_default()))
    }

    /// Seconds for which a pod that failed still stays.
    fn failed_left_s(&self, pod: &Owned) -> Option<i64> {
        let age_s = pod.facts.created.map_or(0, |at| self.now.as_second() - at.as_second());
        Some(FAILED_KEPT_S - age_s).filter(|left| pod.facts.has_ended() && *left > 0)
    }
}

/// What to do, and what is.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Names of nodes.
    pub(super) create: Vec<String>,
    /// Pods by key and uid.
    pub(super) delete: Vec<(ObjectKey, String)>,
    /// Seconds after which to look again, if nothing happens.
    pub(super) again_s: Option<u64>,
    pub(super) status: Value,
}

/// Compares nodes with the pods there are. `hash` is that of the template.
pub(super) fn plan(
    set: &DaemonSet,
    hash: &str,
    nodes: &[NodeFacts],
    pods: &[Owned],
    now: Timestamp,
) -> Plan {
    let spec = set.spec.clone().unwrap_or_default();
    let pod_spec = with_tolerations(spec.template.spec.unwrap_or_default());
    let min_ready_seconds = spec.min_ready_seconds.unwrap_or_default();
    let measure = Measure { hash, min_ready_seconds, now };
    let nodes: Vec<_> = nodes.iter().map(|node| (node, fits(&pod_spec, node))).collect();
    let desired = nodes.iter().filter(|(_, (runs, _))| *runs).count();
    let mut counts = Counts { desired: to_i32(desired), ..Counts::default() };
    let update = Update::of(spec.update_strategy.as_ref(), counts.desired);
    let mut by_node: BTreeMap<&str, Vec<&Owned>> = BTreeMap::new();
    for pod in pods {
        by_node.entry(&pod.node).or_default().push(pod);
    }
    let mut plan = Plan::default();
    let mut places: Vec<Place<'_>> = Vec::new();
    for (node, (runs, stays)) in nodes {
        let here = by_node.remove(node.name.as_str()).unwrap_or_default();
        let two = runs && matches!(update, Update::Surge(_));
        let (old, new) = plan.thin_out(&here, stays, two, &measure);
        let is_left = here.iter().any(|pod| pod.goes());
        match (runs, old.or(new)) {
            (true, Some(_)) => places.push(Place { node: &node.name, old, new, is_left }),
            (true, None) if here.is_empty() => plan.create.push(node.name.clone()),
            // What goes is waited for: without a surge there are never two on a node.
            (true, None) => {}
            (false, _) => counts.misscheduled += i32::from(!here.is_empty()),
        }
    }
    // Their nodes are gone.
    for pod in by_node.values().flatten().filter(|pod| !pod.goes()) {
        plan.delete(pod);
    }
    for place in &places {
        counts.add(place, &measure);
        let waiting = place.pods().filter_map(|pod| measure.available_after_s(pod));
        waiting.for_each(|seconds| plan.look_again(seconds));
    }
    let (create, delete) = update.step(&places, counts.desired - counts.available, &measure);
    plan.create.extend(create.into_iter().map(str::to_owned));
    delete.into_iter().for_each(|pod| plan.delete(pod));
    plan.status = counts.status(set.metadata.generation.unwrap_or_default());
    plan
}

impl Plan {
    fn look_again(&mut self, seconds: i64) {
        let seconds = u64::try_from(seconds.max(1)).unwrap_or(1);
        self.again_s = Some(self.again_s.map_or(seconds, |again| again.min(seconds)));
    }

    fn delete(&mut self, pod: &Owned) {
        self.delete.push((pod.key.clone(), pod.facts.uid.clone()));
    }

    /// Leaves one pod on a node, or none where none may stay; with `two` one of a former template and one of the
    /// present. Those that are available come first, then those of the present template, then the oldest.
    fn thin_out<'a>(
        &mut self,
        here: &[&'a Owned],
        stays: bool,
        two: bool,
        measure: &Measure<'_>,
    ) -> (Option<&'a Owned>, Option<&'a Owned>) {
        let mut alive: Vec<&Owned> = here.iter().copied().filter(|pod| !pod.goes()).collect();
        alive.sort_by_key(|pod| {
            let rank = (!measure.is_available(pod), !measure.is_new(pod));
            (rank, pod.facts.created, pod.key.name.clone())
        });
        let (mut old, mut new) = (None, None);
        for pod in alive {
            let is_new = measure.is_new(pod);
            let is_taken = match (two, is_new) {
                (false, _) => old.or(new).is_some(),
                (true, true) => new.is_some(),
                (true, false) => old.is_some(),
            };
            let kept_s = measure.failed_left_s(pod).filter(|_| stays);
            kept_s.into_iter().for_each(|seconds| self.look_again(seconds));
            let has_ended = pod.facts.has_ended() && kept_s.is_none();
            if has_ended || !stays || (is_taken && kept_s.is_none()) {
                self.delete(pod);
            } else if !is_taken {
                *(if is_new { &mut new } else { &mut old }) = Some(pod);
            }
        }
        (old, new)
    }
}

/// Of nodes, all of them.
#[derive(Debug, Default)]
struct Counts {
    desired: i32,
    current: i32,
    misscheduled: i32,
    ready: i32,
    updated: i32,
    available: i32,
}

impl Counts {
    /// A node that has two pods is served by either, and not updated before the old one is gone.
    fn add(&mut self, place: &Place<'_>, measure: &Measure<'_>) {
        self.current += 1;
        self.ready += i32::from(place.pods().any(|pod| pod.facts.ready));
        self.updated += i32::from(place.old.is_none());
        self.available += i32::from(place.pods().any(|pod| measure.is_available(pod)));
    }

    fn status(&self, generation: i64) -> Value {
        json!({
            "desiredNumberScheduled": self.desired, "currentNumberScheduled": self.current,
            "numberMisscheduled": self.misscheduled, "numberReady": self.ready,
            "updatedNumberScheduled": self.updated, "numberAvailable": self.available,
            "numberUnavailable": self.desired - self.available, "observedGeneration": generation,
        })
    }
}

fn to_i32(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
