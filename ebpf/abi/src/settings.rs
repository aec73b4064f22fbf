//! Map `SETTINGS`: one entry, what the programs must know of the node and the cluster.

/// Value of `SETTINGS`. All zero until the agent has written it: the programs then touch nothing but
/// what the other maps name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Settings {
    /// Cookie of the node's network namespace; 0 where the kernel does not tell (before 5.14).
    pub host_netns_cookie: u64,
    /// The service range of IPv4: its address, network order.
    pub service_net4: [u8; 4],
    /// Its mask, network order; all zero: no such range.
    pub service_mask4: [u8; 4],
    /// The service range of IPv6: its address.
    pub service_net6: [u8; 16],
    /// Its mask; all zero: no such range.
    pub service_mask6: [u8; 16],
}

impl Settings {
    /// True when `addr` lies in the service range of IPv4.
    pub const fn is_service4(&self, addr: [u8; 4]) -> bool {
        let mask = u32::from_ne_bytes(self.service_mask4);
        mask != 0 && u32::from_ne_bytes(addr) & mask == u32::from_ne_bytes(self.service_net4)
    }
}

const _: () = assert!(core::mem::size_of::<Settings>() == 48);
