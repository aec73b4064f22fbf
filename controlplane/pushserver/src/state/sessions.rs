//! The streams that nodes have open: at most one a node, and the newest counts.

use std::time::Duration;

use sheave_push::v1::ServerMessage;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::State;

/// A node that has hung up comes back this soon, if it only changed its certificate or its server's process.
const RETURN_LIMIT: Duration = Duration::from_secs(5);

/// Dropped with what is known of it: whoever works for the stream sees that by its [`Presence`].
pub(super) struct Session {
    id: u64,
    direct: mpsc::Sender<ServerMessage>,
    _present: watch::Sender<()>,
}

/// How long a stream is the node's own: until it is disconnected, or another of the same node begins.
#[derive(Clone)]
pub(crate) struct Presence(watch::Receiver<()>);

impl Presence {
    /// Completes when the stream is the node's no more. Safe to drop and call again.
    pub(crate) async fn over(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

impl State {
    /// A stream of this node begins; a former one of the same node ends.
    pub(crate) fn connect(
        &self,
        node: &str,
        id: u64,
        direct: mpsc::Sender<ServerMessage>,
    ) -> Presence {
        let (present, presence) = watch::channel(());
        self.change(|inner| {
            inner.left.remove(node);
            inner.sessions.insert(node.into(), Session { id, direct, _present: present });
            inner.acknowledgement.acks.connected(node, true);
        });
        self.connected.send_modify(|count| *count += 1);
        Presence(presence)
    }

    /// A stream of this node has ended. Does nothing when a newer one has taken its place.
    pub(crate) fn disconnect(&self, node: &str, id: u64) {
        self.change(|inner| {
            if inner.sessions.get(node).is_some_and(|s| s.id == id) {
                inner.sessions.remove(node);
                inner.left.retain(|_, at| at.elapsed() < RETURN_LIMIT);
                inner.left.insert(node.into(), Instant::now());
                inner.acknowledgement.acks.connected(node, false);
            }
        });
    }

    /// True while this node has a stream.
    pub(crate) fn is_connected(&self, node: &str) -> bool {
        self.inner.lock().sessions.contains_key(node)
    }

    pub(crate) fn ack(&self, node: &str, id: u64, generation: u64) {
        self.change(|inner| {
            // What was never sent cannot be in effect.
            if inner.sessions.get(node).is_some_and(|s| s.id == id)
                && generation <= inner.log.newest()
            {
                inner.acknowledgement.acks.acked(node, generation);
            }
        });
    }

    /// Where messages that are no state can be sent to a node, if it is connected, or comes back soon.
    pub(crate) async fn direct(&self, node: &str) -> Option<mpsc::Sender<ServerMessage>> {
        let mut connected = self.connected.subscribe();
        loop {
            // Marked before looking, so that one that comes in between is not missed.
            connected.borrow_and_update();
            let until = {
                let inner = self.inner.lock();
                if let Some(session) = inner.sessions.get(node) {
                    return Some(session.direct.clone());
                }
                *inner.left.get(node)? + RETURN_LIMIT
            };
            tokio::time::timeout_at(until, connected.changed()).await.ok()?.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_a_node_that_is_about_to_come_back_waits_for_it() {
        let state = Arc::new(State::new(None));
        assert!(state.direct("n1").await.is_none(), "never there");
        let (direct, _messages) = mpsc::channel(1);
        state.connect("n1", 1, direct.clone());
        assert!(state.direct("n1").await.is_some());
        state.disconnect("n1", 1);
        let asked = tokio::spawn({
            let state = Arc::clone(&state);
            async move { state.direct("n1").await.is_some() }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!asked.is_finished());
        state.connect("n1", 2, direct);
        assert!(asked.await.unwrap());
        state.disconnect("n1", 2);
        let began = Instant::now();
        assert!(state.direct("n1").await.is_none(), "it stays away");
        assert!(began.elapsed() <= RETURN_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_over_when_another_of_the_node_begins_or_it_is_disconnected() {
        let state = State::new(None);
        let (direct, _messages) = mpsc::channel(1);
        let soon = Duration::from_secs(1);
        let mut first = state.connect("n1", 1, direct.clone());
        let mut other = state.connect("n2", 2, direct.clone());
        assert!(tokio::time::timeout(soon, first.over()).await.is_err(), "it is the only one");
        let mut second = state.connect("n1", 3, direct);
        assert!(tokio::time::timeout(soon, first.over()).await.is_ok());
        state.disconnect("n1", 1);
        assert!(state.is_connected("n1"), "its end is not that of the second");
        assert!(tokio::time::timeout(soon, second.over()).await.is_err());
        state.disconnect("n1", 3);
        assert!(tokio::time::timeout(soon, second.over()).await.is_ok());
        assert!(tokio::time::timeout(soon, other.over()).await.is_err());
    }
}
