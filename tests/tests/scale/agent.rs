//! The agent's own program at ten thousand Services: its memory, and what it does when nothing happens.

use std::fmt::Write as _;
use std::time::Duration;

use sheave_dataplane::TcAttachment;
use sheave_tests::cluster::program;
use sheave_tests::lab::Lab;

use crate::{ms, row};

/// Services, with two endpoints each.
const SERVICES: u32 = 10_000;
/// How long nothing happens.
const REST: Duration = Duration::from_secs(10);
/// Of a processor, in [`REST`]: what `top` would show as 0.0 % in most of its three seconds.
const BUSY_MAX: Duration = Duration::from_millis(20);

/// Services of a file; a YAML stream of more than 1,024 documents is refused.
const PER_FILE: u32 = 500;

fn manifests(numbers: std::ops::Range<u32>) -> String {
    let mut text = String::new();
    for number in numbers {
        let (high, low) = (number >> 8, number & 0xff);
        let node_port = match number % 10 {
            0 => format!(", nodePort: {}", 30_000 + number / 10),
            _ => String::new(),
        };
        let kind = if number % 10 == 0 { "NodePort" } else { "ClusterIP" };
        write!(
            text,
            "---
kind: Service
metadata: {{name: s{number}}}
spec: {{type: {kind}, clusterIP: 10.96.{high}.{low}, ports: [{{port: 80{node_port}}}]}}
---
kind: EndpointSlice
metadata: {{name: s{number}-1, labels: {{kubernetes.io/service-name: s{number}}}}}
addressType: IPv4
ports: [{{port: 8080}}]
endpoints:
- {{addresses: [10.1.{high}.{low}], nodeName: here}}
- {{addresses: [10.2.{high}.{low}], nodeName: there}}
"
        )
        .unwrap();
    }
    text
}

/// A line of /proc/PID/status, in KiB.
fn memory_kib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Time of processors that a process has used, its threads that have ended included.
fn busy(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // After the name, which may hold anything: state is the third field, utime and stime are 14 and 15,
    // in hundredths of a second (proc_pid_stat(5)).
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    Duration::from_millis((ticks(14) + ticks(15)) * 10)
}

#[test]
fn the_agent_at_ten_thousand_services() {
    let mut lab = Lab::new("scale-agent", TcAttachment::Tcx);
    for first in (0..SERVICES).step_by(PER_FILE as usize) {
        lab.serve_file(&format!("from-{first}"), &manifests(first..first + PER_FILE));
    }
    lab.start_agent(&program("sheave-agent"));
    let status = lab.wait_for_agent();
    let pid = lab.agent_pid().unwrap();
    let writes = status["services"]["mapWrites"].as_u64().unwrap();
    assert!(writes > u64::from(SERVICES) * 5, "all of them are in the maps: {status}");
    println!("the agent, {SERVICES} Services with two endpoints each, a tenth with a NodePort");
    std::thread::sleep(Duration::from_secs(2));
    row("map entries written", writes, "");
    row("resident memory", format!("{} KiB", memory_kib(pid, "VmRSS:")), "at most 80 MiB");
    row("most it ever was", format!("{} KiB", memory_kib(pid, "VmHWM:")), "");
    let before = busy(pid);
    std::thread::sleep(REST);
    let busy = busy(pid) - before;
    row("processor time in 10 s without a change", ms(busy), "at most 20 ms");
    assert!(busy <= BUSY_MAX, "{busy:?} in {REST:?}");
    let resident = memory_kib(pid, "VmRSS:");
    assert!(resident < 80 << 10, "{resident} KiB");
}
