//! The only owner of aya: load, attach, pin, write maps, read events and counters.
