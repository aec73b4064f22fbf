//! Which of the possible nodes is best: 0 to 100 for each wish, weighted as Kubernetes weighs them. Pure.

use crate::filter::tolerates;
use crate::pod::PodFacts;
use crate::resources::{CPU, MEMORY};
use crate::snapshot::{NodeFacts, Usage};
use sheave_api::node_affinity;

const SCORE_MAX: i64 = 100;

/// A node that can take the pod.
pub(crate) struct Candidate<'a> {
    pub(crate) name: &'a str,
    pub(crate) node: &'a NodeFacts,
    pub(crate) usage: &'a Usage,
}

/// The best candidate; among equals, the first by name.
pub(crate) fn best<'a>(pod: &PodFacts, candidates: &[Candidate<'a>]) -> Option<&'a str> {
    let preferred = normalized(candidates.iter().map(|c| affinity_weight(pod, c)), false);
    let shunned = normalized(candidates.iter().map(|c| shunning_taints(pod, c)), true);
    let siblings = normalized(candidates.iter().map(|c| sibling_count(pod, c)), true);
    let scores = candidates.iter().enumerate().map(|(i, candidate)| {
        let (free, balance) = allocation(pod, candidate);
        free + balance + 2 * preferred[i] + 3 * shunned[i] + 2 * siblings[i]
    });
    let ranked = candidates.iter().zip(scores).rev();
    ranked.max_by_key(|(_, score)| *score).map(|(candidate, _)| candidate.name)
}

/// How empty the node would still be, and how evenly CPU and memory would be used.
fn allocation(pod: &PodFacts, candidate: &Candidate<'_>) -> (i64, i64) {
    let free_share = |resource: &str| {
        let capacity = candidate.node.allocatable.get(resource);
        let used = candidate.usage.requested.get(resource) + pod.requests.get(resource);
        (capacity > 0).then(|| (capacity - used).max(0) * SCORE_MAX / capacity)
    };
    match (free_share(CPU), free_share(MEMORY)) {
        (Some(cpu), Some(memory)) => (i64::midpoint(cpu, memory), SCORE_MAX - (cpu - memory).abs()),
        // Of a resource that a node does not have, nothing can be out of balance.
        (share, other) => (share.or(other).unwrap_or_default(), SCORE_MAX),
    }
}

fn affinity_weight(pod: &PodFacts, candidate: &Candidate<'_>) -> i64 {
    let terms = pod.preferred_terms.iter();
    let matching = terms
        .filter(|t| node_affinity::matches(&t.preference, candidate.name, &candidate.node.labels));
    matching.map(|t| i64::from(t.weight)).sum()
}

fn shunning_taints(pod: &PodFacts, candidate: &Candidate<'_>) -> i64 {
    let taints = candidate.node.taints.iter();
    let shunning = taints.filter(|t| t.effect == "PreferNoSchedule" && !tolerates(pod, t));
    shunning.count() as i64
}

fn sibling_count(pod: &PodFacts, candidate: &Candidate<'_>) -> i64 {
    candidate.usage.by_owner.get(&pod.owner_uid).copied().unwrap_or_default() as i64
}

/// Scales to 0..=100; with `fewer_is_better`, the least gets 100.
fn normalized(values: impl Iterator<Item = i64>, fewer_is_better: bool) -> Vec<i64> {
    let values: Vec<_> = values.collect();
    let most = values.iter().copied().max().unwrap_or_default();
    let scale = |value: i64| {
        let share = if most > 0 { value * SCORE_MAX / most } else { 0 };
        if fewer_is_better { SCORE_MAX - share } else { share }
    };
    values.into_iter().map(scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Resources;
    use k8s_openapi::api::core::v1::{Node, Pod};
    use serde_json::json;

    fn pod(value: serde_json::Value) -> PodFacts {
        serde_json::from_value::<Pod>(value).unwrap().into()
    }

    fn node(zone: &str) -> NodeFacts {
        serde_json::from_value::<Node>(json!({
            "metadata": { "labels": { "zone": zone } },
            "status": { "allocatable": { "cpu": "4", "memory": "8Gi", "pods": "110" } },
        }))
        .unwrap()
        .into()
    }

    fn chosen(pod: &PodFacts, nodes: &[(NodeFacts, Usage)]) -> String {
        let names = ["n0", "n1", "n2"];
        let candidates: Vec<_> = nodes
            .iter()
            .zip(names)
            .map(|((node, usage), name)| Candidate { name, node, usage })
            .collect();
        best(pod, &candidates).unwrap().to_owned()
    }

    fn using(cpu_milli: i64) -> Usage {
        let amounts = [(CPU.to_owned(), cpu_milli)].into();
        Usage { requested: Resources { amounts }, ..Usage::default() }
    }

    #[test]
    fn the_emptier_node_wins_and_names_break_ties() {
        let plain = pod(json!({ "spec": { "containers": [] } }));
        assert_eq!(chosen(&plain, &[(node("a"), using(2000)), (node("a"), using(500))]), "n1");
        assert_eq!(chosen(&plain, &[(node("a"), using(0)), (node("a"), using(0))]), "n0");
    }

    #[test]
    fn siblings_are_spread() {
        let sibling = pod(json!({
            "metadata": { "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": true }] },
            "spec": { "containers": [] },
        }));
        let crowded = Usage { by_owner: [("u".to_owned(), 2)].into(), ..using(0) };
        assert_eq!(chosen(&sibling, &[(node("a"), crowded), (node("a"), using(100))]), "n1");
    }

    #[test]
    fn preferred_affinity_counts() {
        let wishing = pod(json!({ "spec": { "containers": [], "affinity": { "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 10, "preference": {
                "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["b"] }] } }] } } } }));
        assert_eq!(chosen(&wishing, &[(node("a"), using(0)), (node("b"), using(100))]), "n1");
    }
}
