//! Telling what happened to a packet or a socket: a counter always, a record for those who watch.

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::trace::Record;

use crate::packet::{Packet, Verdict, Work};
use crate::socket::{Peer, Socket};
use crate::tables::Tables;

/// Counts, and shows the packet as it arrived to whoever follows.
#[inline(always)]
pub fn report(packet: &impl Packet, tables: &impl Tables, work: &mut Work, event: Event) {
    tables.count(event);
    if tables.settings().is_some_and(|settings| settings.traced != 0) {
        emit(packet.ifindex(), tables, work, event);
    }
}

/// Likewise for a flow that was opened: the packet's hook has said where it is.
#[inline(always)]
pub fn opened(tables: &impl Tables, work: &mut Work, event: Event) {
    tables.count(event);
    if tables.settings().is_some_and(|settings| settings.traced != 0) {
        emit(work.ifindex, tables, work, event);
    }
}

/// Likewise, and the packet is gone.
#[inline(always)]
pub fn drop(packet: &impl Packet, tables: &impl Tables, work: &mut Work, event: Event) -> Verdict {
    report(packet, tables, work, event);
    Verdict::DROP
}

/// Likewise for a socket that dialled `frontend` and was given `backend`.
#[inline(always)]
pub fn translated(tables: &impl Tables, socket: &Socket, frontend: &Peer, backend: u32) {
    tables.count(Event::SocketTranslated);
    if tables.settings().is_some_and(|settings| settings.traced != 0) {
        emit_socket(tables, socket, frontend, backend);
    }
}

#[inline(never)]
fn emit_socket(tables: &impl Tables, socket: &Socket, frontend: &Peer, backend: u32) {
    tables.emit(&Record {
        time_ns: tables.now_ns(),
        event: Event::SocketTranslated as u32,
        ifindex: 0,
        src: Addr::of_netns(socket.netns_cookie),
        dst: frontend.addr,
        src_port: Be16([0; 2]),
        dst_port: frontend.port,
        protocol: socket.protocol.into(),
        backend,
        reserved: 0,
    });
}

#[inline(never)]
fn emit(ifindex: u32, tables: &impl Tables, work: &mut Work, event: Event) {
    let key = &work.arrived.key;
    let (dst, dst_port, backend) = match event {
        Event::FlowOpened | Event::FlowMoved => {
            (work.frontend.addr, work.frontend.port, work.flow.backend)
        }
        _ => (key.dst, key.dst_port, 0),
    };
    work.record = Record {
        time_ns: tables.now_ns(),
        event: event as u32,
        ifindex,
        src: key.src,
        dst,
        src_port: key.src_port,
        dst_port,
        protocol: key.protocol.into(),
        backend,
        reserved: 0,
    };
    tables.emit(&work.record);
}
