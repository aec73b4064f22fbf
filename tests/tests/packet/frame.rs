//! Frames, built layer by layer, with checksums of their own making: nothing here is shared with what is
//! under test.

/// MAC of the pod 10.244.0.2's end, and of the host's end of its veth; .3 likewise.
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

/// What an IPv4 packet carries.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Tcp { ports: (u16, u16), seq: u32, ack: u32, flags: u8, data: Vec<u8> },
    Udp { ports: (u16, u16), checksum: bool, data: Vec<u8> },
    Icmp { kind: u8, code: u8, rest: [u8; 4], data: Vec<u8> },
    Raw { protocol: u8, data: Vec<u8> },
}

/// An Ethernet frame with an IPv4 packet.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) dst_mac: [u8; 6],
    pub(crate) src_mac: [u8; 6],
    pub(crate) src: [u8; 4],
    pub(crate) dst: [u8; 4],
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) id: u16,
    /// Flags and offset.
    pub(crate) fragment: u16,
    pub(crate) body: Body,
}

/// From a pod, to its gateway.
pub(crate) fn from_pod2(dst: [u8; 4], body: Body) -> Frame {
    Frame { dst_mac: HOST2, src_mac: POD2, ..frame([10, 244, 0, 2], dst, body) }
}

/// Likewise from the other.
pub(crate) fn from_pod3(dst: [u8; 4], body: Body) -> Frame {
    Frame { dst_mac: HOST3, src_mac: POD3, ..frame([10, 244, 0, 3], dst, body) }
}

/// From a client outside, through the router.
pub(crate) fn from_outside(src: [u8; 4], dst: [u8; 4], body: Body) -> Frame {
    Frame { dst_mac: UPLINK, src_mac: ROUTER, ..frame(src, dst, body) }
}

fn frame(src: [u8; 4], dst: [u8; 4], body: Body) -> Frame {
    Frame {
        dst_mac: [0; 6],
        src_mac: [0; 6],
        src,
        dst,
        ttl: 64,
        tos: 0x10,
        id: 7,
        fragment: 0x4000,
        body,
    }
}

pub(crate) fn tcp(ports: (u16, u16), flags: u8) -> Body {
    Body::Tcp { ports, seq: 1000, ack: 0, flags, data: vec![] }
}

pub(crate) fn udp(ports: (u16, u16)) -> Body {
    Body::Udp { ports, checksum: true, data: b"hello".to_vec() }
}

pub(crate) fn ping(data: &[u8]) -> Body {
    Body::Icmp { kind: 8, code: 0, rest: [0, 1, 0, 2], data: data.to_vec() }
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

    pub(crate) fn to(mut self, dst: [u8; 4], port: u16) -> Self {
        self.dst = dst;
        match &mut self.body {
            Body::Tcp { ports, .. } | Body::Udp { ports, .. } => ports.1 = port,
            _ => panic!("no ports"),
        }
        self
    }

    pub(crate) fn seen_from(mut self, src: [u8; 4], port: u16) -> Self {
        self.src = src;
        match &mut self.body {
            Body::Tcp { ports, .. } | Body::Udp { ports, .. } => ports.0 = port,
            _ => panic!("no ports"),
        }
        self
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    pub(crate) fn fragment(mut self, fragment: u16) -> Self {
        self.fragment = fragment;
        self
    }

    /// The IPv4 packet.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let (protocol, payload) = self.payload();
        let total = 20 + payload.len() as u16;
        let mut ip = vec![0x45, self.tos];
        ip.extend(total.to_be_bytes());
        ip.extend(self.id.to_be_bytes());
        ip.extend(self.fragment.to_be_bytes());
        ip.extend([self.ttl, protocol, 0, 0]);
        ip.extend(self.src);
        ip.extend(self.dst);
        let sum = checksum(&[&ip]);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        ip.extend(payload);
        ip
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut frame = self.dst_mac.to_vec();
        frame.extend(self.src_mac);
        frame.extend([0x08, 0x00]);
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
                let sum = checksum(&[&icmp]);
                icmp[2..4].copy_from_slice(&sum.to_be_bytes());
                (1, icmp)
            }
            Body::Raw { protocol, data } => (*protocol, data.clone()),
        }
    }

    fn transport_checksum(&self, protocol: u8, segment: &[u8]) -> u16 {
        let len = (segment.len() as u16).to_be_bytes();
        checksum(&[&self.src, &self.dst, &[0, protocol], &len, segment])
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
