//! Network namespaces of a test's own, without names: they go when the test ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// One namespace, with its loopback up.
#[derive(Debug)]
pub struct Netns {
    file: File,
}

impl Netns {
    /// A new one.
    pub fn new() -> Self {
        let file = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("network tests need root");
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let netns = Self { file: file.join().unwrap() };
        netns.ip("link set lo up");
        netns
    }

    /// The one that the test runs in, which is left as it is.
    pub fn current() -> Self {
        Self { file: File::open("/proc/self/ns/net").unwrap() }
    }

    /// Runs `f` inside, on a thread of its own: namespaces belong to threads.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
                f()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs `f` inside on a thread that goes on by itself, for servers.
    pub fn spawn(&self, f: impl FnOnce() + Send + 'static) {
        let file = self.file.try_clone().unwrap();
        thread::spawn(move || {
            setns(file.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
            f();
        });
    }

    /// Runs `ip` inside.
    pub fn ip(&self, arguments: &str) {
        self.command("ip", arguments);
    }

    /// Runs a program inside and returns what it printed; it must succeed.
    pub fn command(&self, program: &str, arguments: &str) -> String {
        let output =
            self.run(|| Command::new(program).args(arguments.split_whitespace()).output().unwrap());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sets a value below /proc/sys, as this namespace has it.
    pub fn sysctl(&self, key: &str, value: &str) {
        let path = format!("/proc/sys/{}", key.replace('.', "/"));
        self.run(|| std::fs::write(&path, value).unwrap());
    }

    /// Moves an interface from here to `other`.
    pub fn give(&self, interface: &str, other: &Netns) {
        use std::os::fd::AsRawFd as _;
        let path = format!("/proc/{}/fd/{}", std::process::id(), other.file.as_raw_fd());
        self.ip(&format!("link set {interface} netns {path}"));
    }

    /// For commands that are started elsewhere and must enter.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Default for Netns {
    fn default() -> Self {
        Self::new()
    }
}
