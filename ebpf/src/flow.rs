//! How a flow to a frontend gets its backend, and keeps it.

use sheave_abi::event::Event;
use sheave_abi::flow::{Flow, FlowKey, REPLY};
use sheave_abi::service::{AffinityKey, FrontendKey, flags};

use crate::packet::{Ip4, Transport};
use crate::select::{choose, still};
use crate::socket::Peer;
use crate::tables::Tables;
use crate::wire::protocol;

/// In place of the interface that leads to the client: it is a pod of this node.
pub const INSIDE: u32 = 0;

/// What is known of a packet's flow after [`flow_of`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// The destination is to become this backend.
    To(Peer),
    /// No frontend has this destination.
    NotAService,
    /// A frontend has, but no backend may be given.
    Nobody {
        /// Bits of [`flags`].
        flags: u32,
    },
    /// A backend was chosen and could not be kept.
    Busy,
}

/// The key of a packet's flow, as it is before any translation.
#[inline(always)]
pub fn flow_key(ip: &Ip4, segment: &Transport, direction: u8) -> FlowKey {
    FlowKey {
        src: ip.src_addr(),
        dst: ip.dst_addr(),
        src_port: segment.ports.src,
        dst_port: segment.ports.dst,
        protocol: ip.protocol,
        direction,
        reserved: [0; 2],
    }
}

/// The backend of a packet's flow: the one that is known, if it may still be used, or a new one. `opens`
/// says that the packet is a TCP SYN; `uplink` leads to the client, or is [`INSIDE`].
#[inline(always)]
pub fn flow_of(tables: &impl Tables, key: &FlowKey, opens: bool, uplink: u32) -> Opened {
    let known = tables.flow(key);
    if let Some(flow) = known {
        // A datagram, and a connection that is only being asked for, go to whom the service has now; an
        // established connection stays with its backend for as long as that lives.
        let may_move = key.protocol == protocol::UDP || opens;
        if !may_move || still(tables, flow.backend, flow.generation).is_some() {
            let backend = Peer { addr: flow.addr, port: flow.port };
            return match ensure_reply(tables, key, flow) {
                true => Opened::To(backend),
                false => Opened::Busy,
            };
        }
    }
    let Some(frontend) = tables.frontend(&FrontendKey::new(key.dst, key.dst_port, key.protocol))
    else {
        return Opened::NotAService;
    };
    if frontend.flags & flags::HOST_ONLY != 0 {
        return Opened::NotAService;
    }
    let range = if uplink == INSIDE { &frontend.internal } else { &frontend.external };
    let client = AffinityKey { client: key.src, service: frontend.service };
    let avoid = if uplink == INSIDE { Some(&key.src) } else { None };
    let Some(chosen) = choose(tables, frontend, range, &client, avoid) else {
        return Opened::Nobody { flags: frontend.flags };
    };
    let flow = Flow {
        addr: chosen.backend.addr,
        port: chosen.backend.port,
        reserved: 0,
        backend: chosen.id,
        generation: chosen.backend.generation,
        uplink,
        began_s: tables.now_s(),
    };
    if tables.put_flow(key, &flow).is_err() || !put_reply(tables, key, &flow) {
        return Opened::Busy;
    }
    tables.count(if known.is_some() { Event::FlowMoved } else { Event::FlowOpened });
    Opened::To(Peer { addr: flow.addr, port: flow.port })
}

/// Makes the entry for the backend's answers again if the map has given it up.
#[inline(always)]
fn ensure_reply(tables: &impl Tables, key: &FlowKey, flow: &Flow) -> bool {
    tables.flow(&reply_of(key, flow)).is_some() || put_reply(tables, key, flow)
}

// Functions of their own in the program too: inlined into one frame the keys and values of both entries
// would not fit the 512 bytes of stack.

#[inline(never)]
fn put_reply(tables: &impl Tables, key: &FlowKey, flow: &Flow) -> bool {
    let reply = Flow {
        addr: key.dst,
        port: key.dst_port,
        reserved: 0,
        backend: flow.backend,
        generation: flow.generation,
        uplink: flow.uplink,
        began_s: flow.began_s,
    };
    tables.put_flow(&reply_of(key, flow), &reply).is_ok()
}

#[inline(always)]
fn reply_of(key: &FlowKey, flow: &Flow) -> FlowKey {
    FlowKey {
        src: flow.addr,
        dst: key.src,
        src_port: flow.port,
        dst_port: key.src_port,
        protocol: key.protocol,
        direction: REPLY,
        reserved: [0; 2],
    }
}
