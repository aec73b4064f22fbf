//! A client of the tests of several nodes: makes each of the probes that its only argument lists as JSON, all at
//! once, and prints what became of them. A process, because sockets are told apart by their cgroup and network.

use sheave_tests::probe::{Probe, make_all};

fn main() {
    let argument = std::env::args().nth(1).expect("probes");
    let probes: Vec<Probe> = serde_json::from_str(&argument).expect("probes");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcomes = runtime.expect("a runtime").block_on(make_all(&probes));
    println!("{}", serde_json::to_string(&outcomes).expect("outcomes are JSON"));
}
