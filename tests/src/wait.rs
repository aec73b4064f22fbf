//! Waiting for something that must come to pass, with a limit, and a panic that says what was seen
//! instead.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Calls `observe` until `is_right` agrees with what it returns; returns that.
///
/// # Panics
/// When `limit` is over, with the last observation.
pub fn until<T: Debug>(
    what: &str,
    limit: Duration,
    mut observe: impl FnMut() -> T,
    mut is_right: impl FnMut(&T) -> bool,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        let seen = observe();
        if is_right(&seen) {
            return seen;
        }
        assert!(
            Instant::now() < deadline,
            "waited {} s for {what}; last seen: {seen:?}",
            limit.as_secs()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits for a condition.
pub fn until_true(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    until(what, limit, &mut condition, |is_true| *is_true);
}
