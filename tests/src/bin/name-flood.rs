//! Asks a DNS server as much as it answers: `name-flood SERVER QUESTIONS SECONDS UNDER_WAY`, where QUESTIONS is a
//! file as dnsperf reads it. Prints the report as JSON.

use sheave_tests::name_flood::{NameFlood, question};
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, questions, seconds, under_way] = &arguments[..] else {
        panic!("a server's address, a file of questions, seconds, questions under way");
    };
    let lines = std::fs::read_to_string(questions).expect("a file of questions");
    let flood = NameFlood {
        server: server.parse().expect("an address and a port"),
        questions: lines.lines().map(|line| question(line).expect("a question")).collect(),
        window: under_way.parse().expect("a number of questions"),
        duration: Duration::from_secs(seconds.parse().expect("a number of seconds")),
    };
    let report = flood.run().expect("a socket that works");
    println!("{}", serde_json::to_string(&report).expect("a report is JSON"));
}
