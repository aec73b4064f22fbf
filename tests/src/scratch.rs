//! Directories of tests: gone when a test ends, however it ends. One that is killed can take nothing away; what it
//! left, file systems mounted there included, is found by the process id in its name, and taken away by the next
//! test program.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::path::{Path, PathBuf};
use std::sync::Once;

use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

const PREFIX: &str = "sheave-scratch-";

/// A new one, whose name says what it is for.
pub fn directory(purpose: &str) -> TempDir {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| sweep(&std::env::temp_dir()));
    let prefix = format!("{PREFIX}{}-{purpose}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir().unwrap()
}

/// Takes away what processes have left that are no more.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_left = entry.file_name().to_str().and_then(owner).is_some_and(|pid| !lives(pid));
        if is_left {
            remove(&entry.path());
        }
    }
}

/// The process that made a directory of this name; nothing when it is none of ours.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn lives(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

/// Another test program may be at the same: what is gone already is no failure.
fn remove(directory: &Path) {
    let mut mounts = mounts_below(directory);
    // What was mounted last lies above the rest.
    while let Some(mount) = mounts.pop() {
        let _ = umount2(&mount, MntFlags::MNT_DETACH);
    }
    let _ = std::fs::remove_dir_all(directory);
}

fn mounts_below(directory: &Path) -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = table.lines().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    places.filter(|place| place.starts_with(directory)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_has_left_goes_and_what_others_have_stays() {
        let parent = directory("sweeping");
        // Greater than any process id may be (proc(5), pid_max).
        let dead = u32::from(u16::MAX) << 8;
        let names = [format!("{PREFIX}{dead}-node-x"), "sheave-other".into(), "x".into()];
        for name in &names {
            std::fs::create_dir_all(parent.path().join(name).join("below")).unwrap();
        }
        let own = format!("{PREFIX}{}-node-x", std::process::id());
        std::fs::create_dir(parent.path().join(&own)).unwrap();
        sweep(parent.path());
        let left = |name: &str| parent.path().join(name).exists();
        assert!(!left(&names[0]) && left(&names[1]) && left(&names[2]) && left(&own));
    }
}
