//! A machine's part of each cgroup tree: made, entered, and by it everything of the machine found, ended and
//! taken away, whoever started it and whether they still live. Version 2, and version 1 with one tree a
//! controller (the version 2 tree among them, in the hybrid setup).

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::LabError;

/// All labs' cgroups are below this one.
pub(crate) const ROOT: &str = "sheave-lab";
/// Where the machine's own processes are in a tree of version 2, whose inner cgroups may hold none.
const LEAF: &str = "host";
/// How long killed processes may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A cgroup of every tree, by its path from the trees' roots.
#[derive(Clone, Debug)]
pub(crate) struct Cgroups {
    path: PathBuf,
}

impl Cgroups {
    /// All of a lab.
    pub(crate) fn of_lab(lab: &str) -> Self {
        Self { path: Path::new(ROOT).join(lab) }
    }

    /// A machine of it.
    pub(crate) fn of_machine(lab: &str, machine: &str) -> Self {
        Self { path: Self::of_lab(lab).path.join(machine) }
    }

    /// Makes them. A cpuset of version 1 takes nobody before it is told its processors.
    pub(crate) fn create(&self) -> Result<(), LabError> {
        for tree in trees() {
            let mut at = tree.root;
            for part in &self.path {
                let parent = at.clone();
                at.push(part);
                let create = || -> io::Result<()> {
                    fs::create_dir_all(&at)?;
                    for file in ["cpuset.cpus", "cpuset.mems"] {
                        if parent.join(file).exists() && tree.is_v1 {
                            fs::write(at.join(file), fs::read(parent.join(file))?)?;
                        }
                    }
                    Ok(())
                };
                create().map_err(LabError::io(format!("make the cgroup {}", at.display())))?;
                if !tree.is_v1 {
                    delegate(&parent);
                }
            }
            if !tree.is_v1 {
                let leaf = at.join(LEAF);
                fs::create_dir_all(&leaf)
                    .map_err(LabError::io(format!("make the cgroup {}", leaf.display())))?;
            }
        }
        Ok(())
    }

    /// What a process writes 0 to before its cgroup namespace is made: the roots of what it will see.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        self.directories().map(|directory| directory.join("cgroup.procs")).collect()
    }

    /// What a process writes 0 to, to be one of the machine's.
    pub(crate) fn entries(&self) -> Vec<PathBuf> {
        let entry = |tree: Tree| {
            let directory = tree.root.join(&self.path);
            let leaf = if tree.is_v1 { directory } else { directory.join(LEAF) };
            leaf.join("cgroup.procs")
        };
        trees().into_iter().map(entry).collect()
    }

    /// Whether any is there.
    pub(crate) fn exist(&self) -> bool {
        self.directories().any(|directory| directory.exists())
    }

    /// Whoever is in one of them, pods and all.
    pub(crate) fn processes(&self) -> BTreeSet<i32> {
        let mut found = BTreeSet::new();
        self.directories().for_each(|directory| collect(&directory, &mut found));
        found
    }

    /// Ends everybody in them, and takes them away.
    pub(crate) fn remove(&self) -> Result<(), LabError> {
        let deadline = Instant::now() + KILL_LIMIT;
        loop {
            let processes = self.processes();
            for pid in &processes {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            // The kernel may need a moment more than its list of processes says.
            if processes.is_empty() && self.directories().all(|directory| remove_tree(&directory)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seen = format!("processes there: {processes:?}");
                let what = format!("the cgroups {} to be gone", self.path.display());
                return Err(LabError::Late { what, limit: KILL_LIMIT, seen });
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Where the socket hooks of a machine's agent are attached: the cgroup of version 2.
    pub(crate) fn unified(&self) -> Option<PathBuf> {
        trees().into_iter().find(|tree| !tree.is_v1).map(|tree| tree.root.join(&self.path))
    }

    fn directories(&self) -> impl Iterator<Item = PathBuf> {
        trees().into_iter().map(|tree| tree.root.join(&self.path))
    }
}

/// Removes the directory of all labs, when this was the last.
pub(crate) fn remove_root() {
    for tree in trees() {
        let _ = fs::remove_dir(tree.root.join(ROOT));
    }
}

struct Tree {
    root: PathBuf,
    is_v1: bool,
}

fn trees() -> Vec<Tree> {
    let base = Path::new("/sys/fs/cgroup");
    if base.join("cgroup.controllers").exists() {
        return vec![Tree { root: base.to_owned(), is_v1: false }];
    }
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    let directories =
        entries.map(|entry| entry.path()).filter(|path| !path.is_symlink() && path.is_dir());
    let tree = |root: PathBuf| Tree { is_v1: !root.join("cgroup.controllers").exists(), root };
    directories.map(tree).collect()
}

/// Lets children have controllers. Those that cannot be delegated here are the kernel's to refuse.
fn delegate(directory: &Path) {
    for controller in ["cpu", "memory", "pids", "io", "cpuset"] {
        let _ = fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

fn collect(directory: &Path, found: &mut BTreeSet<i32>) {
    let list = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    // 0 is a process of another PID namespace, which is none of ours.
    found.extend(list.lines().filter_map(|line| line.parse().ok()).filter(|pid: &i32| *pid > 1));
    for child in children(directory) {
        collect(&child, found);
    }
}

/// Whether nothing is left of it.
fn remove_tree(directory: &Path) -> bool {
    let all_gone = children(directory).iter().all(|child| remove_tree(child));
    match fs::remove_dir(directory) {
        Ok(()) => all_gone,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_directory).map(|entry| entry.path()).collect()
}

/// The files by which a process joins another in all of its cgroups; from `/proc/PID/cgroup`.
pub(crate) fn entries_of_process(memberships: &str) -> Vec<PathBuf> {
    let base = Path::new("/sys/fs/cgroup");
    let entry = |line: &str| {
        // `number:controllers:path`; version 2 is number 0 and has none.
        let mut parts = line.splitn(3, ':');
        let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let tree = match (number, controllers.strip_prefix("name=")) {
            ("0", _) if base.join("cgroup.controllers").exists() => base.to_owned(),
            ("0", _) => base.join("unified"),
            (_, Some(name)) => base.join(name),
            _ => base.join(controllers),
        };
        let file = tree.join(path.trim_start_matches('/')).join("cgroup.procs");
        file.exists().then_some(file)
    };
    memberships.lines().filter_map(entry).collect()
}
