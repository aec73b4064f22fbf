//! Builds the pause program as the pause image does and watches it do its three duties as process 1 of a
//! PID namespace: stay, reap orphans, end when told to.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn built() -> PathBuf {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--profile", "pause", "-p", "sheave-pause"])
        .args(["--features", "program"])
        .current_dir(workspace)
        .status()
        .unwrap();
    assert!(built.success());
    // target/<profile>/deps/<this test>
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("pause/pause")
}

/// The program as process 1 of a PID namespace of its own; the pid is that in our namespace.
struct Pause(Child);

impl Pause {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        // Already collected when the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn started() -> Pause {
    let program = built();
    std::thread::spawn(move || {
        // Only children of this thread land in the new namespace.
        unshare(CloneFlags::CLONE_NEWPID).unwrap();
        Pause(Command::new(program).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    })
    .join()
    .unwrap()
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 5 s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

/// In `rt_sigtimedwait`, during which the kernel shows the awaited signals as not blocked.
fn waits_for_signals(pid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    call.split(' ').next() == Some(&nix::libc::SYS_rt_sigtimedwait.to_string())
}

fn ends_on(signal: Signal) {
    let mut pause = started();
    eventually("waits for signals", || waits_for_signals(pause.0.id()));
    pause.signal(signal);
    let status = pause.0.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(0), None), "{signal}");
}

#[test]
fn ends_with_success_on_sigterm() {
    ends_on(Signal::SIGTERM);
}

#[test]
fn ends_with_success_on_sigint() {
    ends_on(Signal::SIGINT);
}

#[test]
fn reaps_orphans_of_its_pid_namespace() {
    let mut pause = started();
    let pid = pause.0.id();
    eventually("waits for signals", || waits_for_signals(pid));

    // A shell inside the namespace leaves a child behind, which falls to process 1 and dies there.
    let left = Command::new("nsenter")
        .arg(format!("--pid=/proc/{pid}/ns/pid"))
        .args(["--", "sh", "-c", "sleep 0.1 & "])
        .status()
        .unwrap();
    assert!(left.success());
    let children =
        || std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    eventually("no child left, dead or alive", || children().trim().is_empty());
    assert_eq!(state(pid), Some('S'), "still there");

    pause.signal(Signal::SIGTERM);
    assert!(pause.0.wait().unwrap().success());
}
