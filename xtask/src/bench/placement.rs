//! Which processors the two ends of a stream run on. Left alone, the kernel moves them during a
//! measurement, and where they are counts for more than the way between them: so each placement is measured
//! by itself, and what the kernel makes of it beside them.

use anyhow::{Context, Result};
use std::fs;

/// One processor for each end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) name: &'static str,
    /// Client and server; `None`: the kernel's choice.
    processors: Option<(u32, u32)>,
}

impl Placement {
    /// Those that this machine has: the kernel's; both ends on one processor; each on a core of its own, where
    /// the busier end decides.
    pub(super) fn all() -> Result<Vec<Self>> {
        let online = fs::read_to_string("/sys/devices/system/cpu/online")?;
        let online = numbers(&online).context("/sys/devices/system/cpu/online is not a list")?;
        let first = *online.first().context("no processor is online")?;
        let siblings = format!("/sys/devices/system/cpu/cpu{first}/topology/thread_siblings_list");
        let siblings = fs::read_to_string(siblings).ok();
        let siblings = siblings.and_then(|list| numbers(&list)).unwrap_or_else(|| vec![first]);
        let other = online.into_iter().find(|cpu| !siblings.contains(cpu));
        let free = Self { name: "where the kernel places them", processors: None };
        let one = Self { name: "both ends on one processor", processors: Some((first, first)) };
        let two = other.map(|other| Self {
            name: "each end on a core of its own",
            processors: Some((first, other)),
        });
        Ok([Some(free), Some(one), two].into_iter().flatten().collect())
    }

    /// As iperf3's client takes it, for both ends.
    pub(super) fn iperf3_words(&self) -> Vec<String> {
        match self.processors {
            Some((client, server)) => vec!["--affinity".into(), format!("{client},{server}")],
            None => vec![],
        }
    }
}

/// Of a list as the kernel writes it, like `0-3,8`.
fn numbers(list: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(numbers("0-1\n"), Some(vec![0, 1]));
        assert_eq!(numbers("0,2-3,8"), Some(vec![0, 2, 3, 8]));
        assert_eq!(numbers("none"), None);
    }
}
