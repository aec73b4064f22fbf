//! Who asks, as a process of a pod: in its network namespace and its cgroup, with the files of this machine. dnsperf
//! asks so many questions a second and tells of each; it would take more processor time than a server to ask as
//! many as are answered, so that name-flood does that.

use crate::cluster::output_of;
use crate::privilege;
use crate::workspace::{binary, cargo};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Joins a cgroup and a network namespace, and becomes a program. What it says goes to a file: who reads of each
/// question meanwhile would take processor time from what is measured. A session of its own, as a pod has
/// and each server: the kernel shares the processor out among sessions (sched(7), autogroup).
const IN_POD: &str = r#"set -e
    echo $$ > "$1"; network=$2; said=$3; shift 3
    exec setsid nsenter --net="$network" "$@" > "$said""#;

/// After which it gives a question up, by itself.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Questions under way when as many are asked as are answered: what dnsperf has by itself.
const UNDER_WAY: u32 = 100;
/// Response codes of answers that say what is true of a name (RFC 1035, 4.1.1).
const TRUE_CODES: [u8; 2] = [0, 3];

/// Builds the program that asks most.
pub(super) fn build_command() -> Command {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "sheave-tests", "--bin", "name-flood"]);
    build
}

/// What it asks, and from where.
pub(super) struct Client {
    cgroup: PathBuf,
    network: String,
    questions: PathBuf,
    said: PathBuf,
}

/// What it saw.
pub(super) struct Seen {
    pub(super) answered: f64,
    pub(super) lost: f64,
    pub(super) per_second: f64,
    /// In order; none where nobody timed each question.
    pub(super) latencies: Vec<Duration>,
}

impl Client {
    /// In the pod of a process.
    pub(super) fn new(process: u32, questions: PathBuf, directory: &Path) -> Result<Self> {
        Ok(Self {
            cgroup: cgroup(process)?.join("cgroup.procs"),
            network: format!("/proc/{process}/ns/net"),
            questions,
            said: directory.join("said"),
        })
    }

    /// Asks so many questions a second, and times each.
    pub(super) fn ask_at(&self, server: SocketAddrV4, rate: u32, seconds: u32) -> Result<Seen> {
        self.dnsperf(server, seconds, &["-v", "-Q", &rate.to_string()])
    }

    /// Asks as many as are answered.
    pub(super) fn ask_most(&self, server: SocketAddrV4, seconds: u32) -> Result<Seen> {
        let mut command = self.in_pod(&binary("name-flood").display().to_string());
        command.arg(server.to_string()).arg(&self.questions);
        command.args([seconds.to_string(), UNDER_WAY.to_string()]);
        output_of(&mut command)?;
        let said = std::fs::read_to_string(&self.said)?;
        read_most(&said).with_context(|| format!("what name-flood says of {server}"))
    }

    fn dnsperf(&self, server: SocketAddrV4, seconds: u32, words: &[&str]) -> Result<Seen> {
        let mut command = self.in_pod("dnsperf");
        command.args(["-s", &server.ip().to_string(), "-p", &server.port().to_string()]);
        command.arg("-d").arg(&self.questions).args(["-l", &seconds.to_string()]).args(words);
        output_of(&mut command)?;
        let said = std::fs::read_to_string(&self.said)?;
        read(&said).with_context(|| format!("what dnsperf says of {server}"))
    }

    fn in_pod(&self, program: &str) -> Command {
        let mut command = privilege::command("sh");
        command.args(["-c", IN_POD, "sh"]).arg(&self.cgroup).arg(&self.network).arg(&self.said);
        command.arg(program);
        command
    }
}

/// What name-flood prints.
#[derive(Deserialize)]
struct Most {
    answered: u64,
    lost: u64,
    seconds: f64,
    codes: BTreeMap<u8, u64>,
}

fn read_most(said: &str) -> Result<Seen> {
    let Most { answered, lost, seconds, codes } = serde_json::from_str(said)?;
    ensure!(codes.keys().all(|code| TRUE_CODES.contains(code)), "answers are {codes:?}");
    let (answered, lost) = (answered as f64, lost as f64);
    Ok(Seen { answered, lost, per_second: answered / seconds, latencies: Vec::new() })
}

/// Of a process, in version 2: there the programs are that look at its sockets.
fn cgroup(process: u32) -> Result<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mount = mounts.find(|words| words.get(2) == Some(&"cgroup2"));
    let root = mount.as_ref().and_then(|words| words.get(1)).context("cgroup2 is not mounted")?;
    let cgroups = std::fs::read_to_string(format!("/proc/{process}/cgroup"))?;
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/"));
    Ok(Path::new(root).join(path.context("the process is in no cgroup of version 2")?))
}

/// Reads a report. Both servers know all names, so that another answer than these is a failure.
fn read(said: &str) -> Result<Seen> {
    let value = |key: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(key));
        line.with_context(|| format!("no line {key:?}")).map(str::trim)
    };
    let number = |key| -> Result<f64> {
        let value: &str = value(key)?;
        let number = value.split_whitespace().next().context("nothing is counted")?;
        Ok(number.parse()?)
    };
    let codes = value("Response codes:")?;
    for code in codes.split(", ") {
        let is_known = code.starts_with("NOERROR ") || code.starts_with("NXDOMAIN ");
        ensure!(is_known, "answers are {codes}");
    }
    let told = said.lines().filter(|line| line.starts_with("> "));
    let seconds = told.map(|line| line.rsplit(' ').next()?.parse().ok());
    let latencies = seconds.map(|seconds| seconds.map_or(TIMEOUT, Duration::from_secs_f64));
    let mut latencies: Vec<Duration> = latencies.collect();
    latencies.sort_unstable();
    Ok(Seen {
        answered: number("Queries completed:")?,
        lost: number("Queries lost:")?,
        per_second: number("Queries per second:")?,
        latencies,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
> NOERROR web-1.names.svc.cluster.local A 0.000310
> NXDOMAIN web-1.names.default.svc.cluster.local A 0.000161
> T web-2.names.svc.cluster.local A

  Queries sent:         3
  Queries completed:    2 (66.67%)
  Queries lost:         1 (33.33%)
  Response codes:       NOERROR 1 (50.00%), NXDOMAIN 1 (50.00%)
  Queries per second:   1.996165
";

    #[test]
    fn a_question_that_was_lost_took_until_it_was_given_up() {
        let seen = read(SAID).unwrap();
        assert_eq!((seen.answered, seen.lost, seen.per_second), (2.0, 1.0, 1.996165));
        let micros = [161, 310].map(Duration::from_micros);
        assert_eq!(seen.latencies, [micros[0], micros[1], TIMEOUT]);
    }

    #[test]
    fn a_server_that_does_not_know_the_names_is_not_measured() {
        assert!(read(&SAID.replace("NXDOMAIN 1", "SERVFAIL 1")).is_err());
        assert!(read("").is_err());
        let most = r#"{"answered": 30, "lost": 1, "seconds": 2.5, "codes": {"0": 20, "3": 10}}"#;
        let seen = read_most(most).unwrap();
        assert_eq!((seen.answered, seen.lost, seen.per_second), (30.0, 1.0, 12.0));
        assert!(read_most(&most.replace("\"3\"", "\"2\"")).is_err());
    }
}
