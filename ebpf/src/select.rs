//! From a frontend to one of its backends: affinity first, then chance, or a hash of the flow.

use sheave_abi::event::Event;
use sheave_abi::order::{Addr, Be16};
use sheave_abi::service::{
    Affinity, AffinityKey, BACKEND_LIVE, Backend, Frontend, SlotRange, flags,
};

use crate::tables::Tables;

/// A backend and what tells it from later users of its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chosen<'a> {
    /// Key of `BACKENDS`.
    pub id: u32,
    /// What it holds.
    pub backend: &'a Backend,
}

/// The backend `id` if it still is the one that was chosen as `generation`, and takes new flows.
#[inline(always)]
pub fn still(tables: &impl Tables, id: u32, generation: u32) -> Option<&Backend> {
    let backend = tables.backend(id)?;
    let live = backend.state == BACKEND_LIVE && backend.generation == generation;
    if live { Some(backend) } else { None }
}

/// Picks for a client inside, by chance; never `avoid` if there is another. `None`: nobody answers.
#[inline(always)]
pub fn choose<'a>(
    tables: &'a impl Tables,
    frontend: &Frontend,
    client: &AffinityKey,
    avoid: Option<&Addr>,
) -> Option<Chosen<'a>> {
    let range = &frontend.internal;
    if range.len == 0 {
        return None;
    }
    if frontend.affinity_s != 0
        && let Some(chosen) = remembered(tables, frontend, client)
    {
        return Some(chosen);
    }
    let pick = scaled(tables.random(), range);
    let mut chosen = in_slot(tables, range.start.wrapping_add(pick));
    if let (Some(first), Some(avoid)) = (chosen, avoid)
        && first.backend.addr == *avoid
        && range.len > 1
    {
        let next = if pick + 1 == range.len { 0 } else { pick + 1 };
        chosen = in_slot(tables, range.start.wrapping_add(next));
    }
    noted(tables, frontend, client, chosen)
}

/// How many slots are looked at for a backend of this node.
const HERE_TRIES: u32 = 8;

/// Picks for a client outside: where the range is a Maglev table, the same on every node. With `here` rather a pod
/// of this node, since another one has chosen it: they may not know the same for a moment.
#[inline(always)]
pub fn choose_external<'a>(
    tables: &'a impl Tables,
    frontend: &Frontend,
    client: &AffinityKey,
    port: Be16,
    here: bool,
) -> Option<Chosen<'a>> {
    let range = &frontend.external;
    if range.len == 0 {
        return None;
    }
    let sticky = frontend.affinity_s != 0;
    if sticky && let Some(chosen) = remembered(tables, frontend, client) {
        return Some(chosen);
    }
    let any = if frontend.flags & flags::MAGLEV != 0 {
        hash(&client.client, if sticky { Be16::new(0) } else { port })
    } else {
        tables.random()
    };
    let pick = scaled(any, range);
    let id = if here { near(tables, range.start, range.len, pick) } else { 0 };
    let chosen = match id {
        0 => in_slot(tables, range.start.wrapping_add(pick)),
        id => tables.backend(id).map(|backend| Chosen { id, backend }),
    };
    noted(tables, frontend, client, chosen)
}

/// The id of the first pod of this node from a slot on; 0: there is none so near.
#[inline(never)]
fn near(tables: &impl Tables, start: u32, len: u32, pick: u32) -> u32 {
    for step in 0..HERE_TRIES {
        let slot = pick.wrapping_add(step) % len;
        let id = tables.slot(start.wrapping_add(slot)).unwrap_or(0);
        let Some(backend) = tables.backend(id) else { continue };
        if backend.state == BACKEND_LIVE && tables.endpoint(&backend.addr).is_some() {
            return id;
        }
    }
    0
}

/// Scales 32 bits to the range without a division; the bias is below 2^-11 at the largest range.
#[inline(always)]
fn scaled(any: u32, range: &SlotRange) -> u32 {
    ((u64::from(any) * u64::from(range.len)) >> 32) as u32
}

/// Of a client's address and port, the same on every node: the finisher of MurmurHash3 over its words.
#[inline(always)]
pub fn hash(addr: &Addr, port: Be16) -> u32 {
    let words = addr.words();
    let mut h = u32::from(port.get());
    let mut i = 0;
    while i < 4 {
        h = (h ^ u32::from_be(words[i])).wrapping_mul(0x85eb_ca6b);
        h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        h ^= h >> 16;
        i += 1;
    }
    h
}

#[inline(always)]
fn in_slot<'a>(tables: &'a impl Tables, index: u32) -> Option<Chosen<'a>> {
    let id = tables.slot(index)?;
    let backend = tables.backend(id)?;
    if backend.state == BACKEND_LIVE { Some(Chosen { id, backend }) } else { None }
}

#[inline(always)]
fn noted<'a>(
    tables: &'a impl Tables,
    frontend: &Frontend,
    client: &AffinityKey,
    chosen: Option<Chosen<'a>>,
) -> Option<Chosen<'a>> {
    match chosen {
        Some(chosen) if frontend.affinity_s != 0 => remember(tables, client, &chosen),
        Some(_) => {}
        None => tables.count(Event::SlotEmpty),
    }
    chosen
}

/// Whom the client got last, if that is recent enough; renews its time (as each connection does).
#[inline(always)]
fn remembered<'a>(
    tables: &'a impl Tables,
    frontend: &Frontend,
    client: &AffinityKey,
) -> Option<Chosen<'a>> {
    let kept = tables.affinity(client)?;
    let backend = still(tables, kept.backend, kept.generation)?;
    if tables.now_s().wrapping_sub(kept.seen_s) > frontend.affinity_s {
        return None;
    }
    let chosen = Chosen { id: kept.backend, backend };
    remember(tables, client, &chosen);
    Some(chosen)
}

#[inline(always)]
fn remember(tables: &impl Tables, client: &AffinityKey, chosen: &Chosen<'_>) {
    let affinity = Affinity {
        backend: chosen.id,
        generation: chosen.backend.generation,
        seen_s: tables.now_s(),
    };
    tables.put_affinity(client, &affinity);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_spread_evenly() {
        let mut counts = [0u32; 10];
        let range = SlotRange { start: 0, len: 10 };
        for client in 0..10_000u32 {
            let addr = Addr::v4((0x0a00_0000 + client / 100).to_be_bytes());
            let port = Be16::new(32768 + (client % 100) as u16);
            counts[scaled(hash(&addr, port), &range) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_hash_never_changes() {
        // Nodes of two versions must agree.
        assert_eq!(hash(&Addr::v4([198, 51, 100, 7]), Be16::new(40000)), 622_436_021);
    }
}
