//! Map `FLOWS`: connections that the packet path has translated.
//!
//! A flow has an entry for what the client sends, which names the backend, and one for what the backend
//! answers, which names the frontend. Either can be made again from the other's packet, so losing one to
//! the bound of the map does not end a flow.

use crate::order::{Addr, Be16};

/// Key of `FLOWS`: a packet as it arrives at the node's hooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(C)]
pub struct FlowKey {
    /// Source of the packet.
    pub src: Addr,
    /// Destination of the packet.
    pub dst: Addr,
    /// Source port.
    pub src_port: Be16,
    /// Destination port.
    pub dst_port: Be16,
    /// IANA protocol number.
    pub protocol: u8,
    /// [`FORWARD`] or [`REPLY`].
    pub direction: u8,
    /// Always 0.
    pub reserved: [u8; 2],
}

/// From the client to the frontend.
pub const FORWARD: u8 = 0;
/// From the backend to the client.
pub const REPLY: u8 = 1;

/// Value of `FLOWS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Flow {
    /// [`FORWARD`]: the backend, the new destination. [`REPLY`]: the frontend, the new source.
    pub addr: Addr,
    /// Port of the same.
    pub port: Be16,
    /// Always 0.
    pub reserved: u16,
    /// Id of the backend.
    pub backend: u32,
    /// Its generation when it was chosen.
    pub generation: u32,
    /// Interface that leads to the client, for a client outside; 0 for a pod of this node.
    pub uplink: u32,
    /// When the flow began, in seconds of the monotonic clock.
    pub began_s: u32,
}

const _: () = assert!(core::mem::size_of::<FlowKey>() == 40);
const _: () = assert!(core::mem::size_of::<Flow>() == 36);
