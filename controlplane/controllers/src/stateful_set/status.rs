//! What the status of a StatefulSet says. Pure.

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::{Value, json};

use super::member::{Member, Stage};
use super::plan::{Revisions, Wanted};

/// The status as it should be.
pub(super) fn status(set: &StatefulSet, revisions: Revisions<'_>, members: &[Member]) -> Value {
    let Revisions { mut current, update } = revisions;
    let count = |wanted: &dyn Fn(&Member) -> bool| {
        let count = members.iter().filter(|member| wanted(member)).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    let of = |revision: &str| count(&|member| member.stays() && member.revision == revision);
    let replicas = count(&|member| member.stage != Stage::Foreign);
    let ready = count(&|member| matches!(member.stage, Stage::Ready | Stage::Available));
    let updated = of(update);
    // The rollout is complete: what was wanted is what there is.
    let wanted = Wanted::of(set).replicas;
    if [replicas, ready, updated] == [wanted; 3] {
        current = update;
    }
    let collisions = set.status.as_ref().and_then(|status| status.collision_count);
    json!({
        "observedGeneration": set.metadata.generation.unwrap_or_default(),
        "replicas": replicas,
        "readyReplicas": ready,
        "availableReplicas": count(&|member| member.stage == Stage::Available),
        "currentReplicas": of(current),
        "updatedReplicas": updated,
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": collisions.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_api::ObjectKey;

    fn set(replicas: i32) -> StatefulSet {
        serde_json::from_value(json!({
            "metadata": { "name": "db", "generation": 3 },
            "spec": { "replicas": replicas, "selector": {}, "template": {} },
        }))
        .unwrap()
    }

    fn shown(replicas: i32, pods: &[(&str, Stage)]) -> Value {
        let members: Vec<Member> = (0..)
            .zip(pods)
            .map(|(ordinal, (revision, stage))| Member {
                key: ObjectKey::new("default", format!("db-{ordinal}").as_str()),
                uid: String::new(),
                ordinal,
                revision: (*revision).to_owned(),
                stage: *stage,
                again_s: None,
            })
            .collect();
        status(&set(replicas), Revisions { current: "old", update: "new" }, &members)
    }

    #[test]
    fn pods_are_counted_by_stage_and_revision() {
        use Stage::{Available, Foreign, Leaving, Ready, Starting};
        let pods = [
            ("old", Available),
            ("old", Ready),
            ("new", Starting),
            ("old", Leaving),
            ("", Foreign),
        ];
        assert_eq!(
            shown(4, &pods),
            json!({
                "observedGeneration": 3, "replicas": 4, "readyReplicas": 2, "availableReplicas": 1,
                "currentReplicas": 2, "updatedReplicas": 1,
                "currentRevision": "old", "updateRevision": "new", "collisionCount": 0,
            })
        );
    }

    #[test]
    fn a_rollout_is_complete_when_all_pods_are_new_and_ready() {
        use Stage::{Ready, Starting};
        let complete = shown(2, &[("new", Ready), ("new", Ready)]);
        assert_eq!(complete["currentRevision"], "new");
        assert_eq!(complete["currentReplicas"], 2);
        for pods in [[("new", Ready), ("new", Starting)], [("old", Ready), ("new", Ready)]] {
            assert_eq!(shown(2, &pods)["currentRevision"], "old", "{pods:?}");
        }
        assert_eq!(shown(3, &[("new", Ready), ("new", Ready)])["currentRevision"], "old");
    }
}
