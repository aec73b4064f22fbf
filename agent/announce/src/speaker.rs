//! When which part of this node's report goes out: everything at once when something changed, and again
//! with the next two heartbeats in case a packet is lost; one part after the other while nothing changes,
//! so that a heartbeat is one packet however much there is to say. No I/O and no clock: time is told.

use std::time::{Duration, Instant};

use crate::heartbeat::{Heartbeat, Report};
use crate::owner::mix;
use crate::timing::{DEAD, INTERVAL, JITTER};

/// How often a changed report is said in full.
const FULL_ROUNDS: u32 = 3;
/// Changes in quick succession are said together.
const PAUSE_MIN: Duration = Duration::from_millis(20);

/// What this node says of itself.
#[derive(Debug)]
pub(crate) struct Speaker {
    node: String,
    boot: u64,
    sequence: u64,
    generation: u32,
    report: Option<Report>,
    parts: Vec<Report>,
    next_part: usize,
    full_rounds: u32,
    spoke_at: Option<Instant>,
    next: Instant,
}

impl Speaker {
    pub(crate) fn new(node: &str, boot: u64, now: Instant) -> Self {
        Self {
            node: node.to_owned(),
            boot,
            sequence: 0,
            generation: 0,
            report: None,
            parts: Vec::new(),
            next_part: 0,
            full_rounds: 0,
            spoke_at: None,
            next: now,
        }
    }

    /// What is due now, if this is what there is to say.
    pub(crate) fn speak(&mut self, report: Report, now: Instant) -> Vec<Heartbeat> {
        let is_new = self.report.as_ref() != Some(&report);
        let earliest = self.spoke_at.map_or(now, |at| at + PAUSE_MIN);
        if is_new && now < earliest {
            self.next = self.next.min(earliest);
            return Vec::new();
        }
        if is_new {
            self.generation = self.generation.wrapping_add(1);
            self.parts = report.split(&self.node);
            self.report = Some(report);
            self.full_rounds = FULL_ROUNDS;
            self.next_part = 0;
        } else if now < self.next {
            return Vec::new();
        }
        let said = if self.full_rounds > 0 {
            self.full_rounds -= 1;
            0..self.parts.len()
        } else {
            let part = self.next_part % self.parts.len();
            self.next_part = part + 1;
            part..part + 1
        };
        let jitter = JITTER.mul_f64(mix(self.boot ^ self.sequence) as f64 / u64::MAX as f64);
        self.spoke_at = Some(now);
        self.next = now + INTERVAL - jitter;
        said.map(|part| self.heartbeat(part)).collect()
    }

    fn heartbeat(&mut self, part: usize) -> Heartbeat {
        self.sequence += 1;
        Heartbeat {
            node: self.node.clone(),
            boot: self.boot,
            sequence: self.sequence,
            generation: self.generation,
            part: part as u16,
            parts: self.parts.len() as u16,
            report: self.parts[part].clone(),
        }
    }

    /// Starts anew after a time in which it was not to speak.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.spoke_at = None;
        self.next = now;
    }

    /// Whether it has been silent for so long that others have missed this node.
    pub(crate) fn was_missed(&self, now: Instant) -> bool {
        self.spoke_at.is_some_and(|at| now.saturating_duration_since(at) >= DEAD)
    }

    /// When the next heartbeat is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn report(addresses: u32) -> Report {
        let addresses = (0..addresses).map(|n| (Ipv4Addr::from(n).into(), None)).collect();
        Report { addresses, ..Report::default() }
    }

    #[test]
    fn a_large_report_is_said_in_full_when_it_changes_and_in_turns_afterwards() {
        let start = Instant::now();
        let mut speaker = Speaker::new("n", 1, start);
        let first = speaker.speak(report(1000), start);
        assert_eq!(first.len(), 9, "1,000 addresses of 10 bytes");
        let mut now = start;
        let mut said = Vec::new();
        for _ in 0..13 {
            now = speaker.next();
            said.push(speaker.speak(report(1000), now));
        }
        assert!(now - start < INTERVAL * 13);
        let parts: Vec<Vec<u16>> =
            said.iter().map(|said| said.iter().map(|heartbeat| heartbeat.part).collect()).collect();
        let all: Vec<u16> = (0..9).collect();
        let turns = (0..11).map(|part| vec![part % 9]);
        assert!(parts.iter().cloned().eq([all.clone(), all].into_iter().chain(turns)), "{parts:?}");
        let sequences =
            first.iter().chain(said.iter().flatten()).map(|heartbeat| heartbeat.sequence);
        assert!(sequences.eq(1..=38), "each packet has a greater number");
    }

    #[test]
    fn a_change_is_said_at_once_and_a_flood_of_them_is_not() {
        let mut now = Instant::now();
        let mut speaker = Speaker::new("n", 1, now);
        assert_eq!(speaker.speak(report(1), now).len(), 1);
        now += Duration::from_millis(30);
        let said = speaker.speak(report(2), now);
        assert_eq!((said.len(), said[0].generation), (1, 2));
        now += Duration::from_millis(1);
        assert!(speaker.speak(report(3), now).is_empty());
        assert_eq!(speaker.next(), now + Duration::from_millis(19));
        assert_eq!(speaker.speak(report(4), speaker.next()).len(), 1);
    }
}
