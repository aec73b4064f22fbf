//! How the allocator is set up: a daemon that runs for years on a small machine gives back what it does
//! not use.
//!
//! glibc's defaults are for programs that compute. They give every thread a heap of its own, up to eight
//! a CPU, of which each keeps its largest day; and the first large block that is freed (the kernel's BTF,
//! 17 MB) raises the limit above which memory is given back to twice that size, for good.

/// Heaps that threads share; more of them cost memory, and nothing here allocates so much that it would
/// wait.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: libc::c_int = 2;
/// Blocks from here on are mapped and given back by themselves; setting it keeps it from growing.
#[cfg(target_env = "gnu")]
const MAPPED_FROM_BYTES: libc::c_int = 128 << 10;
/// Free memory at a heap's end that is kept.
#[cfg(target_env = "gnu")]
const KEPT_BYTES: libc::c_int = 256 << 10;

/// To be called first, before there are threads.
#[cfg(target_env = "gnu")]
pub(crate) fn set_up() {
    for (parameter, value) in [
        (libc::M_ARENA_MAX, ARENAS_MAX),
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
    ] {
        // SAFETY: mallopt takes two integers and no other thread runs yet. What it refuses stays as it
        // was, which works too.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Gives back what is free inside the heaps. Worth it after work that will not come again: the start.
#[cfg(target_env = "gnu")]
pub(crate) fn give_back() {
    // SAFETY: malloc_trim may be called at any time from any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Other C libraries give back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn set_up() {}

/// Other C libraries give back by themselves.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn give_back() {}
