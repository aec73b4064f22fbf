//! The question that `bpf_fib_lookup` is asked (`struct bpf_fib_lookup`), in words: where a packet would go by
//! the node's routes. The helper itself is the programs' to call.
//!
//! ```text
//! word 0   family, protocol, source port        4 to 7    source; of IPv4 the first word counts
//!      1   destination port, length             8 to 11   destination, likewise
//!      2   interface                            13 to 15  its answer: both Ethernet addresses, source first
//! ```

use sheave_abi::order::Addr;

use crate::wire::FrameAddresses;

/// See the module. On the stack, where the verifier takes writes at the alignment of words only.
#[repr(C, align(8))]
pub struct Question([u32; 16]);

const IFINDEX: usize = 2;
const SRC: usize = 4;
const DST: usize = 8;
const ADDRESSES: usize = 13;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

impl Question {
    /// Where nothing is asked yet.
    #[inline(always)]
    pub const fn empty() -> Self {
        Self([0; 16])
    }

    /// A packet with these ends that came in by an interface. The question must be [`Self::empty`].
    #[inline(always)]
    pub fn ask(&mut self, ifindex: u32, src: &Addr, dst: &Addr) {
        // The compiler would leave out what is written again below, and clear the rest in pieces of any
        // alignment.
        let words = core::hint::black_box(&mut self.0);
        words[IFINDEX] = ifindex;
        let is_v4 = dst.is_v4();
        words[0] = u32::from_ne_bytes([if is_v4 { AF_INET } else { AF_INET6 }, 0, 0, 0]);
        let (src, dst) = (src.words(), dst.words());
        if is_v4 {
            (words[SRC], words[DST]) = (src[3], dst[3]);
        } else {
            words[SRC..SRC + 4].copy_from_slice(&src);
            words[DST..DST + 4].copy_from_slice(&dst);
        }
    }

    /// Which the kernel also goes by: transport, and length of the IP packet.
    #[inline(always)]
    pub fn ask_of(&mut self, protocol: u8, src_port: [u8; 2], dst_port: [u8; 2], ip_len: u16) {
        let ([a, b], [c, d], [e, f]) = (src_port, dst_port, ip_len.to_ne_bytes());
        self.0[0] |= u32::from_ne_bytes([0, protocol, a, b]);
        self.0[1] = u32::from_ne_bytes([c, d, e, f]);
    }

    /// Of the answer: by which interface it would leave.
    #[inline(always)]
    pub fn ifindex(&self) -> u32 {
        self.0[IFINDEX]
    }

    /// Of the answer: with which Ethernet addresses.
    #[inline(always)]
    pub fn frame_addresses(&self) -> FrameAddresses {
        let [x, y, z] = [self.0[ADDRESSES], self.0[ADDRESSES + 1], self.0[ADDRESSES + 2]];
        // Six bytes each, in memory order: the halves that stand first are the low ones.
        FrameAddresses { words: [y >> 16 | z << 16, z >> 16 | x << 16, x >> 16 | y << 16] }
    }
}
