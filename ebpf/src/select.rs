//! From a frontend to one of its backends: affinity first, then chance.

use sheave_abi::event::Event;
use sheave_abi::order::Addr;
use sheave_abi::service::{Affinity, AffinityKey, BACKEND_LIVE, Backend, Frontend, SlotRange};

use crate::tables::Tables;

/// A backend and what tells it from later users of its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chosen<'a> {
    /// Key of `BACKENDS`.
    pub id: u32,
    /// What it holds.
    pub backend: &'a Backend,
}

/// The backend `id` if it still is the one that was chosen as `generation`.
#[inline(always)]
pub fn still(tables: &impl Tables, id: u32, generation: u32) -> Option<&Backend> {
    let backend = tables.backend(id)?;
    let live = backend.state == BACKEND_LIVE && backend.generation == generation;
    if live { Some(backend) } else { None }
}

/// Picks from `range`, never `avoid` if there is another. `None`: nobody answers.
#[inline(always)]
pub fn choose<'a>(
    tables: &'a impl Tables,
    frontend: &Frontend,
    range: &SlotRange,
    client: &AffinityKey,
    avoid: Option<&Addr>,
) -> Option<Chosen<'a>> {
    if range.len == 0 {
        return None;
    }
    let sticky = frontend.affinity_s != 0;
    if sticky && let Some(chosen) = remembered(tables, frontend, client) {
        return Some(chosen);
    }
    // Scales 32 random bits to the range without a division; the bias is below 2^-11 at the largest range.
    let pick = ((u64::from(tables.random()) * u64::from(range.len)) >> 32) as u32;
    let mut chosen = in_slot(tables, range.start.wrapping_add(pick));
    if let (Some(first), Some(avoid)) = (chosen, avoid)
        && first.backend.addr == *avoid
        && range.len > 1
    {
        let next = if pick + 1 == range.len { 0 } else { pick + 1 };
        chosen = in_slot(tables, range.start.wrapping_add(next));
    }
    match chosen {
        Some(chosen) if sticky => remember(tables, client, &chosen),
        Some(_) => {}
        None => tables.count(Event::SlotEmpty),
    }
    chosen
}

#[inline(always)]
fn in_slot<'a>(tables: &'a impl Tables, index: u32) -> Option<Chosen<'a>> {
    let id = tables.slot(index)?;
    let backend = tables.backend(id)?;
    if backend.state == BACKEND_LIVE { Some(Chosen { id, backend }) } else { None }
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
