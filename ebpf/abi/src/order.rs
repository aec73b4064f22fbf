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
///
/// Held as words in memory order, so that the programs copy and compare words, not bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
#[repr(transparent)]
pub struct Addr([u32; 4]);

/// What stands before a mapped IPv4 address.
const MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);

/// What stands before a cookie: ff00::/8 is multicast (RFC 4291, 2.7), and no client has such an address.
const NETNS: u32 = 0xff_u32.to_le();

impl Addr {
    /// The mapped form of an IPv4 address given in network order.
    #[inline(always)]
    pub const fn v4(a: [u8; 4]) -> Self {
        Self([0, 0, MAPPED, u32::from_ne_bytes(a)])
    }

    /// An IPv6 address in network order.
    #[inline(always)]
    pub const fn v6(a: [u8; 16]) -> Self {
        Self([
            u32::from_ne_bytes([a[0], a[1], a[2], a[3]]),
            u32::from_ne_bytes([a[4], a[5], a[6], a[7]]),
            u32::from_ne_bytes([a[8], a[9], a[10], a[11]]),
            u32::from_ne_bytes([a[12], a[13], a[14], a[15]]),
        ])
    }

    /// In place of the address of a client that is known by the cookie of its network namespace alone.
    #[inline(always)]
    pub const fn of_netns(cookie: u64) -> Self {
        Self([NETNS, 0, (cookie >> 32) as u32, cookie as u32])
    }

    /// The cookie that [`Addr::of_netns`] was given; `None`: this is an address.
    pub const fn netns_cookie(&self) -> Option<u64> {
        let [mark, zero, high, low] = self.0;
        if mark == NETNS && zero == 0 { Some((high as u64) << 32 | low as u64) } else { None }
    }

    /// From words in memory order.
    #[inline(always)]
    pub const fn from_words(words: [u32; 4]) -> Self {
        Self(words)
    }

    /// Its words in memory order.
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        self.0
    }

    /// In network order.
    #[inline(always)]
    pub const fn octets(&self) -> [u8; 16] {
        let [a, b, c, d] = self.0;
        let (a, b, c, d) = (a.to_ne_bytes(), b.to_ne_bytes(), c.to_ne_bytes(), d.to_ne_bytes());
        [
            a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3], d[0], d[1],
            d[2], d[3],
        ]
    }

    /// True for a mapped IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.0[0] | self.0[1] == 0 && self.0[2] == MAPPED
    }

    /// The last four bytes: the IPv4 address when [`Addr::is_v4`].
    #[inline(always)]
    pub const fn v4_octets(&self) -> [u8; 4] {
        self.0[3].to_ne_bytes()
    }
}

// In the order of the bytes, as people read addresses.
impl Ord for Addr {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.octets().cmp(&other.octets())
    }
}

impl PartialOrd for Addr {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
