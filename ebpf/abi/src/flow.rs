//! Maps `FLOWS` and `OPENING`: what the packet path has translated.
//!
//! A flow has two entries, one for the packets of each direction as they arrive, and each says what such a
//! packet becomes; one is the inverse of the other. What need not be translated has no entry at all: pods
//! that talk to each other, and sockets that the socket hooks served.
//!
//! A flow begins in `OPENING` and moves to `FLOWS` once its client has been heard after it was answered.
//! Whoever sends from addresses that are not his never gets there, so a flood of beginnings evicts
//! beginnings only.

use crate::order::{Addr, Be16};

/// Key of both: a packet as it arrives at the node's hooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
#[repr(C)]
pub struct FlowKey {
    /// Source of the packet.
    pub src: Addr,
    /// Destination of the packet.
    pub dst: Addr,
    /// Source port; of an ICMP echo request its identifier.
    pub src_port: Be16,
    /// Destination port; of an ICMP echo reply its identifier.
    pub dst_port: Be16,
    /// IANA protocol number.
    pub protocol: u8,
    /// Always 0.
    pub reserved: [u8; 3],
}

/// Value of both.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Flow {
    /// The packet's source becomes this.
    pub src: Addr,
    /// Its destination becomes this.
    pub dst: Addr,
    /// Likewise.
    pub src_port: Be16,
    /// Likewise.
    pub dst_port: Be16,
    /// Id of the backend; 0 for a flow that has none: a pod that leaves the cluster.
    pub backend: u32,
    /// The backend's generation when it was chosen.
    pub generation: u32,
    /// Interface by which the packet leaves past the stack: of answers, the one that leads to a client
    /// outside; of a client's packets, with [`flags::MASQUERADED`], the one that leads to the backend. 0 for a
    /// client inside. With [`flags::FROM_NODE`], of what is not masqueraded and of answers, the number of a node.
    pub uplink: u32,
    /// When a packet of this direction was last seen, in seconds of the monotonic clock.
    pub seen_s: u32,
    /// Bits of [`flags`].
    pub flags: u32,
}

/// Bits of [`Flow::flags`].
pub mod flags {
    /// The client was answered.
    pub const ANSWERED: u32 = 1;
    /// An end has closed the connection (FIN or RST).
    pub const CLOSING: u32 = 2;
    /// The entry is for what the client is sent; without, for what it sends.
    pub const REPLY: u32 = 4;
    /// The client is outside and the backend on another node, which is shown the node's address: or it would
    /// answer the client itself, who never asked it.
    pub const MASQUERADED: u32 = 8;
    /// The client is outside and the backend a pod of another node, to which packets are carried as they came:
    /// the entry changes nothing, and its backend says to which node.
    pub const CARRIED: u32 = 16;
    /// Likewise at that node: they were carried here, and answers go back by the node that did
    /// ([`super::Flow::uplink`], an index of `CARRIERS`), which sends them on.
    pub const FROM_NODE: u32 = 32;
}

const _: () = assert!(core::mem::size_of::<FlowKey>() == 40);
const _: () = assert!(core::mem::size_of::<Flow>() == 56);

/// Key of `FRAGMENTS`: a datagram that was cut up (RFC 791, 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(C)]
pub struct FragmentKey {
    /// Source as it arrives.
    pub src: Addr,
    /// Destination as it arrives.
    pub dst: Addr,
    /// Identification, in network order.
    pub id: Be16,
    /// IANA protocol number.
    pub protocol: u8,
    /// Always 0.
    pub reserved: u8,
}

/// Value of `FRAGMENTS`: what only the first fragment carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct FragmentPorts {
    /// Source port.
    pub src: Be16,
    /// Destination port.
    pub dst: Be16,
}

const _: () = assert!(core::mem::size_of::<FragmentKey>() == 36);
const _: () = assert!(core::mem::size_of::<FragmentPorts>() == 4);
