//! Wrong tokens are few: each address has some to spend, and gets one back every few seconds.
//!
//! Nobody guesses 128 bits; what is bounded here is the work and the noise that somebody makes who tries.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Wrong tokens in a row.
const BURST: u32 = 10;
/// Until one more is allowed.
const REFILL: Duration = Duration::from_secs(6);
/// Addresses that are remembered; with more of them the one that has been good for longest is forgotten.
const ADDRESSES_MAX: usize = 1024;

#[derive(Default)]
pub(super) struct Limiter {
    /// When the address has all its tries back.
    full_at: Mutex<HashMap<IpAddr, Instant>>,
}

impl Limiter {
    /// # Errors
    /// The seconds to wait.
    pub(super) fn check(&self, from: IpAddr, now: Instant) -> Result<(), u64> {
        let full_at = self.full_at.lock().get(&network(from)).copied();
        let missing = full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let allowed = REFILL * (BURST - 1);
        match missing.checked_sub(allowed).filter(|wait| !wait.is_zero()) {
            None => Ok(()),
            Some(wait) => Err(wait.as_secs() + 1),
        }
    }

    pub(super) fn note_failure(&self, from: IpAddr, now: Instant) {
        let mut full_at = self.full_at.lock();
        if full_at.len() >= ADDRESSES_MAX {
            full_at.retain(|_, at| *at > now);
        }
        if full_at.len() >= ADDRESSES_MAX
            && let Some(first) = full_at.iter().min_by_key(|(_, at)| **at).map(|(from, _)| *from)
        {
            full_at.remove(&first);
        }
        let at = full_at.entry(network(from)).or_insert(now);
        *at = (*at).max(now) + REFILL;
    }
}

/// Of IPv6 a machine has a whole /64 to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_spent_and_come_back() {
        let limiter = Limiter::default();
        let (from, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let now = Instant::now();
        for _ in 0..BURST {
            assert_eq!(limiter.check(from, now), Ok(()));
            limiter.note_failure(from, now);
        }
        let wait = limiter.check(from, now).unwrap_err();
        assert!((1..=7).contains(&wait), "{wait}");
        assert_eq!(limiter.check(other, now), Ok(()));
        assert_eq!(limiter.check(from, now + REFILL), Ok(()));
        limiter.note_failure(from, now + REFILL);
        assert!(limiter.check(from, now + REFILL).is_err(), "one came back, not all");
        assert_eq!(limiter.check(from, now + REFILL * (BURST + 2)), Ok(()));
    }

    #[test]
    fn a_whole_ipv6_network_counts_as_one_and_memory_is_bounded() {
        let limiter = Limiter::default();
        let now = Instant::now();
        for last in 0..BURST {
            limiter.note_failure(format!("2001:db8::{last:x}").parse().unwrap(), now);
        }
        assert!(limiter.check("2001:db8::ffff".parse().unwrap(), now).is_err());
        for number in 0..3 * ADDRESSES_MAX as u32 {
            limiter.note_failure(std::net::Ipv4Addr::from(number).into(), now);
        }
        assert!(limiter.full_at.lock().len() <= ADDRESSES_MAX);
    }
}
