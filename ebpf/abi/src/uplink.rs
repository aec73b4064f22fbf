//! Map `UPLINKS`: the interfaces that lead out of the node. Key is the interface's index, host order.

use crate::order::Addr;

/// Value of `UPLINKS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Uplink {
    /// The node's IPv4 address there: what pods that leave the cluster are seen from; all zero: none.
    pub addr4: Addr,
    /// Likewise IPv6.
    pub addr6: Addr,
    /// Bytes of an IP packet that it carries at most; 0: not known.
    pub mtu: u32,
}

/// Upper bound of uplinks.
pub const UPLINKS_MAX: u32 = 64;

const _: () = assert!(core::mem::size_of::<Uplink>() == 36);
