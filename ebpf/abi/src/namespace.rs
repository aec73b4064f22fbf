//! Map `NAMESPACES`: the network namespace behind an address of this node, by the kernel's cookie. Key is an
//! [`crate::order::Addr`], value the cookie, 64 bits.
//!
//! A packet shows its client's address, a socket hook the namespace. Session affinity goes by the namespace,
//! so that a client is the same one on both ways. The CNI plugin enters pods, as it does in `ENDPOINTS`; the
//! agent enters the node's own addresses, and pods that are older than the map.

use crate::endpoint::ENDPOINTS_MAX;
use crate::uplink::UPLINKS_MAX;

/// Pods, and the node's addresses of both families at each uplink.
pub const NAMESPACES_MAX: u32 = ENDPOINTS_MAX + 2 * UPLINKS_MAX;
