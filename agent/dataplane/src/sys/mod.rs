//! bpf(2) where aya has no call for it: batches ([`map`]), replacing what a link runs ([`link`]), pins of single
//! objects; and waiting until all programs that run have ended.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

mod link;
mod map;

pub(crate) use self::link::{LinkInfo, detach_link, link_info, link_xdp, update_link};
pub(crate) use self::map::{
    Plain, array_range, delete, hash_count, hash_entries, lookup, lookup_per_cpu, map_info,
    trie_entries, update, update_batch,
};

const OBJ_PIN: libc::c_int = 6;
const OBJ_GET: libc::c_int = 7;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;

/// `union bpf_attr` for pins.
#[repr(C)]
#[derive(Default)]
struct Object {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// `union bpf_attr` for questions about an object.
#[repr(C)]
#[derive(Default)]
struct InfoByFd {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

fn bpf<T>(command: libc::c_int, attr: &mut T) -> io::Result<i32> {
    // SAFETY: the attribute is a prefix of `union bpf_attr` of the size given, and the pointers in it
    // are to memory that lives until the call returns.
    let ret = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>() as u32)
    };
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(ret as i32) }
}

fn fd(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Asks what an object is like: fills in as much of `info` as the kernel knows.
fn describe<T>(object: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut attr = InfoByFd {
        bpf_fd: fd(object),
        info_len: size_of::<T>() as u32,
        info: std::ptr::from_mut(info) as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

/// Opens what is pinned at `path`; `None`: nothing is.
pub(crate) fn open_pinned(path: &Path) -> io::Result<Option<OwnedFd>> {
    let path = c_path(path)?;
    let mut attr = Object { pathname: path.as_ptr() as u64, ..Object::default() };
    match bpf(OBJ_GET, &mut attr) {
        // SAFETY: the kernel has just opened it for us.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd) })),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Pins an object at `path` in place of what is there, with no moment in between.
pub(crate) fn replace_pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    // Names in a BPF file system hold no dots.
    let mut new = path.as_os_str().to_owned();
    new.push("-new");
    let new = std::path::PathBuf::from(new);
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let c_new = c_path(&new)?;
    let mut attr =
        Object { pathname: c_new.as_ptr() as u64, bpf_fd: fd(object), ..Object::default() };
    bpf(OBJ_PIN, &mut attr)?;
    std::fs::rename(&new, path)
}

/// Returns once every program that was running has ended: MEMBARRIER_CMD_GLOBAL is synchronize_rcu()
/// (kernel/sched/membarrier.c). Kernels that run CPUs without a tick refuse it; there a pause far longer
/// than any program may run stands in.
pub(crate) fn wait_for_running_programs() {
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: numbers only.
    let ret = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if ret != 0 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// Gives memory that has been freed back to the kernel. Loading reads the kernel's BTF, tens of MiB that
/// are needed once; the allocator would keep them for as long as the agent lives.
pub(crate) fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointers are involved.
    unsafe {
        libc::malloc_trim(0);
    }
}
