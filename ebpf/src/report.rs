//! Telling what happened to a packet: a counter always, a record for those who watch.

use sheave_abi::event::Event;
use sheave_abi::trace::Record;

use crate::packet::{Packet, Verdict, Work};
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

#[inline(never)]
fn emit(ifindex: u32, tables: &impl Tables, work: &mut Work, event: Event) {
    let key = &work.arrived.key;
    work.record = Record {
        time_ns: tables.now_ns(),
        event: event as u32,
        ifindex,
        src: key.src,
        dst: key.dst,
        src_port: key.src_port,
        dst_port: key.dst_port,
        protocol: key.protocol,
        reserved: [0; 3],
        backend: if matches!(event, Event::FlowOpened | Event::FlowMoved) {
            work.flow.backend
        } else {
            0
        },
        reserved2: 0,
    };
    tables.emit(&work.record);
}
