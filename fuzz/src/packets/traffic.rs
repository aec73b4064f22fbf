//! Correct packets between few addresses and ports, so that flows meet.

use sheave_abi::order::Addr;
use sheave_ebpf::wire::protocol;

use super::cluster::any;
use super::frame::{Ends, Frame};
use crate::Input;

/// A packet as it is sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) ends: Ends,
    pub(super) is_v4: bool,
    pub(super) protocol: u8,
    /// TCP's.
    flags: u8,
    /// The largest segment that is taken, if it is said, as it is when a connection is opened.
    max_segment: Option<u16>,
    /// Offset in eight bytes and whether more follows, of a part of a datagram.
    fragment: u16,
    pub(super) hop_limit: u8,
    /// A datagram without a checksum.
    unsummed: bool,
    /// Of ICMP: the type.
    kind: u8,
    payload: Vec<u8>,
}

/// Bytes of payload.
const PAYLOAD_MAX: usize = 40;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

impl Sent {
    pub(super) fn any(input: &mut Input<'_>) -> Self {
        let bits = input.byte();
        let is_v4 = bits & 1 == 0;
        let protocol = match bits >> 1 & 7 {
            0..=2 => protocol::TCP,
            3..=5 => protocol::UDP,
            6 if is_v4 => protocol::ICMP,
            6 => protocol::ICMPV6,
            _ => protocol::SCTP,
        };
        let is_icmp = matches!(protocol, protocol::ICMP | protocol::ICMPV6);
        // Of clients and of servers: who dials from a port that he serves is told from nobody.
        let src_port = [40000, 40001, 61000][usize::from(input.below(3))];
        let dst_port = [80, 53, 8080, 30080, 7, 65535][usize::from(input.below(6))];
        let (src_port, dst_port) = if is_icmp { (0, 0) } else { (src_port, dst_port) };
        let ends = Ends { src: any(input, is_v4), dst: any(input, is_v4), src_port, dst_port };
        let flags = match bits >> 4 & 3 {
            0 | 1 => SYN,
            2 => ACK,
            _ => input.byte(),
        };
        let fragment = match (is_v4, input.below(16)) {
            (true, 0) => 0x2000,
            (true, 1) => 1,
            _ => 0,
        };
        let kinds = if is_v4 { [8, 0, 3, 11] } else { [128, 129, 1, 2] };
        Self {
            ends,
            is_v4,
            protocol,
            flags,
            max_segment: None,
            fragment,
            hop_limit: if bits & 0x40 == 0 { 64 } else { input.below(4) },
            unsummed: bits & 0x80 != 0 && is_v4,
            kind: kinds[usize::from(input.byte()) % 4],
            payload: input.slice(PAYLOAD_MAX).to_vec(),
        }
    }

    /// What a backend answers whom it reached with these ends; `None` when nobody answers such a thing.
    pub(super) fn answer(&self, reached: &Ends) -> Option<Self> {
        let is_segment = self.protocol == protocol::TCP;
        // Nobody accepts what asks for a connection and has one, or ends it with the same words.
        let accepts = self.flags & (SYN | ACK | FIN) == SYN;
        if self.fragment != 0 || self.hop_limit < 2 || is_segment && self.flags & RST != 0 {
            return None;
        }
        matches!(self.protocol, protocol::TCP | protocol::UDP).then(|| Self {
            ends: reached.turned(),
            flags: if accepts { SYN | ACK } else { ACK },
            hop_limit: 64,
            ..self.clone()
        })
    }

    /// What the client says next.
    pub(super) fn next(&self) -> Option<Self> {
        (self.protocol == protocol::UDP || self.flags == SYN)
            .then(|| Self { flags: ACK, ..self.clone() })
    }

    /// Whether it goes to whom its flow has, whatever becomes of the Service.
    pub(super) fn is_connected(&self) -> bool {
        let opens = self.protocol == protocol::TCP && self.flags & (SYN | ACK) == SYN;
        matches!(self.protocol, protocol::TCP | protocol::SCTP) && !opens
    }

    /// Whether anybody may be told what became of it.
    pub(super) fn may_be_answered(&self) -> bool {
        let is_reset = self.protocol == protocol::TCP && self.flags & RST != 0;
        self.fragment == 0 && self.has_ports() && !is_reset
    }

    /// No ICMP.
    pub(super) fn has_ports(&self) -> bool {
        !matches!(self.protocol, protocol::ICMP | protocol::ICMPV6)
    }

    /// From whom, to whom: ports where there are some.
    pub(super) fn between(
        mut self,
        (src, src_port): (Addr, u16),
        (dst, dst_port): (Addr, u16),
    ) -> Self {
        let (src_port, dst_port) = if self.has_ports() { (src_port, dst_port) } else { (0, 0) };
        self.ends = Ends { src, dst, src_port, dst_port };
        self
    }

    /// Whoever opens a connection says how large a segment it takes.
    pub(super) fn with_max_segment(mut self) -> Self {
        self.max_segment = Some(1460);
        self
    }

    /// As long as any, and no longer.
    pub(super) fn shortened(mut self) -> Self {
        self.payload.truncate(PAYLOAD_MAX);
        self
    }

    pub(super) fn is_long(&self) -> bool {
        self.payload.len() > PAYLOAD_MAX
    }

    /// As long as a packet for an uplink may be, or a little longer, and too long for the tunnel.
    pub(super) fn stretched(mut self) -> Self {
        self = self.shortened();
        self.payload.resize(self.payload.len() + 1320, 7);
        self
    }

    pub(super) fn frame(&self) -> Frame {
        let Ends { src, dst, src_port, dst_port } = self.ends;
        let mut l4 = match self.protocol {
            protocol::ICMP | protocol::ICMPV6 => vec![self.kind, 0, 0, 0, 0x12, 0x34, 0, 1],
            _ => [src_port.to_be_bytes(), dst_port.to_be_bytes()].concat(),
        };
        match self.protocol {
            protocol::TCP => {
                let max_segment = self.max_segment.filter(|_| self.flags & SYN != 0);
                let words = if max_segment.is_some() { 6 } else { 5 };
                l4.extend([0, 0, 0, 9, 0, 0, 0, 7, words << 4, self.flags, 1, 0, 0, 0, 0, 0]);
                if let Some(max) = max_segment {
                    l4.extend([2, 4]);
                    l4.extend(max.to_be_bytes());
                }
            }
            protocol::UDP => {
                l4.extend((self.payload.len() as u16 + 8).to_be_bytes());
                l4.extend([0, 0]);
            }
            protocol::SCTP => l4.extend([0; 8]),
            _ => {}
        }
        l4.extend(&self.payload);
        let mut bytes = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8];
        let len = l4.len() as u16;
        match self.is_v4 {
            true => {
                bytes.extend([8, 0, 0x45, 0]);
                bytes.extend((len + 20).to_be_bytes());
                bytes.extend([0, 7]);
                bytes.extend(self.fragment.to_be_bytes());
                bytes.extend([self.hop_limit, self.protocol, 0, 0]);
                bytes.extend(src.v4_octets());
                bytes.extend(dst.v4_octets());
            }
            false => {
                bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                bytes.extend(len.to_be_bytes());
                bytes.extend([self.protocol, self.hop_limit]);
                bytes.extend(src.octets());
                bytes.extend(dst.octets());
            }
        }
        bytes.extend(l4);
        let mut frame = Frame::new(bytes);
        frame.complete();
        if self.unsummed && self.protocol == protocol::UDP {
            frame.bytes[40..42].fill(0);
        }
        frame
    }
}
