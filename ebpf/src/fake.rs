//! A frame in memory, for tests on the host: what the kernel does to a packet, in the fewest words.

use std::vec::Vec;

use sheave_abi::flow::FlowKey;
use sheave_abi::order::{Addr, Be16};

use crate::checksum::fold;
use crate::packet::{Packet, Socket, Verdict};
use crate::wire::Header;

/// A frame whose sender has completed the checksum, or left that to the hardware.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// CHECKSUM_PARTIAL: the field holds the sum of the pseudo-header alone.
    pub(crate) partial: bool,
}

impl Packet for Frame {
    fn at<H: Header>(&mut self, offset: usize) -> Option<&mut H> {
        let bytes = self.bytes.get_mut(offset..offset + size_of::<H>())?;
        // SAFETY: as long as H, at any alignment, and any bytes are an H.
        Some(unsafe { &mut *bytes.as_mut_ptr().cast() })
    }

    fn pull(&mut self, _: u32) {}

    fn resize(&mut self, len: u32) -> bool {
        self.bytes.resize(len as usize, 0);
        true
    }

    fn address_changes(&mut self, offset: usize, from: &Addr, to: &Addr, udp: bool) -> bool {
        let words = |addr: &Addr| {
            let octets = addr.octets();
            let bytes = if addr.is_v4() { &octets[12..] } else { &octets[..] };
            bytes.chunks(2).map(|pair| u32::from(Be16([pair[0], pair[1]]).get())).sum()
        };
        self.changes(offset, words(from), words(to), true, udp)
    }

    fn word_changes(&mut self, offset: usize, from: Be16, to: Be16, udp: bool) -> bool {
        self.changes(offset, from.get().into(), to.get().into(), false, udp)
    }

    fn ifindex(&self) -> u32 {
        7
    }

    fn socket(&mut self, _: &FlowKey) -> Socket {
        Socket::None
    }

    fn way_out(&mut self, _: &Addr, _: &Addr) -> u32 {
        0
    }

    fn wrap(&mut self, _: &Addr, _: u32) -> bool {
        false
    }

    fn note_sent(&mut self, _: bool) {}

    fn is_sent(&self) -> bool {
        false
    }

    fn to_neighbour(&mut self, ifindex: u32, _: &Addr) -> Verdict {
        Verdict::neighbour(ifindex)
    }

    fn socket_cookie(&mut self) -> u64 {
        0
    }

    fn frame_len(&self) -> u32 {
        self.bytes.len() as u32
    }

    fn gso_size(&self) -> u32 {
        0
    }
}

impl Frame {
    // inet_proto_csum_replace4() and bpf_l4_csum_replace(), net/core: sums of words.
    fn changes(&mut self, offset: usize, from: u32, to: u32, address: bool, udp: bool) -> bool {
        let field = Be16([self.bytes[offset], self.bytes[offset + 1]]);
        if udp && field.get() == 0 {
            return true;
        }
        let change = to + 8 * 0xffff - from;
        let new = match (self.partial, address) {
            (false, _) => !fold(u32::from(!field.get()) + change),
            (true, true) => fold(u32::from(field.get()) + change),
            (true, false) => field.get(),
        };
        let new = if udp && new == 0 { 0xffff } else { new };
        self.bytes[offset..offset + 2].copy_from_slice(&new.to_be_bytes());
        true
    }
}
