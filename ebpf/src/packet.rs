//! Access to a packet, and what is read from it before anything is decided.

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey};
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{AffinityKey, FrontendKey};
use sheave_abi::socket::SocketKey;
use sheave_abi::trace::Record;

use crate::family::Family;
use crate::tables::Stage;
use crate::wire::{Bytes, ETHERTYPE_IPV6, Ethernet, Header, Icmp, Ports, Tcp, protocol, tcp_flags};

/// A frame that one of the hooks was given.
pub trait Packet {
    /// The header at `offset`, or `None` when the packet ends before it does.
    fn at<H: Header>(&mut self, offset: usize) -> Option<&mut H>;

    /// Makes the first `len` bytes readable where the driver left them outside the linear part.
    fn pull(&mut self, len: u32);

    /// Cuts the packet, or extends it with zeroes, to `len` bytes. False: it could not be done.
    fn resize(&mut self, len: u32) -> bool;

    /// Tells the transport checksum at `offset` that an address of the pseudo-header changes. Knows the
    /// packets whose checksum the hardware is to complete, and with `udp` that zero means none (RFC 768).
    /// False: it could not be done.
    fn address_changes(&mut self, offset: usize, from: &Addr, to: &Addr, udp: bool) -> bool;

    /// Likewise that a word which it covers changes.
    fn word_changes(&mut self, offset: usize, from: Be16, to: Be16, udp: bool) -> bool;

    /// The interface whose hook is running.
    fn ifindex(&self) -> u32;

    /// The TCP or UDP socket of the node that a packet with these ends would reach if it came in.
    fn socket(&mut self, ends: &FlowKey) -> Socket;

    /// The interface by which the node would forward a packet from `src` to `dst` that came in here; 0: by
    /// none, for one that the routes do not name, or because `dst` is the node itself.
    fn way_out(&mut self, src: &Addr, dst: &Addr) -> u32;

    /// Has the tunnel's device wrap the packet for this node, in the network `vni`, if it leaves by that. False: it
    /// could not be done.
    fn wrap(&mut self, node: &Addr, vni: u32) -> bool;

    /// Notes whether a hook has sent the packet to where it goes: those that it meets on its way out of the node
    /// have nothing to do then. A hook where packets come in takes the note away, whoever it is from.
    fn note_sent(&mut self, is_sent: bool);

    /// Whether a hook has.
    fn is_sent(&self) -> bool;

    /// Out of the interface `ifindex`, to this neighbour on its link, whatever the routes say.
    fn to_neighbour(&mut self, ifindex: u32, neighbour: &Addr) -> Verdict;

    /// Kernel's cookie of the socket of this machine that sent the packet; 0: there is none, or the packet
    /// has passed through the stack since.
    fn socket_cookie(&mut self) -> u64;

    /// Bytes of the frame.
    fn frame_len(&self) -> u32;

    /// Bytes of payload of each segment that the frame is yet to be cut into; 0: it goes as it is.
    fn gso_size(&self) -> u32;
}

/// See [`Packet::socket`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Socket {
    /// There is none.
    None,
    /// One that takes packets of anybody.
    Listens,
    /// One that is connected to exactly these ends.
    Connected,
}

/// What becomes of a packet. A struct and not an enum with data: functions of a program return it, and the
/// verifier wants all of it written, at once and aligned.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(8))]
pub struct Verdict {
    /// What is done with it.
    pub action: Action,
    /// Interface that the action names.
    pub ifindex: u32,
}

/// See [`Verdict`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Action {
    /// On to other programs, then the stack.
    Pass,
    /// On, and no other program has its say.
    Done,
    /// Gone; a counter says why.
    Drop,
    /// To the peer of the interface, in its network namespace.
    Peer,
    /// Out of the interface, to the neighbour that the routes name.
    Neighbour,
    /// Out of an interface: where to, the kernel has been told.
    Told,
    /// Out of the interface as it is.
    Egress,
    /// Into the interface as if it had just come in.
    Ingress,
}

impl Verdict {
    /// See [`Action::Pass`].
    pub const PASS: Self = Self { action: Action::Pass, ifindex: 0 };
    /// See [`Action::Done`].
    pub const DONE: Self = Self { action: Action::Done, ifindex: 0 };
    /// See [`Action::Drop`].
    pub const DROP: Self = Self { action: Action::Drop, ifindex: 0 };

    /// See [`Action::Peer`].
    #[inline(always)]
    pub const fn peer(ifindex: u32) -> Self {
        Self { action: Action::Peer, ifindex }
    }

    /// See [`Action::Neighbour`].
    #[inline(always)]
    pub const fn neighbour(ifindex: u32) -> Self {
        Self { action: Action::Neighbour, ifindex }
    }

    /// See [`Action::Egress`].
    #[inline(always)]
    pub const fn egress(ifindex: u32) -> Self {
        Self { action: Action::Egress, ifindex }
    }

    /// See [`Action::Ingress`].
    #[inline(always)]
    pub const fn ingress(ifindex: u32) -> Self {
        Self { action: Action::Ingress, ifindex }
    }
}

/// Which part of a datagram that was cut up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Fragment {
    /// It was not.
    #[default]
    None,
    /// The first: it carries the ports.
    First,
    /// Another: it does not.
    Later,
}

/// What is decided by: a packet as it arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Arrived {
    /// Its ends and its protocol, which are also the key of its flow. In place of a port an echo has its
    /// identifier, on the side of whoever asked.
    pub key: FlowKey,
    /// Identification of the datagram, of IPv4.
    pub id: Be16,
    /// Time to live.
    pub hop_limit: u8,
    /// Whether this is a part of a datagram.
    pub fragment: Fragment,
    /// Bits of [`tcp_flags`]; 0 for other protocols.
    pub tcp_flags: u8,
    /// The ports stand in this packet. Not so in a later fragment.
    pub has_ports: bool,
}

impl Arrived {
    /// Asks to open a connection: a TCP SYN without ACK.
    #[inline(always)]
    pub const fn opens(&self) -> bool {
        self.tcp_flags & (tcp_flags::SYN | tcp_flags::ACK) == tcp_flags::SYN
    }
}

/// Room for what a program works on. It would not fit the 512 bytes of stack; in the kernel each CPU has
/// one, which nobody else uses before the program has ended.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Work {
    /// The packet as it arrived.
    pub arrived: Arrived,
    /// What it becomes.
    pub flow: Flow,
    /// What an ICMP error quotes.
    pub quoted: Arrived,
    /// Key of the answers to it.
    pub answer_key: FlowKey,
    /// What they become.
    pub answer: Flow,
    /// The client, as affinity knows it.
    pub client: AffinityKey,
    /// The frontend it may have dialled.
    pub frontend: FrontendKey,
    /// A socket that may have dialled it.
    pub socket: SocketKey,
    /// What is said of the flow that is opened. Here and not in an argument, as the next one: the verifier
    /// would walk all of the opening once for each of their values.
    pub event: Event,
    /// Where it is kept.
    pub stage: Stage,
    /// Flags of the frontend for which nobody answers.
    pub refused_by: u32,
    /// The interface whose hook runs; of packets that were carried here, the number of the node that did.
    pub ifindex: u32,
    /// What followers are told.
    pub record: Record,
}

/// The EtherType, with the headers of both families made readable.
#[inline(always)]
pub fn ethertype(packet: &mut impl Packet) -> Option<Be16> {
    const SHORT: usize = 14 + 20 + 20;
    const LONG: usize = 14 + 40 + 20;
    if packet.at::<Bytes<SHORT>>(0).is_none() {
        packet.pull(SHORT as u32);
    }
    let ethertype = packet.at::<Ethernet>(0)?.ethertype;
    if ethertype == ETHERTYPE_IPV6 && packet.at::<Bytes<LONG>>(0).is_none() {
        packet.pull(LONG as u32);
    }
    Some(ethertype)
}

/// Reads the ports. False: a protocol without, or they are not in this packet.
#[inline(always)]
pub fn read_ports<F: Family>(packet: &mut impl Packet, arrived: &mut Arrived) -> bool {
    try_read_ports::<F>(packet, arrived).is_some()
}

#[inline(always)]
fn try_read_ports<F: Family>(packet: &mut impl Packet, arrived: &mut Arrived) -> Option<()> {
    match arrived.key.protocol {
        protocol::TCP => {
            let tcp = packet.at::<Tcp>(F::L4)?;
            arrived.tcp_flags = tcp.flags;
            (arrived.key.src_port, arrived.key.dst_port) = (tcp.ports.src, tcp.ports.dst);
        }
        protocol::UDP | protocol::SCTP => {
            let ports = packet.at::<Ports>(F::L4)?;
            (arrived.key.src_port, arrived.key.dst_port) = (ports.src, ports.dst);
        }
        icmp if icmp == F::ICMP => {
            let icmp = packet.at::<Icmp>(F::L4)?;
            let id = Be16([icmp.rest[0], icmp.rest[1]]);
            if icmp.kind == F::ECHO_REQUEST {
                arrived.key.src_port = id;
            } else if icmp.kind == F::ECHO_REPLY {
                arrived.key.dst_port = id;
            } else {
                return None;
            }
        }
        _ => return None,
    }
    arrived.has_ports = true;
    Some(())
}
