//! How much the maps take, by the memory of the machine: about one and a half percent of it, between bounds.
//!
//! Sizes are given when a map is made and stay while it is pinned.

use aya::EbpfLoader;
use nix::sys::sysinfo::sysinfo;
use sheave_abi::limits::{
    AFFINITY_MAX, BACKENDS_MAX, FLOWS_MAX, FRONTENDS_MAX, OPENING_MAX, SLOTS_MAX, SOCKETS_MAX,
};

/// Entries of each map whose size is not fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// `FRONTENDS`; takes memory as it fills.
    pub frontends: u32,
    /// `BACKENDS`, 32 bytes each.
    pub backends: u32,
    /// `SLOTS`, 8 bytes each.
    pub slots: u32,
    /// `FLOWS`, about 170 bytes each.
    pub flows: u32,
    /// `OPENING`, likewise.
    pub opening: u32,
    /// `SOCKETS`, about 130 bytes each.
    pub sockets: u32,
    /// `AFFINITY`, about 110 bytes each.
    pub affinity: u32,
}

impl Sizes {
    /// For this machine.
    pub fn of_this_machine() -> Self {
        let memory_bytes = sysinfo().map_or(0, |info| info.ram_total());
        Self::for_memory(memory_bytes)
    }

    /// For a machine of 2 GiB, the sizes that the programs are built with; in proportion for others, from
    /// an eighth of that to four times as much.
    pub fn for_memory(memory_bytes: u64) -> Self {
        let eighths = (memory_bytes >> 28).clamp(1, 32) as u32;
        let scaled = |size: u32| size / 8 * eighths;
        Self {
            frontends: scaled(FRONTENDS_MAX),
            backends: scaled(BACKENDS_MAX),
            slots: scaled(SLOTS_MAX),
            flows: scaled(FLOWS_MAX),
            opening: scaled(OPENING_MAX),
            sockets: scaled(SOCKETS_MAX),
            affinity: scaled(AFFINITY_MAX),
        }
    }

    pub(crate) fn set(self, loader: &mut EbpfLoader<'_>) {
        let Self { frontends, backends, slots, flows, opening, sockets, affinity } = self;
        loader
            .map_max_entries("FRONTENDS", frontends)
            .map_max_entries("BACKENDS", backends)
            .map_max_entries("SLOTS", slots)
            .map_max_entries("FLOWS", flows)
            .map_max_entries("OPENING", opening)
            .map_max_entries("SOCKETS", sockets)
            .map_max_entries("AFFINITY", affinity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the maps take from the start, in bytes.
    fn taken(s: Sizes) -> u64 {
        let of = |entries: u32, bytes: u64| u64::from(entries) * bytes;
        of(s.backends, 32)
            + of(s.slots, 8)
            + of(s.flows, 170)
            + of(s.opening, 170)
            + of(s.sockets, 130)
            + of(s.affinity, 110)
    }

    #[test]
    fn maps_take_about_a_percent_of_memory() {
        for gib in [1, 2, 4, 8] {
            let memory = gib << 30;
            let percent = taken(Sizes::for_memory(memory)) as f64 / memory as f64 * 100.0;
            assert!((1.0..2.0).contains(&percent), "{gib} GiB: {percent:.2} %");
        }
    }

    #[test]
    fn small_machines_serve_too_and_large_ones_do_not_waste() {
        let small = Sizes::for_memory(0);
        assert_eq!((small.backends, small.flows), (16_384, 8_192));
        assert_eq!(Sizes::for_memory(1 << 40), Sizes::for_memory(8 << 30));
        assert!(taken(Sizes::for_memory(1 << 40)) < 128 << 20);
        assert_eq!(Sizes::for_memory(2 << 30).backends, BACKENDS_MAX);
    }
}
