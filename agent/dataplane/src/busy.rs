//! Calls on maps that meet a locked bucket: made again, a bounded number of times, and counted.
//!
//! A bucket is locked for some hundred nanoseconds. Kernels refuse to wait for it where that might be for
//! ever: EBUSY since 20b6cc34ea74 (5.11), EDEADLK or ETIMEDOUT since 4fa8d68aa53e (6.15).

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a call is made in all.
const TRIES: u32 = 100;

static RETRIED: AtomicU64 = AtomicU64::new(0);

/// How many calls of this process met a locked bucket and were made again.
pub fn calls_retried() -> u64 {
    RETRIED.load(Ordering::Relaxed)
}

/// What is left of the tries of one call.
#[derive(Debug)]
pub(crate) struct Tries(u32);

impl Tries {
    pub(crate) const fn new() -> Self {
        Self(TRIES - 1)
    }

    /// Whether the call is to be made again after this error.
    pub(crate) fn again(&mut self, error: &io::Error) -> bool {
        let is_busy = matches!(
            error.raw_os_error(),
            Some(libc::EBUSY | libc::EDEADLK | libc::ETIMEDOUT | libc::EAGAIN | libc::EINTR)
        );
        if !is_busy || self.0 == 0 {
            return false;
        }
        self.0 -= 1;
        RETRIED.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
        true
    }
}

/// Makes a call until it does not meet a locked bucket.
pub(crate) fn persist<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut tries = Tries::new();
    loop {
        match call() {
            Err(error) if tries.again(&error) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a call that is answered `errno` this often, and how often it was made.
    fn made(errno: i32, times: u32) -> (Result<(), Option<i32>>, u32) {
        let mut calls = 0;
        let result = persist(|| {
            calls += 1;
            if calls <= times { Err(io::Error::from_raw_os_error(errno)) } else { Ok(()) }
        });
        (result.map_err(|error| error.raw_os_error()), calls)
    }

    #[test]
    fn a_call_that_meets_a_locked_bucket_is_made_again_and_counted() {
        for errno in [libc::EBUSY, libc::EDEADLK, libc::ETIMEDOUT] {
            let before = calls_retried();
            assert_eq!(made(errno, 3), (Ok(()), 4));
            assert!(calls_retried() >= before + 3);
            assert_eq!(made(errno, TRIES), (Err(Some(errno)), TRIES), "not for ever");
        }
        assert_eq!(made(libc::E2BIG, 1), (Err(Some(libc::E2BIG)), 1), "another error is told");
    }
}
