//! How long to wait before trying again. Pure: the clock is a parameter.

use std::time::Duration;

use jiff::Timestamp;

/// First delay before an ended container is started again.
const RESTART_INITIAL: Duration = Duration::from_secs(10);
/// Delays double up to this.
const RESTART_MAX: Duration = Duration::from_secs(300);
/// A container that ran this long since its last start begins anew.
const RESTART_RESET: Duration = Duration::from_secs(600);

/// Delays between the restarts of one container: none before the first, then 10 s doubling to 5 min,
/// counted from the end of the last run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RestartBackoff {
    last: Option<(Duration, Timestamp)>,
}

impl RestartBackoff {
    /// How long a container that ended at `finished_at` still has to wait, and of which delay that is
    /// the rest. `None`: it may start.
    pub(crate) fn remaining(
        &self,
        finished_at: Timestamp,
        now: Timestamp,
    ) -> Option<(Duration, Duration)> {
        let (delay, started_at) = self.last?;
        if elapsed(started_at, finished_at) > RESTART_RESET {
            return None;
        }
        let passed = elapsed(finished_at, now);
        delay.checked_sub(passed).filter(|rest| !rest.is_zero()).map(|rest| (rest, delay))
    }

    /// Of a container that was restarted `restarts` times, the last time at `started_at`.
    pub(crate) fn adopted(restarts: u32, started_at: Timestamp) -> Self {
        let doublings = restarts.saturating_sub(1).min(16);
        let delay = (RESTART_INITIAL * (1 << doublings)).min(RESTART_MAX);
        Self { last: Some((delay, started_at)) }
    }

    /// Notes that the container, which ended at `finished_at`, is started again.
    pub(crate) fn restarted(&mut self, finished_at: Timestamp, now: Timestamp) {
        let delay = match self.last {
            Some((delay, started_at)) if elapsed(started_at, finished_at) <= RESTART_RESET => {
                (delay * 2).min(RESTART_MAX)
            }
            _ => RESTART_INITIAL,
        };
        self.last = Some((delay, now));
    }
}

fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// Delays between tries of something that failed: doubling from `initial` to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RetryBackoff {
    next: Duration,
    max: Duration,
    retry_at: Option<Timestamp>,
}

impl RetryBackoff {
    pub(crate) fn new(initial: Duration, max: Duration) -> Self {
        Self { next: initial, max, retry_at: None }
    }

    /// Notes a failure.
    pub(crate) fn failed(&mut self, now: Timestamp) {
        self.retry_at = now.checked_add(self.next).ok();
        self.next = (self.next * 2).min(self.max);
    }

    /// Allows the next try at once, without forgetting how often it failed.
    pub(crate) fn hurry(&mut self) {
        self.retry_at = None;
    }

    /// How long to wait; `None`: try now.
    pub(crate) fn remaining(&self, now: Timestamp) -> Option<Duration> {
        let rest = elapsed(now, self.retry_at?);
        (!rest.is_zero()).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    #[test]
    fn restarts_wait_longer_and_longer() {
        let mut backoff = RestartBackoff::default();
        let mut now = 0;
        let mut delays = Vec::new();
        for _ in 0..8 {
            let finished = now;
            if let Some((rest, delay)) = backoff.remaining(at(finished), at(now)) {
                assert_eq!(rest, delay);
                delays.push(delay.as_secs());
                now += i64::try_from(rest.as_secs()).unwrap();
                assert_eq!(backoff.remaining(at(finished), at(now)), None);
            }
            backoff.restarted(at(finished), at(now));
        }
        assert_eq!(delays, [10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn a_long_run_begins_anew() {
        let mut backoff = RestartBackoff::default();
        backoff.restarted(at(0), at(0));
        backoff.restarted(at(0), at(10));
        assert_eq!(backoff.remaining(at(20), at(20)).unwrap().1.as_secs(), 20);
        assert_eq!(backoff.remaining(at(700), at(700)), None);
        backoff.restarted(at(700), at(700));
        assert_eq!(backoff.remaining(at(701), at(701)).unwrap().1.as_secs(), 10);
    }

    #[test]
    fn retries_double_and_can_be_hurried() {
        let mut retry = RetryBackoff::new(Duration::from_secs(1), Duration::from_secs(3));
        assert_eq!(retry.remaining(at(0)), None);
        retry.failed(at(0));
        assert_eq!(retry.remaining(at(0)), Some(Duration::from_secs(1)));
        assert_eq!(retry.remaining(at(1)), None);
        retry.failed(at(1));
        assert_eq!(retry.remaining(at(1)), Some(Duration::from_secs(2)));
        retry.failed(at(3));
        assert_eq!(retry.remaining(at(3)), Some(Duration::from_secs(3)));
        retry.hurry();
        assert_eq!(retry.remaining(at(3)), None);
    }
}
