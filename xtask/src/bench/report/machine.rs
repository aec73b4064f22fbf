//! Where and when figures were measured, and whether something else ran there.

use crate::cluster::output_of;
use crate::workspace::root;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// How long the machine is watched before a bench, and how often, until it is quiet: what a bench has left
/// ends in its own time.
const WATCHED: Duration = Duration::from_secs(5);
const WATCHES: u32 = 12;
/// The share of all processors' time up to which it is quiet.
const QUIET: f64 = 0.05;

/// A machine before a bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::bench) struct Machine {
    pub(in crate::bench) cpu: String,
    pub(in crate::bench) processors: u32,
    pub(in crate::bench) memory_mib: u64,
    pub(in crate::bench) kernel: String,
    /// With `-dirty` when files were changed since.
    pub(in crate::bench) commit: String,
    /// In UTC.
    pub(in crate::bench) date: String,
    /// Of the last minute, when the command began.
    pub(in crate::bench) load_before: f64,
    /// The share of all processors' time that was used, or taken by other machines of the same host, in the
    /// seconds before.
    pub(in crate::bench) busy_before: f64,
}

impl Machine {
    /// One that tests tell of.
    #[cfg(test)]
    pub(in crate::bench) fn of_a_test(busy_before: f64) -> Self {
        Self {
            cpu: "A CPU".into(),
            processors: 2,
            memory_mib: 7936,
            kernel: "6.18.5".into(),
            commit: "0123456789".into(),
            date: "2026-01-02 03:04".into(),
            load_before: 0.25,
            busy_before,
        }
    }

    /// Looks for some seconds, for up to a minute while it is busy. `load_before` is of the command's begin: a bench before this one counts for none.
    pub(super) fn look(load_before: f64) -> Result<Self> {
        let meminfo = fs::read_to_string("/proc/meminfo")?;
        let kibibytes = field(&meminfo, "MemTotal").and_then(|value| value.split(' ').next());
        let kibibytes: u64 = kibibytes.context("/proc/meminfo has no MemTotal")?.parse()?;
        let mut busy_before = watch()?;
        for _ in 1..WATCHES {
            if busy_before <= QUIET {
                break;
            }
            busy_before = watch()?;
        }
        Ok(Self {
            cpu: Self::processor()?,
            processors: std::thread::available_parallelism()?.get().try_into()?,
            memory_mib: kibibytes / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            commit: commit()?,
            date: output_of(Command::new("date").args(["--utc", "+%Y-%m-%d %H:%M"]))?
                .trim()
                .to_owned(),
            load_before,
            busy_before,
        })
    }

    /// What its processors are called; not every architecture says.
    pub(in crate::bench) fn processor() -> Result<String> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        Ok(field(&cpuinfo, "model name").unwrap_or("unknown").to_owned())
    }

    /// Whether nothing else ran.
    pub(super) fn is_quiet(&self) -> bool {
        self.busy_before <= QUIET
    }
}

/// The share of time that is used.
fn watch() -> Result<f64> {
    let before = Times::now()?;
    std::thread::sleep(WATCHED);
    Ok(Times::now()?.busy_since(before))
}

/// The load average of the last minute.
pub(super) fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().and_then(|load| load.parse().ok());
    first.context("/proc/loadavg has no load")
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}

/// Asks git of this checkout, whoever's it is.
pub(super) fn git(words: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    output_of(command.current_dir(root()).args(["-c", "safe.directory=*"]).args(words))
}

/// What was measured; figures and pages may change, and it is still that.
fn commit() -> Result<String> {
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs"])?;
    let dirty = if changed.trim().is_empty() { "" } else { "-dirty" };
    Ok(format!("{}{dirty}", commit.trim()))
}

/// Of all processors since the start of the machine, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    idle: u64,
    all: u64,
}

impl Times {
    fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        Self::read(&stat).context("/proc/stat has no times")
    }

    /// Of the first line of proc_stat(5): the fourth and fifth are idle and waiting for a disk; from the ninth on
    /// they are counted in others already.
    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let ticks = line.split_whitespace().take(8).map(|ticks| ticks.parse().ok());
        let ticks: Vec<u64> = ticks.collect::<Option<_>>()?;
        Some(Self { idle: ticks.get(3)? + ticks.get(4)?, all: ticks.iter().sum() })
    }

    fn busy_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        let idle = self.idle.saturating_sub(before.idle);
        1.0 - (idle as f64 / all as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_whatever_is_neither_idle_nor_waiting_for_a_disk() {
        let before = Times::read("cpu  10 0 10 100 0 0 0 0 5 0\ncpu0 1 1\n").unwrap();
        // 5 of a user, 3 taken by others on the host; 80 idle, 12 waiting; a guest's are the user's.
        let after = Times::read("cpu  15 0 10 180 12 0 0 3 9 0\n").unwrap();
        assert!((after.busy_since(before) - 0.08).abs() < 1e-9);
        assert_eq!(Times::read("intr 1 2"), None);
    }

    #[test]
    fn fields_are_read_by_their_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: A CPU @ 2 GHz\n";
        assert_eq!(field(text, "model name"), Some("A CPU @ 2 GHz"));
        assert_eq!(field(text, "MemTotal"), None);
    }
}
