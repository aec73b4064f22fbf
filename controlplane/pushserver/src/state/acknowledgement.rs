//! Pods that wait for nodes: one that ends until no node chooses it any more, and one that is new until
//! every node does.
//!
//! A pod that is to end looks to its node as if it were not ([`PodView::json`]) until its endpoints are
//! marked in every slice and every node that counts has acknowledged that, or the deadline has passed. A
//! new one is said to be live ([`ENDPOINTS_LIVE`]) in the same way. Who is no endpoint waits for nothing.
//!
//! Nothing of this is stored: after a start of the server, pods that are to end are held back until the
//! nodes have acknowledged the complete state, their deadline counted from when they were deleted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sheave_api::ObjectKey;

use super::{Inner, PodView, State};
use crate::acks::Acks;
use crate::endpoints::{Endpoints, Named, Selector};
use crate::histogram::Histogram;
use crate::propagation::{Moment, Propagation};
use crate::waiting::{Due, Late, Waiting};

/// What a pod that is to end looks like to its node once it may know.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) json: Bytes,
    pub(crate) fingerprint: u64,
    /// How long ago the pod was deleted.
    pub(crate) age: Duration,
}

/// What came of waiting, to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) pod: ObjectKey,
    pub(crate) uid: String,
    pub(crate) verdict: Verdict,
    pub(crate) waited: Duration,
    /// `None`: every node has acknowledged. Else those that have not; empty when the slices were late.
    pub(crate) behind: Option<Vec<String>>,
}

/// What a pod has waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its node has been told to end it.
    Ends,
    /// Its endpoints are in effect.
    Live,
}

#[derive(Default)]
pub(super) struct Acknowledgement {
    /// `None`: nobody waits.
    wait_max: Option<Duration>,
    pub(super) acks: Acks,
    endpoints: Endpoints,
    pub(super) propagation: Propagation,
    endings: Waiting,
    arrivals: Waiting,
    /// Generation of the newest change that concerns every node: others are not acknowledged by all.
    newest_of_all: u64,
    /// Uids of pods that ended waiting: nodes know that these are to end.
    released: BTreeSet<String>,
    /// Uids of pods that are or will be said to be live, until the API says so.
    said_live: BTreeSet<String>,
    outcomes: Vec<Outcome>,
    told_deadline: Option<Instant>,
    pub(super) counts: Counts,
}

/// What waiting has come to since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) ends_acknowledged: u64,
    pub(crate) ends_late: u64,
    pub(crate) live_acknowledged: u64,
    pub(crate) live_late: u64,
    /// How long pods that were endpoints were held back.
    pub(crate) end_seconds: Histogram,
}

impl Acknowledgement {
    pub(super) fn new(wait_max: Option<Duration>) -> Self {
        Self { wait_max, ..Self::default() }
    }

    /// The pod is gone.
    pub(super) fn forget(&mut self, pod: &ObjectKey, uid: &str) {
        self.endings.remove(pod);
        self.arrivals.remove(pod);
        self.released.remove(uid);
        self.said_live.remove(uid);
    }

    fn next_deadline(&self) -> Option<Instant> {
        [&self.endings, &self.arrivals].into_iter().filter_map(Waiting::next_deadline).min()
    }

    pub(super) fn has_news(&self) -> bool {
        !self.outcomes.is_empty() || self.next_deadline() != self.told_deadline
    }

    /// Pods held back now, and pods that are not said to be live yet.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.endings.len(), self.arrivals.len())
    }
}

impl State {
    /// Completes when [`State::take_outcomes`] may have something new to say.
    pub(crate) async fn outcomes_due(&self) {
        self.due.notified().await;
    }

    /// What came of waiting, and when to ask again at the latest.
    pub(crate) fn take_outcomes(&self) -> (Vec<Outcome>, Option<Instant>) {
        let mut inner = self.inner.lock();
        inner.settle(Moment::now());
        let deadline = inner.acknowledgement.next_deadline();
        inner.acknowledgement.told_deadline = deadline;
        let outcomes = std::mem::take(&mut inner.acknowledgement.outcomes);
        self.tell(&inner);
        (outcomes, deadline)
    }
}

impl Inner {
    /// A Service or its endpoints changed in what nodes must know.
    pub(super) fn service_changed(&mut self, service: &ObjectKey, generation: u64) {
        self.acknowledgement.newest_of_all = generation;
        if self.services.contains_key(service) {
            let propagation = &mut self.acknowledgement.propagation;
            propagation.changed(service.clone(), generation, self.complete, Moment::now());
        }
    }

    pub(super) fn service_removed(&mut self, service: &ObjectKey, generation: u64) {
        self.acknowledgement.newest_of_all = generation;
        self.acknowledgement.propagation.removed(service.clone(), generation, Moment::now());
    }

    pub(super) fn selector_changed(&mut self, service: &ObjectKey, selector: Option<Selector>) {
        if !self.acknowledgement.endpoints.set_service(service, selector) {
            return;
        }
        let acknowledgement = &self.acknowledgement;
        let mut pods = acknowledgement.endings.of_namespace(&service.namespace);
        pods.extend(acknowledgement.arrivals.of_namespace(&service.namespace));
        pods.iter().for_each(|pod| self.consider(pod));
    }

    pub(super) fn endpoints_changed(&mut self, slice: &ObjectKey, named: Vec<Named>) {
        let changed: Vec<Arc<str>> = self.acknowledgement.endpoints.set_slice(slice, named);
        for name in changed {
            self.consider(&ObjectKey::new(&slice.namespace, &*name));
        }
    }

    /// A pod's newest state comes in: what its node knows stays known.
    pub(super) fn recall(&mut self, pod: &mut PodView) {
        if self.acknowledgement.released.contains(&pod.uid) {
            pod.show_ending();
        }
        if pod.endpoints_live {
            self.acknowledgement.said_live.remove(&pod.uid);
        }
    }

    /// The first complete state is known.
    pub(super) fn consider_all(&mut self) {
        let mut pods = self.acknowledgement.endings.all();
        pods.extend(self.acknowledgement.arrivals.all());
        pods.iter().for_each(|pod| self.consider(pod));
    }

    /// Whether a pod has to wait, and for what.
    pub(super) fn consider(&mut self, key: &ObjectKey) {
        let Some(pod) = self.pods.get(key) else { return };
        let Some(wait_max) = self.acknowledgement.wait_max else { return };
        let waits = &mut self.acknowledgement;
        let now = Instant::now();
        let standing = waits.endpoints.standing(&pod.uid);
        let expected = || waits.endpoints.expected(&key.namespace, &pod.json);
        if let Some(ending) = &pod.ending {
            // While the server begins, its deadline counts from when the pod was deleted.
            let age = if self.complete { Duration::ZERO } else { ending.age };
            // A ready pod that is in no slice may be about to be put into one.
            let is_unnamed = standing.named == 0 && pod.ready && expected() > 0;
            let is_endpoint = standing.named > 0 || is_unnamed || waits.endings.contains(key);
            waits.arrivals.remove(key);
            if age >= wait_max || (self.complete && !is_endpoint) {
                return self.show_ending(key);
            }
            waits.endings.begin(key, now, now + wait_max - age);
            let is_marked = !is_unnamed && standing.terminating == standing.named;
            let generation = (self.complete && is_marked).then_some(waits.newest_of_all);
            waits.endings.set_generation(key, generation);
        } else if pod.ready
            && !pod.endpoints_live
            && standing.ready > 0
            && !waits.said_live.contains(&pod.uid)
        {
            let is_everywhere = self.complete && standing.ready >= expected();
            let generation = is_everywhere.then_some(waits.newest_of_all);
            waits.arrivals.begin(key, now, now + wait_max);
            waits.arrivals.set_generation(key, generation);
        } else {
            waits.arrivals.remove(key);
        }
    }

    /// Ends the waiting of those for whom acknowledgements or the time have come.
    pub(super) fn settle(&mut self, now: Moment) {
        if !self.complete {
            return;
        }
        let floor = self.acknowledgement.acks.floor();
        let counts = self.acknowledgement.acks.any_counts();
        self.acknowledgement.propagation.advance(floor, counts, now);
        while let Some(due) = self.acknowledgement.endings.take_due(floor, now.instant) {
            self.release(due);
        }
        while let Some(due) = self.acknowledgement.arrivals.take_due(floor, now.instant) {
            self.say_live(due);
        }
    }

    fn release(&mut self, due: Due) {
        let Some(uid) = self.pods.get(&due.pod).map(|pod| pod.uid.clone()) else { return };
        self.show_ending(&due.pod);
        let outcome = self.outcome(&due, &uid, Verdict::Ends);
        let counts = &mut self.acknowledgement.counts;
        counts.end_seconds.observe(due.waited);
        match due.late {
            None => counts.ends_acknowledged += 1,
            Some(_) => {
                counts.ends_late += 1;
                self.acknowledgement.outcomes.push(outcome);
            }
        }
    }

    /// The pod's node may know that it is to end.
    fn show_ending(&mut self, key: &ObjectKey) {
        self.acknowledgement.endings.remove(key);
        let Some(mut pod) = self.pods.get(key).cloned() else { return };
        self.acknowledgement.released.insert(pod.uid.clone());
        pod.show_ending();
        self.put_pod(key, pod);
    }

    fn say_live(&mut self, due: Due) {
        let Some(uid) = self.pods.get(&due.pod).map(|pod| pod.uid.clone()) else { return };
        let outcome = self.outcome(&due, &uid, Verdict::Live);
        match due.late {
            None => self.acknowledgement.counts.live_acknowledged += 1,
            Some(_) => self.acknowledgement.counts.live_late += 1,
        }
        self.acknowledgement.said_live.insert(uid);
        self.acknowledgement.outcomes.push(outcome);
    }

    fn outcome(&self, due: &Due, uid: &str, verdict: Verdict) -> Outcome {
        let behind = due.late.map(|late| match late {
            Late::Unchanged => Vec::new(),
            Late::Unacknowledged(generation) => self.acknowledgement.acks.behind(generation),
        });
        let (pod, waited) = (due.pod.clone(), due.waited);
        Outcome { pod, uid: uid.to_owned(), verdict, waited, behind }
    }
}

impl PodView {
    /// Its node sees that it is to end.
    fn show_ending(&mut self) {
        if let Some(ending) = self.ending.take() {
            self.json = ending.json;
            self.fingerprint = ending.fingerprint;
        }
    }
}
