//! Heartbeats that come, come late, come twice, or do not come.

use super::*;
use std::time::Duration;

const US: u64 = 1;

struct Test {
    membership: Membership,
    now: Instant,
}

fn said(node: &str, boot: u64, sequence: u64, heard: &[u64]) -> Heartbeat {
    let report = Report { heard: heard.iter().copied().collect(), addresses: BTreeMap::new() };
    Heartbeat { node: node.into(), boot, sequence, generation: 1, part: 0, parts: 1, report }
}

impl Test {
    fn new() -> Self {
        let now = Instant::now();
        Self { membership: Membership::new("us", US, now), now }
    }

    fn hear(&mut self, heartbeat: Heartbeat) -> Result<(), Ignored> {
        self.membership.hear(heartbeat, self.now)
    }

    /// Time passes, and the clock is looked at as often as it should be.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 100 {
            self.now += Duration::from_millis(100);
            self.membership.tick(self.now);
        }
    }

    fn live(&self) -> Vec<&str> {
        self.membership.live().map(|(node, _)| node).collect()
    }
}

#[test]
fn who_hears_us_is_live_until_it_is_silent_for_a_second() {
    let mut test = Test::new();
    assert_eq!(test.hear(said("a", 7, 1, &[])), Err(Ignored::Unproven));
    assert!(test.live().is_empty());
    assert!(test.membership.heard(test.now).contains(&7), "told that we hear it");
    test.hear(said("a", 7, 2, &[US])).unwrap();
    assert_eq!(test.live(), ["a"]);
    test.pass(900);
    assert_eq!(test.live(), ["a"]);
    test.pass(100);
    assert!(test.live().is_empty());
    assert!(test.membership.heard(test.now).is_empty());
}

#[test]
fn who_speaks_and_does_not_hear_is_not_live() {
    let mut test = Test::new();
    test.hear(said("a", 7, 1, &[US])).unwrap();
    for sequence in 2..8 {
        test.pass(300);
        let heartbeat = Heartbeat { generation: 2, ..said("a", 7, sequence, &[]) };
        test.hear(heartbeat).unwrap();
    }
    assert!(test.live().is_empty());
}

#[test]
fn who_comes_back_at_once_was_never_gone() {
    let mut test = Test::new();
    test.hear(said("a", 7, 90, &[US])).unwrap();
    let stable_since = test.membership.stable_since();
    test.pass(600);
    assert_eq!(test.hear(said("a", 8, 1, &[])), Err(Ignored::Unproven));
    test.hear(said("a", 8, 2, &[US])).unwrap();
    test.pass(600);
    assert_eq!(test.live(), ["a"]);
    assert_eq!(test.membership.stable_since(), stable_since);
}

#[test]
fn nothing_that_was_recorded_is_believed() {
    let mut test = Test::new();
    let recorded = said("a", 7, 5, &[US]);
    test.hear(recorded.clone()).unwrap();
    assert_eq!(test.hear(recorded.clone()), Err(Ignored::Repeated));
    assert_eq!(test.hear(said("a", 7, 4, &[US])), Err(Ignored::Repeated));
    test.hear(said("a", 8, 1, &[US])).unwrap();
    assert_eq!(test.hear(recorded.clone()), Err(Ignored::Ended));
    test.pass(3000);
    assert_eq!(test.hear(recorded), Err(Ignored::Ended), "the dead are remembered");
    // Of a time before we began: it names another boot of ours.
    assert_eq!(test.hear(said("b", 9, 70, &[555])), Err(Ignored::Unproven));
    assert!(test.live().is_empty());
}

#[test]
fn ourselves_and_our_namesakes_are_no_members() {
    let mut test = Test::new();
    assert_eq!(test.hear(said("us", US, 1, &[US])), Err(Ignored::Own));
    assert_eq!(test.hear(said("us", 99, 1, &[US])), Err(Ignored::SameName));
}

#[test]
fn who_slept_itself_judges_nobody() {
    let mut test = Test::new();
    test.hear(said("a", 7, 1, &[US])).unwrap();
    test.pass(500);
    test.now += Duration::from_secs(3600);
    test.membership.tick(test.now);
    assert_eq!(test.live(), ["a"]);
    test.pass(1000);
    assert!(test.live().is_empty(), "silent since");
}

#[test]
fn a_clock_that_goes_back_does_no_harm() {
    let mut test = Test::new();
    test.now += Duration::from_secs(10);
    test.membership.tick(test.now);
    test.hear(said("a", 7, 1, &[US])).unwrap();
    test.now -= Duration::from_secs(5);
    test.membership.tick(test.now);
    assert_eq!(test.live(), ["a"]);
}

#[test]
fn a_report_in_parts_counts_when_it_is_whole() {
    let mut test = Test::new();
    let part = |sequence, generation, part, address: &str| {
        let addresses = [(address.parse().unwrap(), None)].into();
        let report = Report { heard: [US].into(), addresses };
        Heartbeat { generation, part, parts: 2, report, ..said("a", 7, sequence, &[]) }
    };
    let known = |test: &Test| -> usize {
        test.membership.live().map(|(_, report)| report.addresses.len()).sum()
    };
    test.hear(part(1, 1, 0, "192.0.2.1")).unwrap();
    assert_eq!(known(&test), 0);
    test.hear(part(2, 1, 1, "192.0.2.2")).unwrap();
    assert_eq!(known(&test), 2);
    test.hear(part(3, 2, 1, "192.0.2.4")).unwrap();
    test.hear(part(4, 2, 1, "192.0.2.4")).unwrap();
    assert_eq!(known(&test), 2, "the report before stands until the next is whole");
    let version = test.membership.version();
    test.hear(part(5, 2, 0, "192.0.2.3")).unwrap();
    assert_eq!(known(&test), 2);
    assert!(test.membership.version() > version);
}

#[test]
fn a_crowd_takes_no_place_from_those_who_live() {
    let mut test = Test::new();
    for n in 0..MEMBERS_MAX as u64 {
        test.hear(said(&format!("n{n}"), 100 + n, 1, &[US])).unwrap();
    }
    assert_eq!(test.hear(said("late", 5, 1, &[US])), Err(Ignored::TooMany));
    test.pass(1000);
    test.hear(said("late", 5, 2, &[US])).unwrap();
    assert_eq!(test.live(), ["late"]);
    assert_eq!(test.membership.all().count(), MEMBERS_MAX);
}
