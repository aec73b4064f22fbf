//! Steps that are taken many times over, as functions that the verifier walks by themselves, once: what it
//! calls global functions. Others it walks again for every call.
//!
//! On 5.10 such a function takes no pointers but the program's context, and returns a number, so each looks up
//! the room in which its caller works. What either knows about that room is lost at the call.

use crate::maps::Maps;
use crate::packet::Work;
use crate::tables::Tables as _;
use crate::{flow, masquerade, service};

/// Takes a step that works in the room of `work`.
#[inline(always)]
pub(crate) fn with<T>(work: &mut Work, step: impl FnOnce() -> T) -> T {
    // The step reaches the same memory by a pointer of its own: the compiler must not take that for
    // impossible, and keep or postpone what it reads or writes there.
    core::hint::black_box((&raw mut *work).expose_provenance());
    step()
}

/// See [`flow::any_port`]; 0: there is none.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn any_port() -> u32 {
    flow::any_port(&Maps).map_or(0, |port| port.get().into())
}

/// See [`flow::is_told_apart`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn is_told_apart() -> u32 {
    let Some(work) = Maps.work() else { return 0 };
    flow::is_told_apart(&Maps, work).into()
}

/// See [`service::forget`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn forget() -> u32 {
    let Some(work) = Maps.work() else { return 0 };
    service::forget(&Maps, work);
    1
}

/// See [`masquerade::is_free`].
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn is_free(hastily: u32) -> u32 {
    let Some(work) = Maps.work() else { return 0 };
    masquerade::is_free(&Maps, work, hastily != 0).into()
}
