//! What the node of the chaos serves.

use std::fmt::Write as _;

/// Backends of `web`.
pub(crate) const BACKENDS: [u8; 2] = [2, 3];
/// The pod that the long streams go to.
pub(crate) const STREAM_SERVER: u8 = 4;
/// A pod whose processes are in the cgroup of the socket hooks.
pub(crate) const SOCKET_CLIENT: u8 = 10;
/// A pod whose sockets the host does not see.
pub(crate) const PACKET_CLIENT: u8 = 11;
/// The pod that a flood goes to.
pub(crate) const FLOODED: u8 = 5;
/// Like [`SOCKET_CLIENT`], for services that are not always there: what it sends when they are not goes out
/// as packets, and leaves flows behind.
pub(crate) const SOMETIMES_CLIENT: u8 = 12;
/// All pods.
pub(crate) const PODS: [u8; 7] =
    [2, 3, STREAM_SERVER, FLOODED, SOCKET_CLIENT, PACKET_CLIENT, SOMETIMES_CLIENT];

/// `web` with these backends ready; the services of the streams; `flooded`; `none`, which nobody answers for; and
/// `sometimes`, on the first backend.
pub(crate) fn manifests(web: &[u8]) -> String {
    manifests_of(web, true)
}

/// A pod that is there, ready or not.
fn endpoint(pod: u8, ready: bool) -> String {
    let conditions = format!("{{ready: {ready}, serving: {ready}, terminating: false}}");
    format!("{{addresses: [10.244.0.{pod}], nodeName: here, conditions: {conditions}}}")
}

/// As [`manifests`], where the backend of `sometimes` may not be ready.
pub(crate) fn manifests_of(web: &[u8], sometimes: bool) -> String {
    let mut text = String::from(
        "
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.1
  ports:
  - {name: tcp, port: 80, nodePort: 30080}
  - {name: udp, protocol: UDP, port: 53, nodePort: 30053}
  - {name: held, port: 7, nodePort: 30007}
---
kind: Service
metadata: {name: none}
spec: {type: NodePort, clusterIP: 10.96.0.9, ports: [{port: 80, nodePort: 30099}]}
---
kind: Service
metadata: {name: sometimes}
spec:
  type: NodePort
  clusterIP: 10.96.0.8
  ports:
  - {name: tcp, port: 80, nodePort: 30098}
  - {name: udp, protocol: UDP, port: 53, nodePort: 30098}
---
kind: Service
metadata: {name: flooded}
spec:
  type: NodePort
  clusterIP: 10.96.0.7
  ports:
  - {name: tcp, port: 9, nodePort: 30009}
  - {name: udp, protocol: UDP, port: 9, nodePort: 30009}
---
kind: EndpointSlice
metadata: {name: flooded-1, labels: {kubernetes.io/service-name: flooded}}
addressType: IPv4
ports:
- {name: tcp, port: 9}
- {name: udp, protocol: UDP, port: 9}
endpoints: [{addresses: [10.244.0.5], nodeName: here}]
",
    );
    let sometimes = endpoint(BACKENDS[0], sometimes);
    let slice = "
---
kind: EndpointSlice
metadata: {name: sometimes-1, labels: {kubernetes.io/service-name: sometimes}}
addressType: IPv4
ports:
- {name: tcp, port: 8080}
- {name: udp, protocol: UDP, port: 5353}
endpoints: [";
    writeln!(text, "{slice}{sometimes}]").expect("a string takes all");
    let endpoints = BACKENDS.map(|pod| endpoint(pod, web.contains(&pod)));
    let slice = "
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports:
- {name: tcp, port: 8080}
- {name: udp, protocol: UDP, port: 5353}
- {name: held, port: 7007}
endpoints: [";
    writeln!(text, "{slice}{}]", endpoints.join(", ")).expect("a string takes all");
    for stream in 1..=3 {
        let service = format!(
            "
---
kind: Service
metadata: {{name: stream{stream}}}
spec: {{type: NodePort, clusterIP: 10.96.0.1{stream}, ports: [{{port: 5201, nodePort: 3020{stream}}}]}}
---
kind: EndpointSlice
metadata: {{name: stream{stream}-1, labels: {{kubernetes.io/service-name: stream{stream}}}}}
addressType: IPv4
ports: [{{port: 520{stream}}}]
endpoints: [{{addresses: [10.244.0.{STREAM_SERVER}], nodeName: here}}]
"
        );
        text.push_str(&service);
    }
    text
}
