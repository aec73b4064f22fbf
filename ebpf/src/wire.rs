//! Headers as they travel: structs of bytes, so that they may lie at any offset.

use sheave_abi::order::Be16;

/// A header that may be read from and written to any place of a packet.
///
/// # Safety
/// The type has alignment 1, no padding, and any bytes are a valid value of it.
pub unsafe trait Header: Copy {}

macro_rules! header {
    ($name:ident, $len:literal) => {
        // SAFETY: packed, of byte arrays and Be16, which is bytes; or that itself.
        unsafe impl Header for $name {}
        const _: () = assert!(size_of::<$name>() == $len && align_of::<$name>() == 1);
    };
}

/// Bytes of a packet as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Bytes<const N: usize>(pub [u8; N]);

// SAFETY: bytes.
unsafe impl<const N: usize> Header for Bytes<N> {}

// SAFETY: as the header that there are two of.
unsafe impl<H: Header> Header for [H; 2] {}

/// Ethernet II.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Ethernet {
    /// Destination.
    pub dst: [u8; 6],
    /// Source.
    pub src: [u8; 6],
    /// What follows.
    pub ethertype: Be16,
}
header!(Ethernet, 14);

header!(Be16, 2);

/// The addresses of an Ethernet header as words in memory order: destination, then source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct FrameAddresses {
    /// 12 bytes.
    pub words: [u32; 3],
}

impl FrameAddresses {
    /// Sender and receiver change places. Word by word: as arrays of bytes they would take room on the stack, of which
    /// programs have little.
    #[inline(always)]
    pub fn turn_round(&mut self) {
        let [x, y, z] = self.words;
        // Six bytes each: of the middle word the half that stands first is the low one.
        self.words = [y >> 16 | z << 16, z >> 16 | x << 16, x >> 16 | y << 16];
    }
}

// SAFETY: packed, and any bytes are integers.
unsafe impl Header for FrameAddresses {}
const _: () = assert!(size_of::<FrameAddresses>() == 12 && align_of::<FrameAddresses>() == 1);

/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: Be16 = Be16::new(0x0800);
/// EtherType of IPv6.
pub const ETHERTYPE_IPV6: Be16 = Be16::new(0x86dd);

/// IPv4 without options, RFC 791.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Ipv4 {
    /// Version 4 and header length in words.
    pub version_ihl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// Length of header and payload.
    pub total_len: Be16,
    /// Identification.
    pub id: Be16,
    /// Flags and fragment offset.
    pub fragment: Be16,
    /// Time to live.
    pub ttl: u8,
    /// IANA number of what follows.
    pub protocol: u8,
    /// Of this header.
    pub checksum: Be16,
    /// Source.
    pub src: [u8; 4],
    /// Destination.
    pub dst: [u8; 4],
}
header!(Ipv4, 20);

/// IPv6, RFC 8200.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Ipv6 {
    /// Version 6, traffic class, flow label.
    pub version_class_flow: [u8; 4],
    /// Length of what follows.
    pub payload_len: Be16,
    /// IANA number of what follows.
    pub next_header: u8,
    /// As IPv4's time to live.
    pub hop_limit: u8,
    /// Source.
    pub src: [u8; 16],
    /// Destination.
    pub dst: [u8; 16],
}
header!(Ipv6, 40);

/// Source and destination port: how TCP, UDP and SCTP begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Ports {
    /// Source port.
    pub src: Be16,
    /// Destination port.
    pub dst: Be16,
}
header!(Ports, 4);

/// TCP without options, RFC 9293.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Tcp {
    /// Ports.
    pub ports: Ports,
    /// Sequence number.
    pub seq: [u8; 4],
    /// Acknowledgement number.
    pub ack: [u8; 4],
    /// Header length in words, in the upper four bits.
    pub data_offset: u8,
    /// CWR ECE URG ACK PSH RST SYN FIN.
    pub flags: u8,
    /// Window.
    pub window: Be16,
    /// Checksum.
    pub checksum: Be16,
    /// Urgent pointer.
    pub urgent: Be16,
}
header!(Tcp, 20);

/// Bits of [`Tcp::flags`].
pub mod tcp_flags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Opens a connection.
    pub const SYN: u8 = 0x02;
    /// Ends a connection at once.
    pub const RST: u8 = 0x04;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
}

/// ICMP's common head, RFC 792.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Checksum of all of the message.
    pub checksum: Be16,
    /// Depends on the type.
    pub rest: [u8; 4],
}
header!(Icmp, 8);

/// An IPv4 header and the eight bytes after it, as an ICMP error repeats them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Quoted4 {
    /// Header of the datagram.
    pub ip: Ipv4,
    /// What follows it.
    pub head: [u8; 8],
}
header!(Quoted4, 28);

/// Likewise of IPv6 (RFC 4443 asks for more; a receiver needs the ports).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, packed)]
pub struct Quoted6 {
    /// Header of the datagram.
    pub ip: Ipv6,
    /// What follows it.
    pub head: [u8; 8],
}
header!(Quoted6, 48);

/// IANA protocol numbers.
pub mod protocol {
    /// RFC 792.
    pub const ICMP: u8 = 1;
    /// RFC 9293.
    pub const TCP: u8 = 6;
    /// RFC 768.
    pub const UDP: u8 = 17;
    /// The extension header of a part of a datagram, RFC 8200, 4.5.
    pub const IPV6_FRAGMENT: u8 = 44;
    /// RFC 4443.
    pub const ICMPV6: u8 = 58;
    /// RFC 9260.
    pub const SCTP: u8 = 132;
}

/// Offset of the IP header.
pub const IP_OFFSET: usize = 14;
