//! A node is cordoned and drained with kubectl, past a PodDisruptionBudget and not.

use std::time::{Duration, Instant};

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::wait;

const LIMIT: Duration = Duration::from_secs(60);

const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
        - name: web
          image: sheave.local/hello:1
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec:
  minAvailable: 2
  selector:
    matchLabels: {app: web}
"#;

#[test]
fn a_drain_goes_as_far_as_the_budget_and_further_without_it() {
    let cluster = Cluster::start();
    cluster.apply(WEB);
    cluster.wait_rollout("web");
    cluster.kubectl(&["wait", "--for=condition=Available", "deployment/web", "--timeout=10s"]);
    // One Service selects them: all nodes have their endpoints in effect.
    let live = r#"{.items[*].status.conditions[?(@.type=="sheave.io/EndpointsLive")].status}"#;
    cluster.wait_value(&["pods", "--selector=app=web"], live, "True True True");
    cluster.wait_value(&["pdb", "web"], "{.status.disruptionsAllowed}", "1");
    let shown = cluster.kubectl(&["get", "pdb"]);
    assert!(shown.contains("MIN AVAILABLE"), "{shown}");
    assert!(shown.lines().nth(1).is_some_and(|row| row.contains("web")), "{shown}");

    let node = cluster.value(&["nodes"], "{.items[0].metadata.name}");
    cluster.kubectl(&["cordon", &node]);
    assert_eq!(cluster.value(&["node", &node], "{.spec.unschedulable}"), "true");
    let drain = ["drain", &node, "--ignore-daemonsets", "--delete-emptydir-data"];
    let dry = cluster.kubectl(&[&drain[..], &["--dry-run=server"]].concat());
    assert!(dry.contains("web-"), "{dry}");

    // The third may go, and nothing replaces it on a cordoned node: the next is refused.
    let said = cluster.try_kubectl(&[&drain[..], &["--timeout=20s"]].concat());
    assert!(!said.ok, "the budget held nobody: {said:?}");
    let refused = "Cannot evict pod as it would violate the pod's disruption budget";
    assert!(said.stderr.contains(refused), "{}", said.stderr);
    let running = || {
        let phases = cluster.value(&["pods", "--selector=app=web"], "{.items[*].status.phase}");
        phases.split(' ').filter(|phase| *phase == "Running").count()
    };
    assert_eq!(running(), 2);
    cluster.wait_value(&["pdb", "web"], "{.status.disruptionsAllowed}", "0");
    cluster.wait_value(&["pdb", "web"], "{.status.currentHealthy}", "2");

    // Without the budget it ends.
    cluster.kubectl(&["delete", "pdb", "web"]);
    let started = Instant::now();
    cluster.kubectl(&[&drain[..], &["--timeout=60s"]].concat());
    eprintln!("the two pods that were left were drained in {:?}", started.elapsed());
    wait::until_true("no pod to run", LIMIT, || running() == 0);
    cluster.kubectl(&["uncordon", &node]);
    cluster.wait_rollout("web");

    // Somebody asks the control plane how far the nodes are.
    let progress = cluster.kubectl(&["get", "--raw", "/sheave/v1/progress"]);
    assert!(progress.contains(&node), "{progress}");
    let metrics = cluster.kubectl(&["get", "--raw", "/metrics"]);
    let ended = "sheave_pod_end_waits_total{outcome=\"acknowledged\"}";
    assert!(
        metrics.lines().any(|line| line.starts_with(ended) && !line.ends_with(" 0")),
        "{metrics}"
    );
    let late = "sheave_pod_end_waits_total{outcome=\"deadline\"} 0";
    assert!(metrics.contains(late), "a node did not acknowledge in time: {metrics}");
}

#[test]
fn pods_without_a_service_end_at_once_and_those_with_one_hardly_later() {
    let cluster = Cluster::start();
    let single = |name: &str| {
        cluster.kubectl(&[
            "run",
            name,
            "--image=sheave.local/hello:1",
            "--labels",
            &format!("app={name}"),
        ]);
        cluster.wait_pod_ready(name);
    };
    single("plain");
    single("served");
    cluster.kubectl(&["expose", "pod", "served", "--port=80", "--target-port=8080"]);
    let ready = "{.items[*].endpoints[*].conditions.ready}";
    let of_served = "--selector=kubernetes.io/service-name=served";
    cluster.wait_value(&["endpointslices", of_served], ready, "true");
    let took = |name: &str| {
        let started = Instant::now();
        cluster.kubectl(&["delete", "pod", name, "--grace-period=1"]);
        started.elapsed()
    };
    let (plain, served) = (took("plain"), took("served"));
    eprintln!("a pod without a Service was deleted in {plain:?}, one with a Service in {served:?}");
    assert!(
        plain < Duration::from_secs(5) && served < Duration::from_secs(5),
        "{plain:?} {served:?}"
    );
}
