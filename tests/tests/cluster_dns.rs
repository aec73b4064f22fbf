//! Names in a cluster: pods ask for them, and the agent of their node answers.

use nix::sys::signal::Signal;
use sheave_tests::cluster::{Cluster, signal};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::wait;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
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

/// Who ask, and how long each waits between questions: a thousand a second in all.
const ASKERS: u16 = 64;
const PAUSE: Duration = Duration::from_millis(64);
/// As resolvers have it: so long for an answer, and so often.
const TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 2;

/// Asks for the address of a name, from a socket of its own as a resolver does. The error of the last attempt.
fn resolve(id: u16, name: &str) -> Result<(), String> {
    let mut question = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(|error| error.to_string())?;
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.connect("10.96.0.10:53").map_err(|error| error.to_string())?;
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        let mut answer = [0; 512];
        match socket.send(&question).and_then(|_| socket.recv(&mut answer)) {
            // One answer, without an error.
            Ok(len) if len > 12 && answer[..2] == question[..2] && answer[3] & 15 == 0 => {
                assert_eq!(answer[7], 1, "answers");
                return Ok(());
            }
            Ok(len) => last = format!("{:?}", &answer[..len]),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

#[test]
fn an_agent_that_is_started_anew_loses_no_question() {
    let rounds: u32 =
        std::env::var("SHEAVE_DNS_RESTARTS").map_or(4, |rounds| rounds.parse().unwrap());
    let cluster = Cluster::start();
    let name = "kubernetes.default.svc.cluster.local";
    // A pod's own resolver, again and again.
    let script = format!(
        "while true; do nslookup {name} >/dev/null && echo found || echo lost; sleep 0.1; done"
    );
    cluster.kubectl(&["run", "box", "--image", IMAGE, "--command", "--", "sh", "-c", &script]);
    cluster.wait_pod_ready("box");
    wait::until_true("names to be answered", LIMIT, || resolve(1, name).is_ok());

    let (is_over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    std::thread::scope(|scope| {
        let ask = |first: u16| {
            let (is_over, asked) = (&is_over, &asked);
            move || {
                let (mut failures, mut slowest) = (Vec::new(), Duration::ZERO);
                let mut id = first;
                while !is_over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    failures.extend(resolve(id, name).err());
                    slowest = slowest.max(began.elapsed());
                    asked.fetch_add(1, Ordering::Relaxed);
                    id = id.wrapping_add(ASKERS);
                    std::thread::sleep(PAUSE.saturating_sub(began.elapsed()));
                }
                (failures, slowest)
            }
        };
        let askers: Vec<_> = (0..ASKERS).map(|first| scope.spawn(ask(first))).collect();
        for round in 0..rounds {
            let how = if round % 2 == 0 { Signal::SIGKILL } else { Signal::SIGTERM };
            signal(cluster.daemon_pid("sheave-agent"), how);
            // One that ends within five seconds has failed at its start, and the next waits longer.
            std::thread::sleep(Duration::from_secs(6));
        }
        cluster.wait_node_ready();
        is_over.store(true, Ordering::Relaxed);
        let said = cluster.kubectl(&["logs", "box"]);
        let found = said.lines().filter(|line| *line == "found").count();
        assert!(found > 10 && said.lines().all(|line| line == "found"), "{said}");
        let seen: Vec<_> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
        let failures: Vec<&String> = seen.iter().flat_map(|(failures, _)| failures).collect();
        let slowest = seen.iter().map(|(_, slowest)| *slowest).max().unwrap();
        let asked = asked.load(Ordering::Relaxed);
        println!(
            "{asked} questions while the agent was started {rounds} times, slowest {slowest:?}"
        );
        assert!(failures.is_empty(), "{} of {asked} failed: {failures:?}", failures.len());
        assert!(asked > rounds * 1000, "the load was not put on: {asked}");
    });
}
