//! The daemons die and come back: the packet path does not notice.

use nix::sys::signal::Signal;
use sheave_core::held::Held;
use sheave_dataplane::Dataplane;
use sheave_tests::cluster::{Cluster, child_of, signal};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::load::Load;
use sheave_tests::{command, wait};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
const DEMO: &str = include_str!("../../examples/hello.yaml");

/// New connections a second while the agent is away.
const CONNECTIONS_PER_SECOND: u32 = 500;
/// How long the agent stays dead.
const OUTAGE: Duration = Duration::from_secs(4);

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
    let before = dump(&cluster);

    // The supervisor would start the agent again at once: it is held still.
    let supervisor = cluster.supervisor_pid();
    let agent = cluster.daemon_pid("sheave-agent");
    signal(supervisor, Signal::SIGSTOP);
    signal(agent, Signal::SIGKILL);
    std::thread::sleep(OUTAGE);
    let during = dump(&cluster);
    let stayed_dead = child_of(supervisor, "sheave-agent").is_none();
    signal(supervisor, Signal::SIGCONT);
    let successor = cluster.daemon_pid("sheave-agent");
    cluster.wait_node_ready();
    std::thread::sleep(Duration::from_secs(3));

    let counts = load.stop();
    let report = stream.join().expect("iperf3 was run");
    let after = dump(&cluster);
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
    assert_eq!(map_writes(&cluster), 0, "the agent that came back rewrote entries");
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

/// Entries that the agent has written since it started, as it counts them itself.
fn map_writes(cluster: &Cluster) -> u64 {
    let mut stream = UnixStream::connect(cluster.run_dir.join("agent.sock")).expect("the socket");
    stream.write_all(b"GET /status HTTP/1.0\r\nHost: agent\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("HTTP");
    let status: serde_json::Value = serde_json::from_str(body).expect("JSON");
    status["services"]["mapWrites"].as_u64().expect("the number of writes")
}

/// What the maps of frontends, backends and pods hold. Flows and counters, which change with each
/// packet, are left out.
fn dump(cluster: &Cluster) -> (Held, BTreeMap<String, String>) {
    let dataplane = Dataplane::inspect(&cluster.bpffs_dir).expect("the maps are pinned");
    let held = dataplane.held().expect("the maps can be read");
    assert!(!held.frontends.is_empty(), "the demo's Services are not in the maps");
    let endpoints = dataplane.endpoints().expect("the maps can be read");
    let endpoints = endpoints
        .into_iter()
        .map(|(address, endpoint)| (format!("{address:?}"), format!("{endpoint:?}")));
    (held, endpoints.collect())
}
