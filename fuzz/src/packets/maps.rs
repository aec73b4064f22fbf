//! What the kernel keeps for the programs: entries that stay where they are, and room for one packet.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{AffinityKey, FrontendKey};
use sheave_abi::socket::SocketKey;
use sheave_abi::trace::Record;
use sheave_ebpf::packet::Work;
use sheave_ebpf::tables::Stage;

/// A map whose values stay where they are until the test ends, replaced or not: somebody may be reading
/// them, as the kernel's programs do.
pub(super) struct Map<K, V> {
    entries: RefCell<HashMap<K, Box<V>>>,
    replaced: RefCell<Vec<Box<V>>>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self { entries: RefCell::default(), replaced: RefCell::default() }
    }
}

impl<K: Hash + Eq + Copy, V> Map<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let value: *const V = &**self.entries.borrow().get(key)?;
        // SAFETY: a boxed value is never written again, and is freed with the map.
        Some(unsafe { &*value })
    }

    pub(super) fn put(&self, key: K, value: V) {
        let before = self.entries.borrow_mut().insert(key, Box::new(value));
        self.replaced.borrow_mut().extend(before);
    }

    pub(super) fn remove(&self, key: &K) {
        let before = self.entries.borrow_mut().remove(key);
        self.replaced.borrow_mut().extend(before);
    }

    pub(super) fn keys(&self) -> Vec<K> {
        self.entries.borrow().keys().copied().collect()
    }
}

/// Room in which nobody has worked yet.
pub(super) fn work() -> Work {
    let none = Addr::default();
    Work {
        arrived: Default::default(),
        quoted: Default::default(),
        flow: Default::default(),
        answer_key: Default::default(),
        answer: Default::default(),
        client: AffinityKey { client: none, service: 0 },
        frontend: FrontendKey::address(none),
        socket: SocketKey {
            cookie: 0,
            addr: none,
            port: Be16::new(0),
            direction: 0,
            protocol: 0,
            reserved: 0,
        },
        event: Event::FlowOpened,
        stage: Stage::Opening,
        refused_by: 0,
        ifindex: 0,
        record: Record {
            time_ns: 0,
            event: 0,
            ifindex: 0,
            src: none,
            dst: none,
            src_port: Be16::new(0),
            dst_port: Be16::new(0),
            protocol: 0,
            backend: 0,
            reserved: 0,
        },
    }
}
