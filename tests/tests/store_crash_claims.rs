//! ClusterIPs and NodePorts under kill -9: the Services in the store and what is claimed for them
//! always agree, and nothing is held twice.
//!
//! This program is both the test and its victim: with `VICTIM` set it creates, changes and deletes
//! Services until it is killed. The ranges are nearly exhausted, so that everything given back is
//! wanted at once.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sheave_api::{Kind, ObjectKey, kinds, resource};
use sheave_registry::{DeleteOptions, Identity, Registry, RegistryConfig, Target, WriteOptions};
use sheave_store::{EmbeddedStore, Store};

const VICTIM: &str = "SHEAVE_TEST_CLAIMS_VICTIM";
const ROUNDS: u64 = 12;
const WRITERS: usize = 6;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::var_os(VICTIM) {
        Some(path) => runtime.block_on(churn(Path::new(&path))),
        None => {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("store.redb");
            let mut services = 0;
            for round in 0..ROUNDS {
                run_victim(&path, Duration::from_millis(60 + round * 29 % 140));
                services += runtime.block_on(check(&path));
            }
            assert!(services > 0, "no round left a Service");
            println!("{ROUNDS} kills, {services} Services seen, nothing held twice: ok");
        }
    }
}

fn run_victim(path: &Path, lifetime: Duration) {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .env(VICTIM, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = [0];
    victim.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    std::thread::sleep(lifetime);
    victim.kill().unwrap();
    assert!(!victim.wait().unwrap().success(), "the victim ended by itself");
}

fn services() -> &'static Kind {
    kinds::by_group_resource(&resource::SERVICES).unwrap()
}

fn config() -> RegistryConfig {
    RegistryConfig {
        service_cidrs: vec!["10.1.0.0/28".parse().unwrap()],
        node_ports: 30000..=30011,
        ..RegistryConfig::default()
    }
}

async fn churn(path: &Path) {
    let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(path).unwrap());
    let registry = Registry::open(config(), store).await.unwrap();
    println!("r");
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(churn_three(Arc::clone(&registry), writer)))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

/// Three names in turn: there, then of another type, then gone.
async fn churn_three(registry: Arc<Registry>, writer: usize) {
    let who = Identity::control_plane();
    let options = WriteOptions::default();
    for n in 0.. {
        let key = ObjectKey::new("default", format!("s{writer}-{}", n % 3));
        let service = json!({
            "metadata": { "name": key.name },
            "spec": { "type": "NodePort", "ports": [{ "port": 80 }] },
        });
        if registry.create(&who, services(), "default", service, &options).await.is_ok() {
            continue;
        }
        let target = Target { kind: services(), key: &key, subresource: None };
        let retype = |service: &Value| {
            let mut service = service.clone();
            service["spec"]["type"] = json!("ClusterIP");
            Ok(service)
        };
        if n % 2 == 0 {
            // The name may be free because the ranges were exhausted: then there is nothing to
            // change.
            drop(registry.patch(&who, target, &retype, &options).await);
        } else {
            drop(registry.delete(&who, services(), &key, &DeleteOptions::default()).await);
        }
    }
}

/// Compares the claims in the store with the Services, and returns how many of these there are.
async fn check(path: &Path) -> usize {
    let store = EmbeddedStore::open(path).unwrap();
    let mut held = Vec::new();
    let stored = store.list(b"objects/services/").await.unwrap().entries;
    for entry in &stored {
        let service: Value = serde_json::from_slice(&entry.value).unwrap();
        let spec = &service["spec"];
        held.push(format!("claims/clusterip/{}", spec["clusterIP"].as_str().unwrap()));
        if let Some(port) = spec["ports"][0]["nodePort"].as_u64() {
            held.push(format!("claims/nodeport/{port}"));
        }
    }
    let distinct: BTreeSet<_> = held.iter().cloned().collect();
    assert_eq!(distinct.len(), held.len(), "held twice: {held:?}");
    let claims = store.list(b"claims/").await.unwrap().entries;
    let claimed: BTreeSet<_> =
        claims.iter().map(|entry| String::from_utf8(entry.key.to_vec()).unwrap()).collect();
    assert_eq!(claimed, distinct, "claims and Services disagree");
    store.close().await.unwrap();
    stored.len()
}
