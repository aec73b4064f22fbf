//! The socket hooks: a socket that dials a service is given a backend, and goes on reading the service as
//! its peer. No packet is touched afterwards.
//!
//! Sockets of a pod that was opted out are left alone altogether: a proxy beside the application must see
//! the service's address, and its packets meet the packet path.
//!
//! A datagram socket that connects is left alone in a pod: its packets meet the packet path, which moves the
//! next datagram when its backend goes, and the socket needs no second address to show. The node's own have
//! no such hook on their way, and are translated. The kernel asks again with each datagram that a connected
//! socket sends to an address: one that the caller names, and one of IPv4 that a socket of IPv6 is connected
//! to. What was left alone is left alone then too, or its answers would come from whom it is not connected to.
//!
//! A socket of the node that connects to a load balancer address which nobody serves is sent on a detour. The
//! address may be on the link, where nobody answers for it when this node announces it: the kernel would wait
//! for a neighbour, and the packet not get as far as the hook that refuses it. So the socket is connected to an
//! address of the service range that no service has, which leaves as a cluster IP does. The hook at the uplink
//! finds in `SOCKETS` what was dialled, and whether anybody serves it by now.

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{AffinityKey, FrontendKey, flags};
use sheave_abi::socket::{SocketKey, SocketPeer, TO_BACKEND, TO_FRONTEND};

use crate::report::translated;
use crate::select::{choose, still};
use crate::service::is_allocated;
use crate::tables::Tables;
use crate::wire::protocol;

/// An address and a port. Aligned, for the compiler copies it by double words and the verifier wants those
/// aligned on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(8))]
pub struct Peer {
    /// The address.
    pub addr: Addr,
    /// The port.
    pub port: Be16,
}

/// Who dials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Socket {
    /// Kernel's cookie of the socket.
    pub cookie: u64,
    /// Kernel's cookie of its network namespace.
    pub netns_cookie: u64,
    /// The same of the first namespace, for kernels that do not tell the node's.
    pub init_netns_cookie: u64,
    /// IANA protocol number.
    pub protocol: u8,
    /// Whether it is connected to somebody.
    pub is_connected: bool,
}

/// `connect`: the backend that replaces `dst`. `None`: `dst` stays.
#[inline(always)]
pub fn connect(tables: &impl Tables, socket: &Socket, dst: Peer) -> Option<Peer> {
    let given = match pick(tables, socket, dst) {
        Picked::Backend(given) => given,
        Picked::Nobody => detour(tables, socket, dst)?,
        Picked::Untouched => return None,
    };
    if socket.protocol == protocol::UDP && is_pod(tables, &given) && !is_host(tables, socket) {
        return None;
    }
    if given.backend != 0 {
        translated(tables, socket, &dst, given.backend);
    }
    keep(
        tables,
        &key(socket, to_peer(&given), TO_FRONTEND),
        &SocketPeer { addr: dst.addr, port: dst.port, ..given },
    );
    Some(to_peer(&given))
}

/// `sendto` and `sendmsg` of a datagram socket that is not connected: the backend that replaces `dst`, the
/// same as last time while it is there. Also of one that is connected, where it names `dst`.
#[inline(always)]
pub fn send(tables: &impl Tables, socket: &Socket, dst: Peer) -> Option<Peer> {
    let forward = key(socket, dst, TO_BACKEND);
    // If it had a pod as its backend.
    let was_left_alone = socket.is_connected && !is_host(tables, socket);
    if !was_left_alone
        && let Some(known) = tables.socket(&forward)
        && still(tables, known.backend, known.generation).is_some()
    {
        return Some(to_peer(known));
    }
    let Picked::Backend(given) = pick(tables, socket, dst) else { return None };
    if was_left_alone && is_pod(tables, &given) {
        return None;
    }
    translated(tables, socket, &dst, given.backend);
    keep(tables, &forward, &given);
    keep(
        tables,
        &key(socket, to_peer(&given), TO_FRONTEND),
        &SocketPeer { addr: dst.addr, port: dst.port, ..given },
    );
    Some(to_peer(&given))
}

/// `recvmsg` and `getpeername`: the frontend that was dialled when `src` was given. `None`: `src` stays.
#[inline(always)]
pub fn dialled(tables: &impl Tables, socket: &Socket, src: Peer) -> Option<Peer> {
    tables.socket(&key(socket, src, TO_FRONTEND)).map(to_peer)
}

/// What a socket is given.
enum Picked {
    Backend(SocketPeer),
    /// The service has nobody.
    Nobody,
    /// It dials no service, or is left alone.
    Untouched,
}

#[inline(always)]
fn pick(tables: &impl Tables, socket: &Socket, dst: Peer) -> Picked {
    let key = FrontendKey::new(dst.addr, dst.port, socket.protocol);
    let Some(frontend) = tables.frontend(&key) else { return Picked::Untouched };
    if frontend.flags & flags::HOST_ONLY != 0 && !is_host(tables, socket) {
        return Picked::Untouched;
    }
    if tables.opted_out(socket.netns_cookie) {
        return Picked::Untouched;
    }
    let client = AffinityKey::of_netns(socket.netns_cookie, frontend.service);
    let Some(chosen) = choose(tables, &frontend, &client, None) else {
        // The packet goes out and is answered there: refusing here could only say EPERM.
        tables.count(Event::SocketNoBackend);
        return Picked::Nobody;
    };
    Picked::Backend(SocketPeer {
        addr: chosen.backend.addr,
        port: chosen.backend.port,
        reserved: 0,
        backend: chosen.id,
        generation: chosen.backend.generation,
    })
}

/// An address in place of a load balancer's that leads to the hook at the uplink. `None`: `dst` does, or may be
/// the node's own, or the socket is a pod's, whose packets meet a hook at once.
#[inline(always)]
fn detour(tables: &impl Tables, socket: &Socket, dst: Peer) -> Option<SocketPeer> {
    if !is_host(tables, socket) || !is_allocated(tables, &dst.addr) {
        return None;
    }
    let services = &tables.settings()?.services;
    let range = if dst.addr.is_v4() { &services.v4 } else { &services.v6 };
    if range.mask == Addr::default() || range.holds(&dst.addr) {
        return None;
    }
    // The first address, which is never given to a service.
    Some(SocketPeer { addr: range.addr, port: dst.port, reserved: 0, backend: 0, generation: 0 })
}

/// Whether the backend's answers meet the packet path: they do not come from a process of the node.
#[inline(always)]
fn is_pod(tables: &impl Tables, given: &SocketPeer) -> bool {
    tables.settings().is_some_and(|settings| settings.cluster_pods.hold(&given.addr))
}

#[inline(always)]
fn is_host(tables: &impl Tables, socket: &Socket) -> bool {
    let host = tables.settings().map_or(0, |settings| settings.host_netns_cookie);
    socket.netns_cookie == if host == 0 { socket.init_netns_cookie } else { host }
}

#[inline(always)]
fn keep(tables: &impl Tables, key: &SocketKey, peer: &SocketPeer) {
    if tables.put_socket(key, peer).is_err() {
        tables.count(Event::SocketMapBusy);
    }
}

#[inline(always)]
fn key(socket: &Socket, peer: Peer, direction: u8) -> SocketKey {
    SocketKey {
        cookie: socket.cookie,
        addr: peer.addr,
        port: peer.port,
        direction,
        protocol: socket.protocol,
        reserved: 0,
    }
}

#[inline(always)]
fn to_peer(peer: &SocketPeer) -> Peer {
    Peer { addr: peer.addr, port: peer.port }
}
