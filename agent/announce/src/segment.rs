//! One uplink and the network segment behind it, as a state machine: packets and time go in, packets and
//! the time of the next step come out. No I/O and no clock.
//!
//! Each uplink stands for itself: nodes may be connected on one segment and not on another, and an address
//! is announced on every segment where this node is first for it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use crate::announcements::Announcements;
use crate::claims::{Change, Claims, View};
use crate::counters::Counters;
use crate::heartbeat::{Heartbeat, NoHeartbeat, Report};
use crate::key::ClusterKey;
use crate::membership::{Ignored, Membership};
use crate::packet::{MacAddr, arp, ndp};
use crate::speaker::Speaker;

/// The interface, while it carries packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) mac: MacAddr,
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send to the other nodes.
    Heartbeat(Vec<u8>),
    /// Send as it is.
    Frame(Vec<u8>),
    /// Be a member of a group.
    Join(Ipv6Addr),
    /// Be one no more.
    Leave(Ipv6Addr),
}

/// The state of one segment.
#[derive(Debug)]
pub(crate) struct Segment {
    node: String,
    uplink: String,
    key: Option<ClusterKey>,
    link: Option<Link>,
    /// Since when packets go in and out; `None`: they do not.
    active_since: Option<Instant>,
    pub(crate) membership: Membership,
    pub(crate) claims: Claims,
    pub(crate) announcements: Announcements,
    speaker: Speaker,
    pub(crate) counters: Counters,
    /// The membership's version that the claims were decided with; `None`: decide anew.
    decided: Option<u64>,
    decide_at: Option<Instant>,
    out: Vec<Output>,
}

impl Segment {
    /// A segment that nothing is known of yet. `boot` is random.
    pub(crate) fn new(node: &str, uplink: &str, boot: u64, now: Instant) -> Self {
        Self {
            node: node.to_owned(),
            uplink: uplink.to_owned(),
            key: None,
            link: None,
            active_since: None,
            membership: Membership::new(node, boot, now),
            claims: Claims::default(),
            announcements: Announcements::default(),
            speaker: Speaker::new(node, boot, now),
            counters: Counters::default(),
            decided: None,
            decide_at: None,
            out: Vec::new(),
        }
    }

    /// What this node could announce, and the key by which nodes know each other.
    pub(crate) fn desire(
        &mut self,
        addresses: &BTreeSet<IpAddr>,
        key: Option<&ClusterKey>,
        now: Instant,
    ) {
        if key.is_some() != self.key.is_some() {
            self.active_since = self.active_since.map(|_| now);
        }
        self.key = key.cloned();
        for address in self.claims.set_candidates(addresses, now) {
            self.release(address, None);
        }
        self.decided = None;
        if addresses.is_empty() && self.active_since.is_some() {
            // The last word, so that others need not wait.
            self.speak(now);
        }
        self.rest_or_resume(now);
    }

    /// What has become of the interface; `None` when it carries nothing, or cannot be used.
    pub(crate) fn set_link(&mut self, link: Option<Link>, now: Instant) {
        let before = std::mem::replace(&mut self.link, link);
        match (before, link) {
            (Some(before), Some(link)) if before.index == link.index => {
                if before.mac != link.mac {
                    tracing::info!(uplink = self.uplink, mac = %link.mac, "new link-layer address");
                    let held: Vec<IpAddr> =
                        self.claims.held().map(|(address, _)| address).collect();
                    held.into_iter().for_each(|address| self.announcements.start(address, now));
                }
            }
            (None, None) => {}
            _ => {
                for address in self.claims.let_go(now) {
                    self.release(address, None);
                }
                self.active_since = None;
                self.rest_or_resume(now);
            }
        }
    }

    fn rest_or_resume(&mut self, now: Instant) {
        let can = self.link.is_some() && self.claims.has_candidates(|_| true);
        match (can, self.active_since) {
            (true, None) => {
                self.active_since = Some(now);
                self.decided = None;
                self.membership.resume(now);
                self.speaker.resume(now);
            }
            (false, Some(_)) => self.active_since = None,
            _ => {}
        }
    }

    /// Whether packets of this family are to be heard and answered.
    pub(crate) fn wants_frames(&self, is_v4: bool) -> bool {
        self.active_since.is_some() && self.claims.has_candidates(|a| a.is_ipv4() == is_v4)
    }

    /// Whether heartbeats are to be heard and sent.
    pub(crate) fn wants_heartbeats(&self) -> bool {
        self.active_since.is_some() && self.key.is_some()
    }

    /// The interface, while it carries packets.
    pub(crate) fn link(&self) -> Option<Link> {
        self.link
    }

    /// A heartbeat could not be sent: an address that is not ready yet, mostly. Who was not heard waits as
    /// if it had just started.
    pub(crate) fn was_mute(&mut self, now: Instant) {
        if self.active_since.is_some() {
            self.active_since = Some(now);
            self.decided = None;
        }
    }

    /// The name of the interface.
    pub(crate) fn uplink(&self) -> &str {
        &self.uplink
    }

    /// Whether nodes can know each other.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// A datagram to the heartbeats' group came in.
    pub(crate) fn heartbeat(&mut self, packet: &[u8], now: Instant) {
        let Some(key) = &self.key else { return };
        match Heartbeat::decode(packet, key) {
            Ok(heartbeat) => match self.membership.hear(heartbeat, now) {
                Ok(()) => self.counters.heartbeats_heard += 1,
                Err(Ignored::Own | Ignored::Repeated) => self.counters.heartbeats_repeated += 1,
                Err(Ignored::Unproven) => self.counters.heartbeats_unproven += 1,
                Err(Ignored::Ended) => self.counters.heartbeats_of_ended_boots += 1,
                Err(Ignored::TooMany) => self.counters.members_refused += 1,
                Err(Ignored::SameName) => self.same_name(),
            },
            Err(NoHeartbeat::Unsigned) => self.counters.heartbeats_unsigned += 1,
            Err(NoHeartbeat::Version) => self.counters.heartbeats_of_other_versions += 1,
            Err(NoHeartbeat::Foreign | NoHeartbeat::Malformed) => {
                self.counters.heartbeats_malformed += 1;
            }
        }
    }

    fn same_name(&mut self) {
        if self.counters.same_name == 0 {
            tracing::warn!(
                uplink = self.uplink,
                node = self.node,
                "another node has the same name: give each its own with --node-name"
            );
        }
        self.counters.same_name += 1;
    }

    /// An ARP frame came in.
    pub(crate) fn arp(&mut self, frame: &[u8], now: Instant) {
        let Some(link) = self.link else { return };
        let arp = match arp::decode(frame) {
            Ok(arp) => arp,
            Err(_) => return self.counters.frames_malformed += 1,
        };
        if arp.sender_mac == link.mac {
            return;
        }
        if self.claims.holds(arp.sender_ip.into()) {
            self.conflict(arp.sender_ip.into(), arp.sender_mac, now);
        }
        if arp.is_request
            && arp.sender_ip != arp.target_ip
            && self.claims.holds(arp.target_ip.into())
        {
            self.counters.requests_answered += 1;
            self.out.push(Output::Frame(arp::reply(arp.target_ip, link.mac, &arp)));
        }
    }

    /// A message of neighbour discovery came in.
    pub(crate) fn ndp(&mut self, frame: &[u8], now: Instant) {
        let Some(link) = self.link else { return };
        match ndp::decode(frame) {
            Err(_) => self.counters.frames_malformed += 1,
            Ok(ndp::Ndp::Solicitation { source, source_mac, target }) => {
                if source_mac != link.mac && self.claims.holds(target.into()) {
                    self.counters.requests_answered += 1;
                    let reply = ndp::reply(target, link.mac, source, source_mac);
                    self.out.push(Output::Frame(reply));
                }
            }
            Ok(ndp::Ndp::Advertisement { target, target_mac }) => {
                let other = target_mac.filter(|mac| *mac != link.mac);
                if let Some(mac) = other.filter(|_| self.claims.holds(target.into())) {
                    self.conflict(target.into(), mac, now);
                }
            }
        }
    }

    fn conflict(&mut self, address: IpAddr, mac: MacAddr, now: Instant) {
        self.counters.conflicts_seen += 1;
        self.announcements.conflict(address, mac, now);
    }

    /// Does what is due, after everything that came in was handed over. Returns when to look again at the
    /// latest; `None`: when something comes in.
    pub(crate) fn step(&mut self, now: Instant) -> Option<Instant> {
        let mut active_since = self.active_since?;
        if self.key.is_some() {
            self.membership.tick(now);
            if self.speaker.was_missed(now) && self.membership.live().next().is_some() {
                self.start_over(now);
                active_since = now;
            }
        }
        let version = self.membership.version();
        if self.decided != Some(version) || self.decide_at.is_some_and(|at| at <= now) {
            self.decided = Some(version);
            self.decide(active_since, now);
        }
        self.announce(now);
        if self.key.is_some() {
            self.speak(now);
        }
        let heartbeats = self.key.is_some().then(|| self.speaker.next());
        let missed = self.key.as_ref().and_then(|_| self.membership.next());
        [self.decide_at, self.announcements.next(), heartbeats, missed].into_iter().flatten().min()
    }

    /// This machine stood still, or its clock was set: others have taken over.
    fn start_over(&mut self, now: Instant) {
        tracing::warn!(uplink = self.uplink, "no heartbeat was sent for a while: starting over");
        for address in self.claims.let_go(now) {
            self.release(address, None);
        }
        self.membership.resume(now);
        self.active_since = Some(now);
        self.decided = None;
    }

    fn decide(&mut self, active_since: Instant, now: Instant) {
        let view = View {
            node: &self.node,
            members: match self.key {
                Some(_) => self.membership.live().collect(),
                None => Vec::new(),
            },
            overheard: self.membership.overheard(now).collect(),
            stable_since: self.membership.stable_since(),
            listening_since: self.key.is_some().then_some(active_since),
        };
        let (changes, next) = self.claims.decide(&view, now);
        self.decide_at = next;
        for (address, change) in changes {
            match change {
                Change::Taken => self.take(address, now),
                Change::Released(to) => self.release(address, to.as_deref()),
                Change::Reasserted => self.announcements.start(address, now),
            }
        }
    }

    fn take(&mut self, address: IpAddr, now: Instant) {
        tracing::info!(uplink = self.uplink, %address, "announced by this node");
        self.counters.taken += 1;
        self.announcements.start(address, now);
        if let IpAddr::V6(address) = address {
            self.out.push(Output::Join(ndp::solicited_node_group(address)));
        }
    }

    fn release(&mut self, address: IpAddr, to: Option<&str>) {
        tracing::info!(uplink = self.uplink, %address, to, "announced by this node no more");
        self.counters.released += 1;
        self.announcements.stop(address);
        if let IpAddr::V6(address) = address {
            let group = ndp::solicited_node_group(address);
            let is_shared = self.claims.held().any(|(other, _)| match other {
                IpAddr::V6(other) => ndp::solicited_node_group(other) == group,
                IpAddr::V4(_) => false,
            });
            if !is_shared {
                self.out.push(Output::Leave(group));
            }
        }
    }

    fn announce(&mut self, now: Instant) {
        let Some(link) = self.link else { return };
        for (address, conflict) in self.announcements.due(now) {
            if conflict.is_some() && self.claims.had_rival(address, now) {
                // A node of ours that has let go, or will.
                self.announcements.forgive(address);
            } else if let Some(mac) = conflict {
                self.counters.defended += 1;
                tracing::warn!(uplink = self.uplink, %address, other = %mac, "{}", match self.key {
                    Some(_) => "somebody else has this address too: announced again",
                    None => "somebody else has this address too: if it is a node of this cluster, give \
                             all of them the same --announce-key-file",
                });
            }
            match address {
                IpAddr::V4(address) => {
                    let frames = arp::announcements(address, link.mac);
                    self.out.extend(frames.map(Output::Frame));
                }
                IpAddr::V6(address) => {
                    self.out.push(Output::Frame(ndp::announcement(address, link.mac)));
                }
            }
        }
    }

    fn speak(&mut self, now: Instant) {
        let Some(key) = &self.key else { return };
        let report = Report { heard: self.membership.heard(now), addresses: self.claims.report() };
        for heartbeat in self.speaker.speak(report, now) {
            self.counters.heartbeats_sent += 1;
            self.out.push(Output::Heartbeat(heartbeat.encode(key)));
        }
    }

    /// What is to be done outside since this was asked last.
    pub(crate) fn take_output(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
