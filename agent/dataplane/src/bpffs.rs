//! The BPF file system: where pins live. Found, or mounted when asked.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

/// Where systemd and everybody else has it.
const USUAL: &str = "/sys/fs/bpf";
/// Name of what is mounted, as the mount table shows it: tells our mount from others'.
const SOURCE: &str = "sheave";
/// 5.10 shows no name for a BPF file system: there a mode that nobody else gives tells.
const MODE: &str = "mode=710";

/// The bpffs directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BpffsError {
    /// Nothing of the kind is mounted there and mounting was not asked for.
    #[error("{dir} is not on a BPF file system: run `mount -t bpf bpf {USUAL}`, or let the agent mount it", dir = .0.display())]
    NotMounted(PathBuf),
    /// Mounting was refused.
    #[error("cannot mount a BPF file system at {path}: run `mount -t bpf bpf {USUAL}` beforehand, or run the agent with CAP_SYS_ADMIN on a kernel with CONFIG_BPF_SYSCALL", path = path.display())]
    Mount {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A directory in it cannot be made.
    #[error("cannot make the directory {path}", path = path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// Sees to it that `dir` exists on a BPF file system.
pub(crate) fn ensure(dir: &Path, may_mount: bool) -> Result<(), BpffsError> {
    if !is_bpffs(existing(dir)) {
        if !may_mount {
            return Err(BpffsError::NotMounted(dir.into()));
        }
        let at = if dir.starts_with(USUAL) { Path::new(USUAL) } else { dir };
        let is_new = !at.exists();
        make_dir(at)?;
        let mounted = mount(Some(SOURCE), at, Some("bpf"), MsFlags::empty(), Some(MODE));
        if let Err(error) = mounted {
            if is_new {
                // Empty, and nobody's: without the mount it has no use.
                let _ = fs::remove_dir(at);
            }
            return Err(BpffsError::Mount { path: at.into(), error: error.into() });
        }
    }
    make_dir(dir)
}

pub(crate) fn make_dir(path: &Path) -> Result<(), BpffsError> {
    fs::create_dir_all(path).map_err(|error| BpffsError::Directory { path: path.into(), error })
}

/// Takes away a mount that [`ensure`] made, once nothing is pinned below it. Says whether it did.
pub(crate) fn unmount_if_ours(dir: &Path) -> io::Result<bool> {
    let at = if dir.starts_with(USUAL) { Path::new(USUAL) } else { dir };
    let is_empty = match fs::read_dir(at) {
        Ok(mut entries) => entries.all(|entry| entry.is_ok_and(|entry| is_kernels(&entry.path()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if !is_empty || !is_ours(at)? {
        return Ok(false);
    }
    umount(at)?;
    if at == dir {
        fs::remove_dir(at)?;
    }
    Ok(true)
}

/// True for what the kernel itself puts into a new BPF file system (its preloaded iterators).
pub(crate) fn is_kernels(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "debug")
}

/// True when the mount at `dir`'s place is one that [`ensure`] made.
fn is_ours(at: &Path) -> io::Result<bool> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(table.lines().any(|line| {
        let mut fields = line.split(' ');
        let here = fields.nth(4).is_some_and(|point| Path::new(point) == at);
        let after = line.split(" - ").nth(1).unwrap_or_default();
        let is_named = after.starts_with(&format!("bpf {SOURCE} "));
        let is_nameless = after.starts_with("bpf none ") && after.ends_with(MODE);
        here && (is_named || is_nameless)
    }))
}

/// True when `path` is on a BPF file system.
pub(crate) fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC)
}

fn existing(dir: &Path) -> &Path {
    dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"))
}
