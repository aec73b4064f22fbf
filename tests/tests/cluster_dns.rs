//! Names in a cluster: pods ask for them, and the agent of their node answers.

use nix::sys::signal::Signal;
use sheave_tests::cluster::{Cluster, Settings, signal};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::lookups::{Lookups, Report};
use sheave_tests::{dns, wait};
use std::time::{Duration, Instant};

const IMAGE: &str = "sheave.local/hello:1";
const LIMIT: Duration = Duration::from_secs(60);

/// A headless Service, and a pod that has a name within it.
const HEADLESS: &str = "
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, labels: {app: db}}
spec:
  hostname: first
  subdomain: db
  containers: [{name: db, image: 'sheave.local/hello:1'}]
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: db.default.svc.cluster.local}
";

/// The addresses that a pod is told, by busybox.
fn asked_in(cluster: &Cluster, pod: &str, name: &str) -> String {
    let said = cluster.try_kubectl(&["exec", pod, "--", "nslookup", name]);
    let lines = said.stdout.lines().skip_while(|line| !line.starts_with("Name:"));
    let addresses = lines.filter_map(|line| line.strip_prefix("Address"));
    let address = addresses.filter_map(|line| line.split_once(": ").map(|(_, address)| address));
    address.map(|address| address.trim().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn pods_find_services_by_name_and_by_variables() {
    let cluster = Cluster::start();
    let address = cluster.value(
        &["service", "kube-dns", "--namespace=kube-system"],
        "{.spec.clusterIP} {.spec.ports[*].port}",
    );
    assert_eq!(address, "10.96.0.10 53 53");
    cluster.kubectl(&["create", "service", "clusterip", "web", "--tcp=80:8080"]);
    let web = cluster.value(&["service", "web"], "{.spec.clusterIP}");
    cluster.kubectl(&["run", "box", "--image", IMAGE]);
    assert!(cluster.kubectl_with_input(&["apply", "-f", "-"], HEADLESS).ok);
    cluster.wait_pod_ready("box");
    cluster.wait_pod_ready("db-0");
    let db = cluster.value(&["pod", "db-0"], "{.status.podIP}");

    let resolv_conf = cluster.kubectl(&["exec", "box", "--", "cat", "/etc/resolv.conf"]);
    assert!(resolv_conf.contains("nameserver 10.96.0.10"), "{resolv_conf}");
    let found = |name: &'static str, expected: &str| {
        wait::until(
            &format!("{name} to lead to {expected}"),
            LIMIT,
            || asked_in(&cluster, "box", name),
            |seen| seen == expected,
        );
    };
    found("web.default.svc.cluster.local", &web);
    found("db.default.svc.cluster.local", &db);
    found("first.db.default.svc.cluster.local", &db);
    found("alias.default.svc.cluster.local", &db);
    found("kubernetes.default.svc.cluster.local", "10.96.0.1");
    let none =
        cluster.try_kubectl(&["exec", "box", "--", "nslookup", "no.default.svc.cluster.local"]);
    assert!(none.stdout.contains("NXDOMAIN") || none.stderr.contains("NXDOMAIN"), "{none:?}");

    // By the search path, with what the C library has in it: the address behind the name answers.
    let page = cluster.kubectl(&["exec", "box", "--", "wget", "-q", "-O", "-", "http://db:8080/"]);
    assert_eq!(page.trim(), "first");

    let variables = cluster.kubectl(&["exec", "box", "--", "env"]);
    for line in ["KUBERNETES_SERVICE_HOST=10.96.0.1", &format!("WEB_SERVICE_HOST={web}")] {
        assert!(variables.lines().any(|l| l == line), "{line} in {variables}");
    }

    // An endpoint that goes is no answer any more.
    cluster.kubectl(&["delete", "pod", "db-0", "--now"]);
    found("db.default.svc.cluster.local", "");
}

/// Lookups a second, and threads that make them. glibc and musl ask for A and AAAA at once, so these are a
/// thousand questions a second, in pods that have the defaults: five seconds for an answer, two attempts.
/// There are threads enough to go on asking while the agent is away.
const BY_GLIBC: (u32, u32) = (480, 480);
/// Each of these is a process of its own.
const BY_MUSL: (u32, u32) = (20, 20);
/// What sockets of the node ask for.
const NAME: &str = "kubernetes.default.svc.cluster.local";
/// One that ends within five seconds has failed at its start, and the next waits longer.
const ROUND: Duration = Duration::from_secs(6);
/// Until the first restart, and after the last.
const MARGIN: Duration = Duration::from_secs(20);

/// A pod that looks the API up by its short name.
fn pod(name: &str, (rate, threads): (u32, u32), duration: Duration, program: &[&str]) -> String {
    let lookups = Lookups {
        name: "kubernetes".into(),
        rate,
        threads,
        duration_s: u32::try_from(duration.as_secs()).expect("it ends some day"),
        program: program.iter().map(|word| (*word).to_owned()).collect(),
    };
    let lookups = serde_json::to_string(&lookups).expect("it is JSON");
    let path = env!("CARGO_BIN_EXE_name-load");
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  volumes: [{{name: program, hostPath: {{path: {path}, type: File}}}}]
  containers:
  - name: load
    image: sheave.local/resolvers:1
    command: [/name-load, '{lookups}']
    volumeMounts: [{{name: program, mountPath: /name-load, readOnly: true}}]
---"
    )
}

/// Asks from sockets of the node for so long; what failed.
fn ask_on_node(duration: Duration) -> Vec<String> {
    let end = Instant::now() + duration;
    let mut failures = Vec::new();
    let mut id = 0_u16;
    while Instant::now() < end {
        id = id.wrapping_add(1);
        failures.extend(dns::resolve(id, NAME).err());
        std::thread::sleep(Duration::from_millis(10));
    }
    failures
}

#[test]
fn an_agent_that_is_started_anew_loses_no_question() {
    let rounds: u32 =
        std::env::var("SHEAVE_DNS_RESTARTS").map_or(4, |rounds| rounds.parse().unwrap());
    let cluster = Cluster::start_with(Settings { images: "names", ..Settings::default() });
    wait::until_true("names to be answered", LIMIT, || dns::resolve(1, NAME).is_ok());

    let duration = ROUND * rounds + MARGIN;
    let pods = [("glibc", BY_GLIBC, &[][..]), ("musl", BY_MUSL, &["musl-resolve", "any"])];
    let manifest = pods.map(|(name, load, program)| pod(name, load, duration, program));
    cluster.apply(&manifest.concat());
    // busybox asks again and again too.
    let script = "while true; do nslookup kubernetes.default.svc.cluster.local >/dev/null && echo found || \
                  echo lost; sleep 0.1; done";
    cluster.kubectl(&["run", "box", "--image", IMAGE, "--command", "--", "sh", "-c", script]);
    for name in ["glibc", "musl", "box"] {
        cluster.wait_pod_ready(name);
    }
    let on_node = std::thread::spawn(move || ask_on_node(duration - MARGIN));
    for round in 0..rounds {
        let how = if round % 2 == 0 { Signal::SIGKILL } else { Signal::SIGTERM };
        signal(cluster.daemon_pid("sheave-agent"), how);
        std::thread::sleep(ROUND);
    }
    cluster.wait_node_ready();
    for (name, ..) in pods {
        let phase = cluster.value(&["pod", name], "{.status.phase}");
        assert_eq!(phase, "Running", "{name} asks until all restarts are over");
    }

    let failures = on_node.join().unwrap();
    assert!(failures.is_empty(), "on the node: {failures:?}");
    let said = cluster.kubectl(&["logs", "box"]);
    let found = said.lines().filter(|line| *line == "found").count();
    assert!(found > 10 && said.lines().all(|line| line == "found"), "{said}");
    for (name, (rate, _), _) in pods {
        cluster.wait_value(&["pod", name], "{.status.phase}", "Succeeded");
        let report: Report = serde_json::from_str(&cluster.kubectl(&["logs", name])).unwrap();
        let Report { lookups, failures, slowest_ms, slow } = report;
        println!(
            "{name}: {lookups} lookups while the agent was started {rounds} times, {} failed; the slowest \
             took {slowest_ms} ms, {slow} longer than a second",
            failures.len()
        );
        assert!(failures.is_empty(), "{failures:?}");
        let due = f64::from(rate) * duration.as_secs_f64();
        assert!(f64::from(lookups) > due * 0.9, "the load was not put on: {lookups} of {due}");
    }
}
