//! The addresses of the packet table, of both families: each row that does not name one runs with both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family, with who has which address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Net {
    V4,
    V6,
}

use Net::{V4, V6};

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(a: u16, b: u16, c: u16, d: u16, last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, last))
}

impl Net {
    pub(crate) const BOTH: [Self; 2] = [V4, V6];

    /// A pod of this node; 2 and 3 are there.
    pub(crate) const fn pod(self, last: u8) -> IpAddr {
        match self {
            V4 => v4(10, 244, 0, last),
            V6 => v6(0xfd00, 0x10, 0x244, 0, last as u16),
        }
    }

    /// A pod of another node.
    pub(crate) const fn pod_elsewhere(self) -> IpAddr {
        match self {
            V4 => v4(10, 244, 1, 9),
            V6 => v6(0xfd00, 0x10, 0x244, 1, 9),
        }
    }

    /// A service.
    pub(crate) const fn service(self, last: u8) -> IpAddr {
        match self {
            V4 => v4(10, 96, 0, last),
            V6 => v6(0xfd00, 0x10, 0x96, 0, last as u16),
        }
    }

    /// An address of the service range that no service has.
    pub(crate) const fn unallocated(self) -> IpAddr {
        match self {
            V4 => v4(10, 96, 200, 1),
            V6 => v6(0xfd00, 0x10, 0x96, 0, 0xc801),
        }
    }

    /// The node, on its uplink.
    pub(crate) const fn node(self) -> IpAddr {
        match self {
            V4 => v4(192, 0, 2, 1),
            V6 => v6(0x2001, 0xdb8, 0, 2, 1),
        }
    }

    /// A client outside.
    pub(crate) const fn client(self) -> IpAddr {
        match self {
            V4 => v4(198, 51, 100, 7),
            V6 => v6(0x2001, 0xdb8, 0, 100, 7),
        }
    }

    /// A router between the two.
    pub(crate) const fn router(self) -> IpAddr {
        match self {
            V4 => v4(203, 0, 113, 5),
            V6 => v6(0x2001, 0xdb8, 0, 113, 5),
        }
    }

    /// What a pod sees when it reaches itself.
    pub(crate) const fn hairpin(self) -> IpAddr {
        match self {
            V4 => v4(169, 254, 1, 1),
            V6 => v6(0xfe80, 0, 0, 0, 1),
        }
    }

    pub(crate) const fn loopback(self) -> IpAddr {
        match self {
            V4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
            V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        }
    }
}
