//! Network namespaces: open one, do something in it, ask who it is.
//!
//! A thread belongs to one network namespace, and a netlink socket to that of the thread that opened it. So
//! work in a pod's namespace gets a thread of its own, which ends there and never comes back to others' work.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// A network namespace that is not ours.
#[derive(Debug)]
pub struct PodNetns {
    file: File,
    path: PathBuf,
}

/// Why a network namespace could not be used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// It is gone, or never was.
    #[error("CNI_NETNS: {} does not exist: the container is gone", .0.display())]
    Missing(PathBuf),
    /// A pod with hostNetwork needs no plugin.
    #[error("CNI_NETNS: {} is the node's own network namespace", .0.display())]
    Own(PathBuf),
    /// It could not be opened or entered.
    #[error("CNI_NETNS: cannot enter {}", path.display())]
    Enter {
        /// `CNI_NETNS`.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
}

impl PodNetns {
    /// Opens `CNI_NETNS`.
    ///
    /// # Errors
    /// When it is not there or is the one we run in.
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let enter = |source| NetnsError::Enter { path: path.to_owned(), source };
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NetnsError::Missing(path.to_owned()),
            _ => enter(error),
        })?;
        let theirs = file.metadata().map_err(enter)?;
        let ours = std::fs::metadata("/proc/self/ns/net").map_err(enter)?;
        if (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()) {
            return Err(NetnsError::Own(path.to_owned()));
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// The open namespace.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// `CNI_NETNS`, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does something on a thread in the namespace and waits for it.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        let entered = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(&self.file, CloneFlags::CLONE_NEWNET)?;
                Ok(work())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        entered.map_err(|errno: nix::Error| NetnsError::Enter {
            path: self.path.clone(),
            source: errno.into(),
        })
    }
}

/// The kernel's cookie of this thread's network namespace, where it tells (5.14, e8b9eab99232).
pub fn cookie() -> Option<u64> {
    const SO_NETNS_COOKIE: libc::c_int = 71;
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None).ok()?;
    let mut cookie = 0_u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    let value = (&raw mut cookie).cast();
    // SAFETY: both pointers are to memory of the size given, which outlives the call.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, SO_NETNS_COOKIE, value, &raw mut len)
    };
    (result == 0).then_some(cookie)
}
