//! Facts of this machine.

/// Whether a process may be made less likely to be killed when memory is short (CAP_SYS_RESOURCE).
pub(crate) fn may_lower_oom_score() -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    bits.is_some_and(|bits| bits & (1 << CAP_SYS_RESOURCE) != 0)
}

/// All of the machine's memory.
pub(crate) fn memory_bytes() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    meminfo(&info, "MemTotal:")
}

/// What could be had without swapping.
pub(crate) fn memory_available_bytes() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    meminfo(&info, "MemAvailable:")
}

fn meminfo(info: &str, field: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Processors that are online.
pub(crate) fn cpus() -> u64 {
    std::thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

/// Whether less than a tenth of the process numbers is left.
pub(crate) fn pids_are_short() -> bool {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let max = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|t| number(&t));
    // The fourth word of loadavg is "running/all" threads.
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let all = load.split_whitespace().nth(3).and_then(|word| number(word.split_once('/')?.1));
    matches!((all, max), (Some(all), Some(max)) if all > max / 10 * 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_machine() {
        assert!(memory_bytes() > memory_available_bytes());
        assert!(memory_available_bytes() > 0);
        assert!(cpus() >= 1);
        assert_eq!(meminfo("MemTotal:  10 kB\n", "MemTotal:"), 10240);
    }
}
