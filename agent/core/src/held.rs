//! What the kernel's maps hold: read from them at start, and for those who look.

use std::collections::{BTreeMap, BTreeSet};

use sheave_abi::limits::{BACKENDS_MAX, FRONTENDS_MAX, SLOTS_MAX, SOURCES_MAX};
use sheave_abi::service::{BACKEND_LIVE, Backend, Frontend, FrontendKey, SlotRange, SourceRange};

/// Index in `BACKENDS`; never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendId(pub u32);

/// How much the maps take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of `FRONTENDS`.
    pub frontends: u32,
    /// Entries of `BACKENDS`; one less may be used.
    pub backends: u32,
    /// Entries of `SLOTS`.
    pub slots: u32,
    /// Entries of `SOURCES`.
    pub sources: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frontends: FRONTENDS_MAX,
            backends: BACKENDS_MAX,
            slots: SLOTS_MAX,
            sources: SOURCES_MAX,
        }
    }
}

/// What the maps hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Held {
    /// `FRONTENDS`.
    pub frontends: BTreeMap<FrontendKey, Frontend>,
    /// `BACKENDS`, those that have ever been used: a free one is kept for its generation.
    pub backends: BTreeMap<BackendId, Backend>,
    /// `SLOTS`, by first slot: the ranges that frontends lead to, each as long as the longest that begins
    /// there. What no frontend leads to is free, whatever is written there.
    pub ranges: BTreeMap<u32, Vec<BackendId>>,
    /// `SOURCES`.
    pub sources: BTreeSet<SourceRange>,
    /// How much fits.
    pub limits: Limits,
}

impl Held {
    /// The backends of a range, in order; empty for the empty range.
    pub fn range(&self, range: SlotRange) -> &[BackendId] {
        if range.len == 0 {
            return &[];
        }
        let all = self.ranges.get(&range.start).map(Vec::as_slice).unwrap_or_default();
        all.get(..range.len as usize).unwrap_or(all)
    }

    /// The backend `id` if it is in use.
    pub fn live(&self, id: BackendId) -> Option<&Backend> {
        self.backends.get(&id).filter(|backend| backend.state == BACKEND_LIVE)
    }
}
