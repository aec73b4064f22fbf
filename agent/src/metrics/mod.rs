//! `/metrics`: what the agent and the programs have counted, in the OpenMetrics text format. Names are
//! kube-proxy's where the meaning is the same; `docs/metrics.md` lists them all.
//!
//! What the kernel holds is read when somebody scrapes, and nothing is kept for it in between.

mod dns;
mod kernel;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use sheave_dns::counts::Counts;
use sheave_sources::What;

use dns::Dns;
use kernel::Kernel;

type Labels = [(&'static str, String); 1];

/// Of the way of a change into the answers, in seconds: 20 ms, which are the promise, are a bound.
const UPDATE_BOUNDS: [f64; 15] = [
    0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
];

/// What is measured. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    registry: Registry,
    measured: Measured,
    dns: Arc<Counts>,
}

/// What the agent itself measures.
#[derive(Clone, Debug)]
struct Measured {
    sync_duration: Histogram,
    programming_duration: Histogram,
    names_duration: Histogram,
    last_sync: Gauge<f64, std::sync::atomic::AtomicU64>,
    last_queued: Gauge<f64, std::sync::atomic::AtomicU64>,
    service_changes: Counter,
    endpoint_changes: Counter,
    sync_failures: Counter,
    map_writes: Counter,
    generation: Gauge,
    healthz: Family<Labels, Counter>,
    livez: Family<Labels, Counter>,
}

/// What was measured of one attempt to bring the maps in step.
#[derive(Debug)]
pub(crate) enum Sync {
    /// They are, up to this generation.
    InEffect {
        /// The server's number.
        generation: u64,
        /// Since the agent started.
        writes_total: u64,
    },
    /// Not before a complete state is known.
    NotComplete,
    /// They are not.
    Failed,
}

impl Metrics {
    /// `adopted`: the programs and maps were there before this agent.
    pub(crate) fn new(bpffs_dir: PathBuf, adopted: bool) -> Self {
        // From 50 us to 13 s.
        let seconds = || Histogram::new(exponential_buckets(0.000_05, 2.0, 19));
        let measured = Measured {
            sync_duration: seconds(),
            programming_duration: seconds(),
            names_duration: Histogram::new(UPDATE_BOUNDS),
            last_sync: Gauge::default(),
            last_queued: Gauge::default(),
            service_changes: Counter::default(),
            endpoint_changes: Counter::default(),
            sync_failures: Counter::default(),
            map_writes: Counter::default(),
            generation: Gauge::default(),
            healthz: Family::default(),
            livez: Family::default(),
        };
        let mut registry = Registry::default();
        register_kube_proxys(&mut registry, &measured);
        register_ours(&mut registry, &measured, adopted);
        registry.register_collector(Box::new(Kernel { bpffs_dir }));
        let dns = Arc::<Counts>::default();
        registry.register_collector(Box::new(Dns { counts: Arc::clone(&dns) }));
        Self(Arc::new(Shared { registry, measured, dns }))
    }

    /// A change has come from the source.
    pub(crate) fn noted(&self, what: &What) {
        use sheave_core::model::Update;
        let measured = &self.0.measured;
        match what {
            What::Services(
                Update::Service(_) | Update::NamedService(_) | Update::ServiceGone(_),
            ) => {
                measured.service_changes.inc();
            }
            What::Services(Update::EndpointSlice(_) | Update::EndpointSliceGone(_)) => {
                measured.endpoint_changes.inc();
            }
            _ => return,
        }
        measured.last_queued.set(unix_s());
    }

    /// An attempt has ended that began at `began`, for changes that came at `received`.
    pub(crate) fn synced(&self, received: Instant, began: Instant, sync: &Sync) {
        let measured = &self.0.measured;
        match sync {
            Sync::InEffect { generation, writes_total } => {
                measured.sync_duration.observe(began.elapsed().as_secs_f64());
                measured.programming_duration.observe(received.elapsed().as_secs_f64());
                measured.last_sync.set(unix_s());
                measured.generation.set(i64::try_from(*generation).unwrap_or(i64::MAX));
                let more = writes_total.saturating_sub(measured.map_writes.get());
                measured.map_writes.inc_by(more);
            }
            Sync::NotComplete => {}
            Sync::Failed => {
                measured.sync_failures.inc();
            }
        }
    }

    /// Changes that came at `received` are in what the DNS server answers.
    pub(crate) fn named(&self, received: Instant) {
        self.0.measured.names_duration.observe(received.elapsed().as_secs_f64());
    }

    /// What the DNS server counts, whether there is one or not.
    pub(crate) fn dns(&self) -> Arc<Counts> {
        Arc::clone(&self.0.dns)
    }

    /// Adds `/metrics` to the health checks, and counts how those are answered.
    pub(crate) fn serve_beside(&self, health: Router) -> Router {
        let (scraped, counting) = (self.clone(), self.clone());
        let count = move |request: Request, next: Next| {
            let metrics = counting.clone();
            async move { metrics.count(request, next).await }
        };
        health
            .layer(middleware::from_fn(count))
            .route("/metrics", get(async move || scraped.scrape().await))
    }

    async fn count(&self, request: Request, next: Next) -> Response {
        let family = match request.uri().path() {
            "/healthz" => Some(&self.0.measured.healthz),
            "/livez" => Some(&self.0.measured.livez),
            _ => None,
        };
        let response = next.run(request).await;
        if let Some(family) = family {
            family.get_or_create(&[("code", response.status().as_str().to_owned())]).inc();
        }
        response
    }

    async fn scrape(self) -> Response {
        // Reading maps blocks.
        let encoded = tokio::task::spawn_blocking(move || self.text()).await;
        match encoded {
            Ok(Ok(text)) => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(header::CONTENT_TYPE, kind)], text).into_response()
            }
            Ok(Err(error)) => refused(&error),
            Err(error) => refused(&error),
        }
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }
}

fn refused(error: &dyn std::error::Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}

/// Same name, same meaning.
fn register_kube_proxys(registry: &mut Registry, measured: &Measured) {
    let registry = registry.sub_registry_with_prefix("kubeproxy");
    registry.register(
        "sync_proxy_rules_duration_seconds",
        "How long it took to bring the maps in step",
        measured.sync_duration.clone(),
    );
    registry.register(
        "sync_proxy_rules_last_timestamp_seconds",
        "When the maps were last brought in step",
        measured.last_sync.clone(),
    );
    registry.register(
        "sync_proxy_rules_last_queued_timestamp_seconds",
        "When a change of Services or endpoints last came",
        measured.last_queued.clone(),
    );
    registry.register(
        "sync_proxy_rules_service_changes",
        "Changes of Services that came",
        measured.service_changes.clone(),
    );
    registry.register(
        "sync_proxy_rules_endpoint_changes",
        "Changes of EndpointSlices that came",
        measured.endpoint_changes.clone(),
    );
    registry.register("proxy_healthz", "Answers to /healthz by status", measured.healthz.clone());
    registry.register("proxy_livez", "Answers to /livez by status", measured.livez.clone());
}

fn register_ours(registry: &mut Registry, measured: &Measured, adopted: bool) {
    let registry = registry.sub_registry_with_prefix("sheave");
    registry.register(
        "programming_duration_seconds",
        "From a change's arrival at the agent until it is in the kernel",
        measured.programming_duration.clone(),
    );
    registry.register(
        "dns_update_duration_seconds",
        "From a change's arrival at the agent until names are answered by it",
        measured.names_duration.clone(),
    );
    registry.register(
        "sync_failures",
        "Attempts to bring the maps in step that failed",
        measured.sync_failures.clone(),
    );
    registry.register("map_writes", "Map entries written", measured.map_writes.clone());
    registry.register(
        "generation",
        "The control plane's number of the newest state in effect",
        measured.generation.clone(),
    );
    let is_adopted = Gauge::<i64>::default();
    is_adopted.set(i64::from(adopted));
    registry.register(
        "dataplane_adopted",
        "1: the agent took over programs and maps that were running when it started",
        is_adopted,
    );
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "This program", version);
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sheave_core::model::{ObjectKey, Update};
    use sheave_dns::counts::{
        CodeLabel, DropReason, Response, Transport, TypeLabel, UpstreamOutcome, ZoneLabel,
    };

    #[test]
    fn what_is_measured_is_told_under_its_name() {
        let metrics = Metrics::new("/nowhere".into(), true);
        let key = ObjectKey { namespace: "a".into(), name: "b".into() };
        metrics.noted(&What::Services(Update::ServiceGone(key.clone())));
        metrics.noted(&What::Services(Update::EndpointSliceGone(key)));
        metrics.noted(&What::Init);
        let now = Instant::now();
        metrics.synced(now, now, &Sync::InEffect { generation: 7, writes_total: 3 });
        metrics.synced(now, now, &Sync::InEffect { generation: 8, writes_total: 5 });
        metrics.synced(now, now, &Sync::Failed);
        metrics.synced(now, now, &Sync::NotComplete);
        metrics.named(now);
        let dns = metrics.dns();
        let response = Response {
            zone: ZoneLabel::Cluster,
            record_type: TypeLabel::Aaaa,
            code: CodeLabel::NxDomain,
            transport: Transport::Tcp,
        };
        dns.responded(response, Duration::from_micros(70));
        dns.dropped(DropReason::Full);
        dns.answered_from_cache();
        dns.queried(UpstreamOutcome::Silent);
        dns.set_upstreams_looping(2);
        let text = metrics.text().unwrap();
        for line in [
            "kubeproxy_sync_proxy_rules_service_changes_total 1",
            "kubeproxy_sync_proxy_rules_endpoint_changes_total 1",
            "kubeproxy_sync_proxy_rules_duration_seconds_count 2",
            "sheave_programming_duration_seconds_count 2",
            "sheave_dns_update_duration_seconds_count 1",
            "sheave_sync_failures_total 1",
            "sheave_map_writes_total 5",
            "sheave_generation 8",
            "sheave_dataplane_adopted 1",
            "sheave_dns_responses_total{zone=\"cluster\",type=\"AAAA\",rcode=\"NXDOMAIN\",transport=\"tcp\"} 1",
            "sheave_dns_response_duration_seconds_sum{zone=\"cluster\"} 0.00007",
            "sheave_dns_response_duration_seconds_count{zone=\"cluster\"} 1",
            "sheave_dns_response_duration_seconds_bucket{le=\"0.00005\",zone=\"cluster\"} 0",
            "sheave_dns_response_duration_seconds_bucket{le=\"0.0001\",zone=\"cluster\"} 1",
            "sheave_dns_response_duration_seconds_bucket{le=\"+Inf\",zone=\"cluster\"} 1",
            "sheave_dns_response_duration_seconds_count{zone=\"other\"} 0",
            "sheave_dns_dropped_total{reason=\"full\"} 1",
            "sheave_dns_dropped_total{reason=\"malformed\"} 0",
            "sheave_dns_cache_answers_total 1",
            "sheave_dns_upstream_queries_total{outcome=\"silent\"} 1",
            "sheave_dns_upstreams_looping 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }
}
