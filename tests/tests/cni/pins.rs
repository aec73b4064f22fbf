//! What the agent's dataplane would have pinned: the maps of pods, and a program of two instructions.

use std::ffi::CString;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::resource::Resource;

use sheave_abi::endpoint::{ENDPOINTS_MAX, Endpoint};
use sheave_abi::namespace::NAMESPACES_MAX;
use sheave_abi::order::Addr;
use sheave_abi::pins;

/// What the program says to every packet.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum Verdict {
    /// `TCX_NEXT`, which is `TC_ACT_UNSPEC`.
    Pass = -1,
    /// `TC_ACT_SHOT`.
    Drop = 2,
}

/// Pins them below a bpffs.
pub(crate) fn make(bpffs: &Path, verdict: Verdict) {
    // Before 5.11 maps count against this limit, which is 64 KiB there. A container may not raise it, and
    // then a map that does not fit says so.
    let unlimited = nix::sys::resource::RLIM_INFINITY;
    let _ = nix::sys::resource::setrlimit(Resource::RLIMIT_MEMLOCK, unlimited, unlimited);
    for pin in [pins::ENDPOINTS, pins::NAMESPACES, pins::POD_INGRESS] {
        std::fs::create_dir_all(bpffs.join(pin).parent().unwrap()).unwrap();
    }
    pin(&create_map::<Endpoint>(ENDPOINTS_MAX), &bpffs.join(pins::ENDPOINTS));
    pin(&create_map::<u64>(NAMESPACES_MAX), &bpffs.join(pins::NAMESPACES));
    let program = load(verdict);
    pin(&program, &bpffs.join(pins::POD_INGRESS));
}

fn create_map<V>(max_entries: u32) -> OwnedFd {
    const MAP_CREATE: i32 = 0;
    const TYPE_HASH: u32 = 1;
    let sizes = [TYPE_HASH, size_of::<Addr>() as u32, size_of::<V>() as u32, max_entries];
    bpf(MAP_CREATE, &sizes)
}

fn load(verdict: Verdict) -> OwnedFd {
    const PROG_LOAD: i32 = 5;
    const TYPE_SCHED_CLS: u32 = 3;
    #[repr(C)]
    struct Load {
        kind: u32,
        instructions: u32,
        code: u64,
        license: u64,
        log: [u64; 2],
    }
    // mov64 r0, verdict; exit
    let code = [0xb7 | u64::from(verdict as i32 as u32) << 32, 0x95];
    let attr = Load {
        kind: TYPE_SCHED_CLS,
        instructions: 2,
        code: code.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log: [0; 2],
    };
    bpf(PROG_LOAD, &attr)
}

fn pin(object: &OwnedFd, path: &Path) {
    const OBJ_PIN: i32 = 6;
    #[repr(C)]
    struct Pin {
        path: u64,
        fd: i32,
        flags: u32,
    }
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let attr = Pin { path: path.as_ptr() as u64, fd: object.as_raw_fd(), flags: 0 };
    assert_eq!(call(OBJ_PIN, &attr), 0, "pinned {path:?}");
}

fn bpf<T>(command: i32, attr: &T) -> OwnedFd {
    // SAFETY: MAP_CREATE and PROG_LOAD, the two commands given here, answer a new descriptor.
    unsafe { OwnedFd::from_raw_fd(call(command, attr)) }
}

fn call<T>(command: i32, attr: &T) -> i32 {
    // SAFETY: `attr` is the command's part of union bpf_attr; what it points to outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr as *const T, size_of::<T>()) };
    assert!(result >= 0, "bpf({command}): {}", std::io::Error::last_os_error());
    result as i32
}
