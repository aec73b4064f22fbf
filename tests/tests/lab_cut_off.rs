//! Nodes that are cut off, a control plane that is away, and a node that boots meanwhile: what goes on, what is
//! replaced and when, and how long it takes until all is as it was.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sheave_tests::command::Said;
use sheave_tests::connections::{Job, Report};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::nodes::{Load, Nodes, Pod, probe};
use sheave_tests::pod_server::{self, WHO_PORT};
use sheave_tests::probe::{Outcome, Probe, Protocol};
use sheave_tests::sole::Watch;
use sheave_tests::wait;

const LOAD_CLIENT: &str = env!("CARGO_BIN_EXE_load-client");
const PROBER: &str = env!("CARGO_BIN_EXE_prober");
const SERVER: &str = env!("CARGO_BIN_EXE_pod-server");
/// Within which the pods of a node that is cut off leave the endpoints, by default.
const LEAVE_LIMIT: Duration = Duration::from_secs(40);
/// From then on until others are ready in their place; they tolerate an unreachable node for two seconds.
const REPLACE_LIMIT: Duration = Duration::from_secs(15);
/// After the cut is healed.
const CONVERGE_LIMIT: Duration = Duration::from_secs(5);
/// How long the control plane is away.
const AWAY: Duration = Duration::from_secs(60);
/// After which what an agent was told is on its disk.
const KEPT_AFTER: Duration = Duration::from_secs(5);
/// After the cut is healed: the end of a pod there, a new one elsewhere, and its probes.
const SUCCESSOR_LIMIT: Duration = Duration::from_secs(60);
/// The program of the pod that may run but once; nothing else is called so.
const SOLE: &str = "sole-server";
/// A node that boots without a control plane serves again after this long.
const BOOT_LIMIT: Duration = Duration::from_secs(30);

/// Two kinds of taint drive pods away, after two seconds each.
const IMPATIENT: &str = "  tolerations:
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2}";

#[test]
fn a_node_that_is_cut_off_is_done_without_and_comes_back() {
    let nodes = Nodes::start(|spec| spec.images.push("names"));
    nodes.apply(&deployment("web", 6));
    // It could run elsewhere, and must not while it may run there.
    let machines = (1..=3).map(|number| nodes.node(number)).collect();
    let sole = Watch::start(machines, SOLE);
    nodes.apply(&stateful_set("single"));
    nodes.apply(&pod_server::pod("neighbour", 3, SERVER));
    nodes.wait_rollout("web");
    nodes.kubectl(&["rollout", "status", "statefulset/single", "--timeout=60s"]);
    nodes.wait_pod_ready("neighbour");
    (1..=3).for_each(|number| nodes.wait_live(number, "web", 6));
    let lost: Vec<Pod> = nodes.pods("app=web").into_iter().filter(|pod| pod.node == 3).collect();
    assert!(!lost.is_empty(), "pods are spread over the nodes");
    let (single, neighbour) = (nodes.pod("app=single"), nodes.pod("app=neighbour"));
    assert_eq!((single.name.as_str(), single.node), ("single-0", 3), "it prefers that node");

    nodes.lab.cut("node-3").unwrap();
    let cut = Instant::now();
    let gone = || addresses_in_kernel(&nodes, 1, "web");
    let is_gone = |seen: &Vec<String>| !lost.iter().any(|pod| has_address(seen, pod));
    wait::until("the lost pods to leave the endpoints", LEAVE_LIMIT + AWAY, gone, is_gone);
    let left = cut.elapsed();
    // No request fails from here on.
    let loads = start_loads(&nodes, "web");
    println!("the pods of the node left the endpoints after {:.1} s", left.as_secs_f64());

    // The node's own traffic: to a pod of its own, and to a Service that has none but its own.
    let own = [
        SocketAddr::new(single.addresses[0], WHO_PORT),
        SocketAddr::new(nodes.service("single").ip(), 81),
    ];
    for outcome in probe(nodes.in_pod(&neighbour, PROBER), &probes(&own)) {
        assert!(matches!(outcome, Outcome::Answered { .. }), "on the cut node: {outcome:?}");
    }

    let began = Instant::now();
    let replaced = || addresses_in_kernel(&nodes, 1, "web").len();
    wait::until("others in their place", REPLACE_LIMIT + AWAY, replaced, |count| *count == 6);
    let took_replacing = began.elapsed();
    println!("they were replaced {:.1} s later", took_replacing.as_secs_f64());
    // It is to end, and the API knows of it still: nobody can say that it has ended. So no other has its name.
    let to_end = || nodes.value(&["pod", "single-0"], "{.metadata.deletionTimestamp}");
    wait::until("the single pod to be asked to end", REPLACE_LIMIT, to_end, |at| !at.is_empty());
    std::thread::sleep(Duration::from_secs(2));
    let uids = nodes.value(&["pods", "--selector=app=single"], "{.items[*].metadata.uid}");
    assert_eq!(uids, single.uid, "nobody takes its place");
    assert!(!nodes.node(3).pod_processes(&single.uid).is_empty(), "it runs on there");
    let reports = loads.into_iter().map(|(name, load)| (name, load.end())).collect::<Vec<_>>();

    nodes.lab.heal("node-3").unwrap();
    let healed = Instant::now();
    nodes.lab.wait_ready(&[1, 2, 3], CONVERGE_LIMIT + AWAY).unwrap();
    println!("Ready {:.1} s after it was healed", healed.elapsed().as_secs_f64());
    let stale =
        || lost.iter().filter(|pod| !nodes.node(3).pod_processes(&pod.uid).is_empty()).count();
    wait::until("the copies that were replaced to end", CONVERGE_LIMIT + AWAY, stale, |n| *n == 0);
    wait::until(
        "the node to know the endpoints",
        CONVERGE_LIMIT + AWAY,
        || {
            sorted(addresses_in_kernel(&nodes, 3, "web"))
                == sorted(addresses_in_kernel(&nodes, 1, "web"))
        },
        |is_same| *is_same,
    );
    let converged = healed.elapsed();
    println!("all as it was {:.1} s after it was healed", converged.as_secs_f64());
    assert_eq!(nodes.pods("app=web").len(), 6);
    let ready = r#"{.metadata.uid} {.status.conditions[?(@.type=="Ready")].status}"#;
    let successor =
        || nodes.try_kubectl(&["get", "pod", "single-0", "--output", &format!("jsonpath={ready}")]);
    let is_another =
        |said: &Said| said.stdout.ends_with(" True") && !said.stdout.starts_with(&single.uid);
    wait::until("another pod in place of the single one", SUCCESSOR_LIMIT, successor, is_another);
    println!(
        "the single pod was made anew {:.1} s after it was healed",
        healed.elapsed().as_secs_f64()
    );
    let seen = sole.end();
    println!("{} looks at the single pod saw it on the nodes {:?}", seen.looks, seen.places);
    assert!(seen.doubled.is_empty(), "the single pod ran twice at once: {seen:?}");
    assert!(seen.looks > 100 && seen.places.first() == Some(&3), "it was not looked: {seen:?}");

    for (name, report) in &reports {
        println!("{}", said(name, report));
    }
    assert!(left <= LEAVE_LIMIT, "left the endpoints after {left:?}");
    assert!(took_replacing <= REPLACE_LIMIT, "replaced after {took_replacing:?}");
    for (name, report) in &reports {
        let asked: u64 = report.targets.values().map(|tally| tally.asked).sum();
        assert!(asked > 50, "the load was not put on: {}", said(name, report));
        assert!(report.targets.values().all(|tally| tally.failed == 0), "{}", said(name, report));
    }
    assert!(converged <= CONVERGE_LIMIT, "converged after {converged:?}");
}

#[test]
fn without_a_control_plane_all_goes_on_and_a_node_boots_into_it() {
    let nodes = Nodes::start(|spec| spec.images.push("names"));
    // On the nodes that stay.
    let manifests: String = [1, 2].map(|node| pod_on("web", node)).concat();
    nodes.apply(&(manifests + &pod_server::service("web", "")));
    nodes.apply(&pod_server::pod("three", 3, SERVER));
    for pod in ["web-1", "web-2", "three"] {
        nodes.wait_pod_ready(pod);
    }
    (1..=3).for_each(|number| nodes.wait_live(number, "web", 2));
    let service = nodes.service("web");
    let node_port: u16 = nodes.value(&["service", "web"], NODE_PORT).parse().unwrap();
    let booted_port = SocketAddr::new(nodes.address("node-3", false), who_port(&nodes));
    let three = nodes.pod("app=three");
    let targets = vec![service, SocketAddr::new(nodes.address("node-2", false), node_port)];
    let job =
        Job { rate: 50, tcp: targets.clone(), udp: targets, patience_ms: 3000, ..Job::default() };
    let inside = Load::start(nodes.in_pod(&nodes.pod("run=web-2"), LOAD_CLIENT), &job);
    let outside = Job { tcp: job.tcp[1..].to_vec(), udp: job.udp[1..].to_vec(), ..job.clone() };
    let outside = Load::start(nodes.client().command(LOAD_CLIENT).unwrap(), &outside);

    // What changed is on the nodes' disks some time later.
    std::thread::sleep(KEPT_AFTER);
    let began = Instant::now();
    nodes.lab.end_daemons(1).unwrap();
    assert!(!nodes.try_kubectl(&["get", "nodes"]).ok, "the control plane is away");
    nodes.lab.stop("node-3").unwrap();
    nodes.lab.start("node-3").unwrap();
    let boot = Instant::now();
    // From its own socket, by its own maps, which were made from what was on its disk.
    let from_host = [SocketAddr::new(service.ip(), 81)];
    let answered =
        |outcomes: Vec<Outcome>| outcomes.iter().all(|o| matches!(o, Outcome::Answered { .. }));
    wait::until_true("the node that booted to reach the Service", BOOT_LIMIT, || {
        answered(probe(nodes.node(3).command(PROBER).unwrap(), &probes(&from_host)))
    });
    println!("a node that booted reaches a Service after {:.1} s", boot.elapsed().as_secs_f64());
    wait::until_true("the node that booted to serve NodePorts", BOOT_LIMIT, || {
        answered(probe(nodes.client().command(PROBER).unwrap(), &probes(&[booted_port])))
    });
    wait::until_true("the pod of the node that booted to run again", BOOT_LIMIT, || {
        !nodes.node(3).pod_processes(&three.uid).is_empty()
    });
    println!("and its pod runs after {:.1} s", boot.elapsed().as_secs_f64());
    std::thread::sleep(AWAY.saturating_sub(began.elapsed()));
    for (name, load) in [("inside", inside), ("outside", outside)] {
        let report = load.end();
        let said = said(name, &report);
        println!("{said}");
        let asked: u64 = report.targets.values().map(|tally| tally.asked).sum();
        assert!(asked > 50 * 50, "the load was not put on: {said}");
        assert!(report.targets.values().all(|tally| tally.failed == 0), "{said}");
    }
    nodes.lab.start_daemons(1).unwrap();
    nodes.lab.wait_ready(&[1, 2, 3], Duration::from_secs(60)).unwrap();
    nodes.wait_pod_ready("three");
    // Its new address reaches the others, in place of the one that the server knows from before.
    let web = nodes.pod("run=web-2");
    wait::until_true("the pod that was started again to be reached", BOOT_LIMIT, || {
        let to = SocketAddr::new(nodes.pod("app=three").addresses[0], WHO_PORT);
        answered(probe(nodes.in_pod(&web, PROBER), &probes(&[to])))
    });
}

const NODE_PORT: &str = r#"{.spec.ports[?(@.name=="load-tcp")].nodePort}"#;

fn who_port(nodes: &Nodes) -> u16 {
    let port = nodes.value(&["service", "web"], r#"{.spec.ports[?(@.name=="who-tcp")].nodePort}"#);
    port.parse().expect("a node port")
}

/// By TCP, which knows refusals and silence.
fn probes(to: &[SocketAddr]) -> Vec<Probe> {
    to.iter().map(|to| Probe { protocol: Protocol::Tcp, to: *to }).collect()
}

/// From a pod of the first node and from outside, at the first node.
fn start_loads(nodes: &Nodes, service: &str) -> Vec<(&'static str, Load)> {
    let pods = nodes.pods(&format!("app={service}"));
    let here = pods.iter().find(|pod| pod.node == 1).expect("pods are spread over the nodes");
    let port = nodes.value(&["service", service], NODE_PORT).parse().expect("a node port");
    let job = |target: SocketAddr| Job {
        rate: 50,
        tcp: vec![target],
        patience_ms: 3000,
        ..Job::default()
    };
    let inside = Load::start(nodes.in_pod(here, LOAD_CLIENT), &job(nodes.service(service)));
    let outside = job(SocketAddr::new(nodes.address("node-1", false), port));
    let outside = Load::start(nodes.client().command(LOAD_CLIENT).unwrap(), &outside);
    vec![("inside", inside), ("outside", outside)]
}

/// The backends at the cluster address, as a node's kernel has them.
fn addresses_in_kernel(nodes: &Nodes, number: usize, service: &str) -> Vec<String> {
    let answer = nodes.ask(number, "/services").unwrap_or_default();
    let name = format!("default/{service}");
    let frontends = answer["frontends"].as_array().cloned().unwrap_or_default();
    let is_it = |frontend: &&serde_json::Value| {
        frontend["service"] == name.as_str()
            && frontend["at"] == "ClusterIP"
            && frontend["portName"] == "load-tcp"
            && !frontend["address"].as_str().unwrap_or_default().starts_with('[')
    };
    let backends = frontends.iter().find(is_it).map(|frontend| frontend["backends"].clone());
    let backends = backends.as_ref().and_then(serde_json::Value::as_array).cloned();
    let text = |backend: &serde_json::Value| backend.as_str().unwrap_or_default().to_owned();
    backends.unwrap_or_default().iter().map(text).collect()
}

fn has_address(backends: &[String], pod: &Pod) -> bool {
    let port = pod_server::PORT;
    backends.contains(&SocketAddr::new(pod.addresses[0], port).to_string())
}

fn sorted(mut list: Vec<String>) -> Vec<String> {
    list.sort();
    list
}

fn said(name: &str, report: &Report) -> String {
    let mut text = String::new();
    for (target, tally) in &report.targets {
        let (asked, failed, last) = (tally.asked, tally.failed, tally.failures.last());
        text += &format!("{name} {target}: {asked} asked, {failed} failed; the last: {last:?}\n");
    }
    text.trim_end().to_owned()
}

fn deployment(name: &str, replicas: usize) -> String {
    let template = pod_server::template(name, SERVER, "sheave.local/resolvers:1", IMPATIENT);
    let template: String = template.lines().map(|line| format!("    {line}\n")).collect();
    let service = pod_server::service(name, "");
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
{template}---
{service}"
    )
}

/// One pod with a name of its own, rather on node 3 than elsewhere.
fn stateful_set(name: &str) -> String {
    const PREFERS: &str = "  affinity:
    nodeAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        preference:
          matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-3]}]";
    let more = format!("{IMPATIENT}\n{PREFERS}");
    let template = pod_server::template(name, SERVER, "sheave.local/resolvers:1", &more);
    // In the pod; the file on the machine is as ever.
    let template = ["command: [/", "mountPath: /"].iter().fold(template, |text, before| {
        text.replace(&format!("{before}pod-server"), &format!("{before}{SOLE}"))
    });
    let template: String = template.lines().map(|line| format!("    {line}\n")).collect();
    let service = pod_server::service(name, "");
    format!(
        "apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: {name}}}
spec:
  serviceName: {name}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
{template}---
{service}"
    )
}

/// One of several of an application, with a label of its own.
fn pod_on(app: &str, node: usize) -> String {
    let name = format!("{app}-{node}");
    let pod = pod_server::pod(&name, node, SERVER);
    pod.replace(
        &format!("labels: {{app: {name}}}"),
        &format!("labels: {{app: {app}, run: {name}}}"),
    )
}
