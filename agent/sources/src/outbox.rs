//! What the node says, on its way to the server: kept until a connection takes it, and the newest of each
//! said again on every new connection. A status is a level, so an older one that was never sent is not
//! missed; events are lost when too many wait or a connection breaks under them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use parking_lot::Mutex;
use sheave_push::v1::{self, agent_message::Kind};
use tokio::sync::Notify;

use crate::push::Generation;

/// Events that wait while the server is away; the oldest give way.
const EVENTS_MAX: usize = 512;

/// Shared by those who say things and the connection of the day.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Of the server on the line.
    epoch: u64,
    /// Newest acknowledged generation of that epoch.
    ack: Option<u64>,
    ack_is_new: bool,
    node_status: Option<Bytes>,
    node_status_is_new: bool,
    /// By uid.
    pods: BTreeMap<String, Pod>,
    /// Uids with something new, in the order in which it came.
    changed: VecDeque<String>,
    events: VecDeque<v1::Event>,
}

#[derive(Debug, Default)]
struct Pod {
    status: Option<v1::PodStatus>,
    ended: Option<v1::PodEnded>,
    /// The object is gone: nobody will want to hear its status again.
    gone: bool,
}

impl Outbox {
    pub(crate) fn ack(&self, Generation { epoch, number }: Generation) {
        self.change(|waiting| {
            if waiting.epoch == epoch && waiting.ack.is_none_or(|acked| acked < number) {
                (waiting.ack, waiting.ack_is_new) = (Some(number), true);
            }
        });
    }

    pub(crate) fn node_status(&self, status: Bytes) {
        self.change(|waiting| {
            (waiting.node_status, waiting.node_status_is_new) = (Some(status), true);
        });
    }

    pub(crate) fn pod_status(&self, status: v1::PodStatus) {
        self.change(|waiting| {
            let uid = status.uid.clone();
            waiting.pods.entry(uid.clone()).or_default().status = Some(status);
            waiting.mark(uid);
        });
    }

    pub(crate) fn pod_ended(&self, ended: v1::PodEnded) {
        self.change(|waiting| {
            let uid = ended.uid.clone();
            waiting.pods.entry(uid.clone()).or_default().ended = Some(ended);
            waiting.mark(uid);
        });
    }

    pub(crate) fn event(&self, event: v1::Event) {
        self.change(|waiting| {
            if waiting.events.len() == EVENTS_MAX {
                waiting.events.pop_front();
            }
            waiting.events.push_back(event);
        });
    }

    /// The object is gone from the API.
    pub(crate) fn pod_gone(&self, key: &v1::ObjectKey) {
        let mut waiting = self.waiting.lock();
        waiting.pods.retain(|_, pod| {
            let is_it = pod.status.as_ref().is_some_and(|status| status.pod.as_ref() == Some(key));
            pod.gone |= is_it;
            // Ended and gone: nothing is left to say.
            !(is_it && pod.ended.is_some())
        });
    }

    /// The pods that the API still has, once that is completely known.
    pub(crate) fn retain_pods(&self, uids: &BTreeSet<String>) {
        let mut waiting = self.waiting.lock();
        for (uid, pod) in &mut waiting.pods {
            pod.gone |= !uids.contains(uid);
        }
        waiting.pods.retain(|_, pod| !(pod.gone && pod.ended.is_some()));
    }

    /// A new connection knows nothing: the newest of everything is to be said again.
    pub(crate) fn start_over(&self, epoch: u64) {
        self.change(|waiting| {
            if waiting.epoch != epoch {
                (waiting.epoch, waiting.ack) = (epoch, None);
            }
            waiting.ack_is_new = waiting.ack.is_some();
            waiting.node_status_is_new = waiting.node_status.is_some();
            waiting.changed = waiting.pods.keys().cloned().collect();
        });
    }

    /// Completes when there is something to take.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Everything that is new: acks first, then statuses and ends in their order, then events.
    pub(crate) fn take(&self) -> Vec<Kind> {
        let mut waiting = self.waiting.lock();
        let mut messages = Vec::new();
        if std::mem::take(&mut waiting.ack_is_new) {
            messages.extend(waiting.ack.map(|generation| Kind::Ack(v1::Ack { generation })));
        }
        if std::mem::take(&mut waiting.node_status_is_new) {
            messages.extend(waiting.node_status.clone().map(Kind::NodeStatus));
        }
        for uid in std::mem::take(&mut waiting.changed) {
            let Some(pod) = waiting.pods.get(&uid) else { continue };
            messages.extend(pod.status.clone().map(Kind::PodStatus));
            messages.extend(pod.ended.clone().map(Kind::PodEnded));
            if pod.gone && pod.ended.is_some() {
                waiting.pods.remove(&uid);
            }
        }
        messages.extend(waiting.events.drain(..).map(Kind::Event));
        messages
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        change(&mut self.waiting.lock());
        self.filled.notify_one();
    }
}

impl Waiting {
    fn mark(&mut self, uid: String) {
        if !self.changed.contains(&uid) {
            self.changed.push_back(uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> v1::ObjectKey {
        v1::ObjectKey { namespace: "default".into(), name: name.into() }
    }

    fn status(name: &str, status: &'static str) -> v1::PodStatus {
        v1::PodStatus { pod: Some(key(name)), uid: name.into(), status: status.into() }
    }

    fn generation(epoch: u64, number: u64) -> Generation {
        Generation { epoch, number }
    }

    fn ended(name: &str) -> v1::PodEnded {
        v1::PodEnded { pod: Some(key(name)), uid: name.into() }
    }

    #[test]
    fn only_the_newest_status_is_sent() {
        let outbox = Outbox::default();
        outbox.pod_status(status("a", "1"));
        outbox.pod_status(status("b", "1"));
        outbox.pod_status(status("a", "2"));
        let expected = [Kind::PodStatus(status("a", "2")), Kind::PodStatus(status("b", "1"))];
        assert_eq!(outbox.take(), expected);
        assert_eq!(outbox.take(), []);
    }

    #[test]
    fn a_new_connection_hears_everything_but_events_again() {
        let outbox = Outbox::default();
        outbox.ack(generation(0, 7));
        outbox.pod_status(status("a", "1"));
        outbox.node_status("n".into());
        outbox.event(v1::Event::default());
        assert_eq!(outbox.take().len(), 4);
        outbox.start_over(0);
        let again = [
            Kind::Ack(v1::Ack { generation: 7 }),
            Kind::NodeStatus("n".into()),
            Kind::PodStatus(status("a", "1")),
        ];
        assert_eq!(outbox.take(), again);
        outbox.start_over(1);
        assert_eq!(outbox.take(), again[1..], "another server counts its own generations");
        outbox.ack(generation(0, 8));
        assert_eq!(outbox.take(), [], "and hears of no other's");
    }

    #[test]
    fn an_end_is_repeated_until_the_object_is_gone() {
        let outbox = Outbox::default();
        outbox.pod_status(status("a", "1"));
        outbox.pod_ended(ended("a"));
        assert_eq!(outbox.take().len(), 2);
        outbox.start_over(0);
        assert_eq!(outbox.take().len(), 2);
        outbox.pod_gone(&key("a"));
        outbox.start_over(0);
        assert_eq!(outbox.take(), []);
    }

    #[test]
    fn an_object_that_is_gone_first_is_forgotten_at_its_end() {
        let outbox = Outbox::default();
        outbox.pod_status(status("a", "1"));
        outbox.pod_gone(&key("a"));
        outbox.pod_ended(ended("a"));
        assert_eq!(outbox.take().len(), 2);
        outbox.start_over(0);
        assert_eq!(outbox.take(), []);
    }

    #[test]
    fn acks_only_grow() {
        let outbox = Outbox::default();
        outbox.ack(generation(0, 7));
        outbox.ack(generation(0, 6));
        assert_eq!(outbox.take(), [Kind::Ack(v1::Ack { generation: 7 })]);
    }

    #[test]
    fn events_are_bounded() {
        let outbox = Outbox::default();
        for number in 0..EVENTS_MAX + 1 {
            outbox.event(v1::Event { message: number.to_string(), ..Default::default() });
        }
        let taken = outbox.take();
        assert_eq!(taken.len(), EVENTS_MAX);
        assert!(matches!(&taken[0], Kind::Event(event) if event.message == "1"));
    }
}
