//! An announcer by itself, for tests: `announcer NODE UPLINK SECRET ADDRESS...` announces addresses in the
//! network namespace that it is started in, until it is killed. It answers each line of its standard input
//! with its status as a line of JSON; the line `candidates ADDRESS...` replaces the addresses before.

#![expect(clippy::unwrap_used, reason = "a test program says what is wrong by ending")]

use std::collections::BTreeSet;
use std::io::BufRead as _;
use std::net::IpAddr;

use sheave_announce::{Announcer, AnnouncerConfig, ClusterKey};

fn main() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("announcer NODE UPLINK SECRET ADDRESS...");
    let (node_name, uplink, secret) = (next(), next(), next());
    let addresses = parse(arguments);
    let config = AnnouncerConfig { node_name, uplinks: vec![uplink] };
    let announcer = Announcer::start(&config).unwrap();
    announcer.set_key(Some(ClusterKey::derive(secret.as_bytes()).unwrap()));
    announcer.set_candidates(addresses);
    for line in std::io::stdin().lock().lines() {
        if let Some(addresses) = line.unwrap().strip_prefix("candidates") {
            announcer.set_candidates(parse(addresses.split_whitespace()));
        }
        println!("{}", serde_json::to_string(&announcer.status()[0]).unwrap());
    }
}

fn parse(addresses: impl Iterator<Item: AsRef<str>>) -> BTreeSet<IpAddr> {
    addresses.map(|address| address.as_ref().parse().unwrap()).collect()
}
