//! Pods that opt out of the socket hooks, in a whole cluster.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sheave_tests::cluster::{Cluster, program};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{command, wait};

const LIMIT: Duration = Duration::from_secs(60);

const WEB: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - {name: web, image: "sheave.local/hello:1", ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"#;

/// A pod that holds a connection to the service.
fn client(name: &str, service: SocketAddr, hooks: &str) -> String {
    let (ip, port) = (service.ip(), service.port());
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, annotations: {{sheave.io/socket-hooks: "{hooks}"}}}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: client
      image: sheave.local/busybox:1
      command: ["sh", "-c", "while :; do sleep 1000 | nc {ip} {port}; sleep 0.2; done"]
"#
    )
}

/// As the kernel writes an established connection to it in /proc/net/tcp.
fn connection_to(to: SocketAddr) -> String {
    let IpAddr::V4(ip) = to.ip() else { panic!("the cluster has IPv4") };
    format!(" {:08X}:{:04X} 01 ", u32::from_ne_bytes(ip.octets()), to.port())
}

#[test]
fn the_annotation_is_checked_by_the_server_and_heeded_by_the_node() {
    let cluster = Cluster::start();
    cluster.apply(WEB);
    cluster.wait_pod_ready("web");
    let service = cluster.service("web");
    let pod_ip = cluster.value(&["pod", "web"], "{.status.podIP}");
    let backend = SocketAddr::new(pod_ip.parse().expect("the pod has an address"), 8080);

    let said = cluster
        .kubectl_with_input(&["apply", "--filename", "-"], &client("wrong", service, "never"));
    let sentence = "metadata.annotations[sheave.io/socket-hooks]: Unsupported value: \"never\": \
                    supported values: \"off\", \"on\"";
    assert!(!said.ok && said.stderr.contains(sentence), "{}", said.stderr);

    cluster.apply(&client("alone", service, "off"));
    cluster.apply(&client("other", service, "on"));
    for (pod, seen, not_seen) in [("alone", service, backend), ("other", backend, service)] {
        cluster.wait_pod_ready(pod);
        let connections = || cluster.kubectl(&["exec", pod, "--", "cat", "/proc/net/tcp"]);
        let is_seen = |said: &String| said.contains(&connection_to(seen));
        let said = wait::until(&format!("{pod} to dial {seen}"), LIMIT, connections, is_seen);
        assert!(!said.contains(&connection_to(not_seen)), "{pod}: {said}");
    }

    let sheave = program("sheave");
    let sheave = sheave.to_str().expect("the path is UTF-8");
    let (to, flags) = (service.to_string(), cluster.flags());
    for (pod, expected) in [("default/alone", true), ("default/other", false)] {
        let words: Vec<&str> = [sheave, "explain", pod, &to].into_iter().collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let said = command::run(&[words, flags].concat(), &[], "");
        let is_left_alone = said.stdout.contains("sockets are left alone");
        assert_eq!(is_left_alone, expected, "{pod}: {}{}", said.stdout, said.stderr);
    }
}
