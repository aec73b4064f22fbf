//! Steady load of lookups, as programs make them: by the C library that this one is linked with, or by running
//! one that is linked with another. The machine's or pod's resolv.conf counts, nothing else.

use std::net::ToSocketAddrs as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// What is to be looked up, and how often.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lookups {
    /// The name. glibc and musl ask for A and for AAAA: a name that is found at once is two questions.
    pub name: String,
    /// Lookups a second in all.
    pub rate: u32,
    /// Each makes one lookup at a time.
    pub threads: u32,
    /// How long.
    pub duration_s: u32,
    /// A program that ends with 0 when it has found the name, its last argument; nothing: getaddrinfo.
    pub program: Vec<String>,
}

/// What became of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Lookups made.
    pub lookups: u32,
    /// Each one that failed: when, how long it took, and why.
    pub failures: Vec<String>,
    /// The longest that one took.
    pub slowest_ms: u64,
    /// How many took longer than a second.
    pub slow: u32,
}

impl Lookups {
    /// Makes them all.
    pub fn run(&self) -> Report {
        let interval = Duration::from_secs(1) * self.threads / self.rate;
        let began = Instant::now();
        let total = AtomicU32::new(0);
        let ask = |thread: u32| {
            let (total, mut report) = (&total, Report::default());
            // Spread over the interval; what took longer is made up for, so that the rate holds.
            let mut next = began + interval * thread / self.threads;
            move || {
                while next < began + Duration::from_secs(self.duration_s.into()) {
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    let at = Instant::now();
                    let result = self.look_up();
                    report.note(at - began, at.elapsed(), result);
                    total.fetch_add(1, Ordering::Relaxed);
                    next += interval;
                }
                report
            }
        };
        let reports = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|n| scope.spawn(ask(n))).collect();
            let reports = threads.into_iter().map(|thread| thread.join().expect("it only counts"));
            reports.collect::<Vec<_>>()
        });
        let mut all = Report { lookups: total.into_inner(), ..Report::default() };
        for report in reports {
            all.failures.extend(report.failures);
            all.slow += report.slow;
            all.slowest_ms = all.slowest_ms.max(report.slowest_ms);
        }
        all
    }

    fn look_up(&self) -> Result<(), String> {
        let Some((program, arguments)) = self.program.split_first() else {
            let found = (self.name.as_str(), 80).to_socket_addrs();
            let mut addresses = found.map_err(|error| error.to_string())?;
            return addresses.next().map(drop).ok_or_else(|| "no address".into());
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(&self.name).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("{program}: {error}"))?;
        let said = || format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        output.status.success().then_some(()).ok_or_else(said)
    }
}

impl Report {
    fn note(&mut self, at: Duration, took: Duration, result: Result<(), String>) {
        self.slowest_ms = self.slowest_ms.max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self.slow += u32::from(took > Duration::from_secs(1));
        let told = |error| format!("after {at:.1?}, in {took:.1?}: {error}");
        self.failures.extend(result.err().map(told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookups(name: &str, program: &[&str]) -> Report {
        let program = program.iter().map(|word| (*word).to_owned()).collect();
        let name = name.to_owned();
        Lookups { name, rate: 100, threads: 4, duration_s: 1, program }.run()
    }

    #[test]
    fn each_is_made_once_and_failures_are_told() {
        let report = lookups("localhost", &[]);
        assert_eq!((report.lookups, report.failures.len()), (100, 0), "{report:?}");
        let report = lookups("localhost", &["sh", "-c", "echo $0 >&2; exit 2"]);
        assert_eq!((report.lookups, report.failures.len()), (100, 100));
        assert!(report.failures[0].contains("localhost"), "{report:?}");
    }
}
