//! kill -9 under load: the packet path does not notice, and no acknowledged write is lost.

use nix::sys::signal::Signal;
use sheave_tests::cluster::{Cluster, child_of, signal};
use sheave_tests::load::Load;
use sheave_tests::{command, wait};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const DEMO: &str = include_str!("../../examples/hello.yaml");

/// New connections a second while the agent is away.
const CONNECTIONS_PER_SECOND: u32 = 500;
/// How long the agent stays dead.
const OUTAGE: Duration = Duration::from_secs(4);

const CLIENTS: usize = 8;
const KILLS: usize = 20;

#[test]
fn traffic_goes_on_while_the_agent_is_dead_and_when_it_comes_back() {
    let cluster = Cluster::start();
    cluster.apply(DEMO);
    for deployment in ["hello", "iperf3"] {
        let name = format!("deployment/{deployment}");
        cluster.kubectl(&["--namespace=hello", "rollout", "status", &name, "--timeout=60s"]);
    }
    let address = |service: &str| {
        cluster.value(&["service", service, "--namespace=hello"], "{.spec.clusterIP}")
    };
    let web = format!("{}:80", address("hello")).parse().expect("an address");
    let iperf3 = address("iperf3");
    wait::until_true("the Service to answer", LIMIT, || sheave_tests::http::get(web, "/").is_ok());

    let stream = std::thread::spawn(move || {
        // Held below what the machine can do, so that both loads find a processor.
        command::run(
            &["iperf3", "--json", "--client", &iperf3, "--time", "14", "--bitrate", "1G"],
            &[],
            "",
        )
    });
    let load = Load::start(web, CONNECTIONS_PER_SECOND);
    std::thread::sleep(Duration::from_secs(2));
    let before = dump_service_maps(&cluster);

    // The supervisor would start the agent again at once: it is held still.
    let supervisor = cluster.supervisor_pid();
    let agent = cluster.daemon_pid("sheave-agent");
    signal(supervisor, Signal::SIGSTOP);
    signal(agent, Signal::SIGKILL);
    std::thread::sleep(OUTAGE);
    let during = dump_service_maps(&cluster);
    let stayed_dead = child_of(supervisor, "sheave-agent").is_none();
    signal(supervisor, Signal::SIGCONT);
    let successor = cluster.daemon_pid("sheave-agent");
    cluster.wait_node_ready();
    std::thread::sleep(Duration::from_secs(3));

    let counts = load.stop();
    let report = stream.join().expect("iperf3 was run");
    let after = dump_service_maps(&cluster);
    assert!(stayed_dead && successor != agent);
    assert_eq!(counts.errors, Vec::<String>::new(), "of {} answered", counts.answered);
    assert!(
        counts.rate > f64::from(CONNECTIONS_PER_SECOND) * 0.8,
        "the load was not put on: {:.0} connections a second",
        counts.rate
    );
    assert!(report.ok, "{}{}", report.stdout, report.stderr);
    assert_eq!(before, during, "nobody was there to change a map");
    assert_eq!(before, after, "the agent that came back found its maps as they should be");
    // The pods are the same ones: adopted, not started again.
    let restarts = cluster.value(
        &["pods", "--namespace=hello"],
        "{.items[*].status.containerStatuses[*].restartCount}",
    );
    assert_eq!(restarts, "0 0 0");
}

#[test]
fn pods_and_traffic_outlive_sheave_up() {
    let mut cluster = Cluster::start();
    cluster.kubectl(&["run", "box", "--image=sheave.local/hello:1", "--port=8080", "--expose"]);
    cluster.wait_pod_ready("box");
    let service = cluster.service("box");
    wait::until_true("the Service to answer", LIMIT, || {
        sheave_tests::http::get(service, "/").is_ok()
    });
    let started = cluster.value(&["pod", "box"], "{.status.containerStatuses[0].containerID}");

    cluster.stop_supervisor();
    for _ in 0..20 {
        assert_eq!(sheave_tests::http::get(service, "/").expect("the maps are pinned"), "box");
    }
    cluster.start_supervisor();
    wait::until_true("the API server to be back", LIMIT, || {
        cluster.try_kubectl(&["get", "--raw=/readyz"]).ok
    });
    cluster.wait_node_ready();
    cluster.wait_pod_ready("box");
    let now = cluster.value(&["pod", "box"], "{.status.containerStatuses[0].containerID}");
    assert_eq!(now, started, "the container was adopted");
    assert_eq!(sheave_tests::http::get(service, "/").expect("an answer"), "box");
}

#[test]
fn acknowledged_objects_survive_twenty_kills_of_the_server() {
    let cluster = Cluster::start();
    let first_revision = cluster.value(&["configmaps"], "{.metadata.resourceVersion}");
    let stop = AtomicBool::new(false);
    let acknowledged: Vec<Acknowledged> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (cluster, stop) = (&cluster, &stop);
                scope.spawn(move || create_until(stop, cluster, client))
            })
            .collect();
        for _ in 0..KILLS {
            // Long enough that some creates are acknowledged between two kills.
            std::thread::sleep(Duration::from_millis(700));
            signal(cluster.daemon_pid("sheave-server"), Signal::SIGKILL);
        }
        wait::until_true("the API server to be back", LIMIT, || {
            cluster.try_kubectl(&["get", "--raw=/readyz"]).ok
        });
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("a client only creates"))
            .collect()
    });
    assert!(acknowledged.len() > KILLS, "only {} creates succeeded", acknowledged.len());

    let listed = list(&cluster, "configmaps,services");
    for object in &acknowledged {
        let found = listed.get(&(object.kind.clone(), object.name.clone()));
        let found = found.unwrap_or_else(|| panic!("{object:?} was acknowledged and is lost"));
        assert_eq!(found["metadata"]["uid"], object.uid, "{object:?}");
        assert_eq!(found["metadata"]["resourceVersion"], object.revision, "{object:?}");
    }
    assert_nothing_twice(&listed);
    assert_watch_resumes(&cluster, &first_revision, &acknowledged);
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
fn create_until(stop: &AtomicBool, cluster: &Cluster, client: usize) -> Vec<Acknowledged> {
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
        let said = cluster.try_kubectl(arguments);
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

fn list(cluster: &Cluster, kinds: &str) -> Objects {
    let text = cluster.kubectl(&["get", kinds, "--output=json"]);
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
fn assert_watch_resumes(cluster: &Cluster, from: &str, acknowledged: &[Acknowledged]) {
    let path = format!(
        "/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=5&resourceVersion={from}"
    );
    let said = cluster.try_kubectl(&["get", "--raw", &path]);
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

/// What the maps of services and backends hold, by map. Counters and flows change with each packet
/// and are left out.
fn dump_service_maps(cluster: &Cluster) -> BTreeMap<String, BTreeSet<String>> {
    let directory = cluster.bpffs_dir.join("maps");
    let mut dumps = BTreeMap::new();
    for entry in std::fs::read_dir(directory).expect("the maps are pinned").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_state = ["SERVICE", "FRONTEND", "BACKEND", "SLOT", "ENDPOINT"]
            .iter()
            .any(|word| name.to_uppercase().contains(word));
        if !is_state {
            continue;
        }
        let path = entry.path();
        let text = command::output(&[
            "bpftool",
            "--json",
            "map",
            "dump",
            "pinned",
            &path.to_string_lossy(),
        ]);
        let entries: Vec<serde_json::Value> = serde_json::from_str(&text).expect("JSON");
        let lines = entries.iter().map(|entry| format!("{} {}", entry["key"], entry["value"]));
        dumps.insert(name, lines.collect());
    }
    assert!(!dumps.is_empty(), "no map of services or backends is pinned");
    dumps
}
