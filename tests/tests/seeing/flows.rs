//! `sheave flows -f`: what happens to packets while somebody watches, and only then.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use sheave_dataplane::Dataplane;
use sheave_tests::lab::Sockets;
use sheave_tests::wait;

use crate::node::Node;

const PATIENCE: Duration = Duration::from_secs(10);

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

fn until_traced(node: &Node, wanted: bool) {
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
    let (all, of_web) = (Follower::start(&node, ""), Follower::start(&node, "--service shop/web"));
    until_traced(&node, true);
    // The second may not have joined yet; a flow that both see says that it has.
    let open = node.connect(Sockets::Untouched, "10.96.0.1:80");
    let line = all.next("FlowOpened");
    assert_eq!(line["source"], open.client.as_str());
    assert_eq!(
        (&line["destination"], &line["service"]),
        (&"10.96.0.1:80".into(), &"shop/web".into())
    );
    assert!(line["backend"].as_str().unwrap().ends_with(":8080"), "{line}");
    assert_eq!(line["interface"], "pod4");
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    dial(&node, "10.96.7.7:80");
    let line = all.next("UnallocatedAddress");
    assert_eq!((&line["drop"], &line["destination"]), (&true.into(), &"10.96.7.7:80".into()));
    let mut opened = Vec::new();
    wait::until_true("the second follower", PATIENCE, || {
        opened.push(node.connect(Sockets::Untouched, "10.96.0.1:80"));
        of_web.lines.recv_timeout(Duration::from_millis(500)).is_ok()
    });
    dial(&node, "10.96.7.7:80");
    all.next("UnallocatedAddress");
    let others = of_web.lines.try_iter().filter(|line| line["service"] != "shop/web");
    assert_eq!(others.collect::<Vec<_>>(), Vec::<Value>::new(), "one service's, as asked");
    drop(all);
    assert!(is_traced(&node), "somebody still follows");
    drop(of_web);
    until_traced(&node, false);
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
