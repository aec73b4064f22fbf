//! Integers and addresses in network order, as types.

/// A 16-bit integer in network order, as ports and EtherTypes travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct Be16(pub [u8; 2]);

impl Be16 {
    /// From host order.
    pub const fn new(host: u16) -> Self {
        Self(host.to_be_bytes())
    }

    /// To host order.
    pub const fn get(self) -> u16 {
        u16::from_be_bytes(self.0)
    }
}

/// An address of either family in 16 bytes: IPv6 as it is, IPv4 mapped (RFC 4291, 2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct Addr(pub [u8; 16]);

impl Addr {
    /// The mapped form of an IPv4 address given in network order.
    pub const fn v4(a: [u8; 4]) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a[0], a[1], a[2], a[3]])
    }

    /// An IPv6 address in network order.
    pub const fn v6(a: [u8; 16]) -> Self {
        Self(a)
    }

    /// True for a mapped IPv4 address.
    pub const fn is_v4(&self) -> bool {
        let a = &self.0;
        let mut i = 0;
        while i < 10 {
            if a[i] != 0 {
                return false;
            }
            i += 1;
        }
        a[10] == 0xff && a[11] == 0xff
    }

    /// The last four bytes: the IPv4 address when [`Addr::is_v4`].
    pub const fn v4_octets(&self) -> [u8; 4] {
        [self.0[12], self.0[13], self.0[14], self.0[15]]
    }
}
