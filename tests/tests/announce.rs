//! Nodes on one network segment that announce addresses, and a client there that resolves them: real
//! announcers, a real bridge, the kernel's own ARP and NDP. No API server anywhere.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails the test, and says where")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use sheave_tests::netns::Netns;
use sheave_tests::wait::{until, until_true};

const V4: [&str; 2] = ["192.0.2.50", "192.0.2.51"];
const V6: [&str; 2] = ["2001:db8::50", "2001:db8::51"];
const LIMIT: Duration = Duration::from_secs(10);
/// Detection, takeover, and the announcement's way to the client.
const TAKEOVER_MAX: Duration = Duration::from_millis(2500);

struct Node {
    netns: Netns,
    announcer: Option<Announcer>,
}

/// Killed when dropped.
struct Announcer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Announcer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A switch with three nodes and a client.
struct Segment {
    switch: Netns,
    client: Netns,
    nodes: Vec<Node>,
}

fn mac(node: usize) -> String {
    format!("02:00:00:00:01:{node:02x}")
}

impl Segment {
    /// The nodes' own addresses are of these families; those of IPv6 that are link-local they always have.
    fn new(with_v4: bool) -> Self {
        let (switch, client) = (Netns::new(), Netns::new());
        switch.ip("link add br0 type bridge");
        switch.ip("link set br0 up");
        let plug = |port: &str, netns: &Netns, mac: &str| {
            switch.ip(&format!("link add {port} type veth peer name eth0 address {mac}"));
            switch.give("eth0", netns);
            switch.ip(&format!("link set {port} master br0"));
            switch.ip(&format!("link set {port} up"));
            netns.ip("link set eth0 up");
        };
        plug("client", &client, "02:00:00:00:00:09");
        client.ip("addr add 192.0.2.9/24 dev eth0");
        client.ip("addr add 2001:db8::9/64 dev eth0 nodad");
        let nodes = (0..3).map(|node| {
            let netns = Netns::new();
            plug(&format!("port{node}"), &netns, &mac(node));
            if with_v4 {
                netns.ip(&format!("addr add 192.0.2.1{node}/24 dev eth0"));
            }
            Node { netns, announcer: None }
        });
        let nodes = nodes.collect();
        let mut segment = Self { switch, client, nodes };
        (0..3).for_each(|node| segment.start(node));
        until_true("everybody hears everybody", LIMIT, || {
            (0..3).all(|node| segment.live_members(node) == 2)
        });
        // Who could speak first may have announced alone for a moment.
        std::thread::sleep(Duration::from_millis(2500));
        segment.until_settled();
        segment
    }

    fn live_members(&mut self, node: usize) -> usize {
        let status = self.status(node).unwrap();
        let members = status["members"].as_array().unwrap().iter();
        members.filter(|member| member["live"] == true).count()
    }

    fn start(&mut self, node: usize) {
        let file = self.nodes[node].netns.file().try_clone().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_announcer"));
        command.args([&format!("node-{node}"), "eth0", "a secret of the cluster"]);
        command.args(V4).args(V6).stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: between fork and exec, only a system call.
        unsafe { command.pre_exec(move || Ok(setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?)) };
        let mut child = command.spawn().unwrap();
        let ask = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        self.nodes[node].announcer = Some(Announcer { child, ask, answers });
    }

    fn status(&mut self, node: usize) -> Option<Value> {
        self.ask(node, "status")
    }

    fn ask(&mut self, node: usize, question: &str) -> Option<Value> {
        let announcer = self.nodes[node].announcer.as_mut()?;
        writeln!(announcer.ask, "{question}").unwrap();
        let mut line = String::new();
        announcer.answers.read_line(&mut line).unwrap();
        Some(serde_json::from_str(&line).unwrap())
    }

    fn announced(&mut self, node: usize) -> Vec<String> {
        let Some(status) = self.status(node) else { return vec![] };
        let announced = status["announced"].as_array().unwrap().iter();
        announced.map(|one| one["address"].as_str().unwrap().to_owned()).collect()
    }

    /// Who announces each address, by their own account.
    fn owners(&mut self) -> BTreeMap<String, Vec<usize>> {
        let mut owners: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for node in 0..3 {
            for address in self.announced(node) {
                owners.entry(address).or_default().push(node);
            }
        }
        owners
    }

    /// Every address has one owner; returns them.
    fn until_settled(&mut self) -> BTreeMap<String, usize> {
        let is_settled = |owners: &BTreeMap<String, Vec<usize>>| {
            owners.len() == 4 && owners.values().all(|nodes| nodes.len() == 1)
        };
        let owners = until("one owner an address", LIMIT, || self.owners(), is_settled);
        owners.into_iter().map(|(address, nodes)| (address, nodes[0])).collect()
    }

    /// The link-layer address that the client's kernel has for an address, if any.
    fn neighbour(&self, address: &str) -> Option<String> {
        let text = self.client.command("ip", &format!("-json neigh show to {address} dev eth0"));
        let entries: Value = serde_json::from_str(&text).unwrap();
        entries[0]["lladdr"].as_str().map(str::to_owned)
    }

    /// Makes the client ask.
    fn send(&self, address: &str) {
        let address: IpAddr = address.parse().unwrap();
        let local: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0_u16; 8].into() };
        self.client.run(|| {
            let socket = UdpSocket::bind((local, 0)).unwrap();
            let _ = socket.send_to(b"?", (address, 9));
        });
    }

    /// What the client learns that knows nothing.
    fn resolve(&self, address: &str) -> String {
        self.client.ip("neigh flush dev eth0");
        self.send(address);
        let found = until("an answer", LIMIT, || self.neighbour(address), Option::is_some);
        found.unwrap()
    }

    /// How long until the client, which sends nothing, knows another node for an address.
    fn takeover(&self, address: &str, before: &str, since: Instant) -> Duration {
        loop {
            match self.neighbour(address) {
                Some(now) if now != before => return since.elapsed(),
                _ if since.elapsed() > LIMIT => panic!("{address} is still at {before}"),
                _ => {}
            }
        }
    }
}

#[test]
fn one_node_answers_and_when_it_is_killed_another_does() {
    let mut segment = Segment::new(true);
    let owners = segment.until_settled();
    for (address, owner) in &owners {
        assert_eq!(segment.resolve(address), mac(*owner), "{address}");
    }
    let replies = segment.client.command("busybox", &format!("arping -c 3 -I eth0 {}", V4[0]));
    let expected = mac(owners[V4[0]]).to_uppercase();
    let macs: Vec<&str> = replies.lines().filter(|line| line.contains("reply")).collect();
    assert_eq!(macs.len(), 3, "{replies}");
    assert!(replies.to_uppercase().matches(&expected).count() == 3, "{replies}");

    for address in [V4[0], V6[0]] {
        let owners = segment.until_settled();
        let owner = owners[address];
        assert_eq!(segment.resolve(address), mac(owner));
        let killed = Instant::now();
        segment.nodes[owner].announcer = None;
        let took = segment.takeover(address, &mac(owner), killed);
        println!("{address}: the client knew the new owner {} ms after kill -9", took.as_millis());
        assert!(took < TAKEOVER_MAX, "{took:?}");
        let after = segment.until_settled();
        assert_eq!(segment.resolve(address), mac(after[address]), "a client that knows nothing");
        for (other, node) in &after {
            assert!(*node == owners[other] || owners[other] == owner, "{other} moved for nothing");
        }
        // Back again, it gets back what it had, and nothing is without an owner meanwhile.
        segment.start(owner);
        until("everything is as it was", LIMIT, || segment.until_settled(), |now| *now == owners);
        until_true("the client was told", LIMIT, || {
            segment.neighbour(address).is_some_and(|now| now == mac(owner))
        });
    }
}

#[test]
fn a_link_that_goes_down_takes_nothing_with_it() {
    // The nodes have no IPv4 address: heartbeats and answers need none.
    let mut segment = Segment::new(false);
    let owners = segment.until_settled();
    let owner = owners[V4[0]];
    assert_eq!(segment.resolve(V4[0]), mac(owner));
    let down = Instant::now();
    segment.switch.ip(&format!("link set port{owner} down"));
    let took = segment.takeover(V4[0], &mac(owner), down);
    println!(
        "{}: the client knew the new owner {} ms after the link went down",
        V4[0],
        took.as_millis()
    );
    assert!(took < TAKEOVER_MAX, "{took:?}");
    assert_eq!(segment.status(owner).unwrap()["link"], false);
    assert!(segment.announced(owner).is_empty());

    segment.switch.ip(&format!("link set port{owner} up"));
    std::thread::sleep(Duration::from_millis(1500));
    assert!(segment.announced(owner).is_empty(), "it waits for a stable view");
    until("everything is as it was", LIMIT, || segment.until_settled(), |now| *now == owners);
}

#[test]
fn an_agent_that_is_started_again_at_once_moves_nothing() {
    let mut segment = Segment::new(true);
    let owners = segment.until_settled();
    let owner = owners[V4[0]];
    let taken = |segment: &mut Segment| -> Vec<u64> {
        let others = (0..3).filter(|node| *node != owner);
        let others: Vec<usize> = others.collect();
        let count = |node: usize| segment.status(node).unwrap()["counters"]["taken"].as_u64();
        others.into_iter().map(count).map(Option::unwrap).collect()
    };
    let before = taken(&mut segment);
    segment.nodes[owner].announcer = None;
    segment.start(owner);
    until("it announces again", LIMIT, || segment.announced(owner), |now| !now.is_empty());
    assert_eq!(segment.until_settled(), owners);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(taken(&mut segment), before, "nobody took over");
}

#[test]
fn both_halves_of_a_split_segment_have_an_owner_and_the_whole_has_one() {
    let mut segment = Segment::new(true);
    let owners = segment.until_settled();
    let owner = owners[V4[0]];
    segment.switch.ip("link add br1 type bridge");
    segment.switch.ip("link set br1 up");
    assert_eq!(segment.resolve(V4[0]), mac(owner));
    let split = Instant::now();
    segment.switch.ip(&format!("link set port{owner} master br1"));
    let took = segment.takeover(V4[0], &mac(owner), split);
    println!("{}: the client knew the new owner {} ms after the split", V4[0], took.as_millis());
    assert!(took < TAKEOVER_MAX, "{took:?}");
    until("it believes to be alone", LIMIT, || segment.announced(owner), |now| now.len() == 4);

    segment.switch.ip(&format!("link set port{owner} master br0"));
    let healed = Instant::now();
    segment.until_settled();
    println!("one owner an address {} ms after the split was healed", healed.elapsed().as_millis());
    until("everything is as it was", LIMIT, || segment.until_settled(), |now| *now == owners);
    until_true("the client knows the owner", LIMIT, || {
        segment.neighbour(V4[0]).is_some_and(|now| now == mac(owner))
    });
}

#[test]
fn an_agent_that_hangs_loses_its_addresses_and_comes_back_quietly() {
    let mut segment = Segment::new(true);
    let owners = segment.until_settled();
    let owner = owners[V6[0]];
    assert_eq!(segment.resolve(V6[0]), mac(owner));
    let announcer = segment.nodes[owner].announcer.as_ref().unwrap();
    let pid = Pid::from_raw(announcer.child.id().cast_signed());
    let stopped = Instant::now();
    kill(pid, Signal::SIGSTOP).unwrap();
    let took = segment.takeover(V6[0], &mac(owner), stopped);
    println!("{}: the client knew the new owner {} ms after SIGSTOP", V6[0], took.as_millis());
    assert!(took < TAKEOVER_MAX, "{took:?}");
    std::thread::sleep(Duration::from_secs(1));
    kill(pid, Signal::SIGCONT).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(segment.announced(owner).is_empty(), "it starts over");
    until("everything is as it was", LIMIT, || segment.until_settled(), |now| *now == owners);
}

#[test]
fn a_node_that_is_no_candidate_any_more_hands_over_at_once() {
    let mut segment = Segment::new(true);
    // One address of several, as when its last local endpoint goes; then all of them.
    let rest = [V4[1], V6[0], V6[1]].join(" ");
    let questions = [(V4[0], format!("candidates {rest}")), (V6[0], "candidates".to_owned())];
    for (address, question) in questions {
        let owner = segment.until_settled()[address];
        assert_eq!(segment.resolve(address), mac(owner));
        let changed = Instant::now();
        segment.ask(owner, &question);
        let took = segment.takeover(address, &mac(owner), changed);
        println!("{address}: handed over within {} ms", took.as_millis());
        assert!(took < Duration::from_millis(600), "{took:?}");
    }
}
