//! Which revision holds a state, what a new one looks like, and which are not kept. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use sheave_client::Typed;

use super::Revision;
use crate::controller_reference;
use crate::own_pods::Owner;
use crate::template_hash::hash;

/// Of an owner's name, in a revision's: with the hash, it is to fit into the value of a label (63 bytes).
const PREFIX_BYTES_MAX: usize = 52;
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What is to be the newest state of an owner.
pub(super) struct State {
    /// A patch that brings the owner back to it.
    pub(super) data: Value,
    /// By which the owner's selector finds the revision.
    pub(super) labels: BTreeMap<String, String>,
    /// Of the owner; the cause of a change is among them.
    pub(super) annotations: BTreeMap<String, String>,
    /// How often a name was found to be taken.
    pub(super) collisions: i32,
}

impl State {
    /// The state of an owner that has a pod template, from its JSON as the API shows it: what it is compared with
    /// was written the same way.
    pub(super) fn of(owner: &Value) -> Self {
        let mut template = owner["spec"]["template"].clone();
        let text_map = |value: &Value| BTreeMap::deserialize(value).unwrap_or_default();
        let collisions = owner["status"]["collisionCount"].as_i64();
        let labels = text_map(&template["metadata"]["labels"]);
        // So that going back replaces the template rather than merging into it.
        template["$patch"] = json!("replace");
        Self {
            data: json!({ "spec": { "template": template } }),
            labels,
            annotations: text_map(&owner["metadata"]["annotations"]),
            collisions: collisions.and_then(|it| i32::try_from(it).ok()).unwrap_or_default(),
        }
    }
}

/// What makes the newest revision the one that holds a state.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// Nothing: it is.
    Newest(&'a Typed<Revision>),
    /// An older one holds the same, and gets this number.
    Renumber(&'a Typed<Revision>, i64),
    /// None does: a new one gets this number.
    Create(i64),
}

/// `revisions` are those of the owner, from the oldest to the newest.
pub(super) fn step<'a>(revisions: &[&'a Typed<Revision>], data: &Value) -> Step<'a> {
    let next = revisions.last().map_or(0, |newest| newest.object.number) + 1;
    match revisions.iter().rposition(|revision| revision.object.data == *data) {
        Some(index) if index + 1 == revisions.len() => Step::Newest(revisions[index]),
        Some(index) => Step::Renumber(revisions[index], next),
        None => Step::Create(next),
    }
}

/// A new ControllerRevision, which has its hash in the label `hash_label` too.
pub(super) fn revision(owner: &Owner<'_>, state: &State, number: i64, hash_label: &str) -> Value {
    let canonical = serde_json::to_vec(&state.data).unwrap_or_default();
    let hash = hash(canonical.into_iter().chain(state.collisions.to_le_bytes()));
    let name = &owner.key.name;
    let prefix = name.get(..PREFIX_BYTES_MAX).unwrap_or(name).trim_end_matches(['.', '-']);
    let mut labels = state.labels.clone();
    labels.insert(hash_label.to_owned(), hash.clone());
    let mut annotations = state.annotations.clone();
    annotations.remove(LAST_APPLIED);
    json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision",
        "metadata": {
            "name": format!("{prefix}-{hash}"),
            "namespace": owner.key.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [controller_reference("apps/v1", owner.kind, name, owner.uid)],
        },
        "data": state.data,
        "revision": number,
    })
}

/// The oldest of those that are not live, as many as are more than the limit.
pub(super) fn surplus<'a>(
    revisions: &[&'a Typed<Revision>],
    live: &BTreeSet<&str>,
    limit: i32,
) -> Vec<&'a Typed<Revision>> {
    let is_live = |revision: &Typed<Revision>| live.contains(revision.key.name.as_str());
    let past: Vec<_> = revisions.iter().copied().filter(|it| !is_live(it)).collect();
    let surplus = past.len().saturating_sub(usize::try_from(limit).unwrap_or_default());
    past.into_iter().take(surplus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_api::ObjectKey;
    use std::sync::Arc;

    fn typed(object: &Value) -> Typed<Revision> {
        Typed {
            key: ObjectKey::new("default", object["metadata"]["name"].as_str().unwrap()),
            revision: 1,
            object: Arc::new(serde_json::from_value(object.clone()).unwrap()),
            json: Default::default(),
        }
    }

    fn made(name: &str, template: Value, collisions: i32, number: i64) -> Typed<Revision> {
        let key = ObjectKey::new("default", name);
        let owner = Owner { kind: "StatefulSet", component: "test", key: &key, uid: "u" };
        typed(&revision(&owner, &state(template, collisions), number, "hash"))
    }

    fn state(template: Value, collisions: i32) -> State {
        State::of(&json!({
            "metadata": { "annotations": { "cause": "a test", LAST_APPLIED: "{}" } },
            "spec": { "template": template },
            "status": { "collisionCount": collisions },
        }))
    }

    fn template(image: &str) -> Value {
        json!({ "metadata": { "labels": { "app": "db" } }, "spec": { "image": image } })
    }

    #[test]
    fn a_state_that_was_there_before_becomes_the_newest_again() {
        let data = |image: &str| state(template(image), 0).data;
        assert!(matches!(step(&[], &data("1")), Step::Create(1)));
        let (first, second) = (made("db", template("1"), 0, 1), made("db", template("2"), 0, 2));
        let both = [&first, &second];
        assert!(matches!(step(&both, &data("2")), Step::Newest(it) if it.key == second.key));
        assert!(matches!(step(&both, &data("1")), Step::Renumber(it, 3) if it.key == first.key));
        assert!(matches!(step(&both, &data("3")), Step::Create(3)));
    }

    #[test]
    fn names_differ_by_state_and_by_collision_and_fit_into_labels() {
        let names = [("1", 0), ("2", 0), ("1", 1)]
            .map(|(image, collisions)| made("db", template(image), collisions, 1).key.name);
        assert_eq!(BTreeSet::from(names.clone()).len(), 3, "{names:?}");
        assert!(names[0].starts_with("db-"));
        let long = made(&"d".repeat(63), template("1"), 0, 1);
        assert_eq!(long.key.name.len(), 63);
    }

    #[test]
    fn a_revision_belongs_to_its_owner_and_gives_the_template_back() {
        let key = ObjectKey::new("default", "db");
        let owner = Owner { kind: "DaemonSet", component: "test", key: &key, uid: "u" };
        let metadata = &revision(&owner, &state(template("1"), 0), 4, "hash")["metadata"];
        let hash = metadata["labels"]["hash"].as_str().unwrap();
        assert_eq!(metadata["name"], format!("db-{hash}"));
        assert_eq!(metadata["annotations"], json!({ "cause": "a test" }));
        let made = made("db", template("1"), 0, 4);
        assert_eq!((made.object.owner_uid.as_str(), made.object.number), ("u", 4));
        assert_eq!(made.object.labels["app"], "db");
        assert_eq!(made.object.data["spec"]["template"]["$patch"], "replace");
        assert_eq!(made.object.template(), template("1"));
    }

    #[test]
    fn the_oldest_that_no_pod_needs_go() {
        let all: Vec<_> = (1..=4).map(|n| made("db", template(&n.to_string()), 0, n)).collect();
        let all: Vec<&Typed<Revision>> = all.iter().collect();
        let live = BTreeSet::from([all[0].key.name.as_str(), all[3].key.name.as_str()]);
        let gone = |limit| surplus(&all, &live, limit).iter().map(|it| it.object.number).collect();
        let gone: [Vec<i64>; 3] = [gone(0), gone(1), gone(2)];
        assert_eq!(gone, [vec![2, 3], vec![2], vec![]]);
    }
}
