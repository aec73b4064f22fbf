//! `/metrics` of an agent that serves, against the page that describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use sheave_tests::cluster::root;
use sheave_tests::lab::{NODE, Sockets};
use sheave_tests::{http, wait};

use crate::node::Node;

fn scrape(node: &Node) -> String {
    node.lab.node.run(|| http::get(SocketAddr::from((NODE, 10256)), "/metrics")).unwrap()
}

/// The names that the page describes, with their types.
fn described() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    })
    .collect()
}

/// The names that are told, with their types, as they appear on samples.
fn told(text: &str) -> BTreeMap<String, String> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| {
            let (name, kind) = line.split_once(' ').unwrap();
            match kind {
                "counter" => (format!("{name}_total"), "counter".to_owned()),
                // OpenMetrics has a type for this, Prometheus a gauge.
                "info" => (format!("{name}_info"), "gauge".to_owned()),
                other => (name.to_owned(), other.to_owned()),
            }
        })
        .collect()
}

fn value(text: &str, sample: &str) -> f64 {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(sample));
    let found = lines.next().unwrap_or_else(|| panic!("{sample} is not in:\n{text}"));
    found.trim().parse().unwrap()
}

#[test]
fn the_page_describes_every_metric_and_no_other() {
    let node = Node::new("see-metrics");
    // Families without a member are not told.
    let _ = node.lab.node.run(|| http::get(SocketAddr::from((NODE, 10256)), "/healthz"));
    let _ = node.lab.node.run(|| http::get(SocketAddr::from((NODE, 10256)), "/livez"));
    let text = scrape(&node);
    assert_eq!(described(), told(&text), "docs/metrics.md and /metrics differ");
    assert!(text.ends_with("# EOF"), "{text}");
    let names: BTreeSet<&str> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .map(|line| line.split(' ').nth(2).unwrap())
        .collect();
    assert_eq!(names.len(), told(&text).len(), "each is told once");
}

#[test]
fn what_happens_is_counted_under_its_name() {
    let node = Node::new("see-metrics-2");
    let before = scrape(&node);
    assert_eq!(value(&before, "sheave_events_total{event=\"FlowOpened\"}"), 0.0);
    assert_eq!(value(&before, "sheave_dataplane_adopted"), 1.0, "the lab had installed it");
    let _open = node.connect(Sockets::Untouched, "10.96.0.1:80");
    let after = scrape(&node);
    assert_eq!(value(&after, "sheave_events_total{event=\"FlowOpened\"}"), 1.0);
    assert_eq!(value(&after, "sheave_map_entries{map=\"BACKENDS\"}"), 5.0);
    assert!(value(&after, "sheave_map_entries{map=\"FLOWS\"}") >= 1.0);
    assert!(value(&after, "sheave_map_capacity{map=\"FLOWS\"}") > 1000.0);
    let changes = value(&after, "kubeproxy_sync_proxy_rules_endpoint_changes_total");
    assert_eq!(changes, 4.0);

    let manifests = crate::node::MANIFESTS
        .replace("10.244.0.3], nodeName: here, cond", "10.244.0.4], nodeName: here, cond");
    node.lab.serve(&manifests);
    let is_more =
        |text: &String| value(text, "kubeproxy_sync_proxy_rules_endpoint_changes_total") > changes;
    let text =
        wait::until("a change to arrive", Duration::from_secs(10), || scrape(&node), is_more);
    assert!(value(&text, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds") > 1.7e9);
    assert_eq!(value(&text, "sheave_sync_failures_total"), 0.0);
}
