//! When this node says unasked that an address is here: in a burst after it took it, and once when somebody
//! else is seen to have it (RFC 5227, 2.4). No I/O and no clock: time is told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::packet::MacAddr;
use crate::timing::{ANNOUNCE_AT, CONFLICT_GRACE, DEFEND_INTERVAL};

/// What is to be said, and who else was seen.
#[derive(Debug, Default)]
pub(crate) struct Announcements {
    bursts: BTreeMap<IpAddr, Burst>,
    conflicts: BTreeMap<IpAddr, Conflict>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    started: Instant,
    said: usize,
}

/// Somebody else has an address that this node announces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conflict {
    pub(crate) mac: MacAddr,
    pub(crate) seen_at: Instant,
    defend_at: Option<Instant>,
    defended_at: Option<Instant>,
}

impl Burst {
    fn next(&self) -> Option<Instant> {
        ANNOUNCE_AT.get(self.said).map(|after| self.started + *after)
    }
}

impl Announcements {
    /// This node has the address from now on, or must say so again.
    pub(crate) fn start(&mut self, address: IpAddr, now: Instant) {
        self.bursts.insert(address, Burst { started: now, said: 0 });
    }

    /// This node does not have it any more.
    pub(crate) fn stop(&mut self, address: IpAddr) {
        self.bursts.remove(&address);
        self.conflicts.remove(&address);
    }

    /// Another was seen to have an address of ours. It may be one that takes it over this moment: only when
    /// the address is still ours a little later is it a conflict, and defended.
    pub(crate) fn conflict(&mut self, address: IpAddr, mac: MacAddr, now: Instant) {
        let new = Conflict { mac, seen_at: now, defend_at: None, defended_at: None };
        let conflict = self.conflicts.entry(address).or_insert(new);
        (conflict.mac, conflict.seen_at) = (mac, now);
        let rests = conflict.defended_at.is_some_and(|at| now < at + DEFEND_INTERVAL);
        if conflict.defend_at.is_none() && !rests {
            conflict.defend_at = Some(now + CONFLICT_GRACE);
        }
    }

    /// The other one was no conflict.
    pub(crate) fn forgive(&mut self, address: IpAddr) {
        self.conflicts.remove(&address);
    }

    /// The addresses to announce now, and with whom those are in conflict that are defended.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(IpAddr, Option<MacAddr>)> {
        let mut due = Vec::new();
        for (address, burst) in &mut self.bursts {
            if burst.next().is_some_and(|at| at <= now) {
                burst.said += 1;
                due.push((*address, None));
            }
        }
        self.bursts.retain(|_, burst| burst.next().is_some());
        for (address, conflict) in &mut self.conflicts {
            if conflict.defend_at.is_some_and(|at| at <= now) {
                conflict.defend_at = None;
                conflict.defended_at = Some(now);
                due.push((*address, Some(conflict.mac)));
            }
        }
        due
    }

    /// When something is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let bursts = self.bursts.values().filter_map(Burst::next);
        bursts.chain(self.conflicts.values().filter_map(|conflict| conflict.defend_at)).min()
    }

    /// Conflicts seen since this node has the address.
    pub(crate) fn conflicts(&self) -> impl Iterator<Item = (IpAddr, Conflict)> {
        let defended = self.conflicts.iter().filter(|(_, conflict)| conflict.defended_at.is_some());
        defended.map(|(address, conflict)| (*address, *conflict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    fn said_within(announcements: &mut Announcements, now: &mut Instant, ms: u64) -> Vec<u64> {
        let start = *now;
        let mut said = Vec::new();
        for _ in 0..ms / 50 {
            let due = announcements.due(*now);
            said.extend(due.iter().map(|_| (*now - start).as_millis() as u64));
            *now += Duration::from_millis(50);
        }
        said
    }

    #[test]
    fn a_takeover_is_said_several_times_and_then_no_more() {
        let (mut announcements, mut now) = (Announcements::default(), Instant::now());
        let address = "192.0.2.50".parse().unwrap();
        announcements.start(address, now);
        assert_eq!(said_within(&mut announcements, &mut now, 5000), [0, 100, 400, 1000, 2000]);
        assert_eq!(announcements.next(), None);
        announcements.start(address, now);
        assert_eq!(announcements.due(now), [(address, None)]);
        announcements.stop(address);
        assert_eq!(announcements.next(), None);
    }

    #[test]
    fn a_conflict_is_defended_once_in_a_while_and_a_handover_is_none() {
        let (mut announcements, mut now) = (Announcements::default(), Instant::now());
        let address = "192.0.2.50".parse().unwrap();
        announcements.conflict(address, MAC, now);
        announcements.stop(address);
        assert!(said_within(&mut announcements, &mut now, 3000).is_empty(), "handed over");

        let mut defended = 0;
        for _ in 0..40 {
            announcements.conflict(address, MAC, now);
            defended += said_within(&mut announcements, &mut now, 500).len();
        }
        assert_eq!(defended, 2, "in 20 s");
        assert_eq!(announcements.conflicts().next().unwrap().1.mac, MAC);
    }
}
