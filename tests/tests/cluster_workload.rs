//! What happens to pods that fail, and what their Services notice of it.

use sheave_abi::order::Addr;
use sheave_abi::service::BACKEND_LIVE;
use sheave_dataplane::Dataplane;
use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{http, wait};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

/// Two pods that are ready while the file /tmp/ready is there.
const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: sheave.local/hello:1
          ports: [{containerPort: 8080}]
          lifecycle:
            postStart:
              exec: {command: ["touch", "/tmp/ready"]}
          readinessProbe:
            exec: {command: ["cat", "/tmp/ready"]}
            periodSeconds: 1
            failureThreshold: 1
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"#;

#[test]
fn a_pod_that_is_not_ready_gets_no_traffic() {
    let cluster = Cluster::start();
    cluster.apply(WEB);
    cluster.wait_rollout("web");
    let service = cluster.service("web");
    let pods = pod_names(&cluster);
    wait_answering(service, &pods);

    cluster.kubectl(&["exec", &pods[0], "--", "rm", "/tmp/ready"]);
    let ready = r#"{.status.conditions[?(@.type=="Ready")].status}"#;
    cluster.wait_value(&["pod", &pods[0]], ready, "False");
    wait_answering(service, &pods[1..]);
    // The other one answers everything, and nothing fails meanwhile.
    for _ in 0..50 {
        assert_eq!(http::get(service, "/").expect("one pod is ready"), pods[1]);
    }

    cluster.kubectl(&["exec", &pods[0], "--", "touch", "/tmp/ready"]);
    wait_answering(service, &pods);
}

#[test]
fn what_pods_of_a_node_send_each_other_is_not_cut_up() {
    let cluster = Cluster::start();
    cluster.apply(WEB);
    cluster.wait_rollout("web");
    let pods = pod_names(&cluster);
    let address = cluster.kubectl(&["get", "pod", &pods[1], "--output=jsonpath={.status.podIP}"]);
    let ping = ["ping", "-c3", "-W2", "-s60000", address.trim()];
    let said = cluster.kubectl(&[&["exec", &pods[0], "--"], &ping[..]].concat());
    assert!(said.contains("3 packets received"), "{said}");
    let counted = cluster.kubectl(&["exec", &pods[0], "--", "cat", "/proc/net/snmp"]);
    let mut ip = counted.lines().filter(|line| line.starts_with("Ip:"));
    let (names, values) = (ip.next().expect("names"), ip.next().expect("values"));
    let mut columns = names.split(' ').zip(values.split(' '));
    let cut_up = columns.find(|(name, _)| *name == "FragCreates");
    assert_eq!(cut_up, Some(("FragCreates", "0")), "{counted}");
}

#[test]
fn a_killed_container_restarts_and_waits_longer_each_time() {
    let cluster = Cluster::start();
    let manifest = r#"
apiVersion: v1
kind: Pod
metadata: {name: brief}
spec:
  containers:
    - name: brief
      image: sheave.local/busybox:1
      command: ["sh", "-c", "echo hello; exit 3"]
"#;
    let began = Instant::now();
    cluster.apply(manifest);
    let restarts = || {
        cluster
            .value(&["pod", "brief"], "{.status.containerStatuses[0].restartCount}")
            .parse::<u32>()
            .unwrap_or(0)
    };
    wait::until("two restarts", LIMIT, restarts, |count| *count >= 2);
    // The first restart is immediate, the second waits ten seconds.
    assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
    cluster.wait_value(
        &["pod", "brief"],
        "{.status.containerStatuses[0].state.waiting.reason}",
        "CrashLoopBackOff",
    );
    let last = "{.status.containerStatuses[0].lastState.terminated.exitCode}";
    assert_eq!(cluster.value(&["pod", "brief"], last), "3");
    assert_eq!(cluster.kubectl(&["logs", "brief", "--previous"]), "hello\n");
    assert!(cluster.kubectl(&["describe", "pod", "brief"]).contains("BackOff"));
}

#[test]
fn a_container_killed_from_within_is_started_again() {
    let cluster = Cluster::start();
    cluster.kubectl(&["run", "box", "--image=sheave.local/hello:1"]);
    cluster.wait_pod_ready("box");
    // Process 1 of a container ignores signals from inside that it does not ask for; it asks for TERM.
    // A little later: with it ends whatever else runs in the container, and so would the one who asks.
    let later = "(sleep 1; kill -TERM 1) </dev/null >/dev/null 2>&1 &";
    cluster.kubectl(&["exec", "box", "--", "sh", "-c", later]);
    cluster.wait_value(&["pod", "box"], "{.status.containerStatuses[0].restartCount}", "1");
    cluster.wait_pod_ready("box");
}

#[test]
fn a_deleted_pod_is_replaced_and_its_address_leaves_every_map() {
    let cluster = Cluster::start();
    cluster.apply(WEB);
    cluster.wait_rollout("web");
    let service = cluster.service("web");
    let pods = pod_names(&cluster);
    let gone: IpAddr = cluster
        .value(&["pod", &pods[0]], "{.status.podIP}")
        .parse()
        .expect("a ready pod has an address");
    wait_answering(service, &pods);
    assert!(!maps_holding(&cluster, gone).is_empty(), "the maps know a pod that serves");

    cluster.kubectl(&["delete", "pod", &pods[0]]);
    cluster.wait_rollout("web");
    let now = pod_names(&cluster);
    assert!(!now.contains(&pods[0]) && now.contains(&pods[1]), "{now:?}");
    wait_answering(service, &now);
    // The address itself may already belong to the new pod.
    let addresses = cluster.value(&["pods", "--selector=app=web"], "{.items[*].status.podIP}");
    if !addresses.split(' ').any(|address| address == gone.to_string()) {
        let maps = || maps_holding(&cluster, gone);
        wait::until("the old address to leave the maps", LIMIT, maps, Vec::is_empty);
    }

    cluster.kubectl(&["delete", "deployment", "web"]);
    cluster.wait_value(&["pods", "--selector=app=web"], "{.items}", "[]");
    for address in addresses.split(' ').map(|address| address.parse().expect("an address")) {
        let maps = || maps_holding(&cluster, address);
        wait::until("the last addresses to leave the maps", LIMIT, maps, Vec::is_empty);
    }
}

#[test]
fn configuration_reaches_the_container_and_changes_there() {
    let cluster = Cluster::start();
    let manifest = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: slow}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {word: sesame}
---
apiVersion: v1
kind: Pod
metadata: {name: configured}
spec:
  initContainers:
    - name: prepare
      image: sheave.local/busybox:1
      command: ["sh", "-c", "echo prepared > /work/state"]
      volumeMounts: [{name: work, mountPath: /work}]
  containers:
    - name: main
      image: sheave.local/hello:1
      env:
        - name: MODE
          valueFrom: {configMapKeyRef: {name: settings, key: mode}}
        - name: WORD
          valueFrom: {secretKeyRef: {name: password, key: word}}
        - name: OWN_IP
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
      volumeMounts:
        - {name: work, mountPath: /work}
        - {name: settings, mountPath: /settings}
        - {name: password, mountPath: /password}
  volumes:
    - name: work
      emptyDir: {}
    - name: settings
      configMap: {name: settings}
    - name: password
      secret: {secretName: password, defaultMode: 0400}
"#;
    cluster.apply(manifest);
    cluster.wait_pod_ready("configured");
    let inside = |script: &str| {
        cluster.kubectl(&["exec", "configured", "--container=main", "--", "sh", "-c", script])
    };
    assert_eq!(inside("cat /work/state"), "prepared\n");
    assert_eq!(inside("echo $MODE $WORD"), "slow sesame\n");
    let address = cluster.value(&["pod", "configured"], "{.status.podIP}");
    assert_eq!(inside("echo $OWN_IP").trim(), address);
    assert_eq!(inside("cat /settings/mode /password/word"), "slowsesame");
    assert_eq!(inside("stat -L -c %a /password/word"), "400\n");

    cluster.kubectl(&["patch", "configmap", "settings", "--patch", r#"{"data":{"mode":"fast"}}"#]);
    wait::until(
        "the mounted file to change",
        Duration::from_secs(90),
        || inside("cat /settings/mode"),
        |mode| mode == "fast",
    );
}

/// Names of the pods of the deployment that are not being deleted.
fn pod_names(cluster: &Cluster) -> Vec<String> {
    let text = cluster.kubectl(&[
        "get", "pods", "--selector=app=web",
        "--output=go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}",
    ]);
    text.split_whitespace().map(str::to_owned).collect()
}

/// Waits until exactly these pods answer.
fn wait_answering(service: SocketAddr, pods: &[String]) {
    let mut expected = pods.to_vec();
    expected.sort();
    // Twenty answers from two pods chosen at random miss one of them once in half a million.
    let answering = || {
        let mut names: Vec<String> = (0..20).filter_map(|_| http::get(service, "/").ok()).collect();
        names.sort();
        names.dedup();
        names
    };
    wait::until("exactly the ready pods to answer", LIMIT, answering, |names| *names == expected);
}

/// Where packets could still be sent to this address: maps and what stands there.
fn maps_holding(cluster: &Cluster, address: IpAddr) -> Vec<String> {
    let address = match address {
        IpAddr::V4(address) => Addr::v4(address.octets()),
        IpAddr::V6(address) => Addr::v6(address.octets()),
    };
    let dataplane = Dataplane::inspect(&cluster.bpffs_dir).expect("the maps are pinned");
    let held = dataplane.held().expect("the maps can be read");
    let endpoints = dataplane.endpoints().expect("the maps can be read");
    let backends = held
        .backends
        .values()
        .filter(|backend| backend.state == BACKEND_LIVE && backend.addr == address)
        .map(|backend| format!("BACKENDS: {backend:?}"));
    let endpoints = endpoints
        .iter()
        .filter(|(addr, _)| *addr == address)
        .map(|(_, endpoint)| format!("ENDPOINTS: {endpoint:?}"));
    backends.chain(endpoints).collect()
}
