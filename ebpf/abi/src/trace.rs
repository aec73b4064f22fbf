//! Ring buffer `EVENTS`: what happened to single packets and sockets, for those who watch. Written only while
//! [`crate::settings::Settings::traced`] says that somebody does.

use crate::order::{Addr, Be16};

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Record {
    /// Nanoseconds of the monotonic clock.
    pub time_ns: u64,
    /// Number of the [`crate::event::Event`].
    pub event: u32,
    /// Interface whose hook ran, host order; 0 for a socket hook.
    pub ifindex: u32,
    /// Source as it arrived; for a socket hook [`Addr::of_netns`], since the source is not known yet.
    pub src: Addr,
    /// Destination as it arrived; of a flow or socket that was given a backend, the frontend.
    pub dst: Addr,
    /// Port of the source; 0 for a socket hook.
    pub src_port: Be16,
    /// Port of the destination.
    pub dst_port: Be16,
    /// IANA protocol number, in a word: three bytes of padding would be written where the verifier takes no
    /// such write.
    pub protocol: u32,
    /// Backend chosen, or 0.
    pub backend: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Bytes of the ring: a power of two and whole pages.
pub const EVENTS_BYTES: u32 = 256 * 1024;

const _: () = assert!(core::mem::size_of::<Record>() == 64);
