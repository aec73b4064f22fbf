//! The frames of address resolution, as bytes on an Ethernet: ARP ([`arp`]) and NDP ([`ndp`]).
//!
//! Formats alone. Whether a frame is answered is decided elsewhere; here a frame is either one of the few
//! that matter, decoded into types that cannot be wrong, or it says why it is none.

pub(crate) mod arp;
pub(crate) mod ndp;

use std::fmt;

/// Destination, source, EtherType (IEEE 802.3).
pub(crate) const ETHERNET_LEN: usize = 14;

/// A link-layer address (IEEE 802, 48 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct MacAddr(pub(crate) [u8; 6]);

impl MacAddr {
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);

    /// That of one interface: neither a group's nor nobody's.
    pub(crate) fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Why a frame is not what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the frame ends early")]
    Truncated,
    #[error("a field has a value that its protocol does not allow")]
    Field,
    #[error("the checksum is wrong")]
    Checksum,
    #[error("the sender's link-layer address is none")]
    LinkLayerAddress,
}

/// `N` bytes at an offset.
pub(crate) fn bytes<const N: usize>(frame: &[u8], at: usize) -> Result<[u8; N], Malformed> {
    let end = at.checked_add(N).ok_or(Malformed::Truncated)?;
    let slice = frame.get(at..end).ok_or(Malformed::Truncated)?;
    slice.try_into().map_err(|_| Malformed::Truncated)
}

/// The first 14 bytes of a frame.
pub(crate) fn ethernet(destination: MacAddr, source: MacAddr, ether_type: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(ETHERNET_LEN + 72);
    frame.extend_from_slice(&destination.0);
    frame.extend_from_slice(&source.0);
    frame.extend_from_slice(&ether_type.to_be_bytes());
    frame
}
