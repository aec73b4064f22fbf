//! A measured load of connections: so many a second, each with an answer that is checked, and a report in
//! which every failure has its time, its phase and its error. Sent by the program `load-client`, answered by
//! [`crate::echo`].
//!
//! A connection that had to send a segment twice is counted too: TCP hides a dropped packet, the tests that
//! prove that none is dropped must see it.

mod exchange;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use std::{cell::RefCell, io};

use serde::{Deserialize, Serialize};
use tokio::time::{interval, sleep};

use exchange::{Held, Shot};
pub use exchange::{REQUEST_LEN, RESPONSE_LEN};

/// Failures that a report holds in full, for each target; the others are counted.
const FAILURES_MAX: usize = 200;

/// What one process of the load does.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Job {
    /// New connections a second, for each target.
    pub rate: u32,
    /// Of those, the targets that are dialled by TCP.
    pub tcp: Vec<SocketAddr>,
    /// By a connected datagram socket.
    pub udp: Vec<SocketAddr>,
    /// By a datagram socket that is not connected.
    pub udp_unconnected: Vec<SocketAddr>,
    /// Targets of TCP connections that stay open: these many each, with a request every so often.
    pub held: Vec<SocketAddr>,
    /// How many connections are held to each.
    pub held_count: u32,
    /// Milliseconds between two requests of a held connection.
    pub held_interval_ms: u64,
    /// Own addresses, taken in turn; none: the system's choice.
    pub from: Vec<IpAddr>,
    /// Milliseconds after which an exchange without an end is a failure.
    pub patience_ms: u64,
}

/// What became of a [`Job`], by target: `tcp 10.96.0.1:80`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// By target.
    pub targets: BTreeMap<String, Tally>,
}

/// What became of the exchanges with one target.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Exchanges begun.
    pub asked: u64,
    /// Exchanges with the right answer and, for TCP, an orderly end.
    pub answered: u64,
    /// Exchanges without.
    pub failed: u64,
    /// Of the answered, connections in which a segment was sent again.
    pub resent: u64,
    /// The first of the failures.
    pub failures: Vec<Failure>,
    /// By name of the backend.
    pub backends: BTreeMap<String, u64>,
    /// Of the answered: how long, in microseconds, counted in powers of two.
    pub latency_log2_us: BTreeMap<u32, u64>,
    /// The longest of the answered.
    pub slowest_us: u64,
}

/// An exchange that did not come to its right end.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Failure {
    /// When it began, in milliseconds of the Unix clock.
    pub began_ms: u64,
    /// How long it took to fail.
    pub after_ms: u64,
    /// `bind`, `connect`, `send`, `receive`, `answer` or `close`.
    pub phase: String,
    /// The error's number, 0 where there was none.
    pub errno: i32,
    /// In words.
    pub error: String,
    /// Own address, as far as known.
    pub local: String,
}

/// A finished exchange.
pub(crate) struct Done {
    pub(crate) backend: String,
    pub(crate) resent: bool,
}

/// Why an exchange failed.
pub(crate) struct Broken {
    pub(crate) phase: &'static str,
    pub(crate) error: io::Error,
    pub(crate) local: String,
}

impl Job {
    /// Works until `stop` ends, and a moment more for what is under way.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Report {
        let report = Rc::new(RefCell::new(Report::default()));
        let patience = Duration::from_millis(self.patience_ms);
        let local = tokio::task::LocalSet::new();
        let running = local.run_until(async {
            for held in self.all_held() {
                tokio::task::spawn_local(hold(held, Rc::clone(&report)));
            }
            tokio::select! {
                () = stop => {}
                () = shoot(self.shots(), self.rate, &report) => {}
            }
            sleep(patience + Duration::from_millis(200)).await;
        });
        running.await;
        report.borrow().clone()
    }

    fn shots(&self) -> Vec<Shot> {
        let patience = Duration::from_millis(self.patience_ms);
        let of = |targets: &[SocketAddr], kind: &'static str| -> Vec<Shot> {
            let from = self.from.clone();
            targets.iter().map(|to| Shot { kind, to: *to, from: from.clone(), patience }).collect()
        };
        let shots = [
            of(&self.tcp, "tcp"),
            of(&self.udp, "udp"),
            of(&self.udp_unconnected, "udp-unconnected"),
        ];
        shots.concat()
    }

    fn all_held(&self) -> Vec<Held> {
        let held = |to: &SocketAddr, number: u32| Held {
            to: *to,
            from: pick(&self.from, u64::from(number)),
            interval: Duration::from_millis(self.held_interval_ms),
            patience: Duration::from_millis(self.patience_ms),
        };
        let each = self.held.iter().flat_map(|to| (0..self.held_count).map(move |n| (to, n)));
        each.map(|(to, number)| held(to, number)).collect()
    }
}

/// The `number`th of the own addresses, in turn.
pub(crate) fn pick(from: &[IpAddr], number: u64) -> Option<IpAddr> {
    let at = number.checked_rem(from.len() as u64)?;
    from.get(at as usize).copied()
}

/// Sends `rate` shots a second at each target; those that are late are made up for.
async fn shoot(shots: Vec<Shot>, rate: u32, report: &Rc<RefCell<Report>>) {
    if shots.is_empty() || rate == 0 {
        return std::future::pending().await;
    }
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(2));
    let mut sent = 0;
    loop {
        ticks.tick().await;
        let due = (began.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        for number in sent..due {
            for shot in &shots {
                let (shot, report) = (shot.clone(), Rc::clone(report));
                tokio::task::spawn_local(async move {
                    let target = format!("{} {}", shot.kind, shot.to);
                    record(&report, target, shot.fire(number)).await;
                });
            }
        }
        sent = due;
    }
}

/// Keeps one connection busy. When it is lost, that is one failure, and it is opened again.
async fn hold(held: Held, report: Rc<RefCell<Report>>) {
    let target = format!("held {}", held.to);
    loop {
        let Some(mut stream) = record(&report, target.clone(), held.open()).await else {
            sleep(held.interval).await;
            continue;
        };
        loop {
            sleep(held.interval).await;
            let asked = held.ask(&mut stream);
            if record(&report, target.clone(), asked).await.is_none() {
                break;
            }
        }
    }
}

/// Counts an exchange, under way and at its end.
async fn record<T>(
    report: &RefCell<Report>,
    target: String,
    exchange: impl Future<Output = Result<(Done, T), Broken>>,
) -> Option<T> {
    report.borrow_mut().targets.entry(target.clone()).or_default().asked += 1;
    let (began, now) = (Instant::now(), SystemTime::now());
    let result = exchange.await;
    let mut report = report.borrow_mut();
    let tally = report.targets.entry(target).or_default();
    match result {
        Ok((done, value)) => {
            tally.succeed(done, began.elapsed());
            Some(value)
        }
        Err(broken) => {
            let began_ms = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            tally.fail(Failure {
                began_ms: began_ms.as_millis() as u64,
                after_ms: began.elapsed().as_millis() as u64,
                phase: broken.phase.into(),
                errno: broken.error.raw_os_error().unwrap_or(0),
                error: broken.error.to_string(),
                local: broken.local,
            });
            None
        }
    }
}

impl Tally {
    fn succeed(&mut self, done: Done, took: Duration) {
        let us = took.as_micros() as u64;
        self.answered += 1;
        self.resent += u64::from(done.resent);
        *self.backends.entry(done.backend).or_default() += 1;
        *self.latency_log2_us.entry(us.max(1).ilog2()).or_default() += 1;
        self.slowest_us = self.slowest_us.max(us);
    }

    fn fail(&mut self, failure: Failure) {
        self.failed += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(failure);
        }
    }

    /// The time within which this share of the answered were, in microseconds, to the next power of two.
    pub fn quantile_us(&self, share: f64) -> u64 {
        let wanted = (self.answered as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (log2, count) in &self.latency_log2_us {
            seen += count;
            if seen >= wanted {
                return 2 << log2;
            }
        }
        0
    }

    /// Those that took longer than this to fail: to whom they happened, they were hanging.
    pub fn slower_than(&self, limit_ms: u64) -> impl Iterator<Item = &Failure> {
        self.failures.iter().filter(move |failure| failure.after_ms > limit_ms)
    }
}
