//! A flood: packets from ever new addresses and ports, as an attacker outside sends them, each the first of
//! a flow that never goes on. At a rate that the links of a test carry without loss of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails, and says where")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn};
use nix::sys::socket::{sendto, socket};

use crate::netns::Netns;

/// Sent together: far less than a CPU's backlog of received packets (1,000) takes.
const BURST: u64 = 16;

/// What the packets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Connections that are asked for and never made.
    TcpSyn,
    /// Datagrams.
    Udp,
}

/// A flood that runs until it is stopped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

impl Flood {
    /// So many packets a second out of a namespace, from addresses of 198.18.0.0/15 (RFC 2544).
    pub fn start(netns: &Netns, kind: Kind, to: SocketAddrV4, rate: u32) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let flood = Self { stop: Arc::clone(&stop), sent: Arc::clone(&sent) };
        netns.spawn(move || {
            // The kernel makes the IP checksum of what is sent so.
            let raw = SockProtocol::Raw;
            let socket =
                socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, raw).unwrap();
            let begun = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                let already = sent.load(Ordering::Relaxed);
                if already >= (begun.elapsed().as_secs_f64() * f64::from(rate)) as u64 {
                    std::thread::sleep(Duration::from_micros(200));
                    continue;
                }
                for number in already..already + BURST {
                    send(&socket, &packet(kind, number, to), to);
                }
                sent.store(already + BURST, Ordering::Relaxed);
            }
        });
        flood
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn send(socket: &OwnedFd, packet: &[u8], to: SocketAddrV4) {
    // A full queue drops it: there are more.
    let _ = sendto(socket.as_raw_fd(), packet, &SockaddrIn::from(to), MsgFlags::empty());
}

/// The `number`th: no two of 2^32 have the same source.
fn packet(kind: Kind, number: u64, to: SocketAddrV4) -> Vec<u8> {
    let (host, port) = ((number / 60_000 % (1 << 17)) as u32, 1024 + (number % 60_000) as u16);
    let source = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + host);
    let (protocol, checksum_at) = match kind {
        Kind::TcpSyn => (6, 16),
        Kind::Udp => (17, 6),
    };
    let mut segment = [port.to_be_bytes(), to.port().to_be_bytes()].concat();
    match kind {
        Kind::TcpSyn => {
            segment.extend((number as u32).to_be_bytes());
            // No acknowledgement, five words of header, SYN, a window, no checksum yet, not urgent.
            segment.extend([0, 0, 0, 0, 5 << 4, 2, 0xff, 0xff, 0, 0, 0, 0]);
        }
        Kind::Udp => segment.extend([0, 8, 0, 0]),
    }
    let pseudo = [source.octets(), to.ip().octets()].concat();
    let sum = sum(&pseudo) + sum(&segment) + protocol + segment.len() as u32;
    let checksum = !fold(sum);
    segment[checksum_at..checksum_at + 2].copy_from_slice(&checksum.to_be_bytes());

    let total_len = (20 + segment.len()) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(total_len.to_be_bytes());
    packet.extend([0, 0, 0x40, 0, 64, protocol as u8, 0, 0]);
    packet.extend(pseudo);
    packet.extend(segment);
    packet
}

/// Of big-endian words (RFC 1071); `bytes` is even.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
}

fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn packets_arrive_from_addresses_that_nobody_has() {
        let netns = Netns::new();
        netns.ip("addr add 192.0.2.1/32 dev lo");
        let from = netns.run(|| {
            // The loopback takes no foreign source unless the check of it is off.
            for all in ["all", "lo"] {
                std::fs::write(format!("/proc/sys/net/ipv4/conf/{all}/rp_filter"), "0").unwrap();
            }
            let server = UdpSocket::bind("192.0.2.1:9").unwrap();
            server.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let _flood = Flood::start(&netns, Kind::Udp, "192.0.2.1:9".parse().unwrap(), 1000);
            let received = (0..50).filter_map(|_| server.recv_from(&mut []).ok());
            received.collect::<Vec<_>>()
        });
        assert_eq!(from.len(), 50);
        assert_ne!(from[0].1, from[1].1);
        assert!(from[0].1.ip().to_string().starts_with("198.18."), "{from:?}");
    }
}
