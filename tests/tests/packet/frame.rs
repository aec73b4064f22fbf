//! Frames of both families, built layer by layer, with checksums of their own making: nothing here is shared
//! with what is under test.

use std::net::IpAddr;

use crate::net::Net::{self, V4, V6};

/// MAC of the first pod's end, and of the host's end of its veth; of the second likewise.
pub(crate) const POD2: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(crate) const HOST2: [u8; 6] = [2, 0, 0, 0, 1, 2];
pub(crate) const POD3: [u8; 6] = [2, 0, 0, 0, 0, 3];
pub(crate) const HOST3: [u8; 6] = [2, 0, 0, 0, 1, 3];
/// MAC of the router outside and of the node's uplink.
pub(crate) const ROUTER: [u8; 6] = [2, 0, 0, 0, 2, 1];
pub(crate) const UPLINK: [u8; 6] = [2, 0, 0, 0, 2, 2];

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// What an IP packet carries.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Tcp { ports: (u16, u16), seq: u32, ack: u32, flags: u8, data: Vec<u8> },
    Udp { ports: (u16, u16), checksum: bool, data: Vec<u8> },
    Icmp { kind: u8, code: u8, rest: [u8; 4], data: Vec<u8> },
    Raw { protocol: u8, data: Vec<u8> },
}

/// An Ethernet frame with an IP packet.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) dst_mac: [u8; 6],
    pub(crate) src_mac: [u8; 6],
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    /// Of IPv4 alone.
    pub(crate) id: u16,
    /// Flags and offset; of IPv4 alone.
    pub(crate) fragment: u16,
    pub(crate) body: Body,
}

/// From the first pod, to its gateway.
pub(crate) fn from_pod2(dst: IpAddr, body: Body) -> Frame {
    Frame { dst_mac: HOST2, src_mac: POD2, ..packet(net_of(dst).pod(2), dst, body) }
}

/// Likewise from the second.
pub(crate) fn from_pod3(dst: IpAddr, body: Body) -> Frame {
    Frame { dst_mac: HOST3, src_mac: POD3, ..packet(net_of(dst).pod(3), dst, body) }
}

/// From a client outside, through the router.
pub(crate) fn from_outside(src: IpAddr, dst: IpAddr, body: Body) -> Frame {
    Frame { dst_mac: UPLINK, src_mac: ROUTER, ..packet(src, dst, body) }
}

/// From the node itself, to the router.
pub(crate) fn from_node(dst: IpAddr, body: Body) -> Frame {
    Frame { dst_mac: ROUTER, src_mac: UPLINK, ..packet(net_of(dst).node(), dst, body) }
}

/// A packet of no frame, as errors quote it.
pub(crate) fn packet(src: IpAddr, dst: IpAddr, body: Body) -> Frame {
    let (dst_mac, src_mac) = ([0; 6], [0; 6]);
    Frame { dst_mac, src_mac, src, dst, ttl: 64, tos: 0x10, id: 7, fragment: 0x4000, body }
}

fn net_of(addr: IpAddr) -> Net {
    if addr.is_ipv4() { V4 } else { V6 }
}

pub(crate) fn tcp(ports: (u16, u16), flags: u8) -> Body {
    Body::Tcp { ports, seq: 1000, ack: 0, flags, data: vec![] }
}

/// The reset that answers the SYN of [`tcp`].
pub(crate) fn reset(ports: (u16, u16)) -> Body {
    Body::Tcp { ports, seq: 0, ack: 1001, flags: RST | ACK, data: vec![] }
}

pub(crate) fn udp(ports: (u16, u16)) -> Body {
    Body::Udp { ports, checksum: true, data: b"hello".to_vec() }
}

/// With a made-up verification tag and checksum, which nobody on the way reads.
pub(crate) fn sctp(ports: (u16, u16)) -> Body {
    let mut data = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
    data.extend([1, 2, 3, 4, 0xa, 0xb, 0xc, 0xd, 1, 0, 0, 4]);
    Body::Raw { protocol: 132, data }
}

/// ICMP messages.
impl Net {
    pub(crate) fn echo(self, id: u16, data: &[u8]) -> Body {
        self.icmp((8, 0), (128, 0), [(id >> 8) as u8, id as u8, 0, 2], data)
    }

    pub(crate) fn echo_reply(self, id: u16, data: &[u8]) -> Body {
        self.icmp((0, 0), (129, 0), [(id >> 8) as u8, id as u8, 0, 2], data)
    }

    /// Nobody listens on the port. Quotes as little as may be.
    pub(crate) fn port_unreachable(self, about: &Frame) -> Body {
        self.icmp((3, 3), (1, 4), [0; 4], &self.quote(about, 8))
    }

    pub(crate) fn time_exceeded(self, about: &Frame) -> Body {
        self.icmp((11, 0), (3, 0), [0; 4], &self.quote(about, 8))
    }

    pub(crate) fn too_big(self, about: &Frame, mtu: u16) -> Body {
        let [high, low] = mtu.to_be_bytes();
        self.icmp((3, 4), (2, 0), [0, 0, high, low], &self.quote(about, 8))
    }

    /// The header and `len` bytes after it.
    pub(crate) fn quote(self, about: &Frame, len: usize) -> Vec<u8> {
        let header = if self == V4 { 20 } else { 40 };
        about.packet()[..header + len].to_vec()
    }

    pub(crate) fn icmp(self, v4: (u8, u8), v6: (u8, u8), rest: [u8; 4], data: &[u8]) -> Body {
        let (kind, code) = if self == V4 { v4 } else { v6 };
        Body::Icmp { kind, code, rest, data: data.to_vec() }
    }
}

impl Frame {
    /// One hop further, towards `macs` (destination, source).
    pub(crate) fn hop(mut self, macs: ([u8; 6], [u8; 6])) -> Self {
        self.ttl -= 1;
        (self.dst_mac, self.src_mac) = macs;
        self
    }

    /// The way back: ends swapped, as the node itself would send it.
    pub(crate) fn back(&self, body: Body) -> Self {
        Self {
            dst_mac: self.src_mac,
            src_mac: self.dst_mac,
            src: self.dst,
            dst: self.src,
            ttl: 64,
            tos: 0,
            id: 0,
            fragment: 0,
            body,
        }
    }

    pub(crate) fn to(mut self, dst: IpAddr, port: u16) -> Self {
        self.dst = dst;
        self.set_port(2, port);
        self
    }

    pub(crate) fn seen_from(mut self, src: IpAddr, port: u16) -> Self {
        self.src = src;
        self.set_port(0, port);
        self
    }

    fn set_port(&mut self, at: usize, port: u16) {
        match &mut self.body {
            Body::Tcp { ports, .. } | Body::Udp { ports, .. } => match at {
                0 => ports.0 = port,
                _ => ports.1 = port,
            },
            Body::Raw { data, .. } => data[at..at + 2].copy_from_slice(&port.to_be_bytes()),
            Body::Icmp { .. } => panic!("no ports"),
        }
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    pub(crate) fn fragment(mut self, fragment: u16) -> Self {
        self.fragment = fragment;
        self
    }

    /// The IP packet.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let (protocol, payload) = self.payload();
        let mut ip = match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let total = 20 + payload.len() as u16;
                let mut ip = vec![0x45, self.tos];
                ip.extend(total.to_be_bytes());
                ip.extend(self.id.to_be_bytes());
                ip.extend(self.fragment.to_be_bytes());
                ip.extend([self.ttl, protocol, 0, 0]);
                ip.extend(src.octets());
                ip.extend(dst.octets());
                let sum = checksum(&[&ip]);
                ip[10..12].copy_from_slice(&sum.to_be_bytes());
                ip
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let mut ip = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
                ip.extend((payload.len() as u16).to_be_bytes());
                ip.extend([protocol, self.ttl]);
                ip.extend(src.octets());
                ip.extend(dst.octets());
                ip
            }
            _ => panic!("two families"),
        };
        ip.extend(payload);
        ip
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut frame = self.dst_mac.to_vec();
        frame.extend(self.src_mac);
        frame.extend(if self.dst.is_ipv4() { [0x08, 0x00] } else { [0x86, 0xdd] });
        frame.extend(self.packet());
        frame
    }

    fn payload(&self) -> (u8, Vec<u8>) {
        match &self.body {
            Body::Tcp { ports, seq, ack, flags, data } => {
                let window: u16 = if flags & RST != 0 { 0 } else { 0xfaf0 };
                let mut tcp = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
                tcp.extend(seq.to_be_bytes());
                tcp.extend(ack.to_be_bytes());
                tcp.extend([0x50, *flags]);
                tcp.extend(window.to_be_bytes());
                tcp.extend([0; 4]);
                tcp.extend(data);
                let sum = self.transport_checksum(6, &tcp);
                tcp[16..18].copy_from_slice(&sum.to_be_bytes());
                (6, tcp)
            }
            Body::Udp { ports, checksum, data } => {
                let mut udp = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
                udp.extend((8 + data.len() as u16).to_be_bytes());
                udp.extend([0, 0]);
                udp.extend(data);
                if *checksum {
                    let sum = match self.transport_checksum(17, &udp) {
                        0 => 0xffff,
                        sum => sum,
                    };
                    udp[6..8].copy_from_slice(&sum.to_be_bytes());
                }
                (17, udp)
            }
            Body::Icmp { kind, code, rest, data } => {
                let mut icmp = vec![*kind, *code, 0, 0];
                icmp.extend(rest);
                icmp.extend(data);
                let sum = match net_of(self.dst) {
                    V4 => checksum(&[&icmp]),
                    V6 => self.transport_checksum(58, &icmp),
                };
                icmp[2..4].copy_from_slice(&sum.to_be_bytes());
                (if self.dst.is_ipv4() { 1 } else { 58 }, icmp)
            }
            Body::Raw { protocol, data } => (*protocol, data.clone()),
        }
    }

    fn transport_checksum(&self, protocol: u8, segment: &[u8]) -> u16 {
        let octets = |addr: IpAddr| match addr {
            IpAddr::V4(addr) => addr.octets().to_vec(),
            IpAddr::V6(addr) => addr.octets().to_vec(),
        };
        let len = (segment.len() as u16).to_be_bytes();
        checksum(&[&octets(self.src), &octets(self.dst), &[0, protocol], &len, segment])
    }
}

/// RFC 1071, over parts of which only the last may be odd.
fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut sum: u64 = 0;
    for pair in bytes.chunks(2) {
        sum += u64::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
