//! Pods whose sockets the hooks leave alone, by the cookie of their network namespace.
//!
//! A sidecar proxy or a process in a virtual machine must find the service's own address in its packets: the
//! packet path serves it. The map forgets nobody by itself: who opts a namespace out opts it in again before
//! it ends. Cookies are never used again while the machine runs, so that an entry that was left by somebody
//! who did not takes room and does nothing else.

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::interface;
use crate::maps::{MapError, Table};

const MAP: &str = "OPTED_OUT";

/// A pod's sockets could not be opted out; they are translated as all others.
#[derive(Debug, thiserror::Error)]
pub enum OptOutError {
    /// Its network namespace is not there.
    #[error("cannot enter the network namespace {path}", path = path.display())]
    Namespace {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// Without a cookie the hooks cannot tell whose socket they see.
    #[error(
        "this kernel does not tell which network namespace a socket is of (SO_NETNS_COOKIE, 5.14): \
         sockets cannot be left alone for single pods"
    )]
    NoCookie,
    /// The map.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// Leaves the sockets of a network namespace alone from now on. `netns` is a file that stands for it, as
/// `/var/run/netns/cni-...` or `/proc/<pid>/ns/net`. Sockets that are connected already stay as they are.
pub fn opt_out(bpffs_dir: &Path, netns: &Path) -> Result<(), OptOutError> {
    let cookie = cookie(netns)?;
    Ok(Table::<u64, u32>::open(bpffs_dir, MAP)?.put(&cookie, &1)?)
}

/// Treats them as all others again; before the namespace ends, so that the map holds none that has.
pub fn opt_in(bpffs_dir: &Path, netns: &Path) -> Result<(), OptOutError> {
    let cookie = cookie(netns)?;
    Ok(Table::<u64, u32>::open(bpffs_dir, MAP)?.remove(&cookie)?)
}

fn cookie(netns: &Path) -> Result<u64, OptOutError> {
    let failed = |error| OptOutError::Namespace { path: netns.into(), error };
    let file = File::open(netns).map_err(failed)?;
    // A thread of its own: it stays in the namespace.
    let inside = std::thread::spawn(move || {
        setns(file.as_fd(), CloneFlags::CLONE_NEWNET)?;
        Ok(interface::netns_cookie())
    });
    let cookie = inside.join().expect("the thread does not panic").map_err(failed)?;
    cookie.ok_or(OptOutError::NoCookie)
}
