//! Which addresses this node announces: its claims, decided from what it and the others know.
//!
//! Every node tells in its heartbeats which addresses it could announce and which it does (claims).
//! [`crate::owner`] puts the candidates for an address in order; from there:
//!
//! - What nobody claims, the first in order claims. Should it fail to, the next one does so after
//!   [`PATIENCE`], and so on: an owner that is chosen and does nothing costs seconds, not the address.
//! - What another claims that lives, the first in order takes over once its view has been stable for
//!   [`SETTLE`]; so who comes back, or comes and goes, disturbs nobody.
//! - Who hears of a better claim than its own lets go: first comes the new claim, then the release. For a
//!   moment two answer, and both serve; there is no moment in which nobody answers.
//! - Two that cannot hear each other both announce. When they hear each other again the worse claim goes at
//!   once, and the better one is announced anew, for those who had learnt the other. Better is the one whose
//!   owner was never without the others; then the newer one, by a term that is greater than any heard
//!   before; then the first in order. So who was cut off yields, and waits as if it had come back.
//!
//! No I/O and no clock: time is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Instant;

use crate::heartbeat::{Claim, Report};
use crate::owner::compare;
use crate::timing::{CONFLICT_GRACE, LISTEN, NEW_ADDRESS, PATIENCE, SETTLE};

/// The addresses this node could announce, and those it does.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    candidates: BTreeMap<IpAddr, Candidate>,
}

#[derive(Debug)]
struct Candidate {
    since: Instant,
    unclaimed_since: Option<Instant>,
    /// The greatest term that was heard.
    term_seen: u32,
    held: Option<Held>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    since: Instant,
    claim: Claim,
    /// Another claims it too, so far, and one that lives.
    has_rival: bool,
    has_live_rival: bool,
    /// When another that lives last did.
    rival_at: Option<Instant>,
}

/// What this node knows of the others.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) node: &'a str,
    /// Those who live, and what they say.
    pub(crate) members: Vec<(&'a str, &'a Report)>,
    /// What others say that are heard, and do not hear this node, or not yet.
    pub(crate) overheard: Vec<&'a Report>,
    /// Since when the same ones live.
    pub(crate) stable_since: Instant,
    /// Since when this node could hear others; `None`: there are none to hear.
    pub(crate) listening_since: Option<Instant>,
}

/// What becomes of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Announced from now on.
    Taken,
    /// Announced by this node no more: by whom instead, if by anybody.
    Released(Option<String>),
    /// A rival has let go.
    Reasserted,
}

impl Claims {
    /// The addresses that this node could announce from now on. Returns those that it announced and that
    /// are no more among them.
    pub(crate) fn set_candidates(
        &mut self,
        addresses: &BTreeSet<IpAddr>,
        now: Instant,
    ) -> Vec<IpAddr> {
        let mut released = Vec::new();
        self.candidates.retain(|address, candidate| {
            let stays = addresses.contains(address);
            if !stays && candidate.held.is_some() {
                released.push(*address);
            }
            stays
        });
        for address in addresses {
            self.candidates.entry(*address).or_insert_with(|| Candidate::new(now));
        }
        released
    }

    /// Nothing can be announced: lets everything go, and starts anew when it can.
    pub(crate) fn let_go(&mut self, now: Instant) -> Vec<IpAddr> {
        let released = self.held().map(|(address, _)| address).collect();
        self.candidates.values_mut().for_each(|candidate| *candidate = Candidate::new(now));
        released
    }

    /// Decides anew. Returns what changed, and when to decide again if nothing happens before.
    pub(crate) fn decide(
        &mut self,
        view: &View<'_>,
        now: Instant,
    ) -> (Vec<(IpAddr, Change)>, Option<Instant>) {
        let mut changes = Vec::new();
        let mut next = None;
        for (address, candidate) in &mut self.candidates {
            let rivals = Rivals::of(*address, view);
            let mut decision = candidate.decide(&rivals, view, now);
            if let Decision::Change(change) = decision {
                changes.push((*address, change));
                // Who let go may have to wait for its turn.
                decision = candidate.decide(&rivals, view, now);
            }
            if let Decision::WaitUntil(at) = decision {
                next = Some(next.map_or(at, |next: Instant| next.min(at)));
            }
        }
        (changes, next)
    }

    /// What this node announces, and since when.
    pub(crate) fn held(&self) -> impl Iterator<Item = (IpAddr, Instant)> {
        let held = |(address, candidate): (&IpAddr, &Candidate)| {
            candidate.held.map(|held| (*address, held.since))
        };
        self.candidates.iter().filter_map(held)
    }

    /// Whether this node announces an address.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        self.candidates.get(&address).is_some_and(|candidate| candidate.held.is_some())
    }

    /// Whether another node claims an address of ours, or did a moment ago.
    pub(crate) fn had_rival(&self, address: IpAddr, now: Instant) -> bool {
        let held = self.candidates.get(&address).and_then(|candidate| candidate.held);
        held.is_some_and(|held| {
            let just_now = |at: Instant| now.saturating_duration_since(at) < CONFLICT_GRACE * 2;
            held.has_live_rival || held.rival_at.is_some_and(just_now)
        })
    }

    /// For the heartbeat: every candidacy, and the claim if there is one.
    pub(crate) fn report(&self) -> BTreeMap<IpAddr, Option<Claim>> {
        let claim = |candidate: &Candidate| candidate.held.map(|held| held.claim);
        self.candidates.iter().map(|(address, candidate)| (*address, claim(candidate))).collect()
    }

    /// Whether there is an address of this family, or of any.
    pub(crate) fn has_candidates(&self, is_wanted: impl Fn(&IpAddr) -> bool) -> bool {
        self.candidates.keys().any(is_wanted)
    }
}

/// The other candidates for an address.
struct Rivals<'a> {
    /// How many come before this node.
    before: u32,
    /// The best claim, and whose it is.
    best: Option<(Claim, &'a str)>,
    /// Whether that one comes before this node.
    best_is_before: bool,
    /// One claims it that is only overheard.
    is_overheard: bool,
}

impl<'a> Rivals<'a> {
    fn of(address: IpAddr, view: &View<'a>) -> Self {
        let order = |a: &str, b: &str| compare(address, a, b);
        let claims = |report: &&Report| report.addresses.get(&address).is_some_and(Option::is_some);
        let is_overheard = view.overheard.iter().any(claims);
        let mut rivals = Self { before: 0, best: None, best_is_before: false, is_overheard };
        for &(node, report) in &view.members {
            let Some(claim) = report.addresses.get(&address) else { continue };
            let is_before = order(node, view.node).is_gt();
            rivals.before += u32::from(is_before);
            let Some(claim) = *claim else { continue };
            let is_better = rivals
                .best
                .is_none_or(|(best, of)| claim.cmp(&best).then_with(|| order(node, of)).is_gt());
            if is_better {
                (rivals.best, rivals.best_is_before) = (Some((claim, node)), is_before);
            }
        }
        rivals
    }

    /// Who has a better claim than this one of ours.
    fn prevails(&self, ours: Claim) -> Option<&'a str> {
        let (best, node) = self.best?;
        (best > ours || (best == ours && self.best_is_before)).then_some(node)
    }
}

enum Decision {
    Change(Change),
    WaitUntil(Instant),
    Stay,
}

impl Candidate {
    fn new(now: Instant) -> Self {
        Self { since: now, unclaimed_since: None, term_seen: 0, held: None }
    }

    fn decide(&mut self, rivals: &Rivals<'_>, view: &View<'_>, now: Instant) -> Decision {
        self.term_seen = self.term_seen.max(rivals.best.map_or(0, |(claim, _)| claim.term.get()));
        let company = u16::try_from(view.members.len()).unwrap_or(u16::MAX);
        if let Some(held) = &mut self.held {
            held.claim.company = held.claim.company.min(company);
            if let Some(node) = rivals.prevails(held.claim) {
                self.held = None;
                self.unclaimed_since = None;
                return Decision::Change(Change::Released(Some(node.to_owned())));
            }
            let had_rival = held.has_rival;
            held.see(rivals, now);
            return match had_rival && !held.has_rival {
                true => Decision::Change(Change::Reasserted),
                false => Decision::Stay,
            };
        }
        let term = NonZeroU32::MIN.saturating_add(self.term_seen);
        let claim = Claim { company, term };
        let Some(at) = self.may_claim_at(rivals, claim, view, now) else { return Decision::Stay };
        if now < at {
            return Decision::WaitUntil(at);
        }
        self.held = Some(Held::new(claim, rivals, now));
        self.unclaimed_since = None;
        Decision::Change(Change::Taken)
    }

    /// When this node may announce the address, as things are.
    fn may_claim_at(
        &mut self,
        rivals: &Rivals<'_>,
        claim: Claim,
        view: &View<'_>,
        now: Instant,
    ) -> Option<Instant> {
        let Some(listening_since) = view.listening_since else { return Some(now) };
        if rivals.best.is_some() {
            self.unclaimed_since = None;
            if rivals.before > 0 || rivals.prevails(claim).is_some() {
                return None;
            }
            let stable_since = view.stable_since.max(listening_since).max(self.since);
            return Some(stable_since + SETTLE);
        }
        let unclaimed_since = *self.unclaimed_since.get_or_insert(now);
        let turn = unclaimed_since + PATIENCE * rivals.before;
        Some(turn.max(listening_since + LISTEN).max(self.since + NEW_ADDRESS))
    }
}

impl Held {
    fn new(claim: Claim, rivals: &Rivals<'_>, now: Instant) -> Self {
        let (has_rival, has_live_rival) = (false, false);
        let mut held = Self { since: now, claim, has_rival, has_live_rival, rival_at: None };
        held.see(rivals, now);
        held
    }

    fn see(&mut self, rivals: &Rivals<'_>, now: Instant) {
        let (had_rival, has_live_rival) = (self.has_rival, rivals.best.is_some());
        self.has_live_rival = has_live_rival;
        self.has_rival = has_live_rival || rivals.is_overheard;
        if has_live_rival || (had_rival && !self.has_rival) {
            self.rival_at = Some(now);
        }
    }
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
