//! Takes away everything the kubelet and its containerd ever made on this node: pods, mounts, cgroups,
//! processes, directories. Needs no agent and no runtime that answers.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroups::Cgroups;
use crate::config::{KubeletConfig, RuntimeChoice};
use crate::runtime::{Paths, Process};
use crate::volumes::mounts_below;

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only lists.
    DryRun,
    /// Removes.
    Remove,
}

/// Something of ours on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// containerd, a shim, or a process of a pod.
    Process {
        /// Its number.
        pid: i32,
        /// As /proc names it.
        name: String,
    },
    /// A mount point.
    Mount(PathBuf),
    /// A cgroup and all below it.
    Cgroup(PathBuf),
    /// A directory and all in it.
    Directory(PathBuf),
}

impl std::fmt::Display for Leftover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process { pid, name } => write!(f, "process {pid} ({name})"),
            Self::Mount(path) => write!(f, "mount {}", path.display()),
            Self::Cgroup(path) => write!(f, "cgroup {}", path.display()),
            Self::Directory(path) => write!(f, "directory {}", path.display()),
        }
    }
}

/// What could not be taken away.
#[derive(Debug, thiserror::Error)]
#[error("cannot remove {what}")]
pub struct CleanupError {
    what: String,
    #[source]
    source: io::Error,
}

/// How long processes get between the kill and their end.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Lists everything; in [`Mode::Remove`] it is gone afterwards. Blocks for as long as that takes.
pub fn run(config: &KubeletConfig, mode: Mode) -> Result<Vec<Leftover>, CleanupError> {
    let found = find(config);
    if mode == Mode::Remove {
        remove(config)?;
    }
    Ok(found)
}

/// In the order of removal.
fn find(config: &KubeletConfig) -> Vec<Leftover> {
    let cgroups = Cgroups::new(&config.cgroup_root);
    let mut found: Vec<_> = processes(config, &cgroups)
        .into_iter()
        .map(|(pid, name)| Leftover::Process { pid, name })
        .collect();
    for directory in directories(config) {
        found.extend(mounts_below(&directory).into_iter().map(Leftover::Mount));
    }
    found.extend(cgroups.roots().into_iter().map(Leftover::Cgroup));
    let directories = directories(config).into_iter().filter(|directory| directory.exists());
    found.extend(directories.map(Leftover::Directory));
    found
}

fn directories(config: &KubeletConfig) -> Vec<PathBuf> {
    let mut directories = vec![config.data_dir.join("pods"), config.log_dir.clone()];
    if matches!(config.runtime, RuntimeChoice::Managed(_)) {
        directories.push(config.data_dir.join("containerd"));
        directories.push(config.run_dir.join("containerd"));
    }
    directories
}

/// Our containerd, the shims that serve it, and whatever is in our cgroups.
fn processes(config: &KubeletConfig, cgroups: &Cgroups) -> Vec<(i32, String)> {
    let paths = Paths::of(config);
    let containerd = Process::from_file(&paths.pid).map(|process| process.pid());
    let socket = paths.socket.display().to_string();
    let managed = matches!(config.runtime, RuntimeChoice::Managed(_));
    let in_cgroups = cgroups.processes();
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let ours = pids.filter_map(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let arguments: Vec<_> = line.split(|byte| *byte == 0).collect();
        let program =
            arguments.first().map(|program| String::from_utf8_lossy(program).into_owned());
        let name = program?.rsplit('/').next()?.to_owned();
        let is_shim = name.starts_with("containerd-shim") && arguments.contains(&socket.as_bytes());
        let is_ours = Some(pid) == containerd || is_shim;
        (managed && is_ours || in_cgroups.contains(&pid)).then_some((pid, name))
    });
    let mut ours: Vec<_> = ours.collect();
    // containerd first: it would start shims again.
    ours.sort_by_key(|(pid, _)| Some(*pid) != containerd);
    ours
}

fn remove(config: &KubeletConfig) -> Result<(), CleanupError> {
    let cgroups = Cgroups::new(&config.cgroup_root);
    let begin = Instant::now();
    // Killing a shim can leave a child that was not seen before: look again until nobody is there.
    loop {
        let left = processes(config, &cgroups);
        let Some((first, name)) = left.first() else { break };
        if begin.elapsed() > END_TIMEOUT {
            let what = Leftover::Process { pid: *first, name: name.clone() }.to_string();
            return Err(CleanupError { what, source: io::ErrorKind::TimedOut.into() });
        }
        for (pid, _) in left {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    for directory in directories(config) {
        unmount_below(&directory)?;
    }
    cgroups.remove_all();
    crate::node::forget(&config.data_dir)
        .map_err(|source| CleanupError { what: "what was said of the node".into(), source })?;
    for directory in directories(config) {
        let what = Leftover::Directory(directory.clone()).to_string();
        match std::fs::remove_dir_all(&directory) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(CleanupError { what, source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Only now: as long as processes lived, they mounted.
fn unmount_below(directory: &Path) -> Result<(), CleanupError> {
    for point in mounts_below(directory) {
        match umount2(&point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            // A mount below another one went with it.
            Ok(()) | Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOENT) => {}
            Err(error) => {
                let what = Leftover::Mount(point).to_string();
                return Err(CleanupError { what, source: error.into() });
            }
        }
    }
    Ok(())
}
