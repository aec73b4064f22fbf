//! Since when each Service's newest change is in effect on every node, and how long that takes. Pure: the
//! time is passed in.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jiff::Timestamp;
use sheave_api::ObjectKey;

use crate::histogram::Histogram;
use crate::log::CHANGES_MAX;

/// What is known of all Services.
#[derive(Debug, Default)]
pub(crate) struct Propagation {
    /// Changes that some node has not acknowledged, oldest first. Bounded like the log: of changes that
    /// dropped out it is not said how long they took.
    pending: VecDeque<Pending>,
    services: BTreeMap<ObjectKey, Change>,
    seconds: Histogram,
}

#[derive(Debug)]
struct Pending {
    generation: u64,
    since: Instant,
    service: ObjectKey,
    /// How long it takes is worth knowing: it was not there when the server began.
    counts: bool,
}

/// The newest change of a Service or of its endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) generation: u64,
    /// When this server learned of it.
    pub(crate) known_at: Timestamp,
    /// Since when it is in effect on every node.
    pub(crate) live_at: Option<Timestamp>,
}

/// Now, on the clock that measures and on the one that people read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    pub(crate) wall: Timestamp,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { instant: Instant::now(), wall: Timestamp::now() }
    }
}

impl Propagation {
    /// A Service or its endpoints changed.
    pub(crate) fn changed(
        &mut self,
        service: ObjectKey,
        generation: u64,
        counts: bool,
        now: Moment,
    ) {
        let change = Change { generation, known_at: now.wall, live_at: None };
        self.services.insert(service.clone(), change);
        self.pending.push_back(Pending { generation, since: now.instant, service, counts });
        if self.pending.len() > CHANGES_MAX {
            self.pending.pop_front();
        }
    }

    /// The Service is gone; that it is has a generation too.
    pub(crate) fn removed(&mut self, service: ObjectKey, generation: u64, now: Moment) {
        self.changed(service.clone(), generation, true, now);
        self.services.remove(&service);
    }

    /// Every node has acknowledged everything up to `floor`; `any`: there is one.
    pub(crate) fn advance(&mut self, floor: u64, any: bool, now: Moment) {
        while let Some(first) = self.pending.front()
            && first.generation <= floor
        {
            if any && first.counts {
                self.seconds.observe(now.instant.saturating_duration_since(first.since));
            }
            if let Some(change) = self.services.get_mut(&first.service)
                && change.generation <= floor
                && change.live_at.is_none()
            {
                change.live_at = Some(now.wall);
            }
            self.pending.pop_front();
        }
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = (&ObjectKey, &Change)> {
        self.services.iter()
    }

    /// For how long the oldest change that a node has not acknowledged has been waiting for it.
    pub(crate) fn behind_since(&self, acked: u64) -> Option<Instant> {
        let seen = self.pending.partition_point(|change| change.generation <= acked);
        self.pending.get(seen).map(|change| change.since)
    }

    /// From change to in effect everywhere.
    pub(crate) fn seconds(&self) -> &Histogram {
        &self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(start: Instant, seconds: i64) -> Moment {
        Moment {
            instant: start + Duration::from_secs(seconds.unsigned_abs()),
            wall: Timestamp::from_second(seconds).unwrap(),
        }
    }

    #[test]
    fn a_change_is_live_once_all_have_acknowledged_the_newest_of_it() {
        let start = Instant::now();
        let key = ObjectKey::new("default", "web");
        let mut propagation = Propagation::default();
        propagation.changed(key.clone(), 3, true, at(start, 1));
        propagation.changed(key.clone(), 5, true, at(start, 2));
        propagation.advance(4, true, at(start, 3));
        let (_, change) = propagation.services().next().unwrap();
        assert_eq!((change.generation, change.live_at), (5, None));
        assert_eq!(propagation.behind_since(4), Some(start + Duration::from_secs(2)));
        assert_eq!(propagation.behind_since(5), None);
        propagation.advance(5, true, at(start, 4));
        propagation.advance(9, true, at(start, 9));
        let (_, change) = propagation.services().next().unwrap();
        assert_eq!(change.known_at, Timestamp::from_second(2).unwrap());
        assert_eq!(change.live_at, Some(Timestamp::from_second(4).unwrap()));
        assert_eq!(propagation.seconds().count(), 2);
    }

    #[test]
    fn what_is_removed_is_waited_for_and_then_forgotten() {
        let start = Instant::now();
        let key = ObjectKey::new("default", "web");
        let mut propagation = Propagation::default();
        propagation.changed(key.clone(), 1, false, at(start, 1));
        propagation.removed(key, 2, at(start, 2));
        assert_eq!(propagation.services().count(), 0);
        propagation.advance(2, true, at(start, 3));
        let expected = (1, None);
        assert_eq!((propagation.seconds().count(), propagation.behind_since(0)), expected);
    }

    #[test]
    fn pending_changes_are_bounded() {
        let start = Instant::now();
        let mut propagation = Propagation::default();
        for generation in 0..CHANGES_MAX as u64 + 10 {
            propagation.changed(ObjectKey::new("default", "web"), generation, true, at(start, 1));
        }
        assert_eq!(propagation.pending.len(), CHANGES_MAX);
    }
}
