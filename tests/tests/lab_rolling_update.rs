//! A Deployment whose image is changed again and again under load from pods and from outside: no request fails,
//! though its pods do nothing at their end but what servers in order do. Without the acknowledgement of nodes
//! requests do fail, so the load can tell.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sheave_tests::cluster::root;
use sheave_tests::connections::{Job, Report, Tally};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::nodes::{Load, Nodes};
use sheave_tests::{image, pod_server};

const LOAD_CLIENT: &str = env!("CARGO_BIN_EXE_load-client");
const SERVER: &str = env!("CARGO_BIN_EXE_pod-server");
/// Changes of the image.
const UPDATES: usize = 10;
const REPLICAS: usize = 6;
/// New connections a second, of all clients together.
const RATE: u32 = 1000;
/// From each of so many pods, one a node, and by each of two protocols.
const CLIENT_PODS: u32 = 3;
/// Before the first change and after the last.
const MARGIN: Duration = Duration::from_secs(2);
/// The server lets pods end, and counts them as available, whatever nodes have acknowledged.
const WITHOUT_ACKNOWLEDGEMENT: (&str, &str) = ("SHEAVE_ENDPOINT_ACKNOWLEDGEMENT_TIMEOUT", "0s");
/// How long a change may take.
const ROLLOUT_LIMIT: &str = "--timeout=180s";

#[test]
fn changing_the_image_ten_times_fails_no_request() {
    let reports = update_under_load(&[], UPDATES);
    let all = said(&reports);
    println!("{all}");
    let tallies = || reports.iter().flat_map(|(_, report)| report.targets.values());
    let asked: u64 = tallies().map(|tally| tally.asked).sum();
    let failed: u64 = tallies().map(|tally| tally.failed).sum();
    assert!(tallies().all(|tally| tally.backends.len() > REPLICAS), "all versions answer: {all}");
    assert_eq!(failed, 0, "of {asked}: {all}");
}

#[test]
fn without_acknowledgement_requests_fail() {
    let reports = update_under_load(&[WITHOUT_ACKNOWLEDGEMENT], 3);
    let all = said(&reports);
    println!("{all}");
    let failed: u64 =
        reports.iter().flat_map(|(_, report)| report.targets.values()).map(|t| t.failed).sum();
    assert!(failed > 0, "the load notices nothing, and so proves nothing: {all}");
}

/// By client, what became of its load.
fn update_under_load(variables: &[(&str, &str)], updates: usize) -> Vec<(String, Report)> {
    let images = tempfile::tempdir().unwrap();
    let resolvers = root().join("target/images/names/resolvers-1.tar");
    let names: Vec<String> = (0..=updates).map(image_name).collect();
    let all: Vec<String> =
        names.iter().cloned().chain(["sheave.local/resolvers:1".into()]).collect();
    image::with_names(&resolvers, &images.path().join("web.tar"), &all);
    let nodes = Nodes::start(|spec| {
        spec.images = images.path().to_owned();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        spec.variables.extend(variables.iter().map(owned));
    });
    nodes.apply(&deployment(&names[0]));
    let clients = ["client-a", "client-b", "client-c"];
    let manifests = (1..).zip(clients).map(|(node, name)| client(name, node));
    nodes.apply(&manifests.collect::<String>());
    nodes.wait_rollout("web");
    for (number, name) in (1..).zip(clients) {
        nodes.wait_pod_ready(name);
        nodes.wait_live(number, "web", REPLICAS);
    }

    let mut loads = Vec::new();
    let inside = job(vec![nodes.service("web")]);
    for name in clients {
        let pod = nodes.pod(&format!("app={name}"));
        loads.push((name.to_owned(), Load::start(nodes.in_pod(&pod, LOAD_CLIENT), &inside)));
    }
    let outside = job(vec![outside(&nodes)]);
    let command = nodes.client().command(LOAD_CLIENT).unwrap();
    loads.push(("outside".to_owned(), Load::start(command, &outside)));
    std::thread::sleep(MARGIN);
    for (number, name) in names.iter().enumerate().skip(1) {
        let began = Instant::now();
        nodes.kubectl(&["set", "image", "deployment/web", &format!("server={name}")]);
        nodes.kubectl(&["rollout", "status", "deployment/web", ROLLOUT_LIMIT]);
        println!("change {number} took {:.1} s", began.elapsed().as_secs_f64());
    }
    std::thread::sleep(MARGIN);
    loads.into_iter().map(|(name, load)| (name, load.end())).collect()
}

/// A quarter of the load, half of it by TCP.
fn job(targets: Vec<SocketAddr>) -> Job {
    Job {
        rate: RATE / (CLIENT_PODS + 1) / 2,
        tcp: targets.clone(),
        udp: targets,
        patience_ms: 5000,
        ..Job::default()
    }
}

/// At the first node, whichever nodes have the pods.
fn outside(nodes: &Nodes) -> SocketAddr {
    let port = nodes.value(&["service", "web"], r#"{.spec.ports[?(@.name=="load-tcp")].nodePort}"#);
    SocketAddr::new(nodes.address("node-1", false), port.parse().expect("a node port"))
}

fn image_name(version: usize) -> String {
    format!("sheave.local/web:{version}")
}

fn deployment(image: &str) -> String {
    let template = pod_server::template("web", SERVER, image, "");
    let template: String = template.lines().map(|line| format!("    {line}\n")).collect();
    let service = pod_server::service("web", "").replace(
        "  - {name: load-udp, protocol: UDP, port: 80, targetPort: 8080}",
        "  - {name: load-udp, protocol: UDP, port: 80, targetPort: 8080, nodePort: 30080}",
    );
    let service = service.replace(
        "  - {name: load-tcp, protocol: TCP, port: 80, targetPort: 8080}",
        "  - {name: load-tcp, protocol: TCP, port: 80, targetPort: 8080, nodePort: 30080}",
    );
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {REPLICAS}
  selector: {{matchLabels: {{app: web}}}}
  template:
{template}---
{service}"
    )
}

fn client(name: &str, node: usize) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  nodeName: node-{node}
  terminationGracePeriodSeconds: 0
  containers: [{{name: client, image: 'sheave.local/resolvers:1', command: [sleep, infinity]}}]
---
"
    )
}

/// What became of each load, and the first of its failures.
fn said(reports: &[(String, Report)]) -> String {
    let mut text = String::new();
    for (client, report) in reports {
        for (target, tally) in &report.targets {
            let Tally { asked, answered, failed, resent, failures, .. } = tally;
            let p99 = tally.quantile_us(0.99);
            text += &format!(
                "{client} {target}: {asked} asked, {answered} answered, {failed} failed, {resent} resent, \
                 99% within {p99} us, by {} pods\n",
                tally.backends.len()
            );
            for failure in failures.iter().take(3) {
                text += &format!("  {failure:?}\n");
            }
        }
    }
    text
}
