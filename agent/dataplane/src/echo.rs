//! Whether the tunnel gets through: a frame to each node that packets of this one are wrapped for, which the
//! program at that node's tunnel sends back.
//!
//! ```text
//! here   a UDP socket       VXLAN, VNI_ECHO, of any port to the tunnel's
//! there  tunnel, ingress    the same frame, VNI_ECHO_REPLY, to the node that it came from
//! here   tunnel, ingress    passes it on: a packet socket takes frames of this EtherType
//! ```
//!
//! So it goes through whatever lies on the way of wrapped packets, in both directions, and through nothing else: no
//! stack, no rule about ICMP, no pod. What is sent is bounded: [`TRIES`] small frames to each node.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use sheave_abi::tunnel::{DEVICE, MAC, MAC_SENDER, Remote, VNI_ECHO};
use sheave_core::dump::ip;
use socket2::{Domain, Protocol, Socket, Type};

use crate::Dataplane;
use crate::maps::MapError;

/// A frame can be lost, or wait until the node's link-layer address is known.
const TRIES: u32 = 3;
/// How long a try is waited for before the next one.
const PAUSE: Duration = Duration::from_millis(500);
/// How long everything is waited for.
pub const ECHO_TIMEOUT: Duration = Duration::from_millis(1900);
/// Of experiments on a local network (IEEE Std 802, local experimental EtherType 1).
const ETHER_TYPE: u16 = 0x88b5;
/// RFC 7348, 5: flags, of which one says that there is an identifier, and the identifier.
const VXLAN_LEN: usize = 8;
const ETHERNET_LEN: usize = 14;
/// As long as the shortest frame of Ethernet.
const FRAME_LEN: usize = 60;

/// What became of a question to a node.
#[derive(Debug)]
pub struct Echo {
    /// Where it takes wrapped packets.
    pub node: IpAddr,
    /// From where this node sends such to it; `None`: no route says.
    pub from: Option<IpAddr>,
    /// How long the answer took; the error says why nothing could be sent, `None` of it: nothing came back.
    pub answered: Result<Duration, Option<io::Error>>,
}

/// Why nobody could be asked.
#[derive(Debug, thiserror::Error)]
pub enum EchoError {
    /// It is not known whom.
    #[error(transparent)]
    Map(#[from] MapError),
    /// No answer could be heard.
    #[error("cannot listen at {DEVICE}")]
    Listen(#[source] io::Error),
}

/// What a frame says; it comes back so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    /// Whose question it is.
    token: u64,
    /// Which of the nodes is asked, counted from 0.
    index: u32,
    /// When, in nanoseconds from the first one on.
    asked_ns: u64,
}

impl Dataplane {
    /// UDP port of the tunnel.
    pub fn tunnel_port(&self) -> Result<u16, MapError> {
        let overlay = self.maps.overlay.as_ref().map(|map| map.get(&0)).transpose()?.flatten();
        Ok(overlay.map_or(0, |overlay| overlay.port.get()))
    }

    /// Asks all nodes at once that packets of this one are wrapped for, in the network namespace of this thread.
    /// Takes [`ECHO_TIMEOUT`] at most, and needs root.
    pub fn echoes(&self) -> Result<Vec<Echo>, EchoError> {
        let (Some(remotes), Some(carriage)) = (&self.maps.remotes, &self.maps.carriage) else {
            return Ok(Vec::new());
        };
        let remotes = remotes.trie_entries()?;
        let carries = carriage.get(&0)?.is_some_and(|carriage| carriage.device != 0);
        let nodes = wrapped_for(remotes.iter().map(|(_, remote)| remote), carries);
        let port = self.tunnel_port()?;
        if nodes.is_empty() || port == 0 {
            return Ok(Vec::new());
        }
        ask(nodes, port).map_err(EchoError::Listen)
    }
}

/// The nodes that packets go to through the tunnel: those of pods, and where packets of clients outside are
/// carried, to every node.
fn wrapped_for<'a>(remotes: impl Iterator<Item = &'a Remote>, carries: bool) -> BTreeSet<IpAddr> {
    remotes
        .filter(|remote| carries || remote.tunnelled != 0)
        .map(|remote| ip(remote.node))
        .collect()
}

fn ask(nodes: BTreeSet<IpAddr>, port: u16) -> io::Result<Vec<Echo>> {
    let mut answers = Answers::listen()?;
    let mut echoes: Vec<Echo> =
        nodes.into_iter().map(|node| Echo { node, from: None, answered: Err(None) }).collect();
    for attempt in 1..=TRIES {
        for (index, echo) in (0..).zip(&mut echoes) {
            if answers.took.contains_key(&index) {
                continue;
            }
            let sent = dialled(SocketAddr::new(echo.node, port)).and_then(|(socket, from)| {
                echo.from = Some(from);
                socket.send(&wrapped(&answers.question(index)))
            });
            echo.answered = Err(sent.err());
            // What came meanwhile, so that no buffer fills up.
            answers.take(Duration::ZERO)?;
        }
        let until = if attempt == TRIES { ECHO_TIMEOUT } else { PAUSE * attempt };
        while answers.took.len() < echoes.len() {
            let left = until.saturating_sub(answers.started.elapsed());
            if left.is_zero() {
                break;
            }
            answers.take(left)?;
        }
    }
    for (index, echo) in (0..).zip(&mut echoes) {
        if let Some(took) = answers.took.get(&index) {
            echo.answered = Ok(*took);
        }
    }
    Ok(echoes)
}

/// A socket that sends to this address, and from which: the one that the kernel gives to wrapped packets too.
fn dialled(to: SocketAddr) -> io::Result<(UdpSocket, IpAddr)> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    let from = socket.local_addr()?.ip();
    Ok((socket, from))
}

/// What comes back.
struct Answers {
    listener: Socket,
    token: u64,
    started: Instant,
    /// By the node's index, how long it took.
    took: BTreeMap<u32, Duration>,
}

impl Answers {
    fn listen() -> io::Result<Self> {
        let (listener, token) = (listen()?, rand::random());
        Ok(Self { listener, token, started: Instant::now(), took: BTreeMap::new() })
    }

    fn question(&self, index: u32) -> Question {
        let asked_ns = self.started.elapsed().as_nanos() as u64;
        Question { token: self.token, index, asked_ns }
    }

    /// Waits so long for a frame, and takes it and what else is there.
    fn take(&mut self, patience: Duration) -> io::Result<()> {
        let has_patience = !patience.is_zero();
        self.listener.set_nonblocking(!has_patience)?;
        if has_patience {
            // 0 would be no limit.
            self.listener.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        }
        let mut buffer = [0; FRAME_LEN];
        loop {
            let len = match self.listener.read(&mut buffer) {
                Ok(len) => len,
                Err(error) if is_nothing(&error) => return Ok(()),
                Err(error) => return Err(error),
            };
            if let Some(question) = read(&buffer[..len]).filter(|it| it.token == self.token) {
                let asked = Duration::from_nanos(question.asked_ns);
                let took = self.started.elapsed().saturating_sub(asked);
                self.took.entry(question.index).or_insert(took);
            }
            self.listener.set_nonblocking(true)?;
        }
    }
}

/// Nothing has come.
fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// A socket that takes frames of this EtherType, by whatever device: the token tells ours.
fn listen() -> io::Result<Socket> {
    // Without it nothing would be wrapped, and no firewall to blame.
    if_nametoindex(DEVICE)?;
    let ether_type = Protocol::from(i32::from(ETHER_TYPE.to_be()));
    Socket::new(Domain::PACKET, Type::RAW, Some(ether_type))
}

/// A question as it stands in a UDP datagram.
fn wrapped(question: &Question) -> [u8; VXLAN_LEN + FRAME_LEN] {
    let mut datagram = [0; VXLAN_LEN + FRAME_LEN];
    let (vxlan, frame) = datagram.split_at_mut(VXLAN_LEN);
    vxlan[0] = 0x08;
    vxlan[4..].copy_from_slice(&(VNI_ECHO << 8).to_be_bytes());
    frame[..6].copy_from_slice(&MAC);
    frame[6..12].copy_from_slice(&MAC_SENDER);
    frame[12..ETHERNET_LEN].copy_from_slice(&ETHER_TYPE.to_be_bytes());
    let said = &mut frame[ETHERNET_LEN..];
    said[..8].copy_from_slice(&question.token.to_be_bytes());
    said[8..12].copy_from_slice(&question.index.to_be_bytes());
    said[12..20].copy_from_slice(&question.asked_ns.to_be_bytes());
    datagram
}

/// `None`: it is none of ours.
fn read(frame: &[u8]) -> Option<Question> {
    if frame.get(12..ETHERNET_LEN)? != ETHER_TYPE.to_be_bytes() {
        return None;
    }
    let (token, rest) = frame[ETHERNET_LEN..].split_first_chunk()?;
    let (index, rest) = rest.split_first_chunk()?;
    let (asked_ns, _) = rest.split_first_chunk()?;
    Some(Question {
        token: u64::from_be_bytes(*token),
        index: u32::from_be_bytes(*index),
        asked_ns: u64::from_be_bytes(*asked_ns),
    })
}

#[cfg(test)]
mod tests {
    use sheave_abi::order::Addr;

    use super::*;

    const QUESTION: Question =
        Question { token: 0x0123_4567_89ab_cdef, index: 7, asked_ns: 1 << 40 };

    #[test]
    fn a_question_is_read_back_as_it_was_asked() {
        let datagram = wrapped(&QUESTION);
        assert_eq!(datagram[..VXLAN_LEN], [8, 0, 0, 0, 0, 0, 4, 0], "RFC 7348, 5");
        assert_eq!(read(&datagram[VXLAN_LEN..]), Some(QUESTION));
    }

    #[test]
    fn what_is_no_question_is_not_read() {
        let frame = &wrapped(&QUESTION)[VXLAN_LEN..];
        for len in [0, 12, ETHERNET_LEN, ETHERNET_LEN + 19] {
            assert_eq!(read(&frame[..len]), None, "{len}");
        }
        let mut other = frame.to_vec();
        other[12] = 0x08;
        assert_eq!(read(&other), None, "another EtherType");
    }

    #[test]
    fn nodes_are_asked_once_and_only_where_packets_are_wrapped_for_them() {
        let remote = |last: u8, tunnelled: u32| Remote {
            node: Addr::v4([192, 0, 2, last]),
            ifindex: 2,
            tunnelled,
        };
        let remotes = [remote(2, 0), remote(3, 1), remote(3, 1), remote(4, 0)];
        let asked = |carries: bool| -> Vec<String> {
            wrapped_for(remotes.iter(), carries).iter().map(IpAddr::to_string).collect()
        };
        assert_eq!(asked(true), ["192.0.2.2", "192.0.2.3", "192.0.2.4"]);
        assert_eq!(asked(false), ["192.0.2.3"]);
    }
}
