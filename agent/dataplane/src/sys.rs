//! bpf(2) where aya has no call for it: batches, pins of single maps, replacing what a link runs; and
//! waiting until all programs that run have ended.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::busy::{Tries, persist};

const MAP_LOOKUP_ELEM: libc::c_int = 1;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_DELETE_ELEM: libc::c_int = 3;
const MAP_GET_NEXT_KEY: libc::c_int = 4;
const OBJ_PIN: libc::c_int = 6;
const OBJ_GET: libc::c_int = 7;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const MAP_LOOKUP_BATCH: libc::c_int = 24;
const MAP_UPDATE_BATCH: libc::c_int = 26;
const LINK_CREATE: libc::c_int = 28;
const LINK_UPDATE: libc::c_int = 29;
const LINK_DETACH: libc::c_int = 34;

/// `union bpf_attr` for elements of maps.
#[repr(C)]
#[derive(Default)]
struct Element {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `union bpf_attr` for batches.
#[repr(C)]
#[derive(Default)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// `union bpf_attr` for pins.
#[repr(C)]
#[derive(Default)]
struct Object {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

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

/// What may be copied to and from the kernel byte by byte.
///
/// # Safety
/// No padding, and any bytes are a valid value.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: an integer.
unsafe impl Plain for u8 {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: an integer.
unsafe impl Plain for u64 {}

/// One value; `None`: no such key.
pub(crate) fn lookup<K: Plain, V: Plain>(map: BorrowedFd<'_>, key: &K) -> io::Result<Option<V>> {
    let mut value = std::mem::MaybeUninit::<V>::uninit();
    let mut attr = Element {
        map_fd: fd(map),
        key: std::ptr::from_ref(key) as u64,
        value: value.as_mut_ptr() as u64,
        ..Element::default()
    };
    match bpf(MAP_LOOKUP_ELEM, &mut attr) {
        // SAFETY: the kernel has written the whole value; any bytes are one.
        Ok(_) => Ok(Some(unsafe { value.assume_init() })),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Values of all CPUs for one key of a per-CPU array of 64-bit numbers.
pub(crate) fn lookup_per_cpu(map: BorrowedFd<'_>, key: u32, cpus: usize) -> io::Result<Vec<u64>> {
    let mut values = vec![0u64; cpus];
    let mut attr = Element {
        map_fd: fd(map),
        key: std::ptr::from_ref(&key) as u64,
        value: values.as_mut_ptr() as u64,
        ..Element::default()
    };
    bpf(MAP_LOOKUP_ELEM, &mut attr)?;
    Ok(values)
}

/// Writes one entry.
pub(crate) fn update<K: Plain, V: Plain>(
    map: BorrowedFd<'_>,
    key: &K,
    value: &V,
) -> io::Result<()> {
    let mut attr = Element {
        map_fd: fd(map),
        key: std::ptr::from_ref(key) as u64,
        value: std::ptr::from_ref(value) as u64,
        ..Element::default()
    };
    persist(|| bpf(MAP_UPDATE_ELEM, &mut attr)).map(drop)
}

/// Removes one entry; there being none is fine.
pub(crate) fn delete<K: Plain>(map: BorrowedFd<'_>, key: &K) -> io::Result<()> {
    let mut attr =
        Element { map_fd: fd(map), key: std::ptr::from_ref(key) as u64, ..Element::default() };
    match persist(|| bpf(MAP_DELETE_ELEM, &mut attr)) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// The kernel's own number for "this kind of map cannot do that", which it does not translate.
const ENOTSUPP: i32 = 524;

/// Writes many entries with one call (5.6, aa2e93b8e58e), or one by one where this kind of map takes no
/// batches (tries before 5.13). Stops at the first that fails.
pub(crate) fn update_batch<K: Plain, V: Plain>(
    map: BorrowedFd<'_>,
    keys: &[K],
    values: &[V],
) -> io::Result<()> {
    assert_eq!(keys.len(), values.len(), "a value for each key");
    let mut done = 0;
    let mut tries = Tries::new();
    while done < keys.len() {
        let mut attr = Batch {
            keys: keys[done..].as_ptr() as u64,
            values: values[done..].as_ptr() as u64,
            count: (keys.len() - done) as u32,
            map_fd: fd(map),
            ..Batch::default()
        };
        let Err(error) = bpf(MAP_UPDATE_BATCH, &mut attr) else { return Ok(()) };
        match error.raw_os_error() {
            Some(ENOTSUPP) => {
                let mut rest = keys[done..].iter().zip(&values[done..]);
                return rest.try_for_each(|(key, value)| update(map, key, value));
            }
            // The kernel says how many it has written.
            _ if tries.again(&error) => done += attr.count as usize,
            _ => return Err(error),
        }
    }
    Ok(())
}

/// Reads up to `len` entries of an array from `start` on.
pub(crate) fn array_range<V: Plain>(
    map: BorrowedFd<'_>,
    start: u32,
    len: u32,
) -> io::Result<Vec<V>> {
    let mut values = Vec::with_capacity(len as usize);
    let mut keys = vec![0u32; len as usize];
    let before = start.wrapping_sub(1);
    let mut out = 0u32;
    let mut attr = Batch {
        in_batch: if start == 0 { 0 } else { std::ptr::from_ref(&before) as u64 },
        out_batch: std::ptr::from_mut(&mut out) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: len,
        map_fd: fd(map),
        ..Batch::default()
    };
    match bpf(MAP_LOOKUP_BATCH, &mut attr) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
        _ => {}
    }
    // SAFETY: the kernel has written `count` values, at most as many as there is room for; ENOENT says
    // that the array ended.
    unsafe { values.set_len(attr.count.min(len) as usize) };
    Ok(values)
}

/// Reads all of a hash map, in no order. An entry that changes meanwhile may be missed or seen twice: the
/// caller is the only writer.
pub(crate) fn hash_entries<K: Plain, V: Plain>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    let mut entries = Vec::new();
    // The position is opaque; for hash maps it is a 32-bit bucket number.
    let mut position = 0u32;
    let mut started = false;
    let mut room = 1024u32;
    let mut tries = Tries::new();
    loop {
        let mut keys: Vec<K> = Vec::with_capacity(room as usize);
        let mut values: Vec<V> = Vec::with_capacity(room as usize);
        let mut next = 0u32;
        let mut attr = Batch {
            in_batch: if started { std::ptr::from_ref(&position) as u64 } else { 0 },
            out_batch: std::ptr::from_mut(&mut next) as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: room,
            map_fd: fd(map),
            ..Batch::default()
        };
        let done = match bpf(MAP_LOOKUP_BATCH, &mut attr) {
            Ok(_) => false,
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT) => true,
                // A bucket holds more than there was room for.
                Some(libc::ENOSPC) => {
                    room *= 2;
                    continue;
                }
                // What was read before the locked bucket counts, and the position is that bucket's.
                _ if tries.again(&error) => false,
                _ => return Err(error),
            },
        };
        let count = attr.count.min(room) as usize;
        // SAFETY: the kernel has written `count` keys and values.
        unsafe {
            keys.set_len(count);
            values.set_len(count);
        }
        entries.extend(keys.into_iter().zip(values));
        if done {
            return Ok(entries);
        }
        (position, started) = (next, true);
    }
}

/// Reads all of a trie, key by key: batches of tries are younger (5.13), and their positions are whole keys,
/// where those of hash maps have four bytes.
pub(crate) fn trie_entries<K: Plain, V: Plain>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    let mut entries: Vec<(K, V)> = Vec::new();
    loop {
        let before = entries.last().map_or(std::ptr::null(), |(key, _)| std::ptr::from_ref(key));
        let mut next = std::mem::MaybeUninit::<K>::uninit();
        let mut attr = Element {
            map_fd: fd(map),
            key: before as u64,
            value: next.as_mut_ptr() as u64,
            ..Element::default()
        };
        match bpf(MAP_GET_NEXT_KEY, &mut attr) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(entries),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        // SAFETY: the kernel has written the whole key; any bytes are one.
        let key = unsafe { next.assume_init() };
        if let Some(value) = lookup(map, &key)? {
            entries.push((key, value));
        }
    }
}

/// Counts the entries of a hash map, which are held in memory a thousand at a time.
pub(crate) fn hash_count<K: Plain, V: Plain>(map: BorrowedFd<'_>) -> io::Result<usize> {
    let mut room = 1024;
    let mut keys: Vec<K> = Vec::with_capacity(room);
    let mut values: Vec<V> = Vec::with_capacity(room);
    let (mut total, mut started, mut position) = (0, false, 0u32);
    let mut tries = Tries::new();
    loop {
        let mut next = 0u32;
        let mut attr = Batch {
            in_batch: if started { std::ptr::from_ref(&position) as u64 } else { 0 },
            out_batch: std::ptr::from_mut(&mut next) as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: room as u32,
            map_fd: fd(map),
            ..Batch::default()
        };
        match bpf(MAP_LOOKUP_BATCH, &mut attr) {
            Ok(_) => {
                total += attr.count as usize;
                (position, started) = (next, true);
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::ENOENT) => return Ok(total + attr.count as usize),
                // A bucket holds more than there was room for.
                Some(libc::ENOSPC) => {
                    room *= 2;
                    keys.reserve(room);
                    values.reserve(room);
                }
                _ if tries.again(&error) => {
                    total += attr.count as usize;
                    (position, started) = (next, true);
                }
                _ => return Err(error),
            },
        }
    }
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
    let mut attr = InfoByFd {
        bpf_fd: fd(link),
        info_len: size_of::<LinkInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

/// `struct bpf_map_info`, its first fields.
#[repr(C)]
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct MapInfo {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    flags: u32,
}

/// What a map is like.
pub(crate) fn map_info(map: BorrowedFd<'_>) -> io::Result<MapInfo> {
    let mut info = MapInfo::default();
    let mut attr = InfoByFd {
        bpf_fd: fd(map),
        info_len: size_of::<MapInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
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
