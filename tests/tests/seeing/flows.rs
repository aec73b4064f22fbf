//! `sheave flows -f`: what happens to packets while somebody watches, and only then.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use sheave_dataplane::Dataplane;
use sheave_tests::lab::Sockets;
use sheave_tests::wait;

use crate::node::Node;

const PATIENCE: Duration = Duration::from_secs(20);
const MOMENT: Duration = Duration::from_millis(500);

/// A `sheave flows -f`, and the lines it prints.
struct Follower {
    child: Child,
    lines: Receiver<Value>,
}

impl Follower {
    fn start(node: &Node, words: &str) -> Self {
        let command = node.command(&format!("flows -f --output json {words}"));
        let mut child = node.lab.spawn(&node.lab.node, Sockets::Untouched, command);
        let output = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, lines }
    }

    fn next(&self, event: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {event} within {PATIENCE:?}"));
            if line["event"] == event {
                return line;
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_traced(node: &Node) -> bool {
    let maps = Dataplane::inspect(&node.lab.config.bpffs_dir).unwrap();
    maps.settings().unwrap().traced != 0
}

pub(crate) fn until_traced(node: &Node, wanted: bool) {
    let what = format!("the programs to report: {wanted}");
    wait::until_true(&what, PATIENCE, || is_traced(node) == wanted);
}

fn dial(node: &Node, to: &str) {
    let to = to.parse().unwrap();
    node.lab.pods[&4].run(|| {
        TcpStream::connect_timeout(&to, Duration::from_millis(200)).unwrap_err();
    });
}

#[test]
fn everybody_who_follows_sees_what_happens_and_its_names() {
    let node = Node::new("see-flows");
    assert!(!is_traced(&node), "nobody watches, nothing is written");
    let (all, of_api) = (Follower::start(&node, ""), Follower::start(&node, "--service shop/api"));
    until_traced(&node, true);
    // Either may not have joined yet: what is tried again until it is seen says that it has.
    wait::until_true("both followers", PATIENCE, || {
        dial(&node, "10.96.0.2:80");
        let sees = |follower: &Follower| follower.lines.recv_timeout(MOMENT).is_ok();
        sees(&all) && sees(&of_api)
    });
    dial(&node, "10.96.0.2:80");
    let line = all.next("Refused");
    assert!(line["source"].as_str().unwrap().starts_with("10.244.0.4:"), "{line}");
    assert_eq!(
        (&line["destination"], &line["service"]),
        (&"10.96.0.2:80".into(), &"shop/api".into())
    );
    assert_eq!((&line["interface"], &line["drop"]), (&"pod4".into(), &false.into()));
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    dial(&node, "10.96.7.7:80");
    let line = all.next("UnallocatedAddress");
    assert_eq!((&line["drop"], &line["destination"]), (&true.into(), &"10.96.7.7:80".into()));
    dial(&node, "10.96.0.2:80");
    of_api.next("Refused");
    let others = of_api.lines.try_iter().filter(|line| line["service"] != "shop/api");
    assert_eq!(others.collect::<Vec<_>>(), Vec::<Value>::new(), "one service's, as asked");
    drop(all);
    assert!(is_traced(&node), "somebody still follows");
    drop(of_api);
    until_traced(&node, false);
}

/// A Service for datagrams, on one of the pods.
fn serve_dns(node: &Node, pod: u8) {
    node.lab.serve_file(
        "dns",
        &format!(
            "
kind: Service
metadata: {{name: dns, namespace: shop}}
spec: {{clusterIP: 10.96.0.5, ports: [{{port: 53, protocol: UDP}}]}}
---
kind: EndpointSlice
metadata: {{name: dns-1, namespace: shop, labels: {{kubernetes.io/service-name: dns}}}}
addressType: IPv4
ports: [{{port: 5353, protocol: UDP}}]
endpoints: [{{addresses: [10.244.0.{pod}], nodeName: here}}]
"
        ),
    );
    let backend = format!("10.244.0.{pod}:5353");
    node.until("backends shop/dns", |said| said.to_string().contains(&backend));
}

#[test]
fn what_opens_and_moves_is_shown_with_client_frontend_and_backend() {
    let node = Node::new("see-opened");
    serve_dns(&node, 2);
    let follower = Follower::start(&node, "");
    until_traced(&node, true);
    let expect = |event: &str, client: &str, service: [&str; 2], interface: Value| {
        let line = follower.next(event);
        assert_eq!(line["source"], client, "{line}");
        let [name, frontend] = service;
        assert_eq!((&line["service"], &line["destination"]), (&name.into(), &frontend.into()));
        assert_eq!((&line["interface"], &line["drop"]), (&interface, &false.into()), "{line}");
        line["backend"].as_str().unwrap().to_owned()
    };
    let web = ["shop/web", "10.96.0.1:80"];
    let backends = ["10.244.0.2:8080", "10.244.0.3:8080"];
    let packets = node.connect(Sockets::Untouched, web[1]);
    let backend = expect("FlowOpened", &packets.client, web, "pod4".into());
    assert!(backends.contains(&backend.as_str()), "{backend}");
    // A socket has no port yet when it dials.
    let _socket = node.connect(Sockets::Translated, web[1]);
    let backend = expect("SocketTranslated", "10.244.0.4", web, Value::Null);
    assert!(backends.contains(&backend.as_str()), "{backend}");
    let mut command = Command::new("busybox");
    command.args(["nc", "-w", "1", "10.96.0.1", "80"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut dials = node.lab.spawn(&node.lab.node, Sockets::Translated, command);
    expect("SocketTranslated", "192.0.2.1", web, Value::Null);
    dials.wait().unwrap();

    let dns = ["shop/dns", "10.96.0.5:53"];
    let socket = node.lab.pods[&4].run(|| UdpSocket::bind("10.244.0.4:0").unwrap());
    let client = socket.local_addr().unwrap().to_string();
    socket.connect(dns[1]).unwrap();
    socket.send(b"who").unwrap();
    assert_eq!(expect("FlowOpened", &client, dns, "pod4".into()), "10.244.0.2:5353");
    serve_dns(&node, 3);
    // Nobody listens there, which a socket is told when it sends again.
    socket.send(b"who").or_else(|_| socket.send(b"who")).unwrap();
    assert_eq!(expect("FlowMoved", &client, dns, "pod4".into()), "10.244.0.3:5353");
}

#[test]
fn without_an_agent_the_ring_itself_is_followed() {
    let mut node = Node::new("see-flows-dead");
    node.lab.kill_agent();
    let follower = Follower::start(&node, "");
    until_traced(&node, true);
    dial(&node, "10.96.7.7:80");
    assert_eq!(follower.next("UnallocatedAddress")["service"], Value::Null);
    drop(follower);
    until_traced(&node, false);
}
