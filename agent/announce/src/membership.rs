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
        if now.saturating_duration_since(member.heard_at) >= DEAD {
            // What it said long ago counts again.
            self.version += 1;
        }
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

    /// What those say who are heard and do not live.
    pub(crate) fn overheard(&self, now: Instant) -> impl Iterator<Item = &Report> {
        let others = self.members.iter().filter(|(node, _)| !self.live.contains(*node));
        let heard = others.filter(move |(_, m)| now.saturating_duration_since(m.heard_at) < DEAD);
        heard.map(|(_, member)| &member.report)
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
#[path = "membership_tests.rs"]
mod tests;
