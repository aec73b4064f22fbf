//! What a daemon costs while nothing changes: memory, processor time, and how often it wakes up.

use super::report::Figure;
use crate::process::{self, Activity};
use anyhow::Result;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long it is watched for one figure, and how many figures there are.
const WATCHED: Duration = Duration::from_secs(5);
const WATCHES: usize = 6;

/// A figure a watch, of one daemon.
#[derive(Default)]
struct Measured {
    cpu_ms_s: Vec<f64>,
    wake_ups_s: Vec<f64>,
    resident_mib: Vec<f64>,
    proportional_mib: Vec<f64>,
}

/// Watches daemons side by side, by name and process id; `when` is said of each figure.
pub(super) fn watch(daemons: &[(&str, u32)], when: &str) -> Result<Vec<Figure>> {
    let mut measured: Vec<Measured> = daemons.iter().map(|_| Measured::default()).collect();
    for _ in 0..WATCHES {
        let began = Instant::now();
        let before = activities(daemons)?;
        std::thread::sleep(WATCHED);
        let after = activities(daemons)?;
        let seconds = began.elapsed().as_secs_f64();
        for (index, (_, pid)) in daemons.iter().enumerate() {
            let used = since(&before[index], &after[index]);
            let one = &mut measured[index];
            one.cpu_ms_s.push(used.cpu.as_secs_f64() * 1e3 / seconds);
            one.wake_ups_s.push(used.wake_ups as f64 / seconds);
            one.resident_mib.push(mebibytes(process::resident_bytes(*pid)?));
            one.proportional_mib.push(mebibytes(process::proportional_bytes(*pid)?));
        }
    }
    let named = || daemons.iter().map(|(name, _)| *name).zip(&measured);
    let mut figures = Vec::new();
    let memory = format!("memory at rest, {when}");
    for (name, one) in named() {
        let whose = |kind| format!("{name}, {kind}");
        figures.push(Figure::of(&memory, &whose("resident"), "MiB", &one.resident_mib));
        figures.push(Figure::of(&memory, &whose("its share"), "MiB", &one.proportional_mib));
    }
    let cpu = format!("processor time at rest, {when}");
    figures.extend(named().map(|(name, one)| Figure::of(&cpu, name, "ms a second", &one.cpu_ms_s)));
    let wake_ups = format!("wake-ups at rest, {when}");
    figures.extend(
        named().map(|(name, one)| Figure::of(&wake_ups, name, "a second", &one.wake_ups_s)),
    );
    Ok(figures)
}

fn activities(daemons: &[(&str, u32)]) -> Result<Vec<BTreeMap<u32, Activity>>> {
    daemons.iter().map(|(_, pid)| process::activity(*pid)).collect()
}

/// Of all threads together. One that has begun in between counts from its begin; what one has done that has ended is
/// not known any more.
fn since(before: &BTreeMap<u32, Activity>, after: &BTreeMap<u32, Activity>) -> Activity {
    let used = after.iter().map(|(thread, after)| {
        let before = before.get(thread).copied().unwrap_or_default();
        Activity {
            cpu: after.cpu.saturating_sub(before.cpu),
            wake_ups: after.wake_ups.saturating_sub(before.wake_ups),
        }
    });
    used.fold(Activity::default(), |sum, one| Activity {
        cpu: sum.cpu + one.cpu,
        wake_ups: sum.wake_ups + one.wake_ups,
    })
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_come_and_go_do_not_take_away_from_others() {
        let of = |cpu_ms, wake_ups| Activity { cpu: Duration::from_millis(cpu_ms), wake_ups };
        let before = BTreeMap::from([(1, of(100, 10)), (2, of(900, 90))]);
        let after = BTreeMap::from([(1, of(103, 12)), (3, of(1, 1))]);
        assert_eq!(since(&before, &after), of(4, 3));
    }
}
