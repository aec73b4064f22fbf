//! Figures of the registry on an embedded store: writes a second, lists with selectors, start,
//! memory.
//!
//! Run alone on a quiet machine: `cargo bench -p sheave-registry`. Prints one line a figure.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sheave_api::selector::{FieldSelector, LabelSelector};
use sheave_api::{Kind, kinds, resource};
use sheave_registry::{Identity, ListOptions, Registry, RegistryConfig, WriteOptions};
use sheave_store::{EmbeddedStore, Store};

const PODS: usize = 10_000;
const WRITE_TIME: Duration = Duration::from_secs(3);

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let directory = tempfile::tempdir().unwrap();
    let (store, registry) = open(directory.path()).await;
    println!("memory, empty: {} MiB", rss_mib());
    for writers in [1, 16, 64] {
        write(&registry, writers).await;
    }
    fill(&registry).await;
    println!("memory, {PODS} pods: {} MiB", rss_mib());
    list(&registry, "all", "", "").await;
    list(&registry, "label app=web-7 (1 of 100)", "app=web-7", "").await;
    list(&registry, "field spec.nodeName= (all)", "", "spec.nodeName=").await;
    list(&registry, "field metadata.name (1)", "", "metadata.name=pod-00042").await;
    store.close().await.unwrap();
    drop((store, registry));
    open(directory.path()).await;
}

async fn open(directory: &Path) -> (Arc<dyn Store>, Arc<Registry>) {
    let start = Instant::now();
    let store: Arc<dyn Store> =
        Arc::new(EmbeddedStore::open(&directory.join("store.redb")).unwrap());
    let registry = Registry::open(RegistryConfig::default(), Arc::clone(&store)).await.unwrap();
    println!("open: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    (store, registry)
}

/// Creates of ConfigMaps of 1 KiB by several clients at a time.
async fn write(registry: &Arc<Registry>, writers: usize) {
    let kind = of(&resource::CONFIG_MAPS);
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let registry = Arc::clone(registry);
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while start.elapsed() < WRITE_TIME {
                    let object = json!({
                        "metadata": { "generateName": "c-" }, "data": { "k": "v".repeat(1024) },
                    });
                    let begin = Instant::now();
                    create(&registry, kind, object).await;
                    latencies.push(begin.elapsed());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |part: usize| latencies[latencies.len() * part / 100].as_secs_f64() * 1e3;
    println!("{writers} writers: {rate:.0}/s, p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
}

async fn fill(registry: &Arc<Registry>) {
    let kind = of(&resource::PODS);
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let registry = Arc::clone(registry);
            tokio::spawn(async move {
                for n in (task..PODS).step_by(64) {
                    create(&registry, kind, pod(n)).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn pod(n: usize) -> Value {
    json!({
        "metadata": {
            "name": format!("pod-{n:05}"),
            "labels": { "app": format!("web-{}", n % 100), "tier": "front" },
        },
        "spec": { "containers": [{ "name": "main", "image": "registry.example/image:1" }] },
    })
}

async fn create(registry: &Registry, kind: &'static Kind, object: Value) {
    let options = WriteOptions::default();
    let who = Identity::control_plane();
    registry.create(&who, kind, "default", object, &options).await.unwrap();
}

async fn list(registry: &Registry, what: &str, labels: &str, fields: &str) {
    let options = ListOptions {
        label_selector: LabelSelector::parse(labels).unwrap(),
        field_selector: FieldSelector::parse(fields).unwrap(),
        ..ListOptions::default()
    };
    let who = Identity::control_plane();
    let start = Instant::now();
    let mut items = 0;
    for _ in 0..20 {
        items = registry.list(&who, of(&resource::PODS), None, &options).await.unwrap().items.len();
    }
    let ms = start.elapsed().as_secs_f64() * 1e3 / 20.0;
    println!("list of {PODS} pods, {what}: {items} in {ms:.3} ms");
}

fn of(resource: &sheave_api::GroupResource) -> &'static Kind {
    kinds::by_group_resource(resource).unwrap()
}

fn rss_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}
