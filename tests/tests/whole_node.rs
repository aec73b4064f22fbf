//! A whole node on whatever kernel runs: the agent's program opens the dataplane, attaches everything in
//! the way that this kernel has, serves manifests, is killed and started again. Clients of every kind ask
//! all the while.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};

use sheave_tests::cluster::program;
use sheave_tests::kernel;
use sheave_tests::lab::{Lab, Sockets};
use sheave_tests::netns::Netns;

const BACKEND: u8 = 2;
const CLIENT: u8 = 3;
/// A pod whose sockets nobody translates. One pod of both kinds may be given the same port for both, and then sees
/// the answer to one as the other's (docs/clients.md).
const UNTRANSLATED: u8 = 4;
const ANSWER: &str = "10.244.0.2:8080";
/// A pod of another node.
const ELSEWHERE: &str = "10.244.1.9:8080";

const MANIFESTS: &str = "
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.1
  ports:
  - {name: tcp, port: 80, nodePort: 30080}
  - {name: udp, protocol: UDP, port: 80, nodePort: 30080}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: tcp, port: 8080}, {name: udp, protocol: UDP, port: 8080}]
endpoints: [{addresses: [10.244.0.2], nodeName: here}]
---
kind: Service
metadata: {name: away}
spec:
  type: NodePort
  clusterIP: 10.96.0.2
  ports:
  - {name: tcp, port: 80, nodePort: 30081}
  - {name: udp, protocol: UDP, port: 80, nodePort: 30081}
---
kind: EndpointSlice
metadata: {name: away-1, labels: {kubernetes.io/service-name: away}}
addressType: IPv4
ports: [{name: tcp, port: 8080}, {name: udp, protocol: UDP, port: 8080}]
endpoints: [{addresses: [10.244.1.9], nodeName: there}]
";

/// Each connection and each datagram is answered with a line: the address.
fn answer(netns: &Netns, address: &'static str) {
    netns.run(|| {
        let (tcp, udp) = (TcpListener::bind(address).unwrap(), UdpSocket::bind(address).unwrap());
        std::thread::spawn(move || {
            tcp.incoming().for_each(|stream| drop(writeln!(stream.unwrap(), "{address}")));
        });
        std::thread::spawn(move || {
            let mut request = [0; 64];
            while let Ok((_, from)) = udp.recv_from(&mut request) {
                udp.send_to(address.as_bytes(), from).unwrap();
            }
        });
    });
}

/// Every kind of client reaches the service, and sees it as its peer.
fn ask_all(lab: &Lab, when: &str) {
    let (pod, untranslated) = (&lab.pods[&CLIENT], &lab.pods[&UNTRANSLATED]);
    for (client, netns, sockets, service, answer) in [
        ("a pod's socket", pod, Sockets::Translated, "10.96.0.1:80", ANSWER),
        ("a pod's packet", untranslated, Sockets::Untouched, "10.96.0.1:80", ANSWER),
        ("a pod's socket", pod, Sockets::Translated, "192.0.2.1:30080", ANSWER),
        ("a pod's packet", untranslated, Sockets::Untouched, "192.0.2.1:30080", ANSWER),
        ("a socket of the node", &lab.node, Sockets::Translated, "10.96.0.1:80", ANSWER),
        ("a socket of the node", &lab.node, Sockets::Translated, "192.0.2.1:30080", ANSWER),
        ("a socket of the node", &lab.node, Sockets::Translated, "192.0.2.1:30081", ELSEWHERE),
        ("a client outside", &lab.outside, Sockets::Untouched, "192.0.2.1:30080", ANSWER),
        ("a client outside", &lab.outside, Sockets::Untouched, "192.0.2.1:30081", ELSEWHERE),
    ] {
        for call in ["tcp SERVICE", "connected SERVICE", "sendto SERVICE 1"] {
            let call = call.replace("SERVICE", service);
            let mut command = Command::new(env!("CARGO_BIN_EXE_socket-client"));
            command.args(call.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped());
            let output = lab.spawn(netns, sockets, command).wait_with_output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            assert_eq!(said.trim_end(), format!("{service} {answer}"), "{client}, {call}, {when}");
        }
    }
}

#[test]
fn every_kind_of_client_is_served_with_and_without_an_agent() {
    let mut lab = Lab::new("whole", kernel::tc_attachment());
    lab.add_pod(BACKEND);
    lab.add_pod(CLIENT);
    lab.add_pod(UNTRANSLATED);
    answer(&lab.pods[&BACKEND], ANSWER);
    answer(&lab.other_node(), ELSEWHERE);
    lab.serve(MANIFESTS);
    lab.start_agent(&program("sheave-agent"));
    let status = lab.wait_for_agent();
    assert_eq!(status["programs"]["version"], "this", "{status}");
    ask_all(&lab, "served");
    lab.kill_agent();
    ask_all(&lab, "with the agent killed");
    lab.start_agent(&program("sheave-agent"));
    let status = lab.wait_for_agent();
    assert_eq!(status["services"]["mapWrites"], 0, "nothing was new: {status}");
    ask_all(&lab, "with the next agent");
}
