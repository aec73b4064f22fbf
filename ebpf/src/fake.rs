//! A frame in memory, for tests on the host: what the kernel does to a packet, in the fewest words.

use std::vec::Vec;

use sheave_abi::order::Be16;

use crate::checksum::fold;
use crate::packet::{Covered, Packet};
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

    // inet_proto_csum_replace4() and bpf_l4_csum_replace(), net/core.
    fn update_l4_checksum(
        &mut self,
        offset: usize,
        from: u32,
        to: u32,
        what: Covered,
        udp: bool,
    ) -> bool {
        let field = Be16([self.bytes[offset], self.bytes[offset + 1]]);
        if udp && field.get() == 0 {
            return true;
        }
        let words = |value: u32| {
            let b = value.to_ne_bytes();
            let words = [Be16([b[0], b[1]]), Be16([b[2], b[3]])];
            words.iter().map(|word| u32::from(word.get())).sum::<u32>()
        };
        let change = words(to) + 2 * 0xffff - words(from);
        let new = match (self.partial, what) {
            (false, _) => !fold(u32::from(!field.get()) + change),
            (true, Covered::Address) => fold(u32::from(field.get()) + change),
            (true, Covered::Port) => field.get(),
        };
        let new = if udp && new == 0 { 0xffff } else { new };
        self.bytes[offset..offset + 2].copy_from_slice(&new.to_be_bytes());
        true
    }

    fn ifindex(&self) -> u32 {
        7
    }
}
