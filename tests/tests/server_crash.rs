//! kill -9 of the server while eight clients write: no acknowledged write is lost, nothing is half
//! there, and a watch goes on where it was.

use sheave_tests::kubectl::Kubectl;
use sheave_tests::server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CLIENTS: usize = 8;
const KILLS: usize = 20;

#[test]
fn acknowledged_objects_survive_twenty_kills_of_the_server() {
    let mut server = Server::start();
    // Not with `get --output`: kubectl makes a list of its own, without a revision.
    let text = server.kubectl(&["get", "--raw", "/api/v1/namespaces/default/configmaps"]);
    let before: serde_json::Value = serde_json::from_str(&text).expect("a list is JSON");
    let first_revision =
        before["metadata"]["resourceVersion"].as_str().expect("a list has a revision");
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<Acknowledged> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (kubeconfig, stop) = (Client(server.kubeconfig()), &stop);
                scope.spawn(move || create_until(stop, &kubeconfig, client))
            })
            .collect();
        for _ in 0..KILLS {
            // Long enough that some creates are acknowledged between two kills.
            std::thread::sleep(Duration::from_millis(700));
            server.kill_and_start();
        }
        server.wait_ready();
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("a client only creates"))
            .collect()
    });
    assert!(acknowledged.len() > KILLS, "only {} creates succeeded", acknowledged.len());

    let listed = list(&server, "configmaps,services");
    for object in &acknowledged {
        let found = listed.get(&(object.kind.clone(), object.name.clone()));
        let found = found.unwrap_or_else(|| panic!("{object:?} was acknowledged and is lost"));
        assert_eq!(found["metadata"]["uid"], object.uid, "{object:?}");
        assert_eq!(found["metadata"]["resourceVersion"], object.revision, "{object:?}");
    }
    assert_nothing_twice(&listed);
    assert_watch_resumes(&server, first_revision, &acknowledged);
}

/// A client that goes on while the server is replaced.
struct Client(PathBuf);

impl Kubectl for Client {
    fn kubeconfig(&self) -> PathBuf {
        self.0.clone()
    }
}

/// An object whose creation was answered.
#[derive(Debug)]
struct Acknowledged {
    kind: String,
    name: String,
    uid: String,
    revision: String,
}

/// Creates ConfigMaps and Services in turn, until told to stop; a create that fails may or may not
/// have happened, and is not counted.
fn create_until(stop: &AtomicBool, server: &impl Kubectl, client: usize) -> Vec<Acknowledged> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("object-{client}-{number}");
        let arguments: &[&str] = if number % 2 == 0 {
            &["create", "configmap", &name, "--from-literal=key=value", "--output=json"]
        } else {
            &["create", "service", "nodeport", &name, "--tcp=80:8080", "--output=json"]
        };
        let said = server.try_kubectl(arguments);
        let object: serde_json::Value = match serde_json::from_str(&said.stdout) {
            Ok(object) if said.ok => object,
            // The server is away for a moment.
            _ => continue,
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        acknowledged.push(Acknowledged {
            kind: text(&object["kind"]),
            name,
            uid: text(&object["metadata"]["uid"]),
            revision: text(&object["metadata"]["resourceVersion"]),
        });
    }
    acknowledged
}

type Objects = BTreeMap<(String, String), serde_json::Value>;

fn list(server: &impl Kubectl, kinds: &str) -> Objects {
    let text = server.kubectl(&["get", kinds, "--output=json"]);
    let list: serde_json::Value = serde_json::from_str(&text).expect("kubectl writes JSON");
    let items = list["items"].as_array().expect("a list has items");
    items
        .iter()
        .map(|item| {
            let kind = item["kind"].as_str().expect("an item has a kind");
            let name = item["metadata"]["name"].as_str().expect("an item has a name");
            ((kind.to_owned(), name.to_owned()), item.clone())
        })
        .collect()
}

/// No address and no node port belongs to two Services, and each Service has both.
fn assert_nothing_twice(objects: &Objects) {
    let mut taken = BTreeSet::new();
    for ((kind, name), object) in objects {
        if kind != "Service" || !name.starts_with("object-") {
            continue;
        }
        for value in [&object["spec"]["clusterIP"], &object["spec"]["ports"][0]["nodePort"]] {
            assert!(!value.is_null(), "the Service {name} is half there: {object}");
            assert!(taken.insert(value.to_string()), "{value} was given twice, again to {name}");
        }
    }
}

/// A watch from before the first kill brings every object once, in order, or says 410.
fn assert_watch_resumes(server: &impl Kubectl, from: &str, acknowledged: &[Acknowledged]) {
    let path = format!(
        "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=5&resourceVersion={from}"
    );
    let said = server.try_kubectl(&["get", "--raw", &path]);
    if said.stdout.contains("\"code\":410") || said.stderr.contains("410") {
        return;
    }
    let mut revisions = Vec::new();
    let mut added = BTreeSet::new();
    for line in said.stdout.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("an event a line");
        let metadata = &event["object"]["metadata"];
        let revision = metadata["resourceVersion"].as_str().unwrap_or_default();
        revisions.push(revision.parse::<u64>().expect("our revisions are numbers"));
        if event["type"] == "ADDED" {
            let name = metadata["name"].as_str().unwrap_or_default().to_owned();
            assert!(added.insert(name.clone()), "{name} was added twice");
        }
    }
    assert!(revisions.windows(2).all(|pair| pair[0] < pair[1]), "out of order: {revisions:?}");
    for object in acknowledged.iter().filter(|object| object.kind == "ConfigMap") {
        assert!(added.contains(&object.name), "the watch skipped {object:?}");
    }
}
