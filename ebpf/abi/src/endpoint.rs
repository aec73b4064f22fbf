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

impl Endpoint {
    /// The addresses of a frame to the pod, destination first, as words in memory order.
    #[inline(always)]
    pub const fn frame_words(&self) -> [u32; 3] {
        let (p, h) = (&self.pod_mac, &self.host_mac);
        [
            u32::from_ne_bytes([p[0], p[1], p[2], p[3]]),
            u32::from_ne_bytes([p[4], p[5], h[0], h[1]]),
            u32::from_ne_bytes([h[2], h[3], h[4], h[5]]),
        ]
    }
}

const _: () = assert!(core::mem::size_of::<Endpoint>() == 16);
const _: () = assert!(core::mem::size_of::<Addr>() == 16);

/// Upper bound of local pods on one node, both families counted.
pub const ENDPOINTS_MAX: u32 = 2048;
