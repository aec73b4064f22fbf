//! The cgroup v2 hierarchy: where the socket hooks are attached.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

/// The socket hooks have nowhere to go.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// None is mounted.
    #[error(
        "no cgroup v2 hierarchy is mounted: boot with systemd.unified_cgroup_hierarchy=1, or run `mount -t cgroup2 none /sys/fs/cgroup/unified`"
    )]
    NotMounted,
    /// The one named is none.
    #[error("{path} is not a directory of a cgroup v2 hierarchy: name one with --cgroup2-path, or leave it to be found", path = .0.display())]
    NotCgroup2(PathBuf),
    /// The mount table or the directory cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// A cgroup that programs can be attached to.
#[derive(Debug)]
pub(crate) struct Cgroup {
    pub(crate) dir: File,
    /// The kernel's id of it: the inode of its directory.
    pub(crate) id: u64,
}

/// Opens the cgroup at `path`, or the root of the first hierarchy that is mounted (in the hybrid layout
/// below /sys/fs/cgroup/unified).
pub(crate) fn open(path: Option<&Path>) -> Result<Cgroup, CgroupError> {
    let path = match path {
        Some(path) => path.to_path_buf(),
        None => find()?.ok_or(CgroupError::NotMounted)?,
    };
    if !statfs(&path).is_ok_and(|stat| stat.filesystem_type() == CGROUP2_SUPER_MAGIC) {
        return Err(CgroupError::NotCgroup2(path));
    }
    let read = |error| CgroupError::Read { path: path.clone(), error };
    let dir = File::open(&path).map_err(read)?;
    let id = dir.metadata().map_err(read)?.ino();
    Ok(Cgroup { dir, id })
}

/// Where a cgroup v2 hierarchy is mounted.
pub(crate) fn find() -> Result<Option<PathBuf>, CgroupError> {
    let path = PathBuf::from("/proc/self/mountinfo");
    let table = fs::read_to_string(&path).map_err(|error| CgroupError::Read { path, error })?;
    Ok(table.lines().find_map(|line| {
        let after = line.split(" - ").nth(1)?;
        let point = line.split(' ').nth(4)?;
        after.starts_with("cgroup2 ").then(|| PathBuf::from(point))
    }))
}
