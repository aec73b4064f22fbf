//! What the kernel tells of a process, from /proc.

use anyhow::{Context, Result, bail};
use nix::unistd::{SysconfVar, sysconf};
use std::collections::BTreeMap;
use std::time::Duration;

/// Whether it runs.
pub(crate) fn is_alive(pid: u32) -> bool {
    status(pid).is_some()
}

/// What it is called, while it runs.
pub(crate) fn name(pid: u32) -> Option<String> {
    field(&status(pid)?, "Name:").map(str::to_owned)
}

/// A child of a process, by its program's name.
pub(crate) fn child(parent: u32, program: &str) -> Result<u32> {
    // The kernel keeps 15 bytes of a program's name.
    let name = &program[..program.len().min(15)];
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while it is read.
        let Some(status) = status(pid) else { continue };
        if field(&status, "Name:") == Some(name)
            && field(&status, "PPid:") == Some(&parent.to_string())
        {
            return Ok(pid);
        }
    }
    bail!("{program} does not run")
}

/// Resident memory in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    memory_bytes(pid, "VmRSS:")
}

/// Its share of memory in bytes, as root: of a page that several processes have, a part each.
pub(crate) fn proportional_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let rollup = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let kibibytes = field(&rollup, "Pss:").and_then(|value| value.strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.with_context(|| format!("{path} has no Pss"))?.trim().parse()?;
    Ok(kibibytes * 1024)
}

/// Forgets what it was, as root: proc_pid_clear_refs(5).
pub(crate) fn forget_resident_most(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    std::fs::write(&path, "5").with_context(|| format!("write {path}"))
}

fn memory_bytes(pid: u32, key: &str) -> Result<u64> {
    let status = status(pid).with_context(|| format!("process {pid} has ended"))?;
    let kibibytes = field(&status, key).and_then(|value| value.strip_suffix(" kB"));
    let kibibytes: u64 = kibibytes.with_context(|| format!("no {key}"))?.trim().parse()?;
    Ok(kibibytes * 1024)
}

/// The most that its resident memory has been, in bytes, since it was started or this was last forgotten.
pub(crate) fn resident_most_bytes(pid: u32) -> Result<u64> {
    memory_bytes(pid, "VmHWM:")
}

/// Processor time that it has used, in its own code and in the kernel.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = cpu_ticks(&stat).with_context(|| format!("/proc/{pid}/stat has no times"))?;
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK)?.context("no length of a tick")?;
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64))
}

/// What a thread has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// Processor time, to the nanosecond.
    pub(crate) cpu: Duration,
    /// How often it has waited for something and was woken up.
    pub(crate) wake_ups: u64,
}

/// Of each of its threads, by their ids.
pub(crate) fn activity(pid: u32) -> Result<BTreeMap<u32, Activity>> {
    let directory = format!("/proc/{pid}/task");
    let mut threads = BTreeMap::new();
    for entry in std::fs::read_dir(&directory).with_context(|| directory.clone())?.flatten() {
        let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A thread may end while it is read.
        let read = |file| std::fs::read_to_string(entry.path().join(file));
        let (Ok(schedstat), Ok(status)) = (read("schedstat"), read("status")) else { continue };
        let activity = activity_of(&schedstat, &status);
        threads.insert(thread, activity.with_context(|| format!("{directory}/{thread}"))?);
    }
    Ok(threads)
}

/// Of a schedstat, which begins with nanoseconds on a processor, and a status.
fn activity_of(schedstat: &str, status: &str) -> Option<Activity> {
    let cpu_ns = schedstat.split_whitespace().next()?.parse().ok()?;
    let wake_ups = field(status, "voluntary_ctxt_switches:")?.parse().ok()?;
    Some(Activity { cpu: Duration::from_nanos(cpu_ns), wake_ups })
}

/// Processor time of the whole machine, since it booted, in which it did something: programs and kernel, interrupts
/// too. What a hypervisor took is not its own.
pub(crate) fn busy_time() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let ticks = busy_ticks(&stat).context("/proc/stat has no times")?;
    let ticks_per_second = sysconf(SysconfVar::CLK_TCK)?.context("no length of a tick")?;
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64))
}

/// Of proc_stat(5): user, nice, system; idle and iowait are left out; irq and softirq; what follows is others' or
/// counted already.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> =
        line.split_whitespace().map(|ticks| ticks.parse().ok()).collect::<Option<_>>()?;
    [0, 1, 2, 5, 6].into_iter().map(|field| ticks.get(field).copied()).sum()
}

/// Fields 14 and 15 of proc_pid_stat(5). The second is the name, in parentheses, and may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map(|ticks| ticks.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}

/// `/proc/<pid>/status`, unless the process is gone or only waits to be waited for.
fn status(pid: u32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    (!field(&status, "State:")?.starts_with('Z')).then_some(status)
}

fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::wait_for;
    use std::process::Command;

    #[test]
    fn a_thread_that_sleeps_wakes_up_and_one_that_works_takes_time() {
        let own = std::process::id();
        // The kernel's id of this thread.
        let thread = nix::unistd::gettid().as_raw() as u32;
        let before = activity(own).unwrap()[&thread];
        (0..3).for_each(|_| std::thread::sleep(Duration::from_millis(1)));
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(20) {}
        let after = activity(own).unwrap()[&thread];
        assert!(after.wake_ups >= before.wake_ups + 3, "{before:?} {after:?}");
        assert!(after.cpu > before.cpu, "{before:?} {after:?}");
        assert_eq!(activity_of("", "voluntary_ctxt_switches:\t7\n"), None);
    }

    #[test]
    fn a_process_is_found_among_the_children_alone() {
        let mut sleep = Command::new("sleep").arg("60").spawn().unwrap();
        let own = std::process::id();
        let seen =
            wait_for("sleep to run", Duration::from_secs(5), || Ok(child(own, "sleep").ok()));
        let strange = child(sleep.id(), "sleep");
        let resident = resident_bytes(sleep.id());
        let most = resident_most_bytes(sleep.id());
        sleep.kill().unwrap();
        sleep.wait().unwrap();
        assert_eq!(seen.unwrap(), sleep.id());
        assert!(strange.is_err());
        assert!(resident.as_ref().is_ok_and(|bytes| *bytes > 0));
        assert!(most.unwrap() >= resident.unwrap());
    }

    #[test]
    fn a_machine_is_busy_with_what_is_its_own() {
        let stat = "cpu  10 2 30 4000 50 6 7 800 9 0\ncpu0 1 1\n";
        assert_eq!(busy_ticks(stat), Some(55));
        assert_eq!(busy_ticks("intr 1 2"), None);
    }

    #[test]
    fn times_come_after_the_name_whatever_that_is() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 90 0 0 0 250 31 0 0 20 0 1 0 5 8192 1";
        assert_eq!(cpu_ticks(stat), Some(281));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
    }
}
