//! Pods that wait until every node has acknowledged a generation, or for a deadline. Pure: the time is
//! passed in.
//!
//! What is due is found without looking at those that still wait.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sheave_api::ObjectKey;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    by_pod: BTreeMap<ObjectKey, Wait>,
    by_generation: BTreeSet<(u64, ObjectKey)>,
    by_deadline: BTreeSet<(Instant, ObjectKey)>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Instant,
    deadline: Instant,
    /// `None` until the change that must be acknowledged has been made.
    generation: Option<u64>,
}

/// One that waits no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) pod: ObjectKey,
    pub(crate) waited: Duration,
    /// `None`: acknowledged everywhere. Else the deadline has passed.
    pub(crate) late: Option<Late>,
}

/// What was waited for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// The change had not even been made.
    Unchanged,
    /// Some node had not acknowledged this generation.
    Unacknowledged(u64),
}

impl Waiting {
    /// Begins to wait, unless it already does.
    pub(crate) fn begin(&mut self, pod: &ObjectKey, since: Instant, deadline: Instant) {
        if !self.by_pod.contains_key(pod) {
            self.by_pod.insert(pod.clone(), Wait { since, deadline, generation: None });
            self.by_deadline.insert((deadline, pod.clone()));
        }
    }

    /// The change has been made and has this generation, or is no longer made (`None`).
    pub(crate) fn set_generation(&mut self, pod: &ObjectKey, generation: Option<u64>) {
        let Some(wait) = self.by_pod.get_mut(pod) else { return };
        if wait.generation.is_some() == generation.is_some() {
            return;
        }
        if let Some(former) = std::mem::replace(&mut wait.generation, generation) {
            self.by_generation.remove(&(former, pod.clone()));
        }
        self.by_generation.extend(generation.map(|generation| (generation, pod.clone())));
    }

    /// Waits no more.
    pub(crate) fn remove(&mut self, pod: &ObjectKey) -> bool {
        let Some(wait) = self.by_pod.remove(pod) else { return false };
        self.by_deadline.remove(&(wait.deadline, pod.clone()));
        if let Some(generation) = wait.generation {
            self.by_generation.remove(&(generation, pod.clone()));
        }
        true
    }

    pub(crate) fn contains(&self, pod: &ObjectKey) -> bool {
        self.by_pod.contains_key(pod)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_pod.len()
    }

    /// Those of one namespace.
    pub(crate) fn of_namespace(&self, namespace: &str) -> Vec<ObjectKey> {
        let first = ObjectKey::new(namespace, "");
        let pods = self.by_pod.range(first..).map(|(pod, _)| pod);
        pods.take_while(|pod| pod.namespace == namespace).cloned().collect()
    }

    pub(crate) fn all(&self) -> Vec<ObjectKey> {
        self.by_pod.keys().cloned().collect()
    }

    /// Takes one for which `floor` or the time has come.
    pub(crate) fn take_due(&mut self, floor: u64, now: Instant) -> Option<Due> {
        let acknowledged =
            self.by_generation.first().filter(|(generation, _)| *generation <= floor);
        let due = match acknowledged {
            Some((_, pod)) => pod.clone(),
            None => self.by_deadline.first().filter(|(at, _)| *at <= now)?.1.clone(),
        };
        let wait = *self.by_pod.get(&due)?;
        self.remove(&due);
        let late = match wait.generation {
            Some(generation) if generation <= floor => None,
            Some(generation) => Some(Late::Unacknowledged(generation)),
            None => Some(Late::Unchanged),
        };
        Some(Due { pod: due, waited: now.saturating_duration_since(wait.since), late })
    }

    /// When the next deadline passes.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("default", name)
    }

    fn due(waiting: &mut Waiting, floor: u64, now: Instant) -> Vec<(String, Option<Late>)> {
        std::iter::from_fn(|| waiting.take_due(floor, now)).map(|d| (d.pod.name, d.late)).collect()
    }

    #[test]
    fn acknowledgements_come_before_deadlines() {
        let start = Instant::now();
        let mut waiting = Waiting::default();
        for name in ["a", "b", "c"] {
            waiting.begin(&key(name), start, start + 10 * S);
        }
        waiting.set_generation(&key("a"), Some(5));
        waiting.set_generation(&key("b"), Some(7));
        assert_eq!(due(&mut waiting, 4, start), []);
        assert_eq!(due(&mut waiting, 6, start), [("a".to_owned(), None)]);
        assert_eq!(
            due(&mut waiting, 6, start + 10 * S),
            [
                ("b".to_owned(), Some(Late::Unacknowledged(7))),
                ("c".to_owned(), Some(Late::Unchanged)),
            ]
        );
        assert_eq!((waiting.len(), waiting.next_deadline()), (0, None));
    }

    #[test]
    fn a_second_beginning_moves_no_deadline_and_the_first_generation_counts() {
        let start = Instant::now();
        let mut waiting = Waiting::default();
        waiting.begin(&key("a"), start, start + S);
        waiting.begin(&key("a"), start + S, start + 2 * S);
        assert_eq!(waiting.next_deadline(), Some(start + S));
        waiting.set_generation(&key("a"), Some(3));
        waiting.set_generation(&key("a"), Some(9));
        assert_eq!(due(&mut waiting, 3, start), [("a".to_owned(), None)]);
    }

    #[test]
    fn a_change_that_is_taken_back_is_waited_for_again() {
        let start = Instant::now();
        let mut waiting = Waiting::default();
        waiting.begin(&key("a"), start, start + S);
        waiting.set_generation(&key("a"), Some(3));
        waiting.set_generation(&key("a"), None);
        assert_eq!(due(&mut waiting, 9, start), []);
        assert!(waiting.remove(&key("a")) && !waiting.remove(&key("a")));
        assert_eq!(waiting.next_deadline(), None);
    }
}
