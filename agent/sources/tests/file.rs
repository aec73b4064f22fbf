//! The file source on real files: complete states, changes, and what is left out.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::Path;
use std::time::Duration;

use sheave_core::model::Update;
use sheave_sources::file;
use tokio::sync::mpsc;

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: 10.96.0.7
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints:
- addresses: [10.244.0.2]
- addresses: [10.244.0.3]
  conditions: {ready: false}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: none-of-ours}
";

fn words(updates: &[Update]) -> Vec<String> {
    let word = |update: &Update| match update {
        Update::Init => "init".into(),
        Update::InitDone => "done".into(),
        Update::Service(s) => {
            format!("service {}/{} {}", s.key.namespace, s.key.name, s.ports[0].port)
        }
        Update::EndpointSlice(slice) => {
            let ready = slice.endpoints.iter().filter(|endpoint| endpoint.ready).count();
            format!(
                "slice {} of {} {ready}/{}",
                slice.key.name,
                slice.service_name,
                slice.endpoints.len()
            )
        }
        other => panic!("{other:?}"),
    };
    updates.iter().map(word).collect()
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

#[test]
fn manifests_of_a_directory_are_one_complete_state() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", WEB);
    write(
        dir.path(),
        "b.json",
        r#"{"kind":"List","items":[{"kind":"Service","metadata":{"name":"db","namespace":"x"},
            "spec":{"clusterIP":"10.96.0.8","ports":[{"port":5432}]}}]}"#,
    );
    write(dir.path(), "notes.txt", "not: [yaml");
    let (updates, left_out) = file::read(dir.path()).unwrap();
    let expected =
        ["init", "slice web-1 of web 1/2", "service default/web 80", "service x/db 5432", "done"];
    assert_eq!(words(&updates), expected);
    assert!(left_out.is_empty());
}

#[test]
fn a_load_balancer_is_read_with_all_that_nodes_need() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "a.yaml",
        "
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  clusterIPs: [10.96.0.7]
  externalTrafficPolicy: Local
  healthCheckNodePort: 31000
  loadBalancerSourceRanges: [192.0.2.0/24, '2001:db8::/64']
  ports: [{port: 80, nodePort: 30080}]
status:
  loadBalancer:
    ingress:
    - {ip: 198.51.100.1, ipMode: VIP}
    - {ip: 198.51.100.2, ipMode: Proxy}
    - {ip: 198.51.100.3}
",
    );
    let (updates, left_out) = file::read(dir.path()).unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
    let Update::Service(service) = &updates[1] else { panic!("{updates:?}") };
    let balancer: Vec<_> = service.load_balancer_ips.iter().map(ToString::to_string).collect();
    assert_eq!(balancer, ["198.51.100.1", "198.51.100.3"], "a proxy is not passed by");
    let ranges: Vec<_> = service.source_ranges.iter().map(ToString::to_string).collect();
    assert_eq!(ranges, ["192.0.2.0/24", "2001:db8::/64"]);
    assert_eq!(service.health_check_node_port.map(u16::from), Some(31000));
}

#[test]
fn what_is_wrong_is_named_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "a.yaml", WEB);
    write(
        dir.path(),
        "b.yaml",
        "kind: Service\nmetadata: {name: bad}\nspec: {clusterIP: x, ports: [{port: 80}]}",
    );
    write(dir.path(), "c.yaml", "metadata: {name: what}");
    write(dir.path(), "d.yaml", "kind: [");
    let (updates, left_out) = file::read(dir.path()).unwrap();
    assert_eq!(updates.len(), 4);
    let said: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    assert!(said[0].ends_with("b.yaml: Service default/bad: spec.clusterIPs[0]: Invalid value: x: must be a valid IP address"), "{said:?}");
    assert!(said[1].ends_with("c.yaml: kind: Required value"), "{said:?}");
    assert!(said[2].contains("d.yaml: "), "{said:?}");
    assert!(file::read(&dir.path().join("absent")).is_err());
}

#[tokio::test]
async fn a_change_is_a_new_complete_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, WEB).unwrap();
    let (sender, mut states) = mpsc::channel(1);
    let following = tokio::spawn(file::follow(path.clone(), sender));
    let limit = Duration::from_secs(5);
    let state = tokio::time::timeout(limit, states.recv()).await.unwrap().unwrap();
    assert_eq!(words(&state)[2], "service default/web 80");

    // As an editor does: written beside, moved over.
    write(dir.path(), "new", &WEB.replace("port: 80,", "port: 81,"));
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    let state = tokio::time::timeout(limit, states.recv()).await.unwrap().unwrap();
    assert_eq!(words(&state)[2], "service default/web 81");

    // While the file is away, what was known stands.
    std::fs::remove_file(&path).unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), states.recv()).await.is_err());
    std::fs::write(&path, WEB).unwrap();
    let state = tokio::time::timeout(limit, states.recv()).await.unwrap().unwrap();
    assert_eq!(words(&state)[2], "service default/web 80");

    drop(states);
    tokio::time::timeout(limit, following).await.unwrap().unwrap().unwrap();
}

#[test]
fn a_node_is_a_peer_with_its_internal_addresses_and_ranges() {
    let dir = tempfile::tempdir().unwrap();
    let node = "kind: Node\nmetadata: {name: b}\nspec: {podCIDRs: [10.244.1.0/24, 'fd00:244:1::/64']}\n\
                status: {addresses: [{type: Hostname, address: b}, {type: InternalIP, address: 192.0.2.2}, \
                {type: InternalIP, address: 192.0.2.3}, {type: InternalIP, address: '2001:db8::2'}]}";
    write(dir.path(), "a.yaml", node);
    write(dir.path(), "b.yaml", "kind: Node\nmetadata: {name: c}\nspec: {podCIDRs: [10.244.1.0]}");
    let (updates, left_out) = file::read(dir.path()).unwrap();
    let [Update::Init, Update::Peer(peer), Update::InitDone] = updates.as_slice() else {
        panic!("{updates:?}");
    };
    let text = |all: Vec<String>| all.join(" ");
    assert_eq!(peer.name, "b");
    assert_eq!(
        text(peer.addresses.iter().map(ToString::to_string).collect()),
        "192.0.2.2 2001:db8::2"
    );
    let ranges = text(peer.pod_ranges.iter().map(ToString::to_string).collect());
    assert_eq!(ranges, "10.244.1.0/24 fd00:244:1::/64");
    let said = left_out[0].to_string();
    assert!(said.contains("Node c: spec.podCIDRs[0]: Invalid value: 10.244.1.0"), "{said}");
}
