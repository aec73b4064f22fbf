//! Map `SETTINGS`: one entry, what the programs must know of the node and the cluster.

use crate::order::{Addr, Be16};

/// A range of addresses; all zero: none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Net {
    /// Its address.
    pub addr: Addr,
    /// Its mask, 16 bytes also for IPv4.
    pub mask: Addr,
}

impl Net {
    /// Whether there is a range and `addr` lies in it.
    #[inline(always)]
    pub fn holds(&self, addr: &Addr) -> bool {
        let (a, mask, net) = (addr.words(), self.mask.words(), self.addr.words());
        mask[0] | mask[1] | mask[2] | mask[3] != 0
            && a[0] & mask[0] == net[0]
            && a[1] & mask[1] == net[1]
            && a[2] & mask[2] == net[2]
            && a[3] & mask[3] == net[3]
    }
}

/// One of each family.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Nets {
    /// IPv4.
    pub v4: Net,
    /// IPv6.
    pub v6: Net,
}

impl Nets {
    /// Whether `addr` lies in the range of its family.
    #[inline(always)]
    pub fn hold(&self, addr: &Addr) -> bool {
        self.v4.holds(addr) || self.v6.holds(addr)
    }
}

/// Value of `SETTINGS`. All zero until the agent has written it: the programs then touch nothing but
/// what the other maps name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Settings {
    /// Cookie of the node's network namespace; 0 where the kernel does not tell (before 5.14).
    pub host_netns_cookie: u64,
    /// Addresses of services.
    pub services: Nets,
    /// Addresses of this node's pods.
    pub node_pods: Nets,
    /// Addresses of all pods: what a pod reaches with its own address.
    pub cluster_pods: Nets,
    /// In place of a pod that reaches itself through a service, IPv4.
    pub hairpin4: Addr,
    /// Likewise IPv6.
    pub hairpin6: Addr,
    /// First of the ports that the node's sockets leave to translated flows; 0: none.
    pub nat_port_first: Be16,
    /// Last of them.
    pub nat_port_last: Be16,
    /// Not 0: somebody follows `EVENTS`.
    pub traced: u32,
}

const _: () = assert!(core::mem::size_of::<Nets>() == 64);
const _: () = assert!(core::mem::size_of::<Settings>() == 240);
