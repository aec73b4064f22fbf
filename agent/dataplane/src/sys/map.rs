//! Elements of maps, one or many with a call.

use std::io;
use std::os::fd::BorrowedFd;

use super::{bpf, describe, fd};
use crate::busy::{Tries, persist};

const MAP_LOOKUP_ELEM: libc::c_int = 1;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const MAP_DELETE_ELEM: libc::c_int = 3;
const MAP_GET_NEXT_KEY: libc::c_int = 4;
const MAP_LOOKUP_BATCH: libc::c_int = 24;
const MAP_UPDATE_BATCH: libc::c_int = 26;

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
    describe(map, &mut info)?;
    Ok(info)
}
