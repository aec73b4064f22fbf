//! Nodes that hear each other, or do not, over a time that is told.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const STEP: Duration = Duration::from_millis(50);

/// Nodes whose reports reach the others at the next step, where they are connected and alive.
struct Lab {
    now: Instant,
    nodes: Vec<Node>,
    address: IpAddr,
}

struct Node {
    name: String,
    claims: Claims,
    alive: bool,
    /// Hears those with the same number.
    side: u8,
    said: Report,
    heard: Vec<String>,
    stable_since: Instant,
    listening_since: Instant,
    announcements: u32,
}

impl Lab {
    fn new(names: &[&str]) -> Self {
        let mut lab =
            Self { now: Instant::now(), nodes: vec![], address: "192.0.2.50".parse().unwrap() };
        names.iter().for_each(|name| lab.start(name));
        lab
    }

    /// The nodes with their first in order for the address first.
    fn ordered(names: &[&str]) -> Self {
        let mut lab = Self::new(names);
        let address = lab.address;
        lab.nodes.sort_by(|a, b| compare(address, &b.name, &a.name));
        lab
    }

    fn start(&mut self, name: &str) {
        let mut claims = Claims::default();
        claims.set_candidates(&[self.address].into(), self.now);
        self.nodes.retain(|node| node.name != name);
        self.nodes.push(Node {
            name: name.into(),
            claims,
            alive: true,
            side: 0,
            said: Report::default(),
            heard: vec![],
            stable_since: self.now,
            listening_since: self.now,
            announcements: 0,
        });
    }

    /// Who is dead is missed at once: how long that takes is the membership's.
    fn step(&mut self) {
        self.now += STEP;
        let said: Vec<(String, u8, Report)> = self
            .nodes
            .iter()
            .filter(|node| node.alive)
            .map(|node| (node.name.clone(), node.side, node.said.clone()))
            .collect();
        for node in self.nodes.iter_mut().filter(|node| node.alive) {
            let others =
                said.iter().filter(|(name, side, _)| *name != node.name && *side == node.side);
            let members: Vec<_> = others.map(|(name, _, report)| (name.as_str(), report)).collect();
            let heard: Vec<String> = members.iter().map(|(name, _)| (*name).to_owned()).collect();
            if heard != node.heard {
                node.heard = heard;
                node.stable_since = self.now;
            }
            let view = View {
                node: &node.name,
                members,
                overheard: vec![],
                stable_since: node.stable_since,
                listening_since: Some(node.listening_since),
            };
            let (changes, _) = node.claims.decide(&view, self.now);
            let announced =
                |(_, change): &&(IpAddr, Change)| !matches!(change, Change::Released(_));
            node.announcements += changes.iter().filter(announced).count() as u32;
            node.said.addresses = node.claims.report();
        }
    }

    fn pass(&mut self, ms: u64) {
        (0..ms / 50).for_each(|_| self.step());
    }

    fn owners(&self) -> Vec<&str> {
        let holds = |node: &&Node| node.alive && node.claims.holds(self.address);
        self.nodes.iter().filter(holds).map(|node| node.name.as_str()).collect()
    }

    fn kill(&mut self, name: &str) {
        self.node(name).alive = false;
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.iter_mut().find(|node| node.name == name).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }
}

#[test]
fn nodes_that_start_together_listen_and_then_one_announces() {
    let mut lab = Lab::ordered(&["a", "b", "c"]);
    lab.pass(450);
    assert!(lab.owners().is_empty(), "listening");
    lab.pass(100);
    let first = lab.names()[0].clone();
    assert_eq!(lab.owners(), [first.as_str()]);
    lab.pass(10_000);
    assert_eq!(lab.nodes.iter().map(|node| node.announcements).sum::<u32>(), 1);
}

#[test]
fn the_next_in_order_takes_over_at_once_and_keeps_it_until_the_first_is_settled() {
    let mut lab = Lab::ordered(&["a", "b", "c"]);
    let names = lab.names();
    lab.pass(3000);
    lab.kill(&names[0]);
    lab.pass(50);
    assert_eq!(lab.owners(), [names[1].as_str()]);
    lab.start(&names[0]);
    lab.pass(1950);
    assert_eq!(lab.owners(), [names[1].as_str()], "not settled yet");
    // One step to claim, one to be heard: between them both answer, and never nobody.
    for _ in 0..4 {
        lab.step();
        assert!(!lab.owners().is_empty());
    }
    assert_eq!(lab.owners(), [names[0].as_str()]);
}

#[test]
fn who_comes_and_goes_disturbs_nobody() {
    let mut lab = Lab::ordered(&["a", "b"]);
    let names = lab.names();
    lab.pass(3000);
    lab.kill(&names[0]);
    for _ in 0..10 {
        lab.pass(1000);
        lab.start(&names[0]);
        lab.pass(1500);
        assert_eq!(lab.owners(), [names[1].as_str()]);
        lab.kill(&names[0]);
    }
    assert_eq!(lab.node(&names[1]).announcements, 1);
}

#[test]
fn who_comes_back_before_it_is_missed_goes_on() {
    let mut lab = Lab::ordered(&["a", "b"]);
    let names = lab.names();
    lab.pass(3000);
    // The other never missed it: to it, the new one only claims nothing for a moment.
    lab.start(&names[0]);
    let address = lab.address;
    lab.node(&names[0]).said.addresses.insert(address, None);
    lab.pass(600);
    assert_eq!(lab.owners(), [names[0].as_str()]);
    assert_eq!(lab.node(&names[1]).announcements, 0);
}

#[test]
fn an_owner_that_never_announces_costs_seconds_and_not_the_address() {
    let mut lab = Lab::ordered(&["a", "b", "c"]);
    let names = lab.names();
    // It is heard as a candidate, and decides nothing.
    let mute = Report { addresses: [(lab.address, None)].into(), ..Report::default() };
    lab.nodes.remove(0);
    for _ in 0..(PATIENCE.as_millis() / 50 + 12) {
        lab.now += STEP;
        let said: Vec<Report> = lab.nodes.iter().map(|node| node.said.clone()).collect();
        for index in 0..2 {
            let other = 1 - index;
            let view = View {
                node: &names[1 + index],
                members: vec![(&names[0], &mute), (&names[1 + other], &said[other])],
                overheard: vec![],
                stable_since: lab.nodes[index].stable_since,
                listening_since: Some(lab.nodes[index].listening_since),
            };
            lab.nodes[index].claims.decide(&view, lab.now);
            lab.nodes[index].said.addresses = lab.nodes[index].claims.report();
        }
    }
    assert_eq!(lab.owners(), [names[1].as_str()]);
}

#[test]
fn each_side_of_a_split_announces_and_the_better_claim_remains() {
    let mut lab = Lab::ordered(&["a", "b", "c", "d"]);
    let names = lab.names();
    lab.pass(3000);
    lab.node(&names[0]).side = 1;
    lab.pass(200);
    assert_eq!(lab.owners(), [names[0].as_str(), names[1].as_str()]);
    lab.node(&names[0]).side = 0;
    lab.pass(150);
    assert_eq!(lab.owners(), [names[1].as_str()]);
    assert_eq!(lab.node(&names[1]).announcements, 2, "anew, for those who had learnt the other");
    lab.pass(2100);
    assert_eq!(lab.owners(), [names[0].as_str()], "settled");
}

#[test]
fn who_is_cut_off_now_and_then_disturbs_nobody() {
    let mut lab = Lab::ordered(&["a", "b", "c"]);
    let names = lab.names();
    lab.pass(3000);
    for _ in 0..10 {
        lab.node(&names[0]).side = 1;
        lab.pass(1000);
        lab.node(&names[0]).side = 0;
        lab.pass(1500);
        assert_eq!(lab.owners(), [names[1].as_str()]);
    }
    assert_eq!(lab.node(&names[1]).claims.held().count(), 1);
}

#[test]
fn without_anybody_to_hear_there_is_nothing_to_wait_for() {
    let mut claims = Claims::default();
    let (now, address) = (Instant::now(), "192.0.2.50".parse().unwrap());
    claims.set_candidates(&[address].into(), now);
    let view = View {
        node: "a",
        members: vec![],
        overheard: vec![],
        stable_since: now,
        listening_since: None,
    };
    assert_eq!(claims.decide(&view, now).0, [(address, Change::Taken)]);
    assert_eq!(claims.set_candidates(&[].into(), now), [address]);
}

#[test]
fn a_rival_that_let_go_before_it_heard_us_is_answered_with_an_announcement() {
    let mut claims = Claims::default();
    let (now, address) = (Instant::now(), "192.0.2.50".parse().unwrap());
    claims.set_candidates(&[address].into(), now);
    let mut decide = |overheard: Vec<&Report>| {
        let view = View {
            node: "a",
            members: vec![],
            overheard,
            stable_since: now,
            listening_since: None,
        };
        claims.decide(&view, now).0
    };
    assert_eq!(decide(vec![]), [(address, Change::Taken)]);
    let claim = Claim { company: 9, term: NonZeroU32::MAX };
    let claims_it = Report { addresses: [(address, Some(claim))].into(), ..Report::default() };
    assert_eq!(decide(vec![&claims_it]), [], "who does not hear us does not prevail");
    assert_eq!(decide(vec![&Report::default()]), [(address, Change::Reasserted)]);
}

#[test]
fn who_waits_says_until_when() {
    let mut claims = Claims::default();
    let (start, address) = (Instant::now(), "192.0.2.50".parse().unwrap());
    claims.set_candidates(&[address].into(), start);
    let view = View {
        node: "a",
        members: vec![],
        overheard: vec![],
        stable_since: start,
        listening_since: Some(start),
    };
    assert_eq!(claims.decide(&view, start), (vec![], Some(start + LISTEN)));
    assert_eq!(claims.decide(&view, start + LISTEN).0, [(address, Change::Taken)]);
}

#[derive(Clone, Debug)]
enum Event {
    Kill(usize),
    Start(usize),
    Split(usize, u8),
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..4_usize).prop_map(Event::Kill),
        (0..4_usize).prop_map(Event::Start),
        (0..4_usize, 0..2_u8).prop_map(|(node, side)| Event::Split(node, side)),
        (1..60_u64).prop_map(|steps| Event::Pass(steps * 50)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever happened: seconds after it ended, each side has one owner, the first in order of those who
    /// live there.
    #[test]
    fn it_always_ends_with_one_owner(events in prop::collection::vec(event(), 0..40)) {
        const NAMES: [&str; 4] = ["a", "b", "c", "d"];
        let mut lab = Lab::new(&NAMES);
        for event in events {
            match event {
                Event::Kill(node) => lab.kill(NAMES[node]),
                Event::Start(node) => lab.start(NAMES[node]),
                Event::Split(node, side) => lab.node(NAMES[node]).side = side,
                Event::Pass(ms) => lab.pass(ms),
            }
        }
        lab.pass(8000);
        for side in 0..2 {
            let living = lab.nodes.iter().filter(|node| node.alive && node.side == side);
            let names: Vec<&str> = living.map(|node| node.name.as_str()).collect();
            let first = names.iter().copied().max_by(|a, b| compare(lab.address, a, b));
            let owners: Vec<&str> =
                lab.owners().into_iter().filter(|owner| names.contains(owner)).collect();
            prop_assert_eq!(owners, Vec::from_iter(first));
        }
    }
}
