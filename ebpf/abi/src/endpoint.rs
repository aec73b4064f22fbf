//! Map `ENDPOINTS`: local pods by address. Written by the CNI plugin, so that pods start and stop while
//! the agent is down; read by the packet programs, which deliver straight into the pod.

use crate::order::Addr;

/// Where a local pod is reached. Key of the map is the pod's [`Addr`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Endpoint {
    /// Index of the host's end of the veth, host order.
    pub host_ifindex: u32,
    /// MAC of the pod's end.
    pub pod_mac: [u8; 6],
    /// MAC of the host's end: the source of what is delivered.
    pub host_mac: [u8; 6],
}

const _: () = assert!(core::mem::size_of::<Endpoint>() == 16);
const _: () = assert!(core::mem::size_of::<Addr>() == 16);

/// Upper bound of local pods on one node, both families counted.
pub const ENDPOINTS_MAX: u32 = 2048;
