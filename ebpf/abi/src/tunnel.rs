//! Maps `REMOTES`, `PEERS`, `CARRIERS`, `OVERLAY` and `CARRIAGE`: pods of other nodes. Written by the agent; read
//! by the packet programs, which send straight to the other node, and take from the tunnel what a node of the
//! cluster sent.

use crate::order::{Addr, Be16};

/// Name of the tunnel's device.
pub const DEVICE: &str = "sheave-vxlan";
/// Its link-layer address, the same on every node: locally administered, `sheav` in ASCII.
pub const MAC: [u8; 6] = [0x02, b's', b'h', b'e', b'a', b'v'];
/// From whom a wrapped frame is: not the device's own address, or the device that unwraps it would take it for
/// one of its own that has come back (`vxlan_set_mac`), and drop it.
pub const MAC_SENDER: [u8; 6] = [0x02, b's', b'h', b'e', b'a', b'w'];
/// Network identifier (VNI) of what pods and nodes send each other.
pub const VNI: u32 = 1;
/// Likewise of what a client outside sends to a service, as it came, to the node of the backend.
pub const VNI_CARRIED: u32 = 2;
/// Likewise of the answers to that, as the client is to have them, to the node where it came in.
pub const VNI_ANSWER: u32 = 3;
/// Likewise of a frame that asks whether the tunnel gets through: it goes back as it is.
pub const VNI_ECHO: u32 = 4;
/// Likewise of one that has come back.
pub const VNI_ECHO_REPLY: u32 = 5;
/// UDP port, where nothing else is said: the one that Linux has always had.
pub const PORT: u16 = 8472;

/// Key of `REMOTES`, an LPM trie: a range of pods of another node, or the node itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[repr(C)]
pub struct RemoteRange {
    /// Bits of `addr` that count; for IPv4 96 + the prefix length, since the address is mapped.
    pub prefix_len: u32,
    /// The range's address.
    pub addr: Addr,
}

/// Value of `REMOTES`: where packets to the range go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Remote {
    /// Where the node takes tunnelled packets.
    pub node: Addr,
    /// Index of the tunnel's device, or of the uplink whose link the node is on, host order.
    pub ifindex: u32,
    /// Not 0: by the tunnel. 0: by the uplink as it is, to the neighbour that the routes name.
    pub tunnelled: u32,
}

/// Upper bound of ranges: two families, and the nodes themselves, of some thousand nodes.
pub const REMOTES_MAX: u32 = 16_384;
/// Upper bound of `PEERS`, from whom tunnelled packets are taken: key is an [`Addr`] of the node, value its number,
/// the index by which `CARRIERS` has the address again. Flows keep the number. 0 is nobody's.
pub const PEERS_MAX: u32 = 8_192;

/// The one value of `OVERLAY`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Overlay {
    /// UDP port of tunnelled packets, which the programs at the uplinks leave to the stack; 0: there are none.
    pub port: Be16,
    /// Not 0: `REMOTES` names nodes themselves.
    pub has_nodes: u16,
}

/// The one value of `CARRIAGE`: how clients outside reach backends of other nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Carriage {
    /// Index of the tunnel's device, by which their packets are carried as they came; 0: the node stands in for
    /// them.
    pub device: u32,
    /// By which IPv4 address this node's NodePorts are found in `FRONTENDS`, for packets that were sent to
    /// another node's; all zero: it serves none.
    pub node_port4: Addr,
    /// Likewise IPv6.
    pub node_port6: Addr,
}

const _: () = assert!(core::mem::size_of::<Carriage>() == 36);
const _: () = assert!(core::mem::size_of::<RemoteRange>() == 20);
const _: () = assert!(core::mem::size_of::<Remote>() == 24);
const _: () = assert!(core::mem::size_of::<Overlay>() == 4);
