//! How far the nodes are, for people: as one JSON object and as metrics.

use std::fmt::Write as _;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Inner, State};
use crate::acks::{Health, Standing};

impl State {
    /// What every node has in effect, and since when each Service's newest change is in effect on all.
    pub(crate) fn progress(&self) -> Value {
        let inner = self.inner.lock();
        let now = Instant::now();
        let acks = &inner.acknowledgement.acks;
        let nodes: Vec<Value> =
            acks.nodes().map(|(name, standing)| inner.node(name, standing, now)).collect();
        let services = inner.acknowledgement.propagation.services().map(|(key, change)| {
            let time = |at: Timestamp| sheave_api::time::micros(at);
            json!({
                "namespace": key.namespace, "name": key.name, "generation": change.generation,
                "knownAt": time(change.known_at), "liveAt": change.live_at.map(time),
                "behind": match change.live_at {
                    Some(_) => Vec::new(),
                    None => acks.behind(change.generation),
                },
            })
        });
        let services: Vec<Value> = services.collect();
        let (ends, arrivals) = inner.acknowledgement.waiting();
        json!({
            "epoch": self.epoch, "newest": inner.log.newest(), "nodes": nodes, "services": services,
            "podsHeldBack": ends, "podsNotLive": arrivals,
        })
    }

    /// In the Prometheus text format.
    pub(crate) fn metrics(&self) -> String {
        let inner = self.inner.lock();
        let waits = &inner.acknowledgement;
        let now = Instant::now();
        let lag = |standing: Standing| inner.lag_s(standing, now);
        let behind = waits.acks.nodes().filter(|(_, s)| s.counts() && lag(*s).is_some()).count();
        let connected = waits.acks.nodes().filter(|(_, s)| s.connected).count();
        let (ends, arrivals) = waits.waiting();
        let mut text = waits.propagation.seconds().render(
            "sheave_service_propagation_seconds",
            "From a change of a Service or its endpoints to its being in effect on every node.",
        );
        let counts = &waits.counts;
        text += &counts.end_seconds.render(
            "sheave_pod_end_wait_seconds",
            "How long pods that were endpoints were held back until no node chose them any more.",
        );
        let gauges = [
            ("sheave_nodes_connected", "Nodes whose agent is connected.", connected),
            ("sheave_nodes_behind", "Nodes that others wait for now.", behind),
            (
                "sheave_pods_held_back",
                "Pods that are to end and that some node still chooses.",
                ends,
            ),
            (
                "sheave_pods_not_live",
                "Ready pods whose endpoints are not in effect everywhere.",
                arrivals,
            ),
        ];
        // Writing to a String cannot fail.
        for (name, help, value) in gauges {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
        }
        let outcomes = [
            (
                "sheave_pod_end_waits_total",
                "Pods that waited to end, by what ended the waiting.",
                [counts.ends_acknowledged, counts.ends_late],
            ),
            (
                "sheave_pod_live_waits_total",
                "Pods that waited to be live, by what ended the waiting.",
                [counts.live_acknowledged, counts.live_late],
            ),
        ];
        for (name, help, [acknowledged, late]) in outcomes {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
            let _ = writeln!(text, "{name}{{outcome=\"acknowledged\"}} {acknowledged}");
            let _ = writeln!(text, "{name}{{outcome=\"deadline\"}} {late}");
        }
        text
    }
}

impl Inner {
    fn node(&self, name: &str, standing: Standing, now: Instant) -> Value {
        json!({
            "name": name, "connected": standing.connected, "ready": standing.health == Health::Ready,
            "acked": standing.acked, "lagSeconds": self.lag_s(standing, now),
        })
    }

    /// For how long the oldest change of a Service that is not in effect on a node has been waiting for it;
    /// `None` when there is no such change.
    fn lag_s(&self, standing: Standing, now: Instant) -> Option<f64> {
        let since = self.acknowledgement.propagation.behind_since(standing.acked)?;
        Some(now.saturating_duration_since(since).as_secs_f64())
    }
}
