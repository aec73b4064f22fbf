//! Maps `FRONTENDS`, `SLOTS`, `BACKENDS` and `AFFINITY`: where a service is reached and who answers.
//!
//! ```text
//! FRONTENDS  (address, port, protocol) -> { service, internal range, external range, flags }
//!                                                      |
//! SLOTS      index  ------------------------------> backend id   (a range lists one choice each)
//!                                                      |
//! BACKENDS   backend id -> { address, port, generation, state }
//! ```
//!
//! Choosing costs one hash lookup and two array reads, however many services there are. A changed list of
//! backends is written to a fresh range of `SLOTS` and goes live with the one write of the frontend.

use crate::order::{Addr, Be16};

/// Key of `FRONTENDS`: what a client dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct FrontendKey {
    /// Address of the service, or of the node.
    pub addr: Addr,
    /// Destination port; 0 in the entry that marks an allocated address.
    pub port: Be16,
    /// IANA protocol number; 0 in the entry that marks an allocated address.
    pub protocol: u8,
    /// Always 0.
    pub reserved: u8,
}

impl FrontendKey {
    /// One port of one protocol.
    pub const fn new(addr: Addr, port: Be16, protocol: u8) -> Self {
        Self { addr, port, protocol, reserved: 0 }
    }

    /// The entry that says: this address belongs to a service, whatever the port.
    pub const fn address(addr: Addr) -> Self {
        Self::new(addr, Be16([0, 0]), 0)
    }

    /// True for an entry made by [`FrontendKey::address`].
    pub const fn marks_address(&self) -> bool {
        self.protocol == 0
    }
}

/// A range of `SLOTS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Default)]
#[repr(C)]
pub struct SlotRange {
    /// Index of the first slot.
    pub start: u32,
    /// Number of slots; 0: nobody answers.
    pub len: u32,
}

/// Value of `FRONTENDS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Frontend {
    /// Service port this frontend leads to; 0 in the entry that marks an allocated address.
    pub service: u32,
    /// For clients inside the cluster.
    pub internal: SlotRange,
    /// For clients outside, who come in through an uplink.
    pub external: SlotRange,
    /// Seconds a client sticks to its backend; 0: it does not.
    pub affinity_s: u32,
    /// Bits of [`flags`].
    pub flags: u32,
}

/// Bits of [`Frontend::flags`].
pub mod flags {
    /// May be reached from outside, through an uplink.
    pub const EXTERNAL: u32 = 1;
    /// A loopback address: only for sockets of the node's own network namespace.
    pub const HOST_ONLY: u32 = 2;
    /// Inside, traffic without a backend is dropped, not refused (internalTrafficPolicy Local).
    pub const INTERNAL_DROP: u32 = 4;
    /// Outside, traffic without a backend is dropped, not refused (externalTrafficPolicy Local).
    pub const EXTERNAL_DROP: u32 = 8;
    /// From outside only clients that `SOURCES` names for the service may come.
    pub const SOURCE_RANGES: u32 = 16;
    /// The external range is a Maglev table: the slot is a hash of the flow, not chance.
    pub const MAGLEV: u32 = 32;
}

/// Value of `BACKENDS`; its key, the backend id, is an index. Id 0 is never used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Backend {
    /// Where it listens.
    pub addr: Addr,
    /// The service port it answers for. The same pod behind two services is two backends, so that each
    /// service's flows can be told when it goes.
    pub service: u32,
    /// Counts the uses of this id: what was kept with an older generation points to nobody.
    pub generation: u32,
    /// Where it listens.
    pub port: Be16,
    /// [`BACKEND_LIVE`], [`BACKEND_DRAINING`] or [`BACKEND_GONE`].
    pub state: u16,
}

/// The id is free. Address and generation are those of its last use.
pub const BACKEND_GONE: u16 = 0;
/// Some frontend leads to this backend.
pub const BACKEND_LIVE: u16 = 1;
/// No frontend leads to this backend any more, but its endpoint is still there: its connections go on, and
/// it gets no new ones.
pub const BACKEND_DRAINING: u16 = 2;

/// Key of `SOURCES`, an LPM trie: clients outside that a service with [`flags::SOURCE_RANGES`] takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct SourceRange {
    /// Bits that count, those of `service` included: 32 + the prefix length of `addr`, which for IPv4 is
    /// 96 + that of the mapped address.
    pub prefix_len: u32,
    /// Service port.
    pub service: u32,
    /// The range's address.
    pub addr: Addr,
}

/// Key of `AFFINITY`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(C)]
pub struct AffinityKey {
    /// Address of a client outside; [`AffinityKey::of_netns`] of one inside.
    pub client: Addr,
    /// Service port.
    pub service: u32,
}

impl AffinityKey {
    /// A client known by the cookie of its network namespace: at a socket hook the source address is not
    /// known yet, and a namespace is one pod, or the node. Packets find it in `NAMESPACES`.
    #[inline(always)]
    pub const fn of_netns(cookie: u64, service: u32) -> Self {
        Self { client: Addr::of_netns(cookie), service }
    }
}

/// Value of `AFFINITY`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Affinity {
    /// Whom the client got last.
    pub backend: u32,
    /// Generation of that backend.
    pub generation: u32,
    /// When it last connected, in seconds of the monotonic clock.
    pub seen_s: u32,
}

const _: () = assert!(core::mem::size_of::<FrontendKey>() == 20);
const _: () = assert!(core::mem::size_of::<Frontend>() == 28);
const _: () = assert!(core::mem::size_of::<Backend>() == 28);
const _: () = assert!(core::mem::size_of::<SourceRange>() == 24);
const _: () = assert!(core::mem::size_of::<AffinityKey>() == 20);
const _: () = assert!(core::mem::size_of::<Affinity>() == 12);
