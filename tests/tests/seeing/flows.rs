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
