//! Who is there: the nodes of this cluster on one network segment, as far as heartbeats tell.
//!
//! No I/O and no clock: time is told. A node is live while its heartbeats come *and say that they hear
//! ours*. The second half costs eight bytes a node and buys two things. A network card that only sends, or
//! only receives, makes nobody live. And nothing that was recorded can be played back: a packet that names
//! our boot, which is drawn at random when we start, was made after that; those made since are told apart
//! by their sequence numbers, and a boot that was followed by another is never believed again. No clock of
//! any machine and no file takes part.
//!
//! A node that is started again within the time it takes to be missed stays what it was in the eyes of the
//! others: its new boot takes the old one's place as soon as it is proven.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use crate::heartbeat::{Heartbeat, Report};
use crate::timing::{DEAD, STALL};

/// Nodes that are remembered; those of one network segment, hardly more than its addresses.
const MEMBERS_MAX: usize = 256;
/// Boots that have not proven that they hear us.
const UNPROVEN_MAX: usize = 256;
/// Earlier boots of a node whose packets are refused.
const RETIRED_MAX: usize = 32;

/// The nodes that are known.
#[derive(Debug)]
pub(crate) struct Membership {
    node: String,
    boot: u64,
    members: BTreeMap<String, Member>,
    unproven: BTreeMap<u64, Instant>,
    live: BTreeSet<String>,
    stable_since: Instant,
    ticked_at: Instant,
    version: u64,
}

#[derive(Debug)]
pub(crate) struct Member {
    boot: u64,
    sequence: u64,
    heard_at: Instant,
    /// When it last said that it hears us.
    mutual_at: Instant,
    report: Report,
    assembly: Assembly,
    retired: VecDeque<u64>,
}

/// Why a heartbeat changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// Our own, come back.
    Own,
    /// Another node has our name.
    SameName,
    /// Its sequence number is not greater than the last one: the same packet over the other address
    /// family, or played back.
    Repeated,
    /// Of a boot that ended.
    Ended,
    /// It does not say yet that it hears us.
    Unproven,
    /// There is no room for another node.
    TooMany,
}

impl Membership {
    pub(crate) fn new(node: &str, boot: u64, now: Instant) -> Self {
        Self {
            node: node.to_owned(),
            boot,
            members: BTreeMap::new(),
            unproven: BTreeMap::new(),
            live: BTreeSet::new(),
            stable_since: now,
            ticked_at: now,
            version: 0,
        }
    }

    /// Takes note of a heartbeat whose signature is right.
    pub(crate) fn hear(&mut self, heartbeat: Heartbeat, now: Instant) -> Result<(), Ignored> {
        if heartbeat.node == self.node {
            let is_own = heartbeat.boot == self.boot;
            return Err(if is_own { Ignored::Own } else { Ignored::SameName });
        }
        let is_proven = heartbeat.report.heard.contains(&self.boot);
        match self.members.get_mut(&heartbeat.node) {
            Some(member) if member.boot == heartbeat.boot => {
                if heartbeat.sequence <= member.sequence {
                    return Err(Ignored::Repeated);
                }
            }
            Some(member) if member.retired.contains(&heartbeat.boot) => return Err(Ignored::Ended),
            _ if !is_proven => {
                if self.unproven.len() < UNPROVEN_MAX {
                    self.unproven.insert(heartbeat.boot, now);
                }
                return Err(Ignored::Unproven);
            }
            Some(member) => member.follow(heartbeat.boot),
            None => {
                self.make_room()?;
                self.members.insert(heartbeat.node.clone(), Member::new(heartbeat.boot, now));
            }
        }
        self.unproven.remove(&heartbeat.boot);
        let member = self.members.get_mut(&heartbeat.node).ok_or(Ignored::TooMany)?;
        member.sequence = heartbeat.sequence;
        member.heard_at = now;
        if let Some(report) = member.assembly.add(heartbeat)
            && report != member.report
        {
            member.report = report;
            self.version += 1;
        }
        if is_proven || member.report.heard.contains(&self.boot) {
            member.mutual_at = now;
        }
        self.judge(now);
        Ok(())
    }

    /// Forgets whom it has not heard the longest, when there are too many.
    fn make_room(&mut self) -> Result<(), Ignored> {
        if self.members.len() < MEMBERS_MAX {
            return Ok(());
        }
        let gone = self.members.iter().filter(|(node, _)| !self.live.contains(*node));
        let oldest = gone.min_by_key(|(_, member)| member.heard_at);
        let oldest = oldest.map(|(node, _)| node.clone()).ok_or(Ignored::TooMany)?;
        self.members.remove(&oldest);
        Ok(())
    }

    /// Looks at the clock: after every packet that was there has been heard, and at least once a heartbeat
    /// interval.
    pub(crate) fn tick(&mut self, now: Instant) {
        let slept = now.saturating_duration_since(self.ticked_at);
        self.ticked_at = now;
        if slept > STALL {
            // We slept, not they.
            for member in self.members.values_mut() {
                member.heard_at = (member.heard_at + slept).min(now);
                member.mutual_at = (member.mutual_at + slept).min(now);
            }
        }
        self.unproven.retain(|_, heard_at| now.saturating_duration_since(*heard_at) < DEAD);
        self.judge(now);
    }

    /// Starts anew after a time in which nothing could be heard: nobody is live, and nobody is forgotten.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.ticked_at = now;
        self.stable_since = now;
        self.unproven.clear();
        self.judge(now);
    }

    fn judge(&mut self, now: Instant) {
        let members = self.members.iter().filter(|(_, member)| now < member.dead_at());
        let live: BTreeSet<String> = members.map(|(node, _)| node.clone()).collect();
        if live != self.live {
            for node in live.difference(&self.live) {
                tracing::info!(node, "hears us and is heard");
            }
            for node in self.live.difference(&live) {
                tracing::info!(node, "is heard no more");
            }
            self.live = live;
            self.stable_since = now;
            self.version += 1;
        }
    }

    /// Those who live, and what they say.
    pub(crate) fn live(&self) -> impl Iterator<Item = (&str, &Report)> {
        self.live.iter().filter_map(|node| {
            let member = self.members.get(node)?;
            Some((node.as_str(), &member.report))
        })
    }

    /// The boots that are heard, for our own report.
    pub(crate) fn heard(&self, now: Instant) -> BTreeSet<u64> {
        let members = self.members.values();
        let heard = members.filter(|m| now.saturating_duration_since(m.heard_at) < DEAD);
        heard.map(|member| member.boot).chain(self.unproven.keys().copied()).collect()
    }

    /// When the next one will be missed, if it stays silent.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.live.iter().filter_map(|node| self.members.get(node)).map(Member::dead_at).min()
    }

    /// Another number whenever who lives or what they say has changed.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Since when the same nodes live.
    pub(crate) fn stable_since(&self) -> Instant {
        self.stable_since
    }

    /// Everybody who is remembered: name, whether it lives, when it was heard.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, bool, Instant)> {
        self.members
            .iter()
            .map(|(node, member)| (node.as_str(), self.live.contains(node), member.heard_at))
    }
}

impl Member {
    fn new(boot: u64, now: Instant) -> Self {
        Self {
            boot,
            sequence: 0,
            heard_at: now,
            mutual_at: now,
            report: Report::default(),
            assembly: Assembly::default(),
            retired: VecDeque::new(),
        }
    }

    /// The node was started again.
    fn follow(&mut self, boot: u64) {
        self.retired.truncate(RETIRED_MAX - 1);
        self.retired.push_front(self.boot);
        self.boot = boot;
        self.assembly = Assembly::default();
    }

    fn dead_at(&self) -> Instant {
        self.heard_at.min(self.mutual_at) + DEAD
    }
}

/// A report that comes in parts.
#[derive(Debug, Default)]
struct Assembly {
    generation: u32,
    parts: Vec<Option<Report>>,
    is_complete: bool,
}

impl Assembly {
    /// The whole report, when this part was the last one missing.
    fn add(&mut self, heartbeat: Heartbeat) -> Option<Report> {
        let Heartbeat { generation, part, parts, report, .. } = heartbeat;
        if generation != self.generation || usize::from(parts) != self.parts.len() {
            let parts = std::iter::repeat_n(None, parts.into()).collect();
            *self = Self { generation, parts, is_complete: false };
        }
        if self.is_complete {
            return None;
        }
        *self.parts.get_mut(usize::from(part))? = Some(report);
        if self.parts.iter().any(Option::is_none) {
            return None;
        }
        self.is_complete = true;
        let mut whole = Report::default();
        self.parts.iter_mut().filter_map(Option::take).for_each(|part| whole.merge(part));
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
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
}
