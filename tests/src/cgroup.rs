//! A cgroup of a test's own below the machine's cgroup v2 hierarchy: what is attached to it concerns the
//! processes put into it and nobody else. Or the first one, for what the kernel does by itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::fs;
use std::path::{Path, PathBuf};

/// Gone when dropped, but for the first one; its processes must have ended by then.
#[derive(Debug)]
pub struct TestCgroup {
    path: PathBuf,
    is_own: bool,
}

impl TestCgroup {
    /// A new one below the hierarchy's root.
    pub fn new(name: &str) -> Self {
        let path = root().join(format!("sheave-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self { path, is_own: true }
    }

    /// The hierarchy's root, where the kernel itself is too: what is attached to it concerns the whole
    /// machine.
    pub fn first() -> Self {
        Self { path: root(), is_own: false }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that takes process ids.
    pub fn procs(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }
}

impl Drop for TestCgroup {
    fn drop(&mut self) {
        if !self.is_own {
            return;
        }
        for _ in 0..50 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("cannot remove {}", self.path.display());
    }
}

fn root() -> PathBuf {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let root = table.lines().find_map(|line| {
        let is_cgroup2 = line.split(" - ").nth(1)?.starts_with("cgroup2 ");
        is_cgroup2.then(|| line.split(' ').nth(4)).flatten()
    });
    root.expect("a cgroup v2 hierarchy is mounted").into()
}
