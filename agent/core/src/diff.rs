//! What must be written so that the maps hold what they should, in the order it must be written.
//!
//! ```text
//! Diff:    backends -> slots -> sources -> frontends -> frontends that go        (then it is in effect)
//! Retired: (all readers of before have ended) -> backends that drain or go, sources that go
//! ```
//!
//! # Why no reader ever meets an id that resolves to nothing
//!
//! A reader is one run of a program. It reads a frontend's value once (the map replaces values whole), then
//! a slot of one of its ranges, then the backend that the slot names; each read depends on the one before.
//! It must find that backend LIVE and of the frontend's service port, however its three reads fall among our
//! writes. What is relied on:
//!
//! 1. A backend is written LIVE before any slot names it.
//! 2. A slot that is within the range of a frontend's value, as it is or as a reader may still hold it, is
//!    only ever overwritten with the id of a backend of the same service port that is LIVE. So it does not
//!    matter which of the writes to one list a reader sees: a mixture of old and new is a list of live
//!    backends. This is what allows lists to be edited in place.
//! 3. A list that grows in place has its new slots written before the frontends' new length; one that
//!    shrinks has its gaps filled from its end before. The slots that are cut off keep what they held: a
//!    reader with the old length finds live backends there.
//! 4. What a slot named before is not touched until all programs have ended that were running when the last
//!    write of the difference was made: only then a backend drains or goes, its id is free for others, and
//!    slots that were left are free. A reader that began later cannot have met it.
//! 5. A frontend that changes its owner is one write: its value names the other's service and ranges.
//!
//! The frontends of one port are written one by one; between two of these writes they disagree about the
//! length of their list, which is harmless by 2 and 3. A crash between any two writes leaves maps that are as
//! good for readers, and that a new [`crate::engine::Engine`] takes over.
//!
//! # What the order of writes cannot do
//!
//! Since hash maps take their entries from bpf_mem_alloc (6.1), the kernel gives the memory of one that was
//! replaced to the next that is written on the same CPU, though a program may still read it. A reader that
//! is held up between finding a frontend and reading its value may then read the value of another one, which
//! leads to live backends of another service port. No order of writes prevents that; it is for readers to
//! keep that time short and to notice.

use sheave_abi::service::{Backend, Frontend, FrontendKey, SourceRange};

use crate::held::BackendId;

/// What to write, in order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Diff {
    /// New backends, and such as were draining and are wanted again.
    pub backends: Vec<(BackendId, Backend)>,
    /// Slots, by index.
    pub slots: Vec<(u32, BackendId)>,
    /// New entries of `SOURCES`.
    pub sources: Vec<SourceRange>,
    /// New and changed frontends.
    pub frontends: Vec<(FrontendKey, Frontend)>,
    /// Frontends that are no more.
    pub gone_frontends: Vec<FrontendKey>,
}

impl Diff {
    /// How many map entries it writes; 0 when the maps hold what they should.
    pub fn writes(&self) -> usize {
        self.backends.len()
            + self.slots.len()
            + self.sources.len()
            + self.frontends.len()
            + self.gone_frontends.len()
    }

    /// True when there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes() == 0
    }
}

/// What may be written once all readers have ended that were there when the differences before it were
/// written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Retired {
    /// Backends that drain or are gone.
    pub backends: Vec<(BackendId, Backend)>,
    /// Entries of `SOURCES` that are no more.
    pub sources: Vec<SourceRange>,
}

impl Retired {
    /// How many map entries it writes.
    pub fn writes(&self) -> usize {
        self.backends.len() + self.sources.len()
    }
}

/// Something does not fit the maps. The rest is in effect: of what does not fit, as much as does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "map {map} is full: {needed} entries are needed and it has {max}; remove services, or start the agent with a larger map"
)]
pub struct MapFull {
    /// Name of the map.
    pub map: &'static str,
    /// Entries that would be in use.
    pub needed: u64,
    /// Entries that fit.
    pub max: u32,
}
