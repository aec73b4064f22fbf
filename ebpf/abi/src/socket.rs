//! Map `SOCKETS`: what the socket hooks have translated, by socket.
//!
//! A socket that dialled a service must read the service's address as its peer, not the backend's; and a
//! datagram socket that is not connected must send its next datagram to the same backend.

use crate::order::{Addr, Be16};

/// Key of `SOCKETS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(C)]
pub struct SocketKey {
    /// Kernel's cookie of the socket, never reused while the machine runs.
    pub cookie: u64,
    /// [`TO_BACKEND`]: the frontend. [`TO_FRONTEND`]: what replaced it.
    pub addr: Addr,
    /// Port of the same.
    pub port: Be16,
    /// [`TO_BACKEND`] or [`TO_FRONTEND`].
    pub direction: u8,
    /// IANA protocol number.
    pub protocol: u8,
    /// Always 0.
    pub reserved: u32,
}

/// The entry leads from a frontend to the backend chosen for it.
pub const TO_BACKEND: u8 = 0;
/// The entry leads from a backend to the frontend that was dialled.
pub const TO_FRONTEND: u8 = 1;

/// Value of `SOCKETS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct SocketPeer {
    /// The other address.
    pub addr: Addr,
    /// Its port.
    pub port: Be16,
    /// Always 0.
    pub reserved: u16,
    /// Id of the backend; 0: none, the socket is on a detour to the hook at the uplink.
    pub backend: u32,
    /// Its generation when it was chosen.
    pub generation: u32,
}

const _: () = assert!(core::mem::size_of::<SocketKey>() == 32);
const _: () = assert!(core::mem::size_of::<SocketPeer>() == 28);
