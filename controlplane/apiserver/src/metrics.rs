//! Counters of the API server, in the Prometheus text format and under the names Kubernetes uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one request counts under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RequestLabels {
    verb: &'static str,
    /// Plural of a known kind, or empty: clients cannot make up series.
    resource: &'static str,
    code: u16,
}

#[derive(Clone, Copy, Default)]
struct Requests {
    count: u64,
    seconds: f64,
}

/// All counters; shared by every connection.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<RequestLabels, Requests>>,
    watches: Arc<AtomicI64>,
    tunnels: Arc<AtomicI64>,
}

/// Counts one long-lived thing until dropped.
pub(crate) struct Running(Arc<AtomicI64>);

impl Running {
    fn start(gauge: &Arc<AtomicI64>) -> Self {
        gauge.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(gauge))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts an answered request.
    pub(crate) fn request(
        &self,
        verb: &'static str,
        resource: &'static str,
        code: u16,
        took: Duration,
    ) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = requests.entry(RequestLabels { verb, resource, code }).or_default();
        entry.count += 1;
        entry.seconds += took.as_secs_f64();
    }

    /// Counts a watch until the result is dropped.
    pub(crate) fn watch(&self) -> Running {
        Running::start(&self.watches)
    }

    /// Counts an exec, attach, port-forward or log stream until the result is dropped.
    pub(crate) fn tunnel(&self) -> Running {
        Running::start(&self.tunnels)
    }

    /// Everything in the Prometheus text format.
    pub(crate) fn render(&self) -> String {
        let mut text = String::from(
            "# HELP apiserver_request_total Answered requests.\n\
             # TYPE apiserver_request_total counter\n",
        );
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut durations = String::from(
            "# HELP apiserver_request_duration_seconds Time to the head of the answer.\n\
             # TYPE apiserver_request_duration_seconds summary\n",
        );
        for (RequestLabels { verb, resource, code }, Requests { count, seconds }) in &requests {
            let labels = format!("{{verb=\"{verb}\",resource=\"{resource}\",code=\"{code}\"}}");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "apiserver_request_total{labels} {count}");
            let _ = writeln!(durations, "apiserver_request_duration_seconds_sum{labels} {seconds}");
            let _ = writeln!(durations, "apiserver_request_duration_seconds_count{labels} {count}");
        }
        text.push_str(&durations);
        text.push_str(
            "# HELP apiserver_longrunning_requests Watches, logs and tunnels now open.\n\
             # TYPE apiserver_longrunning_requests gauge\n",
        );
        for (verb, gauge) in [("WATCH", &self.watches), ("CONNECT", &self.tunnels)] {
            let open = gauge.load(Ordering::Relaxed);
            let _ = writeln!(text, "apiserver_longrunning_requests{{verb=\"{verb}\"}} {open}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_labels_and_forgets_what_ended() {
        let metrics = Metrics::default();
        metrics.request("GET", "pods", 200, Duration::from_millis(500));
        metrics.request("GET", "pods", 200, Duration::from_millis(250));
        metrics.request("POST", "pods", 409, Duration::ZERO);
        let watch = metrics.watch();
        let text = metrics.render();
        assert!(
            text.contains(
                "apiserver_request_total{verb=\"GET\",resource=\"pods\",code=\"200\"} 2\n"
            )
        );
        assert!(text.contains(
            "apiserver_request_duration_seconds_sum{verb=\"GET\",resource=\"pods\",code=\"200\"} 0.75\n"
        ));
        assert!(text.contains("apiserver_longrunning_requests{verb=\"WATCH\"} 1\n"));
        drop(watch);
        assert!(metrics.render().contains("apiserver_longrunning_requests{verb=\"WATCH\"} 0\n"));
    }
}
