//! A cgroup of a test's own below the machine's cgroup v2 hierarchy: what is attached to it concerns the
//! processes put into it and nobody else.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::fs;
use std::path::{Path, PathBuf};

/// Gone when dropped; its processes must have ended by then.
#[derive(Debug)]
pub struct TestCgroup {
    path: PathBuf,
}

impl TestCgroup {
    /// A new one below the hierarchy's root.
    pub fn new(name: &str) -> Self {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = table.lines().find_map(|line| {
            let is_cgroup2 = line.split(" - ").nth(1)?.starts_with("cgroup2 ");
            is_cgroup2.then(|| line.split(' ').nth(4)).flatten()
        });
        let root = root.expect("a cgroup v2 hierarchy is mounted");
        let path = Path::new(root).join(format!("sheave-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self { path }
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
        for _ in 0..50 {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("cannot remove {}", self.path.display());
    }
}
