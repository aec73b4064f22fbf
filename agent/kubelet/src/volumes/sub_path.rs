//! A part of a volume as a mount of its own. The pod's containers may change the volume at any time, so
//! the path is opened once by the kernel, forbidden to leave the volume, and what was opened is mounted.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

/// Mounts `volume/sub_path` at `target`, which is made; gives back what to show the container. A missing
/// sub path becomes a directory.
pub(crate) fn bind_sub_path(volume: &Path, sub_path: &str, target: &Path) -> io::Result<PathBuf> {
    if super::is_mount_point(target) {
        return Ok(target.to_owned());
    }
    let root = std::fs::File::open(volume)?;
    let opened = match open_below(&root.into(), sub_path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(volume, sub_path)?,
        opened => opened?,
    };
    let parent = target.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent)?;
    let is_directory = std::fs::metadata(fd_path(&opened))?.is_dir();
    if is_directory {
        std::fs::create_dir_all(target)?;
    } else {
        std::fs::File::create(target)?;
    }
    mount(Some(&fd_path(&opened)), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(target.to_owned())
}

fn fd_path(fd: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_raw_fd()).into()
}

fn open_below(root: &OwnedFd, path: &str) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .mode(Mode::empty())
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    Ok(openat2(root, path, how)?)
}

/// Part by part, each opened below the one before.
fn make(volume: &Path, sub_path: &str) -> io::Result<OwnedFd> {
    let mut at: OwnedFd = std::fs::File::open(volume)?.into();
    for part in sub_path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let made = nix::sys::stat::mkdirat(&at, part, Mode::from_bits_truncate(0o750));
        if let Err(error) = made
            && error != nix::errno::Errno::EEXIST
        {
            return Err(error.into());
        }
        at = open_below(&at, part)?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_out_of_the_volume_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
        let root: OwnedFd = std::fs::File::open(dir.path()).unwrap().into();
        assert!(open_below(&root, "out").is_err());
        assert!(open_below(&root, "../x").is_err());
        make(dir.path(), "a/b").unwrap();
        assert!(dir.path().join("a/b").is_dir());
    }
}
