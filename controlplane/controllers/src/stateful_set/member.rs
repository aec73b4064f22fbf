//! Where a pod of a StatefulSet stands, as far as order depends on it. Pure.

use jiff::Timestamp;
use sheave_api::ObjectKey;

use super::identity::REVISION_LABEL;
use crate::pod::PodFacts;

/// Seconds for which a pod that failed stays: whatever made it fail is not met more often.
const FAILED_KEPT_S: i64 = 30;

/// How far a pod has come, or whether it is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not ready.
    Starting,
    /// Ready, but not for long enough, or not known to all nodes yet.
    Ready,
    /// Ready, and counted on.
    Available,
    /// Its containers have ended for good.
    Ended,
    /// It was deleted, and is there until its node confirms its end.
    Leaving,
    /// Of somebody else, and on its way out: only its name matters.
    Foreign,
}

/// A pod that has the name of an ordinal.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) key: ObjectKey,
    pub(super) uid: String,
    pub(super) ordinal: i32,
    /// Name of the revision that it was made from.
    pub(super) revision: String,
    pub(super) stage: Stage,
    /// Seconds until the stage may be another without any event.
    pub(super) again_s: Option<i64>,
}

impl Member {
    /// A pod of the set. `deleting`: we have deleted it, though the picture does not show it yet. `waits_s`: it
    /// may still wait until its endpoints are in effect everywhere.
    pub(super) fn of(
        key: &ObjectKey,
        ordinal: i32,
        facts: &PodFacts,
        (deleting, waits_s): (bool, Option<i64>),
        min_ready_seconds: i32,
        now: Timestamp,
    ) -> Self {
        let (stage, again_s) = if deleting || facts.terminating {
            (Stage::Leaving, None)
        } else if facts.has_ended() {
            let age_s = facts.created.map_or(FAILED_KEPT_S, |at| now.as_second() - at.as_second());
            match FAILED_KEPT_S - age_s {
                // A clock that was set back makes nobody wait longer.
                left @ 1..=FAILED_KEPT_S => (Stage::Starting, Some(left)),
                _ => (Stage::Ended, None),
            }
        } else if !facts.ready {
            (Stage::Starting, None)
        } else if waits_s.is_none() && facts.is_available(min_ready_seconds, now) {
            (Stage::Available, None)
        } else {
            let left = i64::from(min_ready_seconds) - facts.seconds_ready(now);
            (Stage::Ready, Some(left.max(waits_s.unwrap_or_default()).max(1)))
        };
        let revision = facts.labels.get(REVISION_LABEL).cloned().unwrap_or_default();
        Self { key: key.clone(), uid: facts.uid.clone(), ordinal, revision, stage, again_s }
    }

    /// A pod of somebody else that has the name of an ordinal, and ends.
    pub(super) fn foreign(key: &ObjectKey, ordinal: i32) -> Self {
        let (uid, revision) = (String::new(), String::new());
        Self { key: key.clone(), uid, ordinal, revision, stage: Stage::Foreign, again_s: None }
    }

    /// Neither on its way out nor somebody else's.
    pub(super) fn stays(&self) -> bool {
        !matches!(self.stage, Stage::Leaving | Stage::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    const CREATED: &str = "2026-01-01T00:00:00Z";

    fn stage(
        status: Value,
        deleting: bool,
        waits_s: Option<i64>,
        after_s: i64,
    ) -> (Stage, Option<i64>) {
        let pod = json!({ "metadata": { "creationTimestamp": CREATED }, "status": status });
        let facts: PodFacts = serde_json::from_value::<Pod>(pod).unwrap().into();
        let created: Timestamp = CREATED.parse().unwrap();
        let now = Timestamp::from_second(created.as_second() + after_s).unwrap();
        let key = ObjectKey::new("default", "db-0");
        let member = Member::of(&key, 0, &facts, (deleting, waits_s), 10, now);
        (member.stage, member.again_s)
    }

    #[test]
    fn a_pod_goes_from_one_stage_to_the_next() {
        let ready = json!({ "phase": "Running", "conditions": [
            { "type": "Ready", "status": "True", "lastTransitionTime": CREATED }] });
        assert_eq!(stage(json!({ "phase": "Pending" }), false, None, 5), (Stage::Starting, None));
        assert_eq!(stage(ready.clone(), false, None, 4), (Stage::Ready, Some(6)));
        assert_eq!(stage(ready.clone(), false, Some(7), 4), (Stage::Ready, Some(7)));
        assert_eq!(stage(ready.clone(), false, None, 10), (Stage::Available, None));
        assert_eq!(stage(ready.clone(), false, Some(2), 10), (Stage::Ready, Some(2)));
        assert_eq!(stage(ready, true, None, 10), (Stage::Leaving, None));
    }

    #[test]
    fn what_failed_at_once_is_not_replaced_at_once() {
        let failed = json!({ "phase": "Failed" });
        assert_eq!(stage(failed.clone(), false, None, 1), (Stage::Starting, Some(29)));
        assert_eq!(stage(failed.clone(), false, None, 30), (Stage::Ended, None));
        assert_eq!(stage(failed, false, None, -100), (Stage::Ended, None));
    }
}
