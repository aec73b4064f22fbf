//! A frame in memory: what the kernel does to it for the hooks, and whether its receiver would take it.

use sheave_abi::flow::FlowKey;
use sheave_abi::order::{Addr, Be16};
use sheave_ebpf::packet::{Action, Packet, Socket, Verdict};
use sheave_ebpf::tunnel::{Outer, Wrapped};
use sheave_ebpf::wire::{Header, protocol};

use super::cluster::{Node, Ways};

/// Offset of the IP header.
const IP: usize = 14;

/// What every error quotes of a transport's header, at least.
const HEAD_LEN: usize = 8;

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ends {
    pub(super) src: Addr,
    pub(super) dst: Addr,
    /// 0 where there are no ports; an echo's identifier stands for both.
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
}

impl Ends {
    pub(super) fn turned(self) -> Self {
        let Self { src, dst, src_port, dst_port } = self;
        Self { src: dst, dst: src, src_port: dst_port, dst_port: src_port }
    }
}

/// What a tunnelled packet says beside itself: its VNI and a node. On its way in that is who has wrapped it, on its
/// way out for whom it is to be wrapped.
pub(super) type Wrapping = (u32, Addr);

/// A frame whose sender has completed the checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    pub(super) ifindex: u32,
    /// The routes of the node that has it.
    pub(super) routes: (Node, Ways),
    /// As it came in.
    pub(super) outer: Option<Wrapping>,
    /// As it is to leave.
    pub(super) wrapped: Option<Wrapping>,
    /// A hook has sent it. Links between nodes leave that on it, as those between network namespaces do.
    pub(super) is_sent: bool,
}

impl Frame {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let routes = (Node::First, Ways::NONE);
        Self { bytes, ifindex: 0, routes, outer: None, wrapped: None, is_sent: false }
    }

    pub(super) fn is_v4(&self) -> bool {
        self.bytes[12..14] == [8, 0]
    }

    fn word(&self, at: usize) -> u16 {
        match self.bytes.get(at..at + 2) {
            Some(pair) => u16::from_be_bytes([pair[0], pair[1]]),
            None => 0,
        }
    }

    fn l4(&self) -> usize {
        if self.is_v4() { IP + 20 } else { IP + 40 }
    }

    fn protocol(&self) -> u8 {
        let at = if self.is_v4() { IP + 9 } else { IP + 6 };
        self.bytes.get(at).copied().unwrap_or(0)
    }

    pub(super) fn hop_limit(&self) -> u8 {
        self.bytes[if self.is_v4() { IP + 8 } else { IP + 7 }]
    }

    pub(super) fn is_later_fragment(&self) -> bool {
        self.is_v4() && self.word(IP + 6) & 0x1fff != 0
    }

    /// An ICMP error.
    pub(super) fn is_error(&self) -> bool {
        let byte = |at| self.bytes.get(at).copied().unwrap_or(0);
        match self.protocol() {
            protocol::ICMP if self.is_v4() => matches!(byte(self.l4()), 3 | 4 | 5 | 11 | 12),
            protocol::ICMPV6 if !self.is_v4() => byte(self.l4()) < 128,
            _ => false,
        }
    }

    /// The error that says what fits.
    pub(super) fn is_too_big(&self) -> bool {
        let kind = if self.is_v4() { [3, 4] } else { [2, 0] };
        self.is_error() && self.bytes.get(self.l4()..).is_some_and(|icmp| icmp.starts_with(&kind))
    }

    pub(super) fn is_reset(&self) -> bool {
        let flags = self.bytes.get(self.l4() + 13).copied().unwrap_or(0);
        self.protocol() == protocol::TCP && flags & 4 != 0
    }

    pub(super) fn ends(&self) -> Ends {
        let (src, dst) = match self.is_v4() {
            true => {
                let at = |at: usize| Addr::v4(self.bytes[at..at + 4].try_into().unwrap());
                (at(IP + 12), at(IP + 16))
            }
            false => {
                let at = |at: usize| Addr::v6(self.bytes[at..at + 16].try_into().unwrap());
                (at(IP + 8), at(IP + 24))
            }
        };
        let (src_port, dst_port) = match self.protocol() {
            protocol::TCP | protocol::UDP | protocol::SCTP if !self.is_later_fragment() => {
                (self.word(self.l4()), self.word(self.l4() + 2))
            }
            _ => (0, 0),
        };
        Ends { src, dst, src_port, dst_port }
    }

    /// What a receiver reads of a transport, however little a quote has of it: ports and the like.
    pub(super) fn head(&self) -> &[u8] {
        &self.bytes[self.l4()..self.l4() + HEAD_LEN]
    }

    /// The largest segment that its sender takes, if it says so.
    pub(super) fn max_segment(&self) -> Option<u16> {
        let is_segment = self.protocol() == protocol::TCP && !self.is_later_fragment();
        let is_said = is_segment && self.bytes[self.l4() + 12] >> 4 > 5;
        is_said.then(|| self.word(self.l4() + 22))
    }

    /// The error with which `teller` says that nobody listens there.
    pub(super) fn error(&self, teller: Addr) -> Self {
        let quote = &self.bytes[IP..self.l4() + HEAD_LEN];
        let len = 8 + quote.len() as u16;
        let to = self.ends().src;
        let mut bytes = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8];
        match self.is_v4() {
            true => {
                bytes.extend([8, 0, 0x45, 0]);
                bytes.extend((len + 20).to_be_bytes());
                bytes.extend([0, 7, 0, 0, 64, protocol::ICMP, 0, 0]);
                bytes.extend(teller.v4_octets());
                bytes.extend(to.v4_octets());
                bytes.extend([3, 3, 0, 0, 0, 0, 0, 0]);
            }
            false => {
                bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                bytes.extend(len.to_be_bytes());
                bytes.extend([protocol::ICMPV6, 64]);
                bytes.extend(teller.octets());
                bytes.extend(to.octets());
                bytes.extend([1, 4, 0, 0, 0, 0, 0, 0]);
            }
        }
        bytes.extend(quote);
        let mut error = Self::new(bytes);
        error.complete();
        error
    }

    /// The packet that an error quotes.
    pub(super) fn quoted(&self) -> Self {
        let quote = &self.bytes[self.l4() + 8..];
        Self::new([&self.bytes[..IP], quote].concat())
    }

    /// Why its receiver would not take it.
    pub(super) fn fault(&self) -> Option<String> {
        if self.bytes.len() < self.l4() {
            return Some("no room for a header".into());
        }
        let len = match self.is_v4() {
            true => usize::from(self.word(IP + 2)) + IP,
            false => usize::from(self.word(IP + 4)) + self.l4(),
        };
        if len != self.bytes.len() {
            return Some(format!("says {len} bytes and has {}", self.bytes.len()));
        }
        if self.is_v4() && sum(&self.bytes[IP..IP + 20]) != 0xffff {
            return Some("header checksum".into());
        }
        // A part of a datagram has a part of what its checksum covers.
        if self.is_v4() && self.word(IP + 6) & 0x3fff != 0 {
            return None;
        }
        let payload = &self.bytes[self.l4()..];
        let covered = match self.protocol() {
            protocol::UDP if self.is_v4() && self.word(self.l4() + 6) == 0 => return None,
            protocol::ICMP => sum(payload),
            protocol::TCP | protocol::UDP | protocol::ICMPV6 => add(self.pseudo(), sum(payload)),
            _ => return None,
        };
        (covered != 0xffff).then(|| "transport checksum".into())
    }

    fn pseudo(&self) -> u16 {
        let addresses = if self.is_v4() { IP + 12..IP + 20 } else { IP + 8..IP + 40 };
        let len = (self.bytes.len() - self.l4()) as u16;
        add(add(sum(&self.bytes[addresses]), self.protocol().into()), len)
    }

    /// Fills in all checksums.
    pub(super) fn complete(&mut self) {
        if self.is_v4() {
            let header = !sum(&self.bytes[IP..IP + 20]);
            self.bytes[IP + 10..IP + 12].copy_from_slice(&header.to_be_bytes());
        }
        let (at, covered) = match self.protocol() {
            protocol::TCP => (16, add(self.pseudo(), sum(&self.bytes[self.l4()..]))),
            protocol::UDP => (6, add(self.pseudo(), sum(&self.bytes[self.l4()..]))),
            protocol::ICMPV6 => (2, add(self.pseudo(), sum(&self.bytes[self.l4()..]))),
            protocol::ICMP => (2, sum(&self.bytes[self.l4()..])),
            _ => return,
        };
        let checksum = if covered == 0xffff { 0xffff } else { !covered };
        let at = self.l4() + at;
        self.bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }

    /// The field changes as the sum of what it covers does: bpf_l4_csum_replace().
    fn update(&mut self, offset: usize, from: u16, to: u16, udp: bool) -> bool {
        let Some(field) = self.bytes.get(offset..offset + 2) else { return false };
        let field = u16::from_be_bytes([field[0], field[1]]);
        if udp && field == 0 {
            return true;
        }
        let new = !add(add(!field, !from), to);
        let new = if udp && new == 0 { 0xffff } else { new };
        self.bytes[offset..offset + 2].copy_from_slice(&new.to_be_bytes());
        true
    }
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
        let part = |addr: &Addr| match addr.is_v4() {
            true => sum(&addr.v4_octets()),
            false => sum(&addr.octets()),
        };
        self.update(offset, part(from), part(to), udp)
    }

    fn word_changes(&mut self, offset: usize, from: Be16, to: Be16, udp: bool) -> bool {
        self.update(offset, from.get(), to.get(), udp)
    }

    fn ifindex(&self) -> u32 {
        self.ifindex
    }

    fn socket(&mut self, _: &FlowKey) -> Socket {
        Socket::None
    }

    fn way_out(&mut self, _: &Addr, dst: &Addr) -> u32 {
        let (node, ways) = self.routes;
        ways.way_out(node, dst)
    }

    fn wrap(&mut self, node: &Addr, vni: u32) -> bool {
        self.wrapped = Some((vni, *node));
        true
    }

    fn note_sent(&mut self, is_sent: bool) {
        self.is_sent = is_sent;
    }

    fn is_sent(&self) -> bool {
        self.is_sent
    }

    fn to_neighbour(&mut self, ifindex: u32, neighbour: &Addr) -> Verdict {
        let (node, _) = self.routes;
        assert_ne!(Node::with(neighbour), Some(node), "to itself: {self:?}");
        Verdict { action: Action::Told, ifindex }
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

impl Wrapped for Frame {
    fn outer(&mut self) -> Option<Outer> {
        let wrapped = self.wrapped.map(|(vni, _)| Outer { vni, node: Addr::default() });
        wrapped.or(self.outer.map(|(vni, node)| Outer { vni, node }))
    }
}

/// Ones' complement sum of big-endian words, an odd last byte padded (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
    bytes.chunks(2).map(word).fold(0, add)
}

fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}
