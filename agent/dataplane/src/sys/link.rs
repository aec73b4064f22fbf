//! Links: what ties a program to where it runs.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd};

use super::{bpf, describe, fd};

const LINK_CREATE: libc::c_int = 28;
const LINK_UPDATE: libc::c_int = 29;
const LINK_DETACH: libc::c_int = 34;

/// `union bpf_attr` for a link to an interface.
#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// `union bpf_attr` for the replacement of a link's program.
#[repr(C)]
#[derive(Default)]
struct LinkUpdate {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

/// Attaches an XDP program to an interface's driver, by a link (5.9, aa8d3a716b59). aya would try another
/// way after some refusals, and not say what the first was.
pub(crate) fn link_xdp(program: BorrowedFd<'_>, ifindex: u32) -> io::Result<OwnedFd> {
    const BPF_XDP: u32 = 37;
    const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
    let mut attr = LinkCreate {
        prog_fd: fd(program),
        target_ifindex: ifindex,
        attach_type: BPF_XDP,
        flags: XDP_FLAGS_DRV_MODE,
    };
    // SAFETY: the kernel has just opened it for us.
    bpf(LINK_CREATE, &mut attr).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a link run another program, with no packet or call in between that runs none.
pub(crate) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr =
        LinkUpdate { link_fd: fd(link), new_prog_fd: fd(program), ..LinkUpdate::default() };
    bpf(LINK_UPDATE, &mut attr).map(drop)
}

/// Detaches a link from what it is attached to (5.9, 73b11c2ab072).
pub(crate) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = fd(link);
    bpf(LINK_DETACH, &mut attr).map(drop)
}

/// `struct bpf_link_info` as far as cgroup, tcx and XDP links use it.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct LinkInfo {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) program_id: u32,
    pad: u32,
    /// cgroup: its id, 64 bits. tcx, XDP: the interface, 32 bits, 0 when it is gone.
    target: u64,
}

impl LinkInfo {
    /// For cgroup links.
    pub(crate) fn cgroup_id(&self) -> u64 {
        self.target
    }

    /// For tcx and XDP links: 0 when the interface is gone.
    pub(crate) fn ifindex(&self) -> u32 {
        let b = self.target.to_ne_bytes();
        u32::from_ne_bytes([b[0], b[1], b[2], b[3]])
    }
}

/// What a link is attached to.
pub(crate) fn link_info(link: BorrowedFd<'_>) -> io::Result<LinkInfo> {
    let mut info = LinkInfo::default();
    describe(link, &mut info)?;
    Ok(info)
}
